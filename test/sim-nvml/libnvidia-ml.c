/*
 * A simulated libnvidia-ml.so.1: every function of src/nvml/table/functions.ts, in NVIDIA's own types, with
 * answers from a machine's file (machine.c).
 */
#include "machine.h"


/* ---- the library as a whole ---- */

nvmlReturn_t nvmlInit_v2(void)
{
    values_t values;
    nvmlReturn_t code = sim_answer(DRIVER_WIDE, "init", -1, -1, &values);
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

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    values_t values;
    nvmlReturn_t code = sim_answer(DRIVER_WIDE, "systemGetDriverVersion", -1, -1, &values);
    return sim_text(code, &values, version, length);
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
    values_t values;
    nvmlReturn_t code = sim_answer(DRIVER_WIDE, "systemGetNVMLVersion", -1, -1, &values);
    return sim_text(code, &values, version, length);
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    values_t values;
    nvmlReturn_t code = sim_answer(DRIVER_WIDE, "systemGetCudaDriverVersion", -1, -1, &values);
    if (code == NVML_SUCCESS) *version = (int)sim_number(&values, 0);
    return code;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
    return nvmlSystemGetCudaDriverVersion_v2(version);
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
    values_t values;
    if (!sim_initialized) return NVML_ERROR_UNINITIALIZED;
    nvmlReturn_t code = sim_answer(DRIVER_WIDE, "deviceGetCount", -1, -1, &values);
    if (code == NVML_SUCCESS) *count = (unsigned int)sim_number(&values, 0);
    return code;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    values_t values;
    if (!sim_initialized) return NVML_ERROR_UNINITIALIZED;
    if (index >= GPUS_MAX || !device) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code = sim_answer((int)index, "deviceGetHandleByIndex", -1, -1, &values);
    if (code == NVML_SUCCESS) *device = &sim_devices[index];
    return code;
}

/* ---- texts of a GPU ---- */

#define TEXT(function, key)                                                            \
    nvmlReturn_t function(nvmlDevice_t device, char *text, unsigned int length)        \
    {                                                                                  \
        values_t values;                                                               \
        nvmlReturn_t code = sim_device_answer(device, key, -1, -1, &values);           \
        return sim_text(code, &values, text, length);                                  \
    }

TEXT(nvmlDeviceGetName, "deviceGetName")
TEXT(nvmlDeviceGetUUID, "deviceGetUUID")
TEXT(nvmlDeviceGetSerial, "deviceGetSerial")
TEXT(nvmlDeviceGetVbiosVersion, "deviceGetVbiosVersion")
TEXT(nvmlDeviceGetBoardPartNumber, "deviceGetBoardPartNumber")
TEXT(nvmlDeviceGetInforomImageVersion, "deviceGetInforomImageVersion")

/* ---- one number of a GPU ---- */

#define NUMBER(function, key, type)                                                    \
    nvmlReturn_t function(nvmlDevice_t device, type *number)                           \
    {                                                                                  \
        values_t values;                                                               \
        if (!number) return NVML_ERROR_INVALID_ARGUMENT;                               \
        nvmlReturn_t code = sim_device_answer(device, key, -1, -1, &values);           \
        if (code == NVML_SUCCESS) *number = (type)sim_number(&values, 0);              \
        return code;                                                                   \
    }

NUMBER(nvmlDeviceGetMinorNumber, "deviceGetMinorNumber", unsigned int)
NUMBER(nvmlDeviceGetPowerUsage, "deviceGetPowerUsage", unsigned int)
NUMBER(nvmlDeviceGetPowerManagementLimit, "deviceGetPowerManagementLimit", unsigned int)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, "deviceGetEnforcedPowerLimit", unsigned int)
NUMBER(nvmlDeviceGetPowerManagementDefaultLimit, "deviceGetPowerManagementDefaultLimit", unsigned int)
NUMBER(nvmlDeviceGetCurrentClocksEventReasons, "deviceGetCurrentClocksEventReasons", unsigned long long)
NUMBER(nvmlDeviceGetCurrentClocksThrottleReasons, "deviceGetCurrentClocksEventReasons", unsigned long long)
NUMBER(nvmlDeviceGetPerformanceState, "deviceGetPerformanceState", nvmlPstates_t)
NUMBER(nvmlDeviceGetPersistenceMode, "deviceGetPersistenceMode", nvmlEnableState_t)
NUMBER(nvmlDeviceGetComputeMode, "deviceGetComputeMode", nvmlComputeMode_t)
NUMBER(nvmlDeviceGetRetiredPagesPendingStatus, "deviceGetRetiredPagesPendingStatus", nvmlEnableState_t)
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, "deviceGetCurrPcieLinkGeneration", unsigned int)
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, "deviceGetMaxPcieLinkGeneration", unsigned int)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, "deviceGetCurrPcieLinkWidth", unsigned int)
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, "deviceGetMaxPcieLinkWidth", unsigned int)
NUMBER(nvmlDeviceGetPcieReplayCounter, "deviceGetPcieReplayCounter", unsigned int)
NUMBER(nvmlDeviceGetBoardId, "deviceGetBoardId", unsigned int)
NUMBER(nvmlDeviceGetMultiGpuBoard, "deviceGetMultiGpuBoard", unsigned int)
NUMBER(nvmlDeviceGetBrand, "deviceGetBrand", nvmlBrandType_t)
NUMBER(nvmlDeviceGetArchitecture, "deviceGetArchitecture", nvmlDeviceArchitecture_t)
NUMBER(nvmlDeviceGetModuleId, "deviceGetModuleId", unsigned int)
NUMBER(nvmlDeviceGetInforomConfigurationChecksum, "deviceGetInforomConfigurationChecksum", unsigned int)
NUMBER(nvmlDeviceGetVirtualizationMode, "deviceGetVirtualizationMode", nvmlGpuVirtualizationMode_t)
NUMBER(nvmlDeviceGetNumFans, "deviceGetNumFans", unsigned int)
NUMBER(nvmlDeviceGetFanSpeed, "deviceGetFanSpeedV1", unsigned int)
NUMBER(nvmlDeviceGetAccountingMode, "deviceGetAccountingMode", nvmlEnableState_t)
NUMBER(nvmlDeviceGetNumaNodeId, "deviceGetNumaNodeId", unsigned int)
NUMBER(nvmlDeviceGetMaxMigDeviceCount, "deviceGetMaxMigDeviceCount", unsigned int)
NUMBER(nvmlDeviceGetGpuInstanceId, "deviceGetGpuInstanceId", unsigned int)
NUMBER(nvmlDeviceGetComputeInstanceId, "deviceGetComputeInstanceId", unsigned int)

/* ---- one number of a GPU, of a kind ---- */

#define NUMBER_OF(function, key, kind_type)                                            \
    nvmlReturn_t function(nvmlDevice_t device, kind_type kind, unsigned int *number)   \
    {                                                                                  \
        values_t values;                                                               \
        if (!number) return NVML_ERROR_INVALID_ARGUMENT;                               \
        nvmlReturn_t code = sim_device_answer(device, key, (int)kind, -1, &values);    \
        if (code == NVML_SUCCESS) *number = (unsigned int)sim_number(&values, 0);      \
        return code;                                                                   \
    }

NUMBER_OF(nvmlDeviceGetTemperature, "deviceGetTemperature", nvmlTemperatureSensors_t)
NUMBER_OF(nvmlDeviceGetTemperatureThreshold, "deviceGetTemperatureThreshold", nvmlTemperatureThresholds_t)
NUMBER_OF(nvmlDeviceGetClockInfo, "deviceGetClockInfo", nvmlClockType_t)
NUMBER_OF(nvmlDeviceGetMaxClockInfo, "deviceGetMaxClockInfo", nvmlClockType_t)
NUMBER_OF(nvmlDeviceGetApplicationsClock, "deviceGetApplicationsClock", nvmlClockType_t)
NUMBER_OF(nvmlDeviceGetDefaultApplicationsClock, "deviceGetDefaultApplicationsClock", nvmlClockType_t)

nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t error,
                                         nvmlEccCounterType_t counter, unsigned long long *count)
{
    values_t values;
    if (!count) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code =
        sim_device_answer(device, "deviceGetTotalEccErrors", (int)error, (int)counter, &values);
    if (code == NVML_SUCCESS) *count = sim_number(&values, 0);
    return code;
}

/* ---- two and four numbers of a GPU ---- */

nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, nvmlEnableState_t *current,
                                  nvmlEnableState_t *pending)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetEccMode", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    *current = (nvmlEnableState_t)sim_number(&values, 0);
    *pending = (nvmlEnableState_t)sim_number(&values, 1);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned int *minimum,
                                                          unsigned int *maximum)
{
    values_t values;
    nvmlReturn_t code =
        sim_device_answer(device, "deviceGetPowerManagementLimitConstraints", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    *minimum = (unsigned int)sim_number(&values, 0);
    *maximum = (unsigned int)sim_number(&values, 1);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetMigMode", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    *current = (unsigned int)sim_number(&values, 0);
    *pending = (unsigned int)sim_number(&values, 1);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrected,
                                       unsigned int *uncorrected, unsigned int *pending,
                                       unsigned int *failed)
{
    values_t values;
    nvmlReturn_t code = sim_device_answer(device, "deviceGetRemappedRows", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    *corrected = (unsigned int)sim_number(&values, 0);
    *uncorrected = (unsigned int)sim_number(&values, 1);
    *pending = (unsigned int)sim_number(&values, 2);
    *failed = (unsigned int)sim_number(&values, 3);
    return NVML_SUCCESS;
}
