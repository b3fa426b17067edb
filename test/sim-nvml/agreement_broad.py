"""What NVIDIA's Python client reads beside identity, memory, clocks and processes.

One call a field, as the client's users make them: an independent way to the same values.
"""

from ctypes import byref

import pynvml as nvml

import agreement_deep as deep

BRANDS = ["UNKNOWN", "QUADRO", "TESLA", "NVS", "GRID", "GEFORCE", "TITAN", "NVIDIA_VAPPS",
          "NVIDIA_VPC", "NVIDIA_VCS", "NVIDIA_VWS", "NVIDIA_CLOUD_GAMING", "QUADRO_RTX",
          "NVIDIA_RTX", "NVIDIA", "GEFORCE_RTX", "TITAN_RTX"]
ARCHITECTURES = ["KEPLER", "MAXWELL", "PASCAL", "VOLTA", "TURING", "AMPERE", "ADA", "HOPPER",
                 "BLACKWELL"]
TOPOLOGY = {
    nvml.NVML_TOPOLOGY_INTERNAL: "internal",
    nvml.NVML_TOPOLOGY_SINGLE: "PIX",
    nvml.NVML_TOPOLOGY_MULTIPLE: "PXB",
    nvml.NVML_TOPOLOGY_HOSTBRIDGE: "PHB",
    nvml.NVML_TOPOLOGY_NODE: "NODE",
    nvml.NVML_TOPOLOGY_SYSTEM: "SYS",
}
P2P = {
    nvml.NVML_P2P_STATUS_OK: "ok",
    nvml.NVML_P2P_STATUS_CHIPSET_NOT_SUPPORED: "chipset_not_supported",
    nvml.NVML_P2P_STATUS_GPU_NOT_SUPPORTED: "gpu_not_supported",
    nvml.NVML_P2P_STATUS_IOH_TOPOLOGY_NOT_SUPPORTED: "ioh_topology_not_supported",
    nvml.NVML_P2P_STATUS_DISABLED_BY_REGKEY: "disabled_by_regkey",
    nvml.NVML_P2P_STATUS_NOT_SUPPORTED: "not_supported",
    nvml.NVML_P2P_STATUS_UNKNOWN: "unknown",
}
# The client has tuples for these, which ctypes does not take.
P2P_READ, P2P_NVLINK = 0, 2
LINK_STATES = ["inactive", "active", "sleep"]
LINK_VERSIONS = {1: "1.0", 2: "2.0", 3: "2.2", 4: "3.0", 5: "3.1", 6: "4.0", 7: "5.0", 8: "6.0"}
LINK_DEVICES = {0: "gpu", 1: "npu", 2: "switch"}
FABRIC_STATES = ["not_supported", "not_started", "in_progress", "completed"]
SUMMARIES = ["not_supported", "healthy", "unhealthy", "limited_capacity"]
CONFIGURATIONS = ["not_supported", "none", "incorrect_sysguid", "incorrect_chassis_sn",
                  "no_partition", "insufficient_nvlinks", "incompatible_gpu_fw",
                  "invalid_location", "gpu_state_invalid"]
NO_LINK = (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_INVALID_ARGUMENT)
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


def text(value):
    value = value if isinstance(value, str) else value.decode()
    if value == "":
        raise nvml.NVMLError(nvml.NVML_ERROR_NO_DATA)
    return value


def field(gpu, name, scope=0):
    number = getattr(nvml, f"NVML_FI_DEV_{name}") if isinstance(name, str) else name
    (answer,) = nvml.nvmlDeviceGetFieldValues(gpu, [(number, scope)])
    if answer.nvmlReturn != nvml.NVML_SUCCESS:
        raise nvml.NVMLError(answer.nvmlReturn)
    return answer.value.sllVal


def group(readings):
    """A record of readings: each is a call."""
    return {name: reading(call) for name, call in readings.items()}


def fields(gpu, names):
    return group({key: (lambda name=name: field(gpu, name)) for key, name in names.items()})


def inforom(gpu):
    version = lambda kind: text(nvml.nvmlDeviceGetInforomVersion(gpu, kind))
    return group({
        "imageVersion": lambda: text(nvml.nvmlDeviceGetInforomImageVersion(gpu)),
        "oemVersion": lambda: version(nvml.NVML_INFOROM_OEM),
        "eccVersion": lambda: version(nvml.NVML_INFOROM_ECC),
        "powerVersion": lambda: version(nvml.NVML_INFOROM_POWER),
        "configurationChecksum": lambda: nvml.nvmlDeviceGetInforomConfigurationChecksum(gpu),
    })


def gsp_mode(gpu):
    enabled, default = nvml.nvmlDeviceGetGspFirmwareMode(gpu)
    return {"enabled": bool(enabled), "defaultEnabled": bool(default)}


def thermal(gpu):
    threshold = lambda kind: nvml.nvmlDeviceGetTemperatureThreshold(gpu, kind)
    return {
        "marginC": reading(lambda: nvml.nvmlDeviceGetMarginTemperature(gpu)),
        **fields(gpu, {
            "shutdownTlimitC": "TEMPERATURE_SHUTDOWN_TLIMIT",
            "slowdownTlimitC": "TEMPERATURE_SLOWDOWN_TLIMIT",
            "memoryMaxTlimitC": "TEMPERATURE_MEM_MAX_TLIMIT",
            "gpuMaxTlimitC": "TEMPERATURE_GPU_MAX_TLIMIT",
        }),
        "memoryMaxC": reading(lambda: threshold(nvml.NVML_TEMPERATURE_THRESHOLD_MEM_MAX)),
        "gpuMaxC": reading(lambda: threshold(nvml.NVML_TEMPERATURE_THRESHOLD_GPU_MAX)),
    }


def power(gpu):
    scoped = lambda name, scope: reading(lambda: field(gpu, name, scope))
    return {
        **fields(gpu, {
            "minLimitMw": "POWER_MIN_LIMIT",
            "maxLimitMw": "POWER_MAX_LIMIT",
            "requestedLimitMw": "POWER_REQUESTED_LIMIT",
            "instantMw": "POWER_INSTANT",
            "averageMw": "POWER_AVERAGE",
        }),
        "memoryInstantMw": scoped("POWER_INSTANT", nvml.NVML_POWER_SCOPE_MEMORY),
        "moduleInstantMw": scoped("POWER_INSTANT", nvml.NVML_POWER_SCOPE_MODULE),
        "moduleLimitMw": scoped("POWER_CURRENT_LIMIT", nvml.NVML_POWER_SCOPE_MODULE),
    }


def fans(gpu):
    return [nvml.nvmlDeviceGetFanSpeed_v2(gpu, fan) for fan in range(nvml.nvmlDeviceGetNumFans(gpu))]


def ecc_by_location(gpu):
    readings = {}
    for place, location in (("sram", nvml.NVML_MEMORY_LOCATION_SRAM),
                            ("dram", nvml.NVML_MEMORY_LOCATION_DRAM)):
        for counter, scope in ((nvml.NVML_VOLATILE_ECC, "Volatile"),
                               (nvml.NVML_AGGREGATE_ECC, "Aggregate")):
            for error, kind in ((nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, "Corrected"),
                                (nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, "Uncorrected")):
                readings[place + kind + scope] = reading(
                    lambda: nvml.nvmlDeviceGetMemoryErrorCounter(gpu, error, counter, location))
    return readings


def sram(gpu):
    status = nvml.c_nvmlEccSramErrorStatus_v1_t()
    status.version = nvml.nvmlEccSramErrorStatus_v1
    nvml.nvmlDeviceGetSramEccErrorStatus(gpu, byref(status))
    return {
        "parityUncorrectedVolatile": status.volatileUncParity,
        "secDedUncorrectedVolatile": status.volatileUncSecDed,
        "correctedVolatile": status.volatileCor,
        "parityUncorrectedAggregate": status.aggregateUncParity,
        "secDedUncorrectedAggregate": status.aggregateUncSecDed,
        "correctedAggregate": status.aggregateCor,
        "l2": status.aggregateUncBucketL2,
        "sm": status.aggregateUncBucketSm,
        "pcie": status.aggregateUncBucketPcie,
        "microcontroller": status.aggregateUncBucketMcu,
        "other": status.aggregateUncBucketOther,
        "thresholdExceeded": bool(status.bThresholdExceeded),
    }


def histogram(gpu):
    banks = nvml.nvmlDeviceGetRowRemapperHistogram(gpu)
    return {name: getattr(banks, name) for name in ("max", "high", "partial", "low", "none")}


def repair(gpu):
    channel, tpc = nvml.nvmlDeviceGetRepairStatus(gpu)
    return {"channel": bool(channel), "tpc": bool(tpc)}


OLDER_ERRORS = {
    "replay": "NVLINK_ERROR_DL_REPLAY",
    "recovery": "NVLINK_ERROR_DL_RECOVERY",
    "crcFlit": "NVLINK_ERROR_DL_CRC",
}
NEWER_ERRORS = {
    "recoveryEvents": "NVLINK_COUNT_LINK_RECOVERY_EVENTS",
    "recoveryFailed": "NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS",
    "effective": "NVLINK_COUNT_EFFECTIVE_ERRORS",
    "symbol": "NVLINK_COUNT_SYMBOL_ERRORS",
    "malformedPackets": "NVLINK_COUNT_MALFORMED_PACKET_ERRORS",
    "received": "NVLINK_COUNT_RCV_ERRORS",
    "localIntegrity": "NVLINK_COUNT_LOCAL_LINK_INTEGRITY_ERRORS",
    "transmitDiscards": "NVLINK_COUNT_XMIT_DISCARDS",
}
OF_LINK = {"crcData": "NVLINK_CRC_DATA_ERROR_COUNT_L", "eccData": "NVLINK_ECC_DATA_ERROR_COUNT_L"}
NOT_SUPPORTED = {"ok": False, "reason": "not_supported"}


def pci(info):
    return f"{info.domain:04x}:{info.bus:02x}:{info.device:02x}"


def link_errors(gpu, link, newer):
    errors = dict.fromkeys([*OLDER_ERRORS, *OF_LINK, *NEWER_ERRORS], NOT_SUPPORTED)
    for name, number in (NEWER_ERRORS if newer else OLDER_ERRORS).items():
        errors[name] = reading(lambda: field(gpu, number, link))
    if not newer and link < 12:
        for name, number in OF_LINK.items():
            errors[name] = reading(lambda: field(gpu, f"{number}{link}"))
    return errors


def link_state(gpu, link):
    inactive = {"ok": False, "reason": "invalid_state"}
    state = reading(lambda: LINK_STATES[field(gpu, "NVLINK_GET_STATE", link)])
    return {
        "link": link,
        "state": state,
        "version": reading(lambda: LINK_VERSIONS[field(gpu, "NVLINK_GET_VERSION", link)]),
        "speedMbps": reading(lambda: field(gpu, "NVLINK_GET_SPEED", link)),
        "lowPower": reading(lambda: bool(field(gpu, "NVLINK_GET_POWER_STATE", link))),
        "remoteType": reading(lambda: LINK_DEVICES.get(
            nvml.nvmlDeviceGetNvLinkRemoteDeviceType(gpu, link), "unknown")),
        "remotePci": inactive if state.get("value") == "inactive" else reading(
            lambda: pci(nvml.nvmlDeviceGetNvLinkRemotePciInfo(gpu, link))),
    }


def is_link(gpu, link):
    try:
        field(gpu, "NVLINK_GET_STATE", link)
    except nvml.NVMLError as error:
        return error.value not in NO_LINK
    return True


def nvlinks(gpu):
    indexes = field(gpu, "NVLINK_LINK_COUNT")
    links = [link_state(gpu, link) for link in range(indexes) if is_link(gpu, link)]
    newer = any(link["version"].get("value", "0") >= "5" for link in links)
    for link in links:
        link["errors"] = link_errors(gpu, link["link"], newer)
    return {"indexes": indexes, "links": links}


def c2c(gpu):
    links = field(gpu, "C2C_LINK_COUNT")
    if links == 0:
        raise nvml.NVMLError(nvml.NVML_ERROR_NOT_SUPPORTED)
    return {
        "links": links,
        "activeLinks": reading(lambda: sum(
            field(gpu, "C2C_LINK_GET_STATUS", link) == 1 for link in range(links))),
        **fields(gpu, {
            "maxBandwidthMbps": "C2C_LINK_GET_MAX_BW",
            "crcErrors": "C2C_LINK_ERROR_INTR",
            "replayErrors": "C2C_LINK_ERROR_REPLAY",
        }),
    }


def fabric_info(gpu):
    for kind in (nvml.c_nvmlGpuFabricInfo_v3_t, nvml.c_nvmlGpuFabricInfo_v2_t):
        info = kind()
        try:
            nvml.nvmlDeviceGetGpuFabricInfoV(gpu, byref(info))
            return info
        except nvml.NVMLError_ArgumentVersionMismatch:
            continue
        except nvml.NVMLError_FunctionNotFound:
            break
    info = nvml.c_nvmlGpuFabricInfo_t()
    nvml.nvmlDeviceGetGpuFabricInfo(gpu, byref(info))
    return info


def two_bits(mask, shift):
    return ["not_supported", "fault", "healthy"][(mask >> shift) & 3]


def fabric(gpu):
    info = fabric_info(gpu)
    told = {
        "state": FABRIC_STATES[info.state],
        "status": "success" if info.status == 0 else REASONS[info.status],
        "cliqueId": info.cliqueId,
    }
    uuid = bytes(info.clusterUuid).hex()
    if any(info.clusterUuid):
        told["clusterUuid"] = "-".join([uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:]])
    if hasattr(info, "healthMask"):
        mask = info.healthMask
        told["health"] = {
            "mask": mask,
            "degradedBandwidth": two_bits(mask, nvml.NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_DEGRADED_BW),
            "routeRecovery": two_bits(mask, nvml.NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_ROUTE_RECOVERY),
            "routeUnhealthy": two_bits(mask, nvml.NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_ROUTE_UNHEALTHY),
            "accessTimeoutRecovery": two_bits(mask, 6),
            "incorrectConfiguration": CONFIGURATIONS[(mask >> 8) & 0xF],
        }
    if hasattr(info, "healthSummary"):
        told["summary"] = SUMMARIES[info.healthSummary]
    return told


def platform(gpu):
    info = nvml.c_nvmlPlatformInfo_v2_t()
    nvml.nvmlDeviceGetPlatformInfo(gpu, byref(info))
    # The client makes texts of these bytes.
    number = lambda value: ord(value)
    serial = info.chassisSerialNumber
    serial = serial if isinstance(serial, str) else serial.decode()
    return {
        **({"chassisSerial": serial} if serial else {}),
        "slot": number(info.slotNumber),
        "tray": number(info.trayIndex),
        "host": number(info.hostId),
        "moduleId": number(info.moduleId),
    }


def ranges(words):
    places = [64 * at + bit for at, word in enumerate(words) for bit in range(64) if word >> bit & 1]
    found = []
    for place in places:
        if found and found[-1][1] == place - 1:
            found[-1][1] = place
        else:
            found.append([place, place])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in found)


def mig_instance(gpu, index, device):
    memory = reading(lambda: nvml.nvmlDeviceGetMemoryInfo(device, version=nvml.nvmlMemory_v2))
    part = lambda name: {**memory, "value": getattr(memory["value"], name)} if memory["ok"] else memory

    def slices():
        attributes = nvml.nvmlDeviceGetAttributes_v2(device)
        return {
            "gpuInstance": attributes.gpuInstanceSliceCount,
            "computeInstance": attributes.computeInstanceSliceCount,
            "multiprocessors": attributes.multiprocessorCount,
        }

    return {
        "index": index,
        "gpuInstance": reading(lambda: nvml.nvmlDeviceGetGpuInstanceId(device)),
        "computeInstance": reading(lambda: nvml.nvmlDeviceGetComputeInstanceId(device)),
        "uuid": reading(lambda: text(nvml.nvmlDeviceGetUUID(device))),
        "profile": reading(lambda: text(nvml.nvmlDeviceGetName(device)).split(" MIG ")[1]),
        **deep.gpu_instance(gpu, device),
        "totalBytes": part("total"),
        "usedBytes": part("used"),
        "slices": reading(slices),
    }


def mig_instances(gpu):
    current, _ = nvml.nvmlDeviceGetMigMode(gpu)
    if not current:
        return []
    instances = []
    for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
        try:
            device = nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, index)
        except nvml.NVMLError_NotFound:
            continue
        instances.append(mig_instance(gpu, index, device))
    return instances


VIOLATIONS = {
    "powerNs": "PERF_POLICY_POWER",
    "thermalNs": "PERF_POLICY_THERMAL",
    "syncBoostNs": "PERF_POLICY_SYNC_BOOST",
    "boardLimitNs": "PERF_POLICY_BOARD_LIMIT",
    "lowUtilizationNs": "PERF_POLICY_LOW_UTILIZATION",
    "reliabilityNs": "PERF_POLICY_RELIABILITY",
    "swThermalNs": "CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN",
    "hwThermalNs": "CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN",
    "hwPowerBrakeNs": "CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN",
}
PCIE = {
    "replays": "PCIE_REPLAY_COUNTER",
    "replayRollovers": "PCIE_REPLAY_ROLLOVER_COUNTER",
    "l0ToRecovery": "PCIE_L0_TO_RECOVERY_COUNTER",
    "correctable": "PCIE_COUNT_CORRECTABLE_ERRORS",
    "naksReceived": "PCIE_COUNT_NAKS_RECEIVED",
    "naksSent": "PCIE_COUNT_NAKS_SENT",
    "receiverErrors": "PCIE_COUNT_RECEIVER_ERROR",
    "badTlp": "PCIE_COUNT_BAD_TLP",
    "badDllp": "PCIE_COUNT_BAD_DLLP",
    "nonFatal": "PCIE_COUNT_NON_FATAL_ERROR",
    "fatal": "PCIE_COUNT_FATAL_ERROR",
    "unsupportedRequests": "PCIE_COUNT_UNSUPPORTED_REQ",
    "lcrcErrors": "PCIE_COUNT_LCRC_ERROR",
    "laneErrors": "PCIE_COUNT_LANE_ERROR",
    "txBytes": "PCIE_COUNT_TX_BYTES",
    "rxBytes": "PCIE_COUNT_RX_BYTES",
}

# Fields that are groups of readings, each a call.
GROUPS = {
    "inforom": inforom,
    "gsp": lambda gpu: group({
        "firmwareVersion": lambda: text(nvml.nvmlDeviceGetGspFirmwareVersion(gpu)),
        "firmwareMode": lambda: gsp_mode(gpu),
    }),
    "thermal": thermal,
    "power": power,
    "violations": lambda gpu: fields(gpu, VIOLATIONS),
    "eccByLocation": ecc_by_location,
    "pcieCounters": lambda gpu: fields(gpu, PCIE),
    "engines": lambda gpu: group({
        "encoderPercent": lambda: nvml.nvmlDeviceGetEncoderUtilization(gpu)[0],
        "decoderPercent": lambda: nvml.nvmlDeviceGetDecoderUtilization(gpu)[0],
        "jpegPercent": lambda: nvml.nvmlDeviceGetJpgUtilization(gpu)[0],
        "ofaPercent": lambda: nvml.nvmlDeviceGetOfaUtilization(gpu)[0],
    }),
    **deep.GROUPS,
}

FIELDS = {
    "boardPartNumber": lambda gpu: text(nvml.nvmlDeviceGetBoardPartNumber(gpu)),
    "boardId": lambda gpu: nvml.nvmlDeviceGetBoardId(gpu),
    "multiGpuBoard": lambda gpu: bool(nvml.nvmlDeviceGetMultiGpuBoard(gpu)),
    "brand": lambda gpu: BRANDS[nvml.nvmlDeviceGetBrand(gpu)].lower(),
    "architecture": lambda gpu: ARCHITECTURES[
        nvml.nvmlDeviceGetArchitecture(gpu) - nvml.NVML_DEVICE_ARCH_KEPLER].lower(),
    "computeCapability": lambda gpu: "{}.{}".format(*nvml.nvmlDeviceGetCudaComputeCapability(gpu)),
    "moduleId": lambda gpu: nvml.nvmlDeviceGetModuleId(gpu),
    "memoryTemperatureC": lambda gpu: field(gpu, "MEMORY_TEMP"),
    "fanPercents": fans,
    "energyMj": lambda gpu: field(gpu, "TOTAL_ENERGY_CONSUMPTION"),
    "defaultApplicationGraphicsClockMhz": lambda gpu: nvml.nvmlDeviceGetDefaultApplicationsClock(
        gpu, nvml.NVML_CLOCK_GRAPHICS),
    "defaultApplicationMemoryClockMhz": lambda gpu: nvml.nvmlDeviceGetDefaultApplicationsClock(
        gpu, nvml.NVML_CLOCK_MEM),
    "sramErrors": sram,
    "remapHistogram": histogram,
    "repairPending": repair,
    "unrepairableMemory": lambda gpu: bool(nvml.nvmlDeviceGetUnrepairableMemoryFlag_v1(gpu)),
    "nvlinks": nvlinks,
    "c2c": c2c,
    "fabric": fabric,
    "platform": platform,
    "cpuAffinity": lambda gpu: ranges(nvml.nvmlDeviceGetCpuAffinity(gpu, 32)),
    "memoryAffinity": lambda gpu: ranges(
        nvml.nvmlDeviceGetMemoryAffinity(gpu, 16, nvml.NVML_AFFINITY_SCOPE_NODE)),
    "numaNode": lambda gpu: nvml.nvmlDeviceGetNumaNodeId(gpu),
    "migInstances": mig_instances,
    "accountingMode": lambda gpu: bool(nvml.nvmlDeviceGetAccountingMode(gpu)),
    "addressingMode": lambda gpu: ["none", "hmm", "ats"][nvml.nvmlDeviceGetAddressingMode(gpu)],
    "virtualizationMode": lambda gpu: ["none", "passthrough", "vgpu", "host_vgpu", "host_vsga"][
        nvml.nvmlDeviceGetVirtualizationMode(gpu)],
    "bridgeChips": lambda gpu: nvml.nvmlDeviceGetBridgeChipInfo(gpu).bridgeCount,
    "lastBlackBoxFlushMs": lambda gpu: nvml.nvmlDeviceGetLastBBXFlushTime(gpu)[0] // 1000,
    "resetRequired": lambda gpu: bool(field(gpu, "RESET_STATUS")),
    "drainAndResetRecommended": lambda gpu: bool(field(gpu, "DRAIN_AND_RESET_STATUS")),
    **deep.FIELDS,
}


def broad_state(gpu, handle):
    """All of these fields of one GPU, or the handle's reason for each."""
    if handle["ok"]:
        return {
            **{name: reading(lambda: read(gpu)) for name, read in FIELDS.items()},
            **{name: read(gpu) for name, read in GROUPS.items()},
        }
    # What a group has for members does not depend on the GPU.
    members = {name: read(None) for name, read in GROUPS.items()}
    return {
        **{name: handle for name in FIELDS},
        **{name: dict.fromkeys(group, handle) for name, group in members.items()},
    }


def pairs(handles):
    found = []
    for first, one in enumerate(handles):
        for second in range(first + 1, len(handles)):
            other = handles[second]
            lost = next((handle for handle in (one, other) if not handle["ok"]), None)
            ask = lambda call: lost or reading(lambda: call(one["value"], other["value"]))
            found.append({
                "gpus": [first, second],
                "path": ask(lambda a, b: TOPOLOGY[nvml.nvmlDeviceGetTopologyCommonAncestor(a, b)]),
                "p2pRead": ask(lambda a, b: P2P[
                    nvml.nvmlDeviceGetP2PStatus(a, b, P2P_READ)]),
                "p2pNvlink": ask(lambda a, b: P2P[
                    nvml.nvmlDeviceGetP2PStatus(a, b, P2P_NVLINK)]),
            })
    return found


def confidential():
    state = nvml.nvmlSystemGetConfComputeState()
    return {
        "environment": ["unavailable", "simulation", "production"][state.environment],
        "enabled": bool(state.ccFeature),
        "devToolsMode": bool(state.devToolsMode),
    }
