/* GPU instances of MIG, hosts of virtual GPUs, and lists that a struct points to. */
#include "machine.h"

#include <stdio.h>

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
    nvmlReturn_t code = sim_index_answer(device, "deviceGetGpuInstanceById", -1, (int)id, &values);
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
        sim_index_answer(device, "gpuInstanceGetInfo", -1, place % INSTANCES_MAX, &values);
    if (code != NVML_SUCCESS) return code;
    info->device = device;
    info->id = (unsigned int)sim_number(&values, 1);
    info->profileId = (unsigned int)sim_number(&values, 2);
    info->placement.start = (unsigned int)sim_number(&values, 3);
    info->placement.size = (unsigned int)sim_number(&values, 4);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoV(nvmlDevice_t device, unsigned int profile,
                                                  nvmlGpuInstanceProfileInfo_v2_t *info)
{
    values_t values;
    if (info->version != nvmlGpuInstanceProfileInfo_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t code =
        sim_index_answer(device, "deviceGetGpuInstanceProfileInfo", -1, (int)profile, &values);
    if (code != NVML_SUCCESS) return code;
    info->id = (unsigned int)sim_number(&values, 1);
    info->isP2pSupported = (unsigned int)sim_number(&values, 2);
    info->sliceCount = (unsigned int)sim_number(&values, 3);
    info->instanceCount = (unsigned int)sim_number(&values, 4);
    info->multiprocessorCount = (unsigned int)sim_number(&values, 5);
    info->copyEngineCount = (unsigned int)sim_number(&values, 6);
    info->decoderCount = (unsigned int)sim_number(&values, 7);
    info->encoderCount = (unsigned int)sim_number(&values, 8);
    info->jpegCount = (unsigned int)sim_number(&values, 9);
    info->ofaCount = (unsigned int)sim_number(&values, 10);
    info->memorySizeMB = sim_number(&values, 11);
    snprintf(info->name, sizeof(info->name), "%s", values.texts[12]);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceRemainingCapacity(nvmlDevice_t device, unsigned int profile_id,
                                                       unsigned int *count)
{
    values_t values;
    nvmlReturn_t code = sim_index_answer(device, "deviceGetGpuInstanceRemainingCapacity", -1,
                                         (int)profile_id, &values);
    if (code == NVML_SUCCESS) *count = (unsigned int)sim_number(&values, 0);
    return code;
}

nvmlReturn_t nvmlDeviceGetHostVgpuMode(nvmlDevice_t device, nvmlHostVgpuMode_t *mode)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetHostVgpuMode", -1, -1, &values);
    if (code == NVML_SUCCESS) *mode = (nvmlHostVgpuMode_t)sim_number(&values, 0);
    return code;
}

nvmlReturn_t nvmlDeviceGetRunningProcessDetailList(nvmlDevice_t device,
                                                   nvmlProcessDetailList_t *list)
{
    values_t values;
    if (list->version != nvmlProcessDetailList_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (list->mode != NVML_PROCESS_MODE_ALL) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code =
        sim_device_answer(device, "deviceGetRunningProcessDetailList", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    unsigned int room = list->numProcArrayEntries;
    unsigned int length = (unsigned int)sim_number(&values, 0);
    list->numProcArrayEntries = length;
    if (length > 0 && (room < length || !list->procArray)) return NVML_ERROR_INSUFFICIENT_SIZE;
    for (unsigned int place = 0; place < length; place++) {
        int at = 1 + 5 * (int)place;
        nvmlProcessDetail_v1_t *process = &list->procArray[place];
        process->pid = (unsigned int)sim_number(&values, at);
        process->usedGpuMemory = sim_number(&values, at + 1);
        process->gpuInstanceId = (unsigned int)sim_number(&values, at + 2);
        process->computeInstanceId = (unsigned int)sim_number(&values, at + 3);
        process->usedGpuCcProtectedMemory = sim_number(&values, at + 4);
    }
    return NVML_SUCCESS;
}

nvmlReturn_t
nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(nvmlDevice_t device,
                                                 nvmlEccSramUniqueUncorrectedErrorCounts_t *counts)
{
    values_t values;
    if (counts->version != nvmlEccSramUniqueUncorrectedErrorCounts_v1)
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t code = sim_device_answer(
        device, "deviceGetSramUniqueUncorrectedEccErrorCounts", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    unsigned int room = counts->entryCount;
    unsigned int length = (unsigned int)sim_number(&values, 0);
    counts->entryCount = length;
    /* Without room the real one only tells how much it would take. */
    if (!counts->entries) return NVML_SUCCESS;
    if (room < length) return NVML_ERROR_INSUFFICIENT_SIZE;
    for (unsigned int place = 0; place < length; place++) {
        int at = 1 + 7 * (int)place;
        nvmlEccSramUniqueUncorrectedErrorEntry_v1_t *entry = &counts->entries[place];
        entry->unit = (unsigned int)sim_number(&values, at);
        entry->location = (unsigned int)sim_number(&values, at + 1);
        entry->sublocation = (unsigned int)sim_number(&values, at + 2);
        entry->extlocation = (unsigned int)sim_number(&values, at + 3);
        entry->address = (unsigned int)sim_number(&values, at + 4);
        entry->isParity = (unsigned int)sim_number(&values, at + 5);
        entry->count = (unsigned int)sim_number(&values, at + 6);
    }
    return NVML_SUCCESS;
}
