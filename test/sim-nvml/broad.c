/* The functions of the simulated library beside identity, memory, clocks and processes. */
#include "machine.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- fields ---- */

/* Fields that a machine tells of under a function's name, which has the same number. */
static nvmlReturn_t field_of_function(nvmlDevice_t device, const nvmlFieldValue_t *field,
                                      values_t *values)
{
    if (field->scopeId != NVML_POWER_SCOPE_GPU) return NVML_ERROR_NOT_SUPPORTED;
    switch (field->fieldId) {
    case NVML_FI_DEV_POWER_DEFAULT_LIMIT:
        return sim_device_answer(device, "deviceGetPowerManagementDefaultLimit", -1, -1, values);
    case NVML_FI_DEV_POWER_CURRENT_LIMIT:
        return sim_device_answer(device, "deviceGetEnforcedPowerLimit", -1, -1, values);
    default:
        return NVML_ERROR_NOT_SUPPORTED;
    }
}

/* As the real one: the call succeeds, and each field has a return code of its own. */
nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *fields)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetFieldValues", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    for (int place = 0; place < count; place++) {
        nvmlFieldValue_t *field = &fields[place];
        nvmlReturn_t own = sim_index_answer(device, "deviceGetFieldValue", (int)field->fieldId,
                                            (int)field->scopeId, &values);
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

/* ---- one number, of a link, a fan or another GPU ---- */

#define NUMBER_AT(function, key, index_type, type)                                     \
    nvmlReturn_t function(nvmlDevice_t device, index_type index, type *number)         \
    {                                                                                  \
        values_t values;                                                               \
        if (!number) return NVML_ERROR_INVALID_ARGUMENT;                               \
        nvmlReturn_t code = sim_index_answer(device, key, -1, (int)index, &values);    \
        if (code == NVML_SUCCESS) *number = (type)sim_number(&values, 0);              \
        return code;                                                                   \
    }

NUMBER_AT(nvmlDeviceGetFanSpeed_v2, "deviceGetFanSpeed", unsigned int, unsigned int)
NUMBER_AT(nvmlDeviceGetNvLinkState, "deviceGetNvLinkState", unsigned int, nvmlEnableState_t)
NUMBER_AT(nvmlDeviceGetNvLinkVersion, "deviceGetNvLinkVersion", unsigned int, unsigned int)
NUMBER_AT(nvmlDeviceGetNvLinkRemoteDeviceType, "deviceGetNvLinkRemoteDeviceType", unsigned int,
          nvmlIntNvLinkDeviceType_t)

nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t device, nvmlDevice_t other,
                                                 nvmlGpuTopologyLevel_t *level)
{
    values_t values;
    nvmlReturn_t code = sim_index_answer(device, "deviceGetTopologyCommonAncestor", -1,
                                         (int)(other - sim_devices), &values);
    if (code == NVML_SUCCESS) *level = (nvmlGpuTopologyLevel_t)sim_number(&values, 0);
    return code;
}

nvmlReturn_t nvmlDeviceGetP2PStatus(nvmlDevice_t device, nvmlDevice_t other,
                                    nvmlGpuP2PCapsIndex_t capability, nvmlGpuP2PStatus_t *status)
{
    values_t values;
    nvmlReturn_t code = sim_index_answer(device, "deviceGetP2PStatus", (int)capability,
                                         (int)(other - sim_devices), &values);
    if (code == NVML_SUCCESS) *status = (nvmlGpuP2PStatus_t)sim_number(&values, 0);
    return code;
}

nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned int link,
                                                 nvmlPciInfo_t *pci)
{
    values_t values;
    nvmlReturn_t code =
        sim_index_answer(device, "deviceGetNvLinkRemotePciInfo", -1, (int)link, &values);
    if (code != NVML_SUCCESS) return code;
    memset(pci, 0, sizeof(*pci));
    pci->domain = (unsigned int)sim_number(&values, 1);
    pci->bus = (unsigned int)sim_number(&values, 2);
    pci->device = (unsigned int)sim_number(&values, 3);
    snprintf(pci->busIdLegacy, sizeof(pci->busIdLegacy), "%s", values.texts[0]);
    snprintf(pci->busId, sizeof(pci->busId), "%s", values.texts[6]);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo(nvmlDevice_t device, unsigned int link,
                                              nvmlPciInfo_t *pci)
{
    nvmlPciInfo_t newer;
    nvmlReturn_t code = nvmlDeviceGetNvLinkRemotePciInfo_v2(device, link, &newer);
    if (code == NVML_SUCCESS) memcpy(pci, &newer, offsetof(nvmlPciInfo_t, busId));
    return code;
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index,
                                                 nvmlDevice_t *mig)
{
    values_t values;
    if (index >= MIG_MAX || !mig) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code =
        sim_index_answer(device, "deviceGetMigDeviceHandleByIndex", -1, (int)index, &values);
    if (code == NVML_SUCCESS) *mig = device + GPUS_MAX * (index + 1);
    return code;
}

/* ---- texts ---- */

nvmlReturn_t nvmlDeviceGetGspFirmwareVersion(nvmlDevice_t device, char *version)
{
    values_t values;
    nvmlReturn_t code =
        sim_device_answer(device, "deviceGetGspFirmwareVersion", -1, -1, &values);
    return sim_text(code, &values, version, NVML_GSP_FIRMWARE_VERSION_BUF_SIZE);
}

nvmlReturn_t nvmlDeviceGetInforomVersion(nvmlDevice_t device, nvmlInforomObject_t object,
                                         char *version, unsigned int length)
{
    values_t values;
    nvmlReturn_t code =
        sim_device_answer(device, "deviceGetInforomVersion", (int)object, -1, &values);
    return sim_text(code, &values, version, length);
}

/* ---- several numbers ---- */

#define PAIR(function, key, first_type, second_type)                                   \
    nvmlReturn_t function(nvmlDevice_t device, first_type *first, second_type *second) \
    {                                                                                  \
        values_t values;                                                               \
        nvmlReturn_t code = sim_device_answer(device, key, -1, -1, &values);           \
        if (code != NVML_SUCCESS) return code;                                         \
        *first = (first_type)sim_number(&values, 0);                                   \
        *second = (second_type)sim_number(&values, 1);                                 \
        return NVML_SUCCESS;                                                           \
    }

PAIR(nvmlDeviceGetCudaComputeCapability, "deviceGetCudaComputeCapability", int, int)
PAIR(nvmlDeviceGetGspFirmwareMode, "deviceGetGspFirmwareMode", unsigned int, unsigned int)
PAIR(nvmlDeviceGetLastBBXFlushTime, "deviceGetLastBBXFlushTime", unsigned long long, unsigned long)
PAIR(nvmlDeviceGetEncoderUtilization, "deviceGetEncoderUtilization", unsigned int, unsigned int)
PAIR(nvmlDeviceGetDecoderUtilization, "deviceGetDecoderUtilization", unsigned int, unsigned int)
PAIR(nvmlDeviceGetJpgUtilization, "deviceGetJpgUtilization", unsigned int, unsigned int)
PAIR(nvmlDeviceGetOfaUtilization, "deviceGetOfaUtilization", unsigned int, unsigned int)

nvmlReturn_t nvmlDeviceGetMemoryErrorCounter(nvmlDevice_t device, nvmlMemoryErrorType_t error,
                                             nvmlEccCounterType_t counter,
                                             nvmlMemoryLocation_t location,
                                             unsigned long long *count)
{
    values_t values;
    char key[64];
    snprintf(key, sizeof(key), "deviceGetMemoryErrorCounter:%d", (int)error);
    nvmlReturn_t code = sim_device_answer(device, key, (int)counter, (int)location, &values);
    if (code == NVML_SUCCESS) *count = sim_number(&values, 0);
    return code;
}

/* ---- sets of bits: the values are the places of those that are set ---- */

static nvmlReturn_t bits(nvmlDevice_t device, const char *key, unsigned int words,
                         unsigned long *set)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, key, -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    memset(set, 0, words * sizeof(*set));
    for (int place = 1; place < values.count; place++) {
        unsigned long long bit = sim_number(&values, place);
        if (bit / 64 < words) set[bit / 64] |= 1UL << (bit % 64);
    }
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCpuAffinity(nvmlDevice_t device, unsigned int words, unsigned long *set)
{
    return bits(device, "deviceGetCpuAffinity", words, set);
}

nvmlReturn_t nvmlDeviceGetMemoryAffinity(nvmlDevice_t device, unsigned int words,
                                         unsigned long *set, nvmlAffinityScope_t scope)
{
    (void)scope;
    return bits(device, "deviceGetMemoryAffinity", words, set);
}

/* ---- structs ---- */

nvmlReturn_t nvmlSystemGetConfComputeState(nvmlConfComputeSystemState_t *state)
{
    values_t values;
    if (!sim_initialized) return NVML_ERROR_UNINITIALIZED;
    nvmlReturn_t code = sim_answer(DRIVER_WIDE, "systemGetConfComputeState", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    state->environment = (unsigned int)sim_number(&values, 0);
    state->ccFeature = (unsigned int)sim_number(&values, 1);
    state->devToolsMode = (unsigned int)sim_number(&values, 2);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMarginTemperature(nvmlDevice_t device, nvmlMarginTemperature_t *margin)
{
    values_t values;
    if (margin->version != nvmlMarginTemperature_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetMarginTemperature", -1, -1, &values);
    if (code == NVML_SUCCESS) margin->marginTemperature = (int)sim_signed(&values, 1);
    return code;
}

nvmlReturn_t nvmlDeviceGetSramEccErrorStatus(nvmlDevice_t device, nvmlEccSramErrorStatus_t *status)
{
    values_t values;
    if (status->version != nvmlEccSramErrorStatus_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetSramEccErrorStatus", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    status->aggregateUncParity = sim_number(&values, 1);
    status->aggregateUncSecDed = sim_number(&values, 2);
    status->aggregateCor = sim_number(&values, 3);
    status->volatileUncParity = sim_number(&values, 4);
    status->volatileUncSecDed = sim_number(&values, 5);
    status->volatileCor = sim_number(&values, 6);
    status->aggregateUncBucketL2 = sim_number(&values, 7);
    status->aggregateUncBucketSm = sim_number(&values, 8);
    status->aggregateUncBucketPcie = sim_number(&values, 9);
    status->aggregateUncBucketMcu = sim_number(&values, 10);
    status->aggregateUncBucketOther = sim_number(&values, 11);
    status->bThresholdExceeded = (unsigned int)sim_number(&values, 12);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetRowRemapperHistogram(nvmlDevice_t device,
                                               nvmlRowRemapperHistogramValues_t *histogram)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetRowRemapperHistogram", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    histogram->max = (unsigned int)sim_number(&values, 0);
    histogram->high = (unsigned int)sim_number(&values, 1);
    histogram->partial = (unsigned int)sim_number(&values, 2);
    histogram->low = (unsigned int)sim_number(&values, 3);
    histogram->none = (unsigned int)sim_number(&values, 4);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetRepairStatus(nvmlDevice_t device, nvmlRepairStatus_t *status)
{
    values_t values;
    if (status->version != nvmlRepairStatus_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetRepairStatus", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    status->bChannelRepairPending = (unsigned int)sim_number(&values, 1);
    status->bTpcRepairPending = (unsigned int)sim_number(&values, 2);
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
        sim_device_answer(device, "deviceGetUnrepairableMemoryFlag", -1, -1, &values);
    if (code == NVML_SUCCESS) flag->bUnrepairableMemory = (unsigned int)sim_number(&values, 1);
    return code;
}

nvmlReturn_t nvmlDeviceGetAddressingMode(nvmlDevice_t device, nvmlDeviceAddressingMode_t *mode)
{
    values_t values;
    if (mode->version != nvmlDeviceAddressingMode_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetAddressingMode", -1, -1, &values);
    if (code == NVML_SUCCESS) mode->value = (unsigned int)sim_number(&values, 1);
    return code;
}

nvmlReturn_t nvmlDeviceGetBridgeChipInfo(nvmlDevice_t device, nvmlBridgeChipHierarchy_t *bridges)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetBridgeChipInfo", -1, -1, &values);
    if (code == NVML_SUCCESS) bridges->bridgeCount = (unsigned char)sim_number(&values, 0);
    return code;
}

nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetAttributes", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    attributes->multiprocessorCount = (unsigned int)sim_number(&values, 0);
    attributes->gpuInstanceSliceCount = (unsigned int)sim_number(&values, 6);
    attributes->computeInstanceSliceCount = (unsigned int)sim_number(&values, 7);
    attributes->memorySizeMB = sim_number(&values, 8);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetAttributes(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes)
{
    return nvmlDeviceGetAttributes_v2(device, attributes);
}

nvmlReturn_t nvmlDeviceGetPlatformInfo(nvmlDevice_t device, nvmlPlatformInfo_t *any)
{
    values_t values;
    int older = any->version == nvmlPlatformInfo_v1;
    if (!older && any->version != nvmlPlatformInfo_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    const char *key = older ? "deviceGetPlatformInfoV1" : "deviceGetPlatformInfo";
    nvmlReturn_t code = sim_device_answer(device, key, -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    /* Both versions have the same layout. */
    sim_bytes(&values, 1, any->ibGuid, sizeof(any->ibGuid));
    memset(any->chassisSerialNumber, 0, sizeof(any->chassisSerialNumber));
    memcpy(any->chassisSerialNumber, values.texts[2],
           strnlen(values.texts[2], sizeof(any->chassisSerialNumber)));
    any->slotNumber = (unsigned char)sim_number(&values, 3);
    any->trayIndex = (unsigned char)sim_number(&values, 4);
    any->hostId = (unsigned char)sim_number(&values, 5);
    any->peerType = (unsigned char)sim_number(&values, 6);
    any->moduleId = (unsigned char)sim_number(&values, 7);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t *fabric)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetGpuFabricInfo", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    sim_bytes(&values, 0, fabric->clusterUuid, sizeof(fabric->clusterUuid));
    fabric->status = (nvmlReturn_t)sim_number(&values, 1);
    fabric->cliqueId = (unsigned int)sim_number(&values, 2);
    fabric->state = (nvmlGpuFabricState_t)sim_number(&values, 3);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, nvmlGpuFabricInfoV_t *fabric)
{
    values_t values;
    int v3 = fabric->version == nvmlGpuFabricInfo_v3;
    if (!v3 && fabric->version != nvmlGpuFabricInfo_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    const char *key = v3 ? "deviceGetGpuFabricInfoV3" : "deviceGetGpuFabricInfoV2";
    nvmlReturn_t code = sim_device_answer(device, key, -1, -1, &values);
    /* A driver that knows the newer struct fills the older one too. */
    if (code == NVML_ERROR_NOT_SUPPORTED && !v3)
        code = sim_device_answer(device, "deviceGetGpuFabricInfoV3", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    sim_bytes(&values, 1, fabric->clusterUuid, sizeof(fabric->clusterUuid));
    fabric->status = (nvmlReturn_t)sim_number(&values, 2);
    fabric->cliqueId = (unsigned int)sim_number(&values, 3);
    fabric->state = (nvmlGpuFabricState_t)sim_number(&values, 4);
    fabric->healthMask = (unsigned int)sim_number(&values, 5);
    if (v3) fabric->healthSummary = (unsigned char)sim_number(&values, 6);
    return NVML_SUCCESS;
}
