/*
 * What NVIDIA's own `nvidia-smi` asks for beside the functions of src/nvml/table/functions.ts, so that it
 * runs on this library: a private table of functions, and public ones that we do not read. Where a
 * fact is in the machine's file under another function's name, it is taken from there.
 *
 * The table's id, its length word and most of the slots are as NVIDIA's own simulation tells them
 * (NVIDIA/k8s-test-infra, pkg/gpu/mocknvml); of slot 240 the page shows where its value goes. Seen
 * with nvidia-smi 470, 535 and 550.
 */
#include "machine.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    SLOT_HANDLE_BY_INDEX = 81,
    SLOT_COMPUTE_PROCESSES = 213,
    SLOT_GRAPHICS_PROCESSES = 214,
    SLOT_MPS_PROCESSES = 215,
    SLOT_HOST_MAX_LINK_GENERATION = 230,
    SLOT_TEMPERATURE_MARGIN = 240,
    /* Called for every line that it prints, with nothing of a GPU; an error ends the program. */
    SLOT_LINE = 26,
};

/* A process as the private lists have it: nvmlProcessDetail_v1_t and the name in place. */
typedef struct {
    nvmlProcessDetail_v1_t detail;
    char name[4096];
} named_process_t;

static nvmlReturn_t processes(nvmlDevice_t device, const char *key, unsigned int *count,
                              named_process_t *list)
{
    values_t values;
    unsigned int room = *count;
    *count = 0;
    nvmlReturn_t code = sim_device_answer(device, key, NO_INDEX, &values);
    if (code != NVML_SUCCESS) return code;
    unsigned int length = (unsigned int)sim_number(&values, 0);
    if (length > room) return NVML_ERROR_INSUFFICIENT_SIZE;
    for (unsigned int place = 0; place < length; place++) {
        int at = 1 + 4 * (int)place;
        named_process_t *process = &list[place];
        memset(process, 0, sizeof(*process));
        process->detail.pid = (unsigned int)sim_number(&values, at);
        process->detail.usedGpuMemory = sim_number(&values, at + 1);
        process->detail.gpuInstanceId = (unsigned int)sim_number(&values, at + 2);
        process->detail.computeInstanceId = (unsigned int)sim_number(&values, at + 3);
        snprintf(process->name, sizeof(process->name), "process %u", process->detail.pid);
    }
    *count = length;
    return NVML_SUCCESS;
}

static nvmlReturn_t slot(int number, void *first, void *second, void *third)
{
    if (sim_note_private) sim_note_private(number);
    switch (number) {
    case SLOT_LINE:
        return NVML_SUCCESS;
    case SLOT_HANDLE_BY_INDEX:
        return nvmlDeviceGetHandleByIndex_v2((unsigned int)(uintptr_t)first, second);
    case SLOT_COMPUTE_PROCESSES:
        return processes(first, "deviceGetComputeRunningProcesses", second, third);
    case SLOT_GRAPHICS_PROCESSES:
        return processes(first, "deviceGetGraphicsRunningProcesses", second, third);
    case SLOT_MPS_PROCESSES:
        return processes(first, "deviceGetMPSComputeRunningProcesses", second, third);
    case SLOT_HOST_MAX_LINK_GENERATION:
        return nvmlDeviceGetMaxPcieLinkGeneration(first, second);
    case SLOT_TEMPERATURE_MARGIN: {
        nvmlMarginTemperature_t margin = {.version = nvmlMarginTemperature_v1};
        nvmlReturn_t code = nvmlDeviceGetMarginTemperature(first, &margin);
        if (code == NVML_SUCCESS) *(int *)second = margin.marginTemperature;
        return code;
    }
    default:
        return NVML_ERROR_NOT_SUPPORTED;
    }
}

/* One function a slot: the place in the table is all that says what is asked. */
#define SLOT(high, low)                                                                \
    static nvmlReturn_t slot_##high##_##low(void *first, void *second, void *third)    \
    {                                                                                  \
        return slot(high * 16 + low, first, second, third);                            \
    }
#define ADDRESS(high, low) (const void *)slot_##high##_##low,
#define ROW(each, high)                                                                \
    each(high, 0) each(high, 1) each(high, 2) each(high, 3)                            \
    each(high, 4) each(high, 5) each(high, 6) each(high, 7)                            \
    each(high, 8) each(high, 9) each(high, 10) each(high, 11)                          \
    each(high, 12) each(high, 13) each(high, 14) each(high, 15)
#define TABLE(each)                                                                    \
    ROW(each, 0) ROW(each, 1) ROW(each, 2) ROW(each, 3)                                \
    ROW(each, 4) ROW(each, 5) ROW(each, 6) ROW(each, 7)                                \
    ROW(each, 8) ROW(each, 9) ROW(each, 10) ROW(each, 11)                              \
    ROW(each, 12) ROW(each, 13) ROW(each, 14) ROW(each, 15)

TABLE(SLOT)

static const void *table[] = {TABLE(ADDRESS)};

/* nvml.h does not tell of it. */
nvmlReturn_t nvmlInternalGetExportTable(const void **found, const void *id);
nvmlReturn_t nvmlInternalGetExportTable(const void **found, const void *id)
{
    static const unsigned char known[16] = {0xc4, 0xfe, 0x3e, 0x6c, 0xc9, 0x8f, 0x6c, 0x4e,
                                            0xa3, 0x27, 0xee, 0x69, 0x6e, 0x12, 0xf7, 0xc4};
    if (memcmp(id, known, sizeof(known)) != 0) return NVML_ERROR_INVALID_ARGUMENT;
    /* The first word is the table's length in bytes. */
    table[0] = (const void *)sizeof(table);
    *found = table;
    return NVML_SUCCESS;
}

/* ---- what it needs to go on ---- */

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set)
{
    *set = NULL;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set)
{
    (void)set;
    return NVML_SUCCESS;
}

/* ---- public functions whose answers are in the machine's file under other names ---- */

nvmlReturn_t nvmlDeviceGetPciInfoExt(nvmlDevice_t device, nvmlPciInfoExt_t *pci)
{
    nvmlPciInfo_t known;
    if (pci->version != nvmlPciInfoExt_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t code = nvmlDeviceGetPciInfo_v3(device, &known);
    if (code != NVML_SUCCESS) return code;
    pci->domain = known.domain;
    pci->bus = known.bus;
    pci->device = known.device;
    pci->pciDeviceId = known.pciDeviceId;
    pci->pciSubSystemId = known.pciSubSystemId;
    /* A 3D controller. */
    pci->baseClass = 0x3;
    pci->subClass = 0x2;
    snprintf(pci->busId, sizeof(pci->busId), "%s", known.busId);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuMaxPcieLinkGeneration(nvmlDevice_t device, unsigned int *generation)
{
    return nvmlDeviceGetMaxPcieLinkGeneration(device, generation);
}

/* Every reason that nvml.h has: without this answer none is shown. */
nvmlReturn_t nvmlDeviceGetSupportedClocksThrottleReasons(nvmlDevice_t device,
                                                         unsigned long long *reasons)
{
    (void)device;
    *reasons = nvmlClocksEventReasonAll;
    return NVML_SUCCESS;
}
