import { type Answers, down, fabric, limits, linked, product } from '../scenarios/machines.ts';
import {
  A100,
  ADA,
  addressOf,
  card,
  type FieldMachine,
  faulty,
  field,
  GB300,
  GH200,
  H100,
  H200,
  L4,
  L40S,
  on,
  PRO,
  T4,
  VM,
  well,
  xid,
} from './field-machines.ts';

/**
 * Racks, boards, bridges, cards and virtual ones, broken in one way or two, or well at an hour of
 * their lives that looks like a fault: written down before they were judged for the first time.
 */
const FIELD = 'deviceGetFieldValue';
const B200 = { like: 'b200' };
const NVL_BRIDGED = {
  like: 'h200',
  answers: {
    ...card('NVIDIA H200 NVL', [9, 9, 0], 600),
    ...linked(18, 26_562),
    deviceGetGpuFabricInfoV3: { state: 0 },
  },
};
const NVL_SINGLE = {
  ...NVL_BRIDGED,
  answers: { ...NVL_BRIDGED.answers, ...field('nvlinkState', 0) },
};
const THOR = {
  like: 'l4',
  answers: product('NVIDIA Thor', 10, 11, 0),
  without: [
    ...['deviceGetTemperatureThreshold', 'deviceGetPowerManagementLimit', 'deviceGetEccMode'],
    ...['deviceGetEnforcedPowerLimit', 'deviceGetTotalEccErrors', 'deviceGetRemappedRows'],
    ...['deviceGetMemoryInfo', 'deviceGetMemoryInfoV1', 'deviceGetRowRemapperHistogram'],
    ...['deviceGetCurrPcieLinkWidth', 'deviceGetMaxPcieLinkWidth', 'deviceGetPcieReplayCounter'],
    ...['deviceGetCurrPcieLinkGeneration', 'deviceGetMaxPcieLinkGeneration', 'deviceGetFanSpeed'],
    ...['deviceGetPowerManagementDefaultLimit', 'deviceGetInforomImageVersion'],
    ...['deviceGetInforomVersion', 'deviceGetMemoryErrorCounter', 'deviceGetSerial'],
  ],
};
const GUEST = {
  like: 'a10',
  answers: { deviceGetVirtualizationMode: 2, deviceGetName: 'NVIDIA A10-12Q' },
};

/** Nothing runs on a GPU of so much memory. */
const idle = (total: number, watts: number, more: Answers = {}): Answers => ({
  deviceGetUtilizationRates: { gpu: 0, memory: 0 },
  deviceGetCurrentClocksEventReasons: 1,
  deviceGetComputeRunningProcesses: [],
  deviceGetMemoryInfo: { total, reserved: 600_000_000, used: 0, free: total - 600_000_000 },
  'deviceGetClockInfo sm': 345,
  'deviceGetClockInfo graphics': 345,
  deviceGetPowerUsage: watts * 1_000,
  deviceGetTemperature: 32,
  ...more,
});
const [GIB_16, GIB_46, GIB_80, GIB_141] = [
  16_106_127_360, 48_305_799_168, 85_520_809_984, 150_754_820_096,
];
const busy = (gpu: number, watts: number, celsius: number): Answers => ({
  deviceGetUtilizationRates: { gpu, memory: Math.round(gpu / 2) },
  deviceGetCurrentClocksEventReasons: 0,
  deviceGetPowerUsage: watts * 1_000,
  deviceGetTemperature: celsius,
});
const SAVING = { bus: { currentLinkSpeed: '2.5 GT/s PCIe', maxLinkSpeed: '16.0 GT/s PCIe' } };
const MIG = { deviceGetMigMode: { current: 1, pending: 1 } };
const remap = (failureOccurred: number, pending = 0) => ({
  deviceGetRemappedRows: { corrected: 0, uncorrected: 9, pending, failureOccurred },
});
const clustered = (over: Answers = {}) => fabric({ clusterUuid: 'ab'.repeat(16), ...over });

// biome-ignore format: a table
const FAULTS: readonly FieldMachine[] = [
  // Racks of GB300.
  faulty('a switch tray of a GB300 rack is gone', /nvlink-down|fabric/, on(GB300, 4, { every: { ...down(4, 5), deviceGetGpuFabricInfoV3: clustered({ healthSummary: 3 }) } })),
  faulty('a GB300 is in another clique than its tray', /fabric/, on(GB300, 4, { every: { deviceGetGpuFabricInfoV3: clustered({ cliqueId: 32_766 }) }, gpus: { 2: { deviceGetGpuFabricInfoV3: clustered({ cliqueId: 32_765 }) } } })),
  faulty('bits of a GB300 link stay wrong after correction', /nvlink/, on(GB300, 4, { gpus: { 1: field('nvlinkEffectiveBer 7', (12 << 8) | 7) } })),
  faulty('a GB300 asks for its IMEX domain to be recovered', /recovery/, on(GB300, 4, { every: field('gpuRecoveryAction', 5) })),
  faulty('two uncorrected errors in the SRAM of a GB300', /ecc|sram/, on(GB300, 4, { gpus: { 3: { 'deviceGetTotalEccErrors uncorrected volatile': 2, 'deviceGetMemoryErrorCounter uncorrected volatile sram': 2 } } })),
  faulty('a GB300 lost a link to its CPU, and the others count CRC errors', /c2c/, on(GB300, 4, { gpus: { 0: { ...field('c2cStatus 2', 0), ...field('c2cErrors', 700_000) } } })),
  faulty('the driver gave up a link of a GB300', /xid-149|nvlink/, on(GB300, 4, { log: [xid(1, 149, 'NETIR_LINK_EVT Fatal XC0 i0 Link 06 (0x004505c6 0x00000000 0x00000000 0x00000000 0x00000000 0x00000000)')] })),
  faulty('a power shelf brakes two of four GB300', /slowdown|brake/, on(GB300, 4, { gpus: Object.fromEntries([0, 1].map(gpu => [gpu, { deviceGetCurrentClocksEventReasons: 0x88, 'deviceGetClockInfo sm': 600, 'deviceGetClockInfo graphics': 600, deviceGetPowerUsage: 390_000 }])) })),
  // Boards of eight B200.
  faulty('a B200 trains its CPU link at generation 1 under load', /pcie-speed/, on(B200, 8, { gpus: { 6: { deviceGetCurrPcieLinkGeneration: 1 } } })),
  faulty('one B200 has NVLinks of half the speed', /nvlink-slow/, on(B200, 8, { gpus: { 1: field('nvlinkSpeed', 26_562) } })),
  faulty('the fabric gives a B200 less bandwidth', /fabric/, on(B200, 8, { gpus: { 4: { deviceGetGpuFabricInfoV3: fabric({ healthMask: 0x1a9, healthSummary: 3 }) } } })),
  faulty('an error of the L2 cache of a B200 got out', /xid-95|ecc|uncontained/i, on(B200, 8, { log: [xid(2, 95, 'pid=88211, name=python3, Uncontained: LTC TAG (0x2,0x0). RST: Yes, D-RST: No')] })),
  faulty('the cold plate of a B200 came loose', /thermal|slowdown|temperature|margin/, on(B200, 8, { gpus: { 5: { deviceGetTemperature: 90, deviceGetMarginTemperature: { marginTemperature: 0 }, ...field('memoryTemperature', 101), deviceGetCurrentClocksEventReasons: 0x20 } } })),
  faulty('a texture cluster of a B200 waits for its repair', /repair/, on(B200, 8, { gpus: { 4: { deviceGetRepairStatus: { bTpcRepairPending: 1 } } } })),
  faulty('a B200 has no spare row left and could not remap', /row-remap-failed/, on(B200, 8, { gpus: { 7: { ...remap(1), deviceGetRowRemapperHistogram: { max: 2_559, high: 0, partial: 0, low: 0, none: 1 } } } })),
  faulty('the NVLinks of a B200 lose what they had to send', /nvlink/, on(B200, 8, { gpus: { 0: field('nvlinkTransmitDiscards 9', 4_000_000) } })),
  // Cards with bridges.
  faulty('the bridge of four H200 NVL does not reach one', /nvlink/, on(NVL_BRIDGED, 4, { gpus: { 2: field('nvlinkState', 0) } })),
  faulty('a bridge of two H200 NVL holds with half of its contacts', /nvlink/, on(NVL_BRIDGED, 2, { every: down(0, 1, 2, 3, 4, 5, 6, 7, 8) })),
  faulty('a bridge of two H200 NVL is dirty', /nvlink-errors/, on(NVL_BRIDGED, 2, { gpus: { 0: { ...field('nvlinkCrc 3', 3_500_000), ...field('nvlinkRecovery 3', 1_200) } } })),
  faulty('an H200 NVL may draw half of its power', /power|clock/, on(NVL_BRIDGED, 4, { gpus: { 1: { deviceGetEnforcedPowerLimit: 300_000, deviceGetPowerUsage: 299_000, 'deviceGetClockInfo sm': 900, 'deviceGetClockInfo graphics': 900 } } })),
  faulty('an H200 NVL has half of its lanes at half of their speed', /pcie/, on(NVL_BRIDGED, 4, { gpus: { 3: { deviceGetCurrPcieLinkWidth: 8, deviceGetCurrPcieLinkGeneration: 3 } } })),
  // Cards in slots.
  faulty('two L40S on one power supply fell off the bus', /lost-gpu/, on(L40S, 8, { fails: { 2: { '*': 'gpu_is_lost' }, 3: { '*': 'gpu_is_lost' } }, log: [2, 3].map(gpu => xid(gpu, 79, "pid='<unknown>', name=<unknown>, GPU has fallen off the bus.")) })),
  faulty('the system processor of an L40S answers no more', /gsp|xid-119/, on(L40S, 4, { gpus: { 1: field('gpuRecoveryAction', 1) }, log: [xid(1, 119, 'pid=2212, name=vllm, Timeout after 45s of waiting for RPC response from GPU1 GSP! Expected function 103 (GSP_RM_ALLOC) (0x0 0x0).')] })),
  faulty('the slot of an L40S is bad', /pcie/, on(L40S, 4, { gpus: { 2: { ...field('pcieNonFatal', 60), ...field('pcieReplay', 90_000), deviceGetPcieReplayCounter: 90_000 } } })),
  faulty('the root port reports a fatal error of an L40S', /pcie|aer/, on(L40S, 4, { log: [`pcieport 0000:00:01.0: AER: Uncorrected (Fatal) error message received from ${addressOf(3)}.0`, `nvidia ${addressOf(3)}.0: PCIe Bus Error: severity=Uncorrected (Fatal), type=Transaction Layer, (Receiver ID)`] })),
  faulty('a row of an L40S waits to be remapped', /row-remap-pending/, on(L40S, 8, { gpus: { 7: remap(0, 1) }, log: [xid(7, 63, 'pid=991, name=python3, Row Remapper: New row (0x00000000090a4c00) marked for remapping, reset gpu to activate.')] })),
  faulty('an L40S is held at 210 MHz by its hardware', /slowdown/, on(L40S, 4, { gpus: { 0: { deviceGetCurrentClocksEventReasons: 8, 'deviceGetClockInfo sm': 210, 'deviceGetClockInfo graphics': 210 } } })),
  faulty('an L40S does not know its InfoROM nor its power', /inforom|power draw/i, on(L40S, 4, { fails: { 1: { deviceValidateInforom: 'corrupted_inforom', deviceGetPowerUsage: 'unknown' } } })),
  // A100 in MIG mode.
  faulty('an A100 in MIG mode could not remap a row', /row-remap-failed/, on(A100, 8, { every: MIG, gpus: { 3: remap(1) } })),
  faulty('MIG of one A100 waits for a reset', /mig/, on(A100, 8, { every: MIG, gpus: { 5: { deviceGetMigMode: { current: 0, pending: 1 } } } })),
  faulty('an A100 in MIG mode fell off the bus', /lost-gpu/, on(A100, 8, { every: MIG, fails: { 0: { '*': 'gpu_is_lost' } }, log: [xid(0, 79, "pid='<unknown>', name=<unknown>, GPU has fallen off the bus.")] })),
  // T4 and RTX 6000 Ada.
  faulty('a T4 is near the end of its spare pages, and one waits', /page/, on(T4, 4, { gpus: { 2: { 'deviceGetRetiredPages doubleBit': Array.from({ length: 62 }, (_, page) => page), deviceGetRetiredPagesPendingStatus: 1 } } })),
  faulty('a double bit error of a T4', /xid-48|ecc/, on(T4, 4, { gpus: { 1: { 'deviceGetTotalEccErrors uncorrected volatile': 1 } }, log: [xid(1, 48, 'pid=4100, name=python, An uncorrectable double bit error (DBE) has been detected on GPU in the framebuffer at partition 2, subpartition 0.')] })),
  faulty('a T4 without air', /thermal|slowdown|temperature/, on(T4, 4, { gpus: { 3: { deviceGetTemperature: 94, deviceGetCurrentClocksEventReasons: 0x48, 'deviceGetClockInfo sm': 300, 'deviceGetClockInfo graphics': 300 } } })),
  faulty('a controller in an RTX 6000 Ada halted', /xid-62/, on(ADA, 4, { log: [xid(2, 62, "pid='<unknown>', name=<unknown>, 00003a8b 00000000 00000000 202ce3d6 202ce2d2 202c9e8c 202ca5d0 202cc1b2")] })),
  faulty('an RTX 6000 Ada slows down although its fan does all it can', /thermal|slowdown|temperature/, on(ADA, 2, { gpus: { 0: { deviceGetTemperature: 92, deviceGetFanSpeed: 100, deviceGetCurrentClocksEventReasons: 0x20 } } })),
  // Jetson, virtual GPUs, Grace Hopper.
  faulty('the system processor of a Jetson Thor does not answer', /gsp|xid-119/, on(THOR, 1, { log: [xid(0, 119, 'pid=711, name=trtexec, Timeout after 45s of waiting for RPC response from GPU0 GSP! Expected function 76 (GSP_RM_CONTROL) (0x20800a4c 0x0).')] })),
  faulty('the GPU of a Jetson Thor is lost', /lost-gpu|handle|init/, on(THOR, 1, { fails: { 0: { '*': 'gpu_is_lost' } } })),
  faulty('uncorrected errors under a virtual GPU', /ecc/, on(GUEST, 1, { every: { 'deviceGetTotalEccErrors uncorrected volatile': 3 } })),
  faulty('the links of a GH200 to its CPU have half their bandwidth', /c2c/, on(GH200, 2, { gpus: { 1: field('c2cBandwidth', 22_500) } })),
  faulty('the memory of a GH200 is at 107 °C', /temperature|hot/, on(GH200, 1, { every: field('memoryTemperature', 107) })),
];

// biome-ignore format: a table
const WELL: readonly FieldMachine[] = [
  well('a GB300 tray that waits for work', on(GB300, 4, { every: idle(298_000_000_000, 170) })),
  well('a GB300 tray at half load', on(GB300, 4, { gpus: { 0: busy(61, 820, 48), 1: busy(44, 700, 45), 2: busy(79, 980, 53), 3: busy(52, 760, 46) } })),
  well('a GB300 tray in a rack of its own clique', on(GB300, 4, { every: { deviceGetGpuFabricInfoV3: clustered({ cliqueId: 32_766 }) } })),
  well('eight B200 whose NVLinks sleep', on(B200, 8, { every: { ...idle(191_000_000_000, 140), ...field('nvlinkState', 2) } })),
  well('eight B200 three minutes after their start', on(B200, 8, { every: idle(191_000_000_000, 145), host: { uptimeSeconds: 180 }, log: ['nvidia-nvlink: Nvlink Core is being initialized, major device number 234', 'nvidia-uvm: Loaded the UVM driver, major device number 507.'] })),
  well('eight warm B200 at full load', on(B200, 8, { every: { deviceGetTemperature: 79, deviceGetMarginTemperature: { marginTemperature: 6 }, deviceGetPowerUsage: 985_000 } })),
  well('four H200 NVL with a bridge for four', on(NVL_BRIDGED, 4)),
  well('two idle H200 NVL save power on the bus', on(NVL_BRIDGED, 2, { every: { ...idle(GIB_141, 75), deviceGetCurrPcieLinkGeneration: 1 }, ...SAVING })),
  well('two H200 NVL without a bridge', on(NVL_SINGLE, 2)),
  well('one H200 NVL alone', on(NVL_SINGLE, 1)),
  well('two of four H200 NVL have a bridge', on(NVL_BRIDGED, 4, { gpus: Object.fromEntries([2, 3].map(gpu => [gpu, field('nvlinkState', 0)])) })),
  well('three H200 NVL, of which two have a bridge', on(NVL_BRIDGED, 3, { gpus: { 2: field('nvlinkState', 0) } })),
  well('eight H200 that somebody limited to 450 W', on(H200, 8, { every: { deviceGetPowerManagementLimit: 450_000, deviceGetEnforcedPowerLimit: 450_000, ...field('powerRequestedLimit', 450_000), deviceGetPowerUsage: 449_000, 'deviceGetClockInfo sm': 1_290, 'deviceGetClockInfo graphics': 1_290 } })),
  well('eight H200 that wait for their data', on(H200, 8, { every: busy(7, 160, 36) })),
  well('eight H100 that hold a model and have no requests', on(H100, 8, { every: { ...busy(0, 118, 33), deviceGetCurrentClocksEventReasons: 1 } })),
  well('eight H100 of which one works', on(H100, 8, { every: idle(GIB_80, 70), gpus: { 3: { ...busy(100, 640, 61), 'deviceGetClockInfo sm': 1_755, 'deviceGetClockInfo graphics': 1_755 } } })),
  well('eight H100 at clocks that somebody locked', on(H100, 8, { every: { 'deviceGetApplicationsClock graphics': 1_410, 'deviceGetClockInfo sm': 1_410, 'deviceGetClockInfo graphics': 1_410, deviceGetCurrentClocksEventReasons: 2, deviceGetPowerUsage: 420_000 } })),
  well('eight H100 with a driver that knows no recovery action', on({ ...H100, without: [`${FIELD} gpuRecoveryAction`, 'deviceGetRepairStatus', 'deviceGetUnrepairableMemoryFlag', 'deviceGetSramEccErrorStatus'] }, 8)),
  well('an idle L40S without persistence', on(L40S, 1, { every: { ...idle(GIB_46, 35), deviceGetPersistenceMode: 0, deviceGetPerformanceState: 8, deviceGetCurrPcieLinkGeneration: 1 }, ...SAVING })),
  well('four of eight L40S are busy', on(L40S, 8, { gpus: Object.fromEntries([1, 3, 5, 7].map(gpu => [gpu, idle(GIB_46, 34)])) })),
  well('four L40S without ECC, by choice', on(L40S, 4, { every: { deviceGetEccMode: { current: 0, pending: 0 } } })),
  well('two L40S that transcode', on(L40S, 2, { every: { ...busy(18, 110, 47), deviceGetEncoderUtilization: { utilization: 92, samplingPeriodUs: 167_000 }, deviceGetDecoderUtilization: { utilization: 81, samplingPeriodUs: 167_000 } } })),
  well('four of eight A100 are in MIG mode', on(A100, 8, { gpus: Object.fromEntries([4, 5, 6, 7].map(gpu => [gpu, MIG])) })),
  well('the only A100 of a node', on(A100, 1)),
  well('eight A100 shared by MPS', on(A100, 8, { every: { deviceGetComputeMode: 3, deviceGetMPSComputeRunningProcesses: [{ pid: 7_000, usedGpuMemory: 9_000_000_000 }] } })),
  well('an idle T4 without persistence on generation 1', on(T4, 1, { every: { ...idle(GIB_16, 9), deviceGetPersistenceMode: 0, deviceGetPerformanceState: 8, deviceGetCurrPcieLinkGeneration: 1 }, bus: { currentLinkSpeed: '2.5 GT/s PCIe', maxLinkSpeed: '8.0 GT/s PCIe' } })),
  well('four T4 that somebody limited to 60 W', on(T4, 4, { every: { ...limits(60_000), deviceGetPowerManagementDefaultLimit: 70_000, ...field('powerRequestedLimit', 60_000), deviceGetPowerUsage: 59_800 } })),
  well('four T4 of a virtual machine', on(T4, 4, { every: VM, host: { virtualMachine: true, vendor: 'Amazon EC2' } })),
  well('two RTX 6000 Ada, one with a desktop and no work', on(ADA, 2, { gpus: { 0: { ...idle(GIB_46, 24), deviceGetFanSpeed: 30, deviceGetPerformanceState: 8, deviceGetGraphicsRunningProcesses: [{ pid: 7_000, usedGpuMemory: 180_000_000 }] } } })),
  well('eight RTX PRO 6000 that rest', on(PRO, 8, { every: { ...idle(102_000_000_000, 16), deviceGetFanSpeed: 0, deviceGetCurrPcieLinkGeneration: 1 }, bus: { currentLinkSpeed: '2.5 GT/s PCIe', maxLinkSpeed: '32.0 GT/s PCIe' } })),
  { ...well('a Jetson Thor', on(THOR, 1)), mayBeUnknown: true },
  { ...well('half an A10 in a virtual machine', on(GUEST, 1, { every: busy(88, 120, 60) })), mayBeUnknown: true },
  well('an idle GH200', on(GH200, 1, { every: idle(102_000_000_000, 95) })),
  well('a GH200 that somebody limited to 700 W', on(GH200, 1, { every: { deviceGetPowerManagementLimit: 700_000, deviceGetEnforcedPowerLimit: 700_000, ...field('powerRequestedLimit', 700_000), deviceGetPowerUsage: 690_000 } })),
  well('an L4 at its 72 W', on(L4, 1, { every: { deviceGetPowerUsage: 71_900, deviceGetTemperature: 79, deviceGetCurrentClocksEventReasons: 4 } })),
];

export const PLATFORM_MACHINES: readonly FieldMachine[] = [...FAULTS, ...WELL];
