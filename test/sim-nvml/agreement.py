"""Reads a machine through NVIDIA's own Python client and prints it in the words of src/nvml/port.ts.

Run with LD_LIBRARY_PATH on the folder of the simulated libnvidia-ml.so.1. What the client cannot
read is {"ok": false, "reason": <the name of its error constant>}.
"""

import json

import pynvml as nvml

from agreement_broad import broad_state, confidential, pairs

REASONS = {
    value: name[len("NVML_ERROR_"):].lower()
    for name, value in vars(nvml).items()
    if name.startswith("NVML_ERROR_") and isinstance(value, int)
}
REASONS_BY_BIT = {
    nvml.nvmlClocksEventReasonGpuIdle: "gpu_idle",
    nvml.nvmlClocksEventReasonApplicationsClocksSetting: "applications_clocks_setting",
    nvml.nvmlClocksEventReasonSwPowerCap: "sw_power_cap",
    nvml.nvmlClocksThrottleReasonHwSlowdown: "hw_slowdown",
    nvml.nvmlClocksEventReasonSyncBoost: "sync_boost",
    nvml.nvmlClocksEventReasonSwThermalSlowdown: "sw_thermal_slowdown",
    nvml.nvmlClocksThrottleReasonHwThermalSlowdown: "hw_thermal_slowdown",
    nvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown: "hw_power_brake_slowdown",
    nvml.nvmlClocksEventReasonDisplayClockSetting: "display_clock_setting",
}
COMPUTE_MODES = {
    nvml.NVML_COMPUTEMODE_DEFAULT: "default",
    nvml.NVML_COMPUTEMODE_EXCLUSIVE_THREAD: "exclusive_thread",
    nvml.NVML_COMPUTEMODE_PROHIBITED: "prohibited",
    nvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS: "exclusive_process",
}
NOT_AVAILABLE = 0xFFFFFFFF


def reading(call):
    try:
        return {"ok": True, "value": call()}
    except nvml.NVMLError as error:
        return {"ok": False, "reason": REASONS[error.value]}


def text(value):
    return value if isinstance(value, str) else value.decode()


def pci(gpu):
    info = nvml.nvmlDeviceGetPciInfo(gpu)
    return f"{info.domain:04x}:{info.bus:02x}:{info.device:02x}"


def memory(gpu):
    info = nvml.nvmlDeviceGetMemoryInfo(gpu, version=nvml.nvmlMemory_v2)
    return {
        "totalBytes": info.total,
        "usedBytes": info.used,
        "freeBytes": info.free,
        "reservedBytes": info.reserved,
    }


def bar1(gpu):
    info = nvml.nvmlDeviceGetBAR1MemoryInfo(gpu)
    return {
        "totalBytes": info.bar1Total,
        "usedBytes": info.bar1Used,
        "freeBytes": info.bar1Free,
    }


def modes(pair):
    current, pending = pair
    return {"current": bool(current), "pending": bool(pending)}


def reasons(gpu):
    mask = nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu)
    return [name for bit, name in sorted(REASONS_BY_BIT.items()) if mask & bit]


def remapped(gpu):
    corrected, uncorrected, pending, failed = nvml.nvmlDeviceGetRemappedRows(gpu)
    return {
        "corrected": corrected,
        "uncorrected": uncorrected,
        "pending": bool(pending),
        "failureOccurred": bool(failed),
    }


def field(gpu, number):
    (answer,) = nvml.nvmlDeviceGetFieldValues(gpu, [number])
    if answer.nvmlReturn != nvml.NVML_SUCCESS:
        raise nvml.NVMLError(answer.nvmlReturn)
    return answer.value.uiVal


def processes(gpu):
    compute = nvml.nvmlDeviceGetComputeRunningProcesses(gpu)
    listed = {info.pid for info in compute}
    try:
        clients = nvml.nvmlDeviceGetMPSComputeRunningProcesses(gpu)
    except nvml.NVMLError:
        clients = []
    found = [process_of("compute", info) for info in compute]
    found += [
        {**process_of("compute", info), "mps": True} for info in clients if info.pid not in listed
    ]
    graphics = nvml.nvmlDeviceGetGraphicsRunningProcesses(gpu)
    return found + [process_of("graphics", info) for info in graphics]


def process_of(kind, info):
    process = {"pid": info.pid, "kind": kind}
    if info.usedGpuMemory is not None:
        process["usedBytes"] = info.usedGpuMemory
    if info.gpuInstanceId != NOT_AVAILABLE:
        process["gpuInstance"] = info.gpuInstanceId
    if info.computeInstanceId != NOT_AVAILABLE:
        process["computeInstance"] = info.computeInstanceId
    return process


CORRECTED, UNCORRECTED = nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
VOLATILE, AGGREGATE = nvml.NVML_VOLATILE_ECC, nvml.NVML_AGGREGATE_ECC

FIELDS = {
    "name": lambda gpu: text(nvml.nvmlDeviceGetName(gpu)),
    "uuid": lambda gpu: text(nvml.nvmlDeviceGetUUID(gpu)),
    "serial": lambda gpu: text(nvml.nvmlDeviceGetSerial(gpu)),
    "pci": pci,
    "minorNumber": lambda gpu: nvml.nvmlDeviceGetMinorNumber(gpu),
    "vbios": lambda gpu: text(nvml.nvmlDeviceGetVbiosVersion(gpu)),
    "memory": memory,
    "bar1": bar1,
    "temperatureC": lambda gpu: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),
    "slowdownTemperatureC": lambda gpu: nvml.nvmlDeviceGetTemperatureThreshold(
        gpu, nvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
    ),
    "shutdownTemperatureC": lambda gpu: nvml.nvmlDeviceGetTemperatureThreshold(
        gpu, nvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN
    ),
    "powerUsageMw": lambda gpu: nvml.nvmlDeviceGetPowerUsage(gpu),
    "powerLimitMw": lambda gpu: nvml.nvmlDeviceGetPowerManagementLimit(gpu),
    "enforcedPowerLimitMw": lambda gpu: nvml.nvmlDeviceGetEnforcedPowerLimit(gpu),
    "defaultPowerLimitMw": lambda gpu: nvml.nvmlDeviceGetPowerManagementDefaultLimit(gpu),
    "graphicsClockMhz": lambda gpu: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_GRAPHICS),
    "smClockMhz": lambda gpu: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM),
    "memoryClockMhz": lambda gpu: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM),
    "maxGraphicsClockMhz": lambda gpu: nvml.nvmlDeviceGetMaxClockInfo(gpu, nvml.NVML_CLOCK_GRAPHICS),
    "maxSmClockMhz": lambda gpu: nvml.nvmlDeviceGetMaxClockInfo(gpu, nvml.NVML_CLOCK_SM),
    "maxMemoryClockMhz": lambda gpu: nvml.nvmlDeviceGetMaxClockInfo(gpu, nvml.NVML_CLOCK_MEM),
    "applicationGraphicsClockMhz": lambda gpu: nvml.nvmlDeviceGetApplicationsClock(
        gpu, nvml.NVML_CLOCK_GRAPHICS
    ),
    "applicationMemoryClockMhz": lambda gpu: nvml.nvmlDeviceGetApplicationsClock(
        gpu, nvml.NVML_CLOCK_MEM
    ),
    "gpuUtilizationPercent": lambda gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu,
    "memoryUtilizationPercent": lambda gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).memory,
    "clocksEventReasons": reasons,
    "performanceState": lambda gpu: nvml.nvmlDeviceGetPerformanceState(gpu),
    "persistenceMode": lambda gpu: bool(nvml.nvmlDeviceGetPersistenceMode(gpu)),
    "computeMode": lambda gpu: COMPUTE_MODES[nvml.nvmlDeviceGetComputeMode(gpu)],
    "eccMode": lambda gpu: modes(nvml.nvmlDeviceGetEccMode(gpu)),
    "eccCorrectedVolatile": lambda gpu: nvml.nvmlDeviceGetTotalEccErrors(gpu, CORRECTED, VOLATILE),
    "eccUncorrectedVolatile": lambda gpu: nvml.nvmlDeviceGetTotalEccErrors(
        gpu, UNCORRECTED, VOLATILE
    ),
    "eccCorrectedAggregate": lambda gpu: nvml.nvmlDeviceGetTotalEccErrors(gpu, CORRECTED, AGGREGATE),
    "eccUncorrectedAggregate": lambda gpu: nvml.nvmlDeviceGetTotalEccErrors(
        gpu, UNCORRECTED, AGGREGATE
    ),
    "retiredPagesSingleBit": lambda gpu: len(
        nvml.nvmlDeviceGetRetiredPages(
            gpu, nvml.NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS
        )
    ),
    "retiredPagesDoubleBit": lambda gpu: len(
        nvml.nvmlDeviceGetRetiredPages(gpu, nvml.NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR)
    ),
    "retiredPagesPending": lambda gpu: bool(nvml.nvmlDeviceGetRetiredPagesPendingStatus(gpu)),
    "remappedRows": remapped,
    "pcieGenerationCurrent": lambda gpu: nvml.nvmlDeviceGetCurrPcieLinkGeneration(gpu),
    "pcieGenerationMax": lambda gpu: nvml.nvmlDeviceGetMaxPcieLinkGeneration(gpu),
    "pcieWidthCurrent": lambda gpu: nvml.nvmlDeviceGetCurrPcieLinkWidth(gpu),
    "pcieWidthMax": lambda gpu: nvml.nvmlDeviceGetMaxPcieLinkWidth(gpu),
    "pcieReplayCounter": lambda gpu: nvml.nvmlDeviceGetPcieReplayCounter(gpu),
    "migMode": lambda gpu: modes(nvml.nvmlDeviceGetMigMode(gpu)),
    "recoveryAction": lambda gpu: field(gpu, nvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION),
    "processes": processes,
}


def gpu_state(index, handle):
    state = {"index": index, "handle": {**handle, "value": True} if handle["ok"] else handle}
    for name, read in FIELDS.items():
        state[name] = reading(lambda: read(handle["value"])) if handle["ok"] else handle
    return {**state, **broad_state(handle.get("value"), handle)}


def driver_state():
    initialized = reading(lambda: nvml.nvmlInit() or True)
    count = reading(nvml.nvmlDeviceGetCount)
    indexes = range(count["value"]) if count["ok"] else []
    handles = [reading(lambda: nvml.nvmlDeviceGetHandleByIndex(index)) for index in indexes]
    return {
        "initialized": initialized,
        "driverVersion": reading(lambda: text(nvml.nvmlSystemGetDriverVersion())),
        "nvmlVersion": reading(lambda: text(nvml.nvmlSystemGetNVMLVersion())),
        "cudaDriverVersion": reading(nvml.nvmlSystemGetCudaDriverVersion_v2),
        "count": count,
        "confidentialCompute": reading(confidential),
        "topology": {"ok": True, "value": pairs(handles)} if count["ok"] else count,
        "gpus": [gpu_state(index, handle) for index, handle in enumerate(handles)],
    }


print(json.dumps(driver_state()))
