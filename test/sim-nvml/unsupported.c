/*
 * Functions that `nvidia-smi -q` calls and that no machine of ours has an answer for. Without nvml.h:
 * what they are given does not matter.
 */
#define NVML_ERROR_NOT_SUPPORTED 3
#define UNSUPPORTED(function)                                                          \
    int function(void);                                                                \
    int function(void) { return NVML_ERROR_NOT_SUPPORTED; }

UNSUPPORTED(nvmlDeviceGetAccountingBufferSize)
UNSUPPORTED(nvmlDeviceGetAutoBoostedClocksEnabled)
UNSUPPORTED(nvmlDeviceGetC2cModeInfoV)
UNSUPPORTED(nvmlDeviceGetClock)
UNSUPPORTED(nvmlDeviceGetConfComputeProtectedMemoryUsage)
UNSUPPORTED(nvmlDeviceGetDisplayActive)
UNSUPPORTED(nvmlDeviceGetDisplayMode)
UNSUPPORTED(nvmlDeviceGetDriverModel)
UNSUPPORTED(nvmlDeviceGetEncoderStats)
UNSUPPORTED(nvmlDeviceGetFBCStats)
UNSUPPORTED(nvmlDeviceGetGpuOperationMode)
UNSUPPORTED(nvmlDeviceGetGridLicensableFeatures_v4)
UNSUPPORTED(nvmlDeviceGetPcieThroughput)
UNSUPPORTED(nvmlDeviceGetVgpuHeterogeneousMode)
