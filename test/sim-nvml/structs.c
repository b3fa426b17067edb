/* The functions of the simulated library that fill structs and lists. */
#include "machine.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetPciInfo", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    memset(pci, 0, sizeof(*pci));
    snprintf(pci->busIdLegacy, sizeof(pci->busIdLegacy), "%s", values.texts[0]);
    pci->domain = (unsigned int)sim_number(&values, 1);
    pci->bus = (unsigned int)sim_number(&values, 2);
    pci->device = (unsigned int)sim_number(&values, 3);
    pci->pciDeviceId = (unsigned int)sim_number(&values, 4);
    pci->pciSubSystemId = (unsigned int)sim_number(&values, 5);
    snprintf(pci->busId, sizeof(pci->busId), "%s", values.texts[6]);
    return NVML_SUCCESS;
}

/* The older struct ends before the newer text of the address. */
nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    nvmlPciInfo_t newer;
    nvmlReturn_t code = nvmlDeviceGetPciInfo_v3(device, &newer);
    if (code == NVML_SUCCESS) memcpy(pci, &newer, offsetof(nvmlPciInfo_t, busId));
    return code;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    values_t values;
    if (memory->version != nvmlMemory_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetMemoryInfo", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    memory->total = sim_number(&values, 1);
    memory->reserved = sim_number(&values, 2);
    memory->free = sim_number(&values, 3);
    memory->used = sim_number(&values, 4);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetMemoryInfoV1", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    memory->total = sim_number(&values, 0);
    memory->free = sim_number(&values, 1);
    memory->used = sim_number(&values, 2);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t *bar1)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetBAR1MemoryInfo", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    bar1->bar1Total = sim_number(&values, 0);
    bar1->bar1Free = sim_number(&values, 1);
    bar1->bar1Used = sim_number(&values, 2);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetUtilizationRates", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    rates->gpu = (unsigned int)sim_number(&values, 0);
    rates->memory = (unsigned int)sim_number(&values, 1);
    return NVML_SUCCESS;
}

/* ---- lists: the count is room on the way in and length on the way out ---- */

/* Gives the length, or says that there is no room for it. */
static nvmlReturn_t list_length(nvmlReturn_t code, const values_t *values, unsigned int *count,
                                const void *items)
{
    if (code != NVML_SUCCESS) return code;
    unsigned int length = (unsigned int)sim_number(values, 0);
    unsigned int room = *count;
    *count = length;
    if (length > 0 && (room < length || !items)) return NVML_ERROR_INSUFFICIENT_SIZE;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetRetiredPages(nvmlDevice_t device, nvmlPageRetirementCause_t cause,
                                       unsigned int *count, unsigned long long *addresses)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetRetiredPages", (int)cause, -1, &values);
    code = list_length(code, &values, count, addresses);
    if (code != NVML_SUCCESS) return code;
    for (unsigned int place = 0; place < *count; place++)
        addresses[place] = sim_number(&values, 1 + (int)place);
    return NVML_SUCCESS;
}

static nvmlReturn_t processes(nvmlDevice_t device, const char *key, unsigned int *count,
                              nvmlProcessInfo_v2_t *infos)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, key, -1, -1, &values);
    code = list_length(code, &values, count, infos);
    if (code != NVML_SUCCESS) return code;
    for (unsigned int place = 0; place < *count; place++) {
        int at = 1 + 4 * (int)place;
        infos[place].pid = (unsigned int)sim_number(&values, at);
        infos[place].usedGpuMemory = sim_number(&values, at + 1);
        infos[place].gpuInstanceId = (unsigned int)sim_number(&values, at + 2);
        infos[place].computeInstanceId = (unsigned int)sim_number(&values, at + 3);
    }
    return NVML_SUCCESS;
}

static nvmlReturn_t processes_v1(nvmlDevice_t device, const char *key, unsigned int *count,
                                 nvmlProcessInfo_v1_t *infos)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, key, -1, -1, &values);
    code = list_length(code, &values, count, infos);
    if (code != NVML_SUCCESS) return code;
    for (unsigned int place = 0; place < *count; place++) {
        infos[place].pid = (unsigned int)sim_number(&values, 1 + 2 * (int)place);
        infos[place].usedGpuMemory = sim_number(&values, 2 + 2 * (int)place);
    }
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count,
                                                     nvmlProcessInfo_t *infos)
{
    return processes(device, "deviceGetComputeRunningProcesses", count, infos);
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int *count,
                                                     nvmlProcessInfo_v2_t *infos)
{
    return processes(device, "deviceGetComputeRunningProcesses", count, infos);
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned int *count,
                                                  nvmlProcessInfo_v1_t *infos)
{
    return processes_v1(device, "deviceGetComputeRunningProcessesV1", count, infos);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned int *count,
                                                      nvmlProcessInfo_t *infos)
{
    return processes(device, "deviceGetGraphicsRunningProcesses", count, infos);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v2(nvmlDevice_t device, unsigned int *count,
                                                      nvmlProcessInfo_v2_t *infos)
{
    return processes(device, "deviceGetGraphicsRunningProcesses", count, infos);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses(nvmlDevice_t device, unsigned int *count,
                                                   nvmlProcessInfo_v1_t *infos)
{
    return processes_v1(device, "deviceGetGraphicsRunningProcessesV1", count, infos);
}

nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count,
                                                        nvmlProcessInfo_t *infos)
{
    return processes(device, "deviceGetMPSComputeRunningProcesses", count, infos);
}

nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int *count,
                                                        nvmlProcessInfo_v2_t *infos)
{
    return processes(device, "deviceGetMPSComputeRunningProcesses", count, infos);
}
