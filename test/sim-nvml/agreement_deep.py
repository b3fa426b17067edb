"""What NVIDIA's Python client reads of GPM, GPU instances, hosts of virtual GPUs and lists of lists."""

from ctypes import byref, cast, POINTER

import pynvml as nvml

REASONS = {
    value: name[len("NVML_ERROR_"):].lower()
    for name, value in vars(nvml).items()
    if name.startswith("NVML_ERROR_") and isinstance(value, int)
}


def reading(call):
    try:
        return {"ok": True, "value": call()}
    except nvml.NVMLError as error:
        return {"ok": False, "reason": REASONS[error.value]}


METRICS = {
    "smActivePercent": nvml.NVML_GPM_METRIC_SM_UTIL,
    "smOccupancyPercent": nvml.NVML_GPM_METRIC_SM_OCCUPANCY,
    "tensorActivePercent": nvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL,
    "dramBandwidthPercent": nvml.NVML_GPM_METRIC_DRAM_BW_UTIL,
    "fp64ActivePercent": nvml.NVML_GPM_METRIC_FP64_UTIL,
    "fp32ActivePercent": nvml.NVML_GPM_METRIC_FP32_UTIL,
    "fp16ActivePercent": nvml.NVML_GPM_METRIC_FP16_UTIL,
    "pcieTxMibPerSecond": nvml.NVML_GPM_METRIC_PCIE_TX_PER_SEC,
    "pcieRxMibPerSecond": nvml.NVML_GPM_METRIC_PCIE_RX_PER_SEC,
    "nvlinkTxMibPerSecond": nvml.NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC,
    "nvlinkRxMibPerSecond": nvml.NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC,
}


def metrics_between(gpu):
    if not nvml.nvmlGpmQueryDeviceSupport(gpu).isSupportedDevice:
        raise nvml.NVMLError(nvml.NVML_ERROR_NOT_SUPPORTED)
    samples = [nvml.nvmlGpmSampleGet(gpu, nvml.nvmlGpmSampleAlloc()) for _ in range(2)]
    asked = nvml.c_nvmlGpmMetricsGet_t()
    asked.version = nvml.NVML_GPM_METRICS_GET_VERSION
    asked.numMetrics = len(METRICS)
    asked.sample1, asked.sample2 = samples
    for place, number in enumerate(METRICS.values()):
        asked.metrics[place].metricId = number
    nvml.nvmlGpmMetricsGet(asked)
    for sample in samples:
        nvml.nvmlGpmSampleFree(sample)
    return asked.metrics


def gpm(gpu):
    """The metrics between two samples: each a reading, or all of them what kept them from being taken."""
    try:
        told = metrics_between(gpu)
    except nvml.NVMLError as error:
        return dict.fromkeys(METRICS, {"ok": False, "reason": REASONS[error.value]})
    return {
        name: {"ok": True, "value": told[place].value}
        if told[place].nvmlReturn == nvml.NVML_SUCCESS
        else {"ok": False, "reason": REASONS[told[place].nvmlReturn]}
        for place, name in enumerate(METRICS)
    }


def host_vgpu_mode(gpu):
    if nvml.nvmlDeviceGetVirtualizationMode(gpu) != nvml.NVML_GPU_VIRTUALIZATION_MODE_HOST_VGPU:
        raise nvml.NVMLError(nvml.NVML_ERROR_NOT_SUPPORTED)
    return ["non_sriov", "sriov"][nvml.nvmlDeviceGetHostVgpuMode(gpu)]


def sram_unique(gpu):
    status = nvml.c_nvmlEccSramErrorStatus_v1_t()
    status.version = nvml.nvmlEccSramErrorStatus_v1
    nvml.nvmlDeviceGetSramEccErrorStatus(gpu, byref(status))
    if not (status.aggregateUncParity + status.aggregateUncSecDed
            + status.volatileUncParity + status.volatileUncSecDed):
        return {"addresses": 0, "worst": []}
    counts = nvml.c_nvmlEccSramUniqueUncorrectedErrorCounts_v1_t()
    nvml.nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(gpu, byref(counts))
    entries = (nvml.c_nvmlEccSramUniqueUncorrectedErrorEntry_v1_t * counts.entryCount)()
    counts.entries = cast(entries, POINTER(nvml.c_nvmlEccSramUniqueUncorrectedErrorEntry_v1_t))
    nvml.nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(gpu, byref(counts))
    places = ("unit", "location", "sublocation", "extlocation", "address", "count")
    worst = sorted(entries, key=lambda entry: -entry.count)[:8]
    return {
        "addresses": counts.entryCount,
        "worst": [
            {**{name: getattr(entry, name) for name in places}, "parity": bool(entry.isParity)}
            for entry in worst
        ],
    }


def all_processes(gpu):
    try:
        processes = nvml.nvmlDeviceGetRunningProcessDetailList(
            gpu, nvml.nvmlProcessDetailList_v1, nvml.NVML_PROCESS_MODE_ALL)
    except nvml.NVMLError_InvalidArgument:
        # So say drivers that do not know this mode.
        raise nvml.NVMLError(nvml.NVML_ERROR_NOT_SUPPORTED)
    sizes = {"usedBytes": "usedGpuMemory", "protectedBytes": "usedGpuCcProtectedMemory"}
    return [
        {"pid": process.pid, **{key: getattr(process, name) for key, name in sizes.items()}}
        for process in processes
    ]


def gpu_instance(gpu, device):
    """Profile and placement of the GPU instance that a MIG device is in."""
    info = reading(lambda: nvml.nvmlGpuInstanceGetInfo(
        nvml.nvmlDeviceGetGpuInstanceById(gpu, nvml.nvmlDeviceGetGpuInstanceId(device))))
    if not info["ok"]:
        return {"profileId": info, "placement": info}
    told = info["value"]
    placement = {"start": told.placement.start, "size": told.placement.size}
    return {
        "profileId": {"ok": True, "value": told.profileId},
        "placement": {"ok": True, "value": placement},
    }


def mig_profiles(gpu):
    current, _ = nvml.nvmlDeviceGetMigMode(gpu)
    profiles = []
    for number in range(nvml.NVML_GPU_INSTANCE_PROFILE_COUNT if current else 0):
        try:
            info = nvml.nvmlDeviceGetGpuInstanceProfileInfo(gpu, number)
        except nvml.NVMLError_NotSupported:
            continue
        name = info.name if isinstance(info.name, str) else info.name.decode()
        profiles.append({
            "id": info.id,
            "name": name.removeprefix("MIG "),
            "slices": info.sliceCount,
            "memoryMib": info.memorySizeMB,
            "instancesMax": info.instanceCount,
            "remaining": reading(
                lambda: nvml.nvmlDeviceGetGpuInstanceRemainingCapacity(gpu, info.id)),
        })
    return profiles


GROUPS = {"gpm": gpm}
FIELDS = {
    "hostVgpuMode": host_vgpu_mode,
    "sramUniqueErrors": sram_unique,
    "allProcesses": all_processes,
    "migProfiles": mig_profiles,
}
