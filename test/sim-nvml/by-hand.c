/*
 * The functions of the simulated library that are more than an answer from the machine's file: those
 * that begin and end, that give handles, and that give many answers at once. The others are written
 * by getters.ts.
 */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the library as a whole ---- */

nvmlReturn_t nvmlInit_v2(void)
{
    values_t values;
    nvmlReturn_t code = sim_answer(DRIVER_WIDE, "init", NO_INDEX, &values);
    if (code == NVML_SUCCESS) sim_initialized++;
    return code;
}

nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
    (void)flags;
    return nvmlInit_v2();
}

nvmlReturn_t nvmlShutdown(void)
{
    if (!sim_initialized) return NVML_ERROR_UNINITIALIZED;
    sim_initialized--;
    return NVML_SUCCESS;
}

const char *nvmlErrorString(nvmlReturn_t result)
{
    return result == NVML_SUCCESS ? "Success" : "Simulated error";
}

/* ---- handles ---- */

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    values_t values;
    if (!sim_initialized) return NVML_ERROR_UNINITIALIZED;
    if (index >= GPUS_MAX || !device) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code = sim_answer((int)index, "deviceGetHandleByIndex", NO_INDEX, &values);
    if (code == NVML_SUCCESS) *device = &sim_devices[index];
    return code;
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index,
                                                 nvmlDevice_t *mig)
{
    values_t values;
    if (index >= MIG_MAX || !mig) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code =
        sim_device_answer(device, "deviceGetMigDeviceHandleByIndex", (int)index, &values);
    if (code == NVML_SUCCESS) *mig = device + GPUS_MAX * (index + 1);
    return code;
}

#define INSTANCES_MAX 64

struct nvmlGpuInstance_st {
    int index;
};
/* GPU instance I of GPU G is place G * INSTANCES_MAX + I. */
static struct nvmlGpuInstance_st instances[GPUS_MAX * INSTANCES_MAX];

nvmlReturn_t nvmlDeviceGetGpuInstanceById(nvmlDevice_t device, unsigned int id,
                                          nvmlGpuInstance_t *instance)
{
    values_t values;
    if (id >= INSTANCES_MAX || !instance) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetGpuInstanceById", (int)id, &values);
    if (code == NVML_SUCCESS)
        *instance = &instances[(device - sim_devices) * INSTANCES_MAX + (int)id];
    return code;
}

nvmlReturn_t nvmlGpuInstanceGetInfo(nvmlGpuInstance_t instance, nvmlGpuInstanceInfo_t *info)
{
    values_t values;
    int place = (int)(instance - instances);
    nvmlDevice_t device = &sim_devices[place / INSTANCES_MAX];
    nvmlReturn_t code =
        sim_device_answer(device, "gpuInstanceGetInfo", place % INSTANCES_MAX, &values);
    if (code != NVML_SUCCESS) return code;
    info->device = device;
    info->id = (unsigned int)sim_number(&values, 1);
    info->profileId = (unsigned int)sim_number(&values, 2);
    info->placement.start = (unsigned int)sim_number(&values, 3);
    info->placement.size = (unsigned int)sim_number(&values, 4);
    return NVML_SUCCESS;
}

/* ---- field values: the call succeeds, and each field has a return code of its own ---- */

/* Fields that a machine tells of under a function's name, which has the same number. */
static nvmlReturn_t field_of_function(nvmlDevice_t device, const nvmlFieldValue_t *field,
                                      values_t *values)
{
    if (field->scopeId != NVML_POWER_SCOPE_GPU) return NVML_ERROR_NOT_SUPPORTED;
    switch (field->fieldId) {
    case NVML_FI_DEV_POWER_DEFAULT_LIMIT:
        return sim_device_answer(device, "deviceGetPowerManagementDefaultLimit", NO_INDEX, values);
    case NVML_FI_DEV_POWER_CURRENT_LIMIT:
        return sim_device_answer(device, "deviceGetEnforcedPowerLimit", NO_INDEX, values);
    default:
        return NVML_ERROR_NOT_SUPPORTED;
    }
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *fields)
{
    values_t values;
    char key[64];
    nvmlReturn_t code = sim_device_answer(device, "deviceGetFieldValues", NO_INDEX, &values);
    if (code != NVML_SUCCESS) return code;
    for (int place = 0; place < count; place++) {
        nvmlFieldValue_t *field = &fields[place];
        snprintf(key, sizeof(key), "deviceGetFieldValue:%u", field->fieldId);
        nvmlReturn_t own = sim_device_answer(device, key, (int)field->scopeId, &values);
        if (own == NVML_ERROR_NOT_SUPPORTED) own = field_of_function(device, field, &values);
        /* A line without a value: the entry stays as the caller gave it, as drivers leave some. */
        if (own == NVML_SUCCESS && values.count == 0) continue;
        field->nvmlReturn = own;
        if (own != NVML_SUCCESS) continue;
        field->valueType = NVML_VALUE_TYPE_SIGNED_LONG_LONG;
        field->value.sllVal = sim_signed(&values, 0);
    }
    return NVML_SUCCESS;
}

/* ---- GPU performance monitoring: samples remember their GPU ---- */

struct nvmlGpmSample_st {
    nvmlDevice_t device;
};

nvmlReturn_t nvmlGpmSampleAlloc(nvmlGpmSample_t *sample)
{
    values_t values;
    if (!sim_initialized) return NVML_ERROR_UNINITIALIZED;
    nvmlReturn_t code = sim_answer(DRIVER_WIDE, "gpmSampleAlloc", NO_INDEX, &values);
    if (code != NVML_SUCCESS) return code;
    *sample = calloc(1, sizeof(**sample));
    return *sample ? NVML_SUCCESS : NVML_ERROR_MEMORY;
}

nvmlReturn_t nvmlGpmSampleFree(nvmlGpmSample_t sample)
{
    if (!sample) return NVML_ERROR_INVALID_ARGUMENT;
    free(sample);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t sample)
{
    values_t values;
    if (!sample) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code = sim_device_answer(device, "gpmSampleGet", NO_INDEX, &values);
    if (code == NVML_SUCCESS) sample->device = device;
    return code;
}

nvmlReturn_t nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *asked)
{
    values_t values;
    char key[64];
    if (asked->version != NVML_GPM_METRICS_GET_VERSION) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (!asked->sample1 || !asked->sample2 || asked->sample1 == asked->sample2)
        return NVML_ERROR_INVALID_ARGUMENT;
    nvmlDevice_t device = asked->sample2->device;
    if (!device || asked->sample1->device != device) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code = sim_device_answer(device, "gpmMetricsGet", NO_INDEX, &values);
    if (code != NVML_SUCCESS) return code;
    for (unsigned int place = 0; place < asked->numMetrics; place++) {
        nvmlGpmMetric_t *metric = &asked->metrics[place];
        snprintf(key, sizeof(key), "gpmMetric:%u", metric->metricId);
        metric->nvmlReturn = sim_device_answer(device, key, NO_INDEX, &values);
        if (metric->nvmlReturn == NVML_SUCCESS && values.count > 0)
            metric->value = strtod(values.texts[0], NULL);
    }
    return NVML_SUCCESS;
}

/* ---- hardware error records: the cursor is how many bytes were given ---- */

/* The records of the GPU with this UUID, or of all. */
static nvmlReturn_t records_of(const char *uuid, values_t *values)
{
    values_t own;
    if (*uuid == 0) return sim_answer(DRIVER_WIDE, "systemGetCPER", NO_INDEX, values);
    for (int gpu = 0; gpu < GPUS_MAX; gpu++) {
        if (sim_answer(gpu, "deviceGetUUID", NO_INDEX, &own) != NVML_SUCCESS) break;
        if (own.count > 0 && strcmp(own.texts[0], uuid) == 0)
            return sim_answer(gpu, "systemGetCPER", NO_INDEX, values);
    }
    values->count = 0;
    return NVML_SUCCESS;
}

/* The record at this place, by the length in its header; what is none is the rest. */
static unsigned long long record_length(const unsigned char *bytes, unsigned long long left)
{
    unsigned int length = 0;
    if (left >= 128 && memcmp(bytes, "CPER", 4) == 0) memcpy(&length, bytes + 20, sizeof(length));
    return length >= 128 && length <= left ? length : left;
}

nvmlReturn_t nvmlSystemGetCPER_v1(nvmlGetCPER_v1_t *asked)
{
    values_t values;
    if (!sim_initialized) return NVML_ERROR_UNINITIALIZED;
    if (!asked || (!asked->buffer && asked->bufferSize)) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code = records_of(asked->cursor.uuid, &values);
    if (code != NVML_SUCCESS) return code;
    unsigned long long room = asked->bufferSize;
    unsigned long long size = values.count > 0 ? strlen(values.texts[0]) / 2 : 0;
    unsigned long long at = asked->cursor.handle, taken = 0, length;
    asked->bufferSize = 0;
    if (at >= size || !(asked->cursor.cperTypeMask & NVML_CPER_ACCESS_TYPE_GPU))
        return NVML_SUCCESS;
    unsigned char *bytes = malloc(size);
    if (!bytes) return NVML_ERROR_MEMORY;
    sim_bytes(&values, 0, bytes, (int)size);
    asked->bufferSize = (unsigned int)(asked->buffer ? record_length(bytes + at, size - at) : size - at);
    while (at + taken < size) {
        length = record_length(bytes + at + taken, size - at - taken);
        if (!asked->buffer || taken + length > room) break;
        memcpy(asked->buffer + taken, bytes + at + taken, length);
        taken += length;
    }
    free(bytes);
    if (taken == 0) return NVML_ERROR_INSUFFICIENT_SIZE;
    asked->cursor.handle = at + taken;
    asked->bufferSize = (unsigned int)taken;
    return NVML_SUCCESS;
}

/* nvml.h has the flag alone; NVIDIA's Python client puts a version word before it. */
nvmlReturn_t nvmlDeviceGetUnrepairableMemoryFlag_v1(nvmlDevice_t device,
                                                    nvmlUnrepairableMemoryStatus_v1_t *status)
{
    values_t values;
    nvmlUnrepairableMemoryStatus_v1_t *flag = status;
    if (status->bUnrepairableMemory == 0x1000008) flag = status + 1;
    nvmlReturn_t code =
        sim_device_answer(device, "deviceGetUnrepairableMemoryFlag", NO_INDEX, &values);
    if (code == NVML_SUCCESS) flag->bUnrepairableMemory = (unsigned int)sim_number(&values, 1);
    return code;
}
