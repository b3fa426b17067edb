import { gpuType } from '../../src/simulation/gpu-types.ts';
import {
  type Answers,
  down,
  fabric,
  limits,
  linked,
  product,
  refused,
} from '../scenarios/machines.ts';

/**
 * Machines of models, sizes and forms that the other suites hardly have, each with one fault or none.
 * What has to be said of them was written down before they were judged for the first time.
 */
export interface FieldMachine {
  readonly name: string;
  readonly machine: object;
  /** Of a fault: the finding or the gap that tells it. A machine without this is healthy. */
  readonly told?: RegExp;
  /** What tells it is a remark, and the verdict stays healthy. */
  readonly asRemark?: true;
  /** A healthy one of a form that cannot show enough to be called so. */
  readonly mayBeUnknown?: true;
}

interface Base {
  readonly like: string;
  readonly answers?: Answers;
  readonly without?: readonly string[];
}

const FIELD = 'deviceGetFieldValue';
export const card = (
  name: string,
  chip: readonly [number, number, number],
  watts: number,
): Answers => ({
  ...product(name, ...chip),
  ...limits(watts * 1_000),
  deviceGetPowerUsage: watts * 900,
});
const NO_LINKS = [`${FIELD} nvlinkCount`, `${FIELD} nvlinkState`, 'deviceGetGpuFabricInfoV3'];
const NO_FABRIC = { deviceGetGpuFabricInfoV3: { state: 0 } };
export const VM = { deviceGetVirtualizationMode: 1 };

export const L4: Base = { like: 'l4' };
export const L40S: Base = { like: 'l40s' };
export const A10: Base = { like: 'a10' };
export const T4: Base = { like: 't4' };
const A30: Base = {
  like: 'h100-pcie',
  answers: card('NVIDIA A30', [7, 8, 0], 165),
  without: NO_LINKS,
};
export const ADA: Base = {
  like: 'l40s',
  answers: {
    ...card('NVIDIA RTX 6000 Ada Generation', [8, 8, 9], 300),
    deviceGetNumFans: 1,
    deviceGetFanSpeed: 55,
  },
};
export const PRO: Base = {
  like: 'l40s',
  answers: {
    ...card('NVIDIA RTX PRO 6000 Blackwell Workstation Edition', [10, 12, 0], 600),
    deviceGetNumFans: 2,
    deviceGetFanSpeed: 60,
  },
};
const H20: Base = { like: 'h100-sxm', answers: card('NVIDIA H20', [9, 9, 0], 500) };
const H800: Base = { like: 'h100-sxm', answers: card('NVIDIA H800', [9, 9, 0], 700) };
const A800: Base = {
  like: 'a100-sxm4-80gb',
  answers: card('NVIDIA A800-SXM4-80GB', [7, 8, 0], 400),
};
export const GH200: Base = {
  like: 'gb200',
  answers: { ...card('NVIDIA GH200 480GB', [9, 9, 0], 900), ...NO_FABRIC },
  without: [...NO_LINKS.slice(0, 2), 'deviceGetPlatformInfo'],
};
export const GB200: Base = { like: 'gb200' };
export const GB300: Base = { like: 'gb300' };
const B300: Base = { like: 'b200', answers: card('NVIDIA B300 SXM6 AC', [10, 10, 3], 1_100) };
export const H100: Base = { like: 'h100-sxm' };
export const H200: Base = { like: 'h200' };
export const A100: Base = { like: 'a100-sxm4-80gb' };
const NVL: Base = {
  like: 'h100-pcie',
  answers: { ...card('NVIDIA H100 NVL', [9, 9, 0], 400), ...linked(12, 26_562) },
};
const A40: Base = {
  like: 'l4',
  answers: { ...card('NVIDIA A40', [7, 8, 6], 300), ...linked(4, 14_062) },
};
const V100: Base = {
  like: 't4',
  answers: {
    ...card('Tesla V100-SXM3-32GB', [5, 7, 0], 350),
    ...linked(6, 25_781),
    deviceGetNvLinkRemoteDeviceType: 2,
    [`${FIELD} memoryTemperature`]: 61,
    'deviceGetMaxClockInfo sm': 1_597,
    'deviceGetClockInfo sm': 1_500,
  },
};

interface Change {
  readonly every?: Answers;
  readonly gpus?: Readonly<Record<number, Answers>>;
  /** Functions that fail, of single GPUs. */
  readonly fails?: Readonly<Record<number, Readonly<Record<string, string>>>>;
  readonly host?: Readonly<Record<string, unknown>>;
  /** Of the bus, beside the GPUs. */
  readonly pci?: readonly object[];
  /** What the bus shows of every GPU. */
  readonly bus?: object;
  /** How many of them are on the bus alone. */
  readonly unseen?: number;
  readonly log?: readonly string[];
}

export const addressOf = (index: number): string =>
  `0000:${(0x10 + index * 8).toString(16).padStart(2, '0')}:00`;

/** A program of the type's machine on each GPU that this has more. */
const processOf = (like: string, index: number): Answers => {
  const { pci, totalBytes } = gpuType(like);
  return index < pci.length
    ? {}
    : {
        deviceGetComputeRunningProcesses: [
          { pid: 7_000 + index, usedGpuMemory: Math.round(totalBytes * 0.9) },
        ],
      };
};

/** So many GPUs of a kind, with what is different. */
export function on(
  { like, answers, without = [] }: Base,
  count: number,
  change: Change = {},
): object {
  const seen = count - (change.unseen ?? 0);
  const places = Array.from({ length: count }, (_, index) => ({
    pci: addressOf(index),
    ...change.bus,
  }));
  return {
    like,
    everyGpu: { answers: { ...answers, ...change.every }, faults: refused(...without) },
    gpus: Array.from({ length: seen }, (_, index) => ({
      answers: { ...processOf(like, index), ...change.gpus?.[index] },
      faults: Object.fromEntries(
        Object.entries(change.fails?.[index] ?? {}).map(([key, reason]) => [
          key,
          { return: reason },
        ]),
      ),
    })),
    host: {
      processes: Object.fromEntries(places.map((_, index) => [7_000 + index, 'python3'])),
      deviceNodes: [...places.map((_, index) => `nvidia${index}`), 'nvidiactl', 'nvidia-uvm'],
      ...change.host,
      pci: [...places, ...(change.pci ?? [])],
    },
    kernelLog: {
      lines: (change.log ?? []).map((text, at) => ({ secondsAgo: 600 - at, text })),
    },
  };
}

export const faulty = (name: string, told: RegExp, machine: object): FieldMachine => ({
  name,
  told,
  machine,
});
export const well = (name: string, machine: object): FieldMachine => ({ name, machine });
export const xid = (index: number, code: number, text: string) =>
  `NVRM: Xid (PCI:${addressOf(index)}): ${code}, ${text}`;
export const field = (name: string, value: number): Answers => ({ [`${FIELD} ${name}`]: value });
const SWITCHES = [0, 1].map(at => ({ pci: `0000:0${at + 1}:00`, kind: 'nvswitch' }));
const slotFor = (maxLinkWidth: number) => ({
  bridges: [{ pci: '0000:00:01', maxLinkSpeed: '32.0 GT/s PCIe', maxLinkWidth }],
});

/** Cards in slots. */
// biome-ignore format: a table
const CARDS: readonly FieldMachine[] = [
  faulty('one of four L4 is hotter than it may be', /temperature|hot/, on(L4, 4, { gpus: { 2: { deviceGetTemperature: 99 } } })),
  faulty('one L4 does not tell its power', /power draw/, on(L4, 4, { fails: { 1: { deviceGetPowerUsage: 'unknown' } } })),
  faulty('one L4 is held at half its power', /power/, on(L4, 4, { gpus: { 3: { deviceGetEnforcedPowerLimit: 30_000, deviceGetPowerUsage: 29_000 } } })),
  faulty('the only L4 could not remap a row', /row-remap-failed/, on(L4, 1, { gpus: { 0: { deviceGetRemappedRows: { corrected: 0, uncorrected: 3, pending: 0, failureOccurred: 1 } } } })),
  faulty('the only L4 works on generation 1 in a slot for 5', /pcie-speed/, on(L4, 1, { every: { deviceGetCurrPcieLinkGeneration: 1 }, bus: { ...slotFor(16), currentLinkSpeed: '2.5 GT/s PCIe', maxLinkSpeed: '16.0 GT/s PCIe' } })),
  faulty('one L4 keeps 20 GiB for nobody', /leak|memory/, on(L4, 2, { gpus: { 1: { deviceGetComputeRunningProcesses: [], deviceGetUtilizationRates: { gpu: 0, memory: 0 }, deviceGetCurrentClocksEventReasons: 1, deviceGetPowerUsage: 16_000 } } })),
  faulty('one uncorrected error in the DRAM of an L40S', /ecc/, on(L40S, 8, { gpus: { 6: { 'deviceGetTotalEccErrors uncorrected volatile': 1 } } })),
  faulty('an L40S is braked by its power supply', /slowdown/, on(L40S, 8, { gpus: { 0: { deviceGetCurrentClocksEventReasons: 0x80 } } })),
  faulty('the link of an L40S had a fatal error', /pcie/, on(L40S, 4, { gpus: { 3: field('pcieFatal', 2) } })),
  faulty('all L40S stand still at 210 MHz under full load', /clock/, on(L40S, 4, { every: { 'deviceGetClockInfo sm': 210, 'deviceGetClockInfo graphics': 210, deviceGetCurrentClocksEventReasons: 0, deviceGetPowerUsage: 90_000 } })),
  faulty('one of two A10 is lost', /lost-gpu/, on(A10, 2, { fails: { 1: { '*': 'gpu_is_lost' } }, log: [xid(1, 79, "pid='<unknown>', name=<unknown>, GPU has fallen off the bus.")] })),
  faulty('one A10 is on the bus and not in the driver', /lost|count|bound/, on(A10, 2, { unseen: 1 })),
  faulty('an A10 slows down for heat', /thermal|slowdown/, on(A10, 1, { every: { deviceGetCurrentClocksEventReasons: 0x20, deviceGetTemperature: 86 } })),
  faulty('an A30 in MIG mode has a row to remap', /row-remap-pending/, on(A30, 2, { every: { deviceGetMigMode: { current: 1, pending: 1 } }, gpus: { 0: { deviceGetRemappedRows: { corrected: 0, uncorrected: 1, pending: 1, failureOccurred: 0 } } } })),
  faulty('the memory of an A30 is at 106 °C', /temperature|hot/, on(A30, 4, { gpus: { 1: field('memoryTemperature', 106) } })),
  { ...faulty('one RTX 6000 Ada has another VBIOS', /vbios/, on(ADA, 4, { gpus: { 2: { deviceGetVbiosVersion: '95.02.18.80.99' } } })), asRemark: true },
  faulty('no program may compute on an RTX 6000 Ada', /compute-prohibited/, on(ADA, 2, { gpus: { 1: { deviceGetComputeMode: 2 } } })),
  faulty('an RTX 6000 Ada corrects 25 million errors', /corrected/, on(ADA, 4, { gpus: { 0: { 'deviceGetTotalEccErrors corrected volatile': 25_000_000 } } })),
  faulty('one of two RTX 6000 Ada may draw half of what the other may', /power/, on(ADA, 2, { gpus: { 0: { deviceGetPowerManagementLimit: 150_000, deviceGetEnforcedPowerLimit: 150_000, deviceGetPowerUsage: 149_000 } } })),
  faulty('the fans of a hot RTX PRO 6000 stand', /fan/, on(PRO, 2, { gpus: { 1: { deviceGetTemperature: 87, deviceGetFanSpeed: 0 } } })),
  faulty('the only RTX PRO 6000 stands at 300 MHz under full load', /clock/, on(PRO, 1, { every: { 'deviceGetClockInfo sm': 300, 'deviceGetClockInfo graphics': 300, deviceGetCurrentClocksEventReasons: 0, deviceGetPowerUsage: 120_000 } })),
  faulty('the system processor of an RTX PRO 6000 does not answer', /gsp|xid-119/, on(PRO, 2, { log: [xid(1, 119, 'pid=4711, name=python3, Timeout after 6s of waiting for RPC response from GPU1 GSP! Expected function 76 (GSP_RM_CONTROL) (0x20801702 0x4).')] })),
  faulty('a fan of an RTX PRO 6000 gives an error', /fan/, on(PRO, 1, { fails: { 0: { deviceGetFanSpeed: 'unknown' } } })),
  faulty('64 retired pages on one of sixteen T4', /retired|page/, on(T4, 16, { gpus: { 11: { 'deviceGetRetiredPages doubleBit': Array.from({ length: 64 }, (_, page) => page) } } })),
  faulty('a page of a T4 waits for its retirement', /page/, on(T4, 1, { every: { deviceGetRetiredPagesPendingStatus: 1 } })),
  faulty('a bridge of two H100 NVL holds on one side only', /nvlink/, on(NVL, 2, { every: { ...down(3), deviceGetVirtualizationMode: 0 } })),
  faulty('an H100 NVL is over its T.Limit', /temperature|slowdown|margin|hot/, on(NVL, 2, { gpus: { 1: { deviceGetMarginTemperature: { marginTemperature: -3 }, deviceGetCurrentClocksEventReasons: 0x20 } } })),
  faulty('a link of two bridged A40 recovered 40,000 times', /nvlink-errors/, on(A40, 2, { gpus: { 0: field('nvlinkRecovery 2', 40_000) } })),
  faulty('one of eight A40 of a host of virtual GPUs is lost', /lost-gpu/, on(A40, 8, { every: { deviceGetVirtualizationMode: 3, deviceGetHostVgpuMode: 1 }, fails: { 5: { '*': 'gpu_is_lost' } } })),
  faulty('both L4 have 4 lanes in slots for 16', /pcie-width/, on(L4, 2, { every: { deviceGetCurrPcieLinkWidth: 4 }, bus: { ...slotFor(16), currentLinkWidth: 4 } })),
];

/** Modules of a board, and those with a Grace CPU. */
// biome-ignore format: a table
const MODULES: readonly FieldMachine[] = [
  faulty('a link of an H20 is down', /nvlink-down/, on(H20, 8, { gpus: { 4: down(17) } })),
  faulty('eight H20 wait for their fabric', /fabric-not-ready/, on(H20, 8, { every: { deviceGetGpuFabricInfoV3: fabric({ state: 2 }) } })),
  faulty('the SRAM of an H20 is worn', /sram/, on(H20, 8, { gpus: { 0: { deviceGetSramEccErrorStatus: { bThresholdExceeded: 1 } } } })),
  faulty('an H20 has 8 lanes', /pcie-width/, on(H20, 8, { gpus: { 7: { deviceGetCurrPcieLinkWidth: 8 } } })),
  faulty('all links of eight H800 have half their speed', /nvlink-slow/, on(H800, 8, { every: field('nvlinkSpeed', 13_281) })),
  faulty('a link of an H800 has nine million CRC errors', /nvlink-errors/, on(H800, 8, { gpus: { 2: field('nvlinkCrc 9', 9_000_000) } })),
  faulty('the driver asks for a reset of an H800', /recovery|reset/, on(H800, 8, { gpus: { 1: field('gpuRecoveryAction', 1) } })),
  faulty('an old driver asks for a reset of an A800', /recovery|reset/, on(A800, 8, { gpus: { 1: field('resetStatus', 1) }, fails: Object.fromEntries(Array.from({ length: 8 }, (_, index) => [index, { [`${FIELD} gpuRecoveryAction`]: 'not_supported' }])) })),
  faulty('an A800 is alone in drawing a quarter of its power', /power|clock/, on(A800, 8, { gpus: { 3: { deviceGetEnforcedPowerLimit: 100_000, deviceGetPowerUsage: 99_000, 'deviceGetClockInfo sm': 500 } } })),
  faulty('a GH200 lost a link to its CPU', /c2c/, on(GH200, 1, { every: field('c2cStatus 3', 0) })),
  faulty('a GH200 replays on the links to its CPU', /c2c/, on(GH200, 1, { every: field('c2cReplays', 40_000_000) })),
  faulty('a bank of a GH200 has no spare row', /banks/, on(GH200, 1, { every: { deviceGetRowRemapperHistogram: { max: 2_559, high: 0, partial: 0, low: 0, none: 1 } } })),
  faulty('a GB200 tray belongs to no cluster', /fabric-no-cluster/, on(GB200, 4, { every: { deviceGetGpuFabricInfoV3: fabric() } })),
  faulty('the fabric of a GB200 says that it is ill, and not where', /fabric-unhealthy/, on(GB200, 4, { gpus: { 2: { deviceGetGpuFabricInfoV3: fabric({ clusterUuid: 'ab'.repeat(16), healthMask: 0, healthSummary: 2 }) } } })),
  faulty('all links of one GB200 are down', /nvlink-down/, on(GB200, 4, { gpus: { 0: field('nvlinkState', 0) } })),
  faulty('one link of a GB200 has bad symbols', /nvlink-errors/, on(GB200, 4, { gpus: { 3: field('nvlinkSymbolBer 6', (15 << 8) | 90) } })),
  faulty('the driver has three of the four GB200 of a tray', /lost|count|bound/, on(GB200, 4, { unseen: 1 })),
  faulty('two links of a GB300 are slow', /nvlink-slow/, on(GB300, 4, { gpus: { 1: { ...field('nvlinkSpeed 4', 26_562), ...field('nvlinkSpeed 5', 26_562) } } })),
  faulty('memory of a GB300 cannot be repaired', /unrepairable/, on(GB300, 4, { gpus: { 2: { deviceGetUnrepairableMemoryFlag: { bUnrepairableMemory: 1 } } } })),
  faulty('a channel of a GB300 waits for its repair', /repair/, on(GB300, 4, { gpus: { 0: { deviceGetRepairStatus: { bChannelRepairPending: 1 } } } })),
  faulty('a fabric of a GB300 that nobody knows', /fabric/, on(GB300, 4, { gpus: { 0: { deviceGetGpuFabricInfoV3: fabric({ state: 7 }) } } })),
  { ...faulty('one B300 is far hotter than the others at the same work', /hotter/, on(B300, 8, { every: { deviceGetTemperature: 52 }, gpus: { 5: { deviceGetTemperature: 78 } } })), asRemark: true },
  faulty('the driver gives an unknown error for a B300', /handle|lost|nothing|not-usable|init/, on(B300, 8, { fails: { 6: { deviceGetHandleByIndex: 'unknown' } } })),
  faulty('the InfoROM of a B300 is broken', /inforom/i, on(B300, 8, { fails: { 1: { deviceValidateInforom: 'corrupted_inforom' } } })),
  faulty('a B300 lost packets for want of buffers', /nvlink-errors/, on(B300, 8, { gpus: { 1: field('nvlinkBufferOverruns 2', 90_000) } })),
  faulty('a link of one of sixteen V100 is down', /nvlink-down/, on(V100, 16, { gpus: { 9: down(2) }, pci: SWITCHES })),
  faulty('no fabric manager beside the switches of eight A100', /fabric-manager-missing/, on(A100, 8, { pci: SWITCHES, host: { daemons: [{ kind: 'kubelet', pid: 900, name: 'kubelet' }] } })),
  faulty('an A100 in MIG mode has a contained memory error', /xid-94|ecc/, on(A100, 8, { every: { deviceGetMigMode: { current: 1, pending: 1 } }, log: [xid(4, 94, 'pid=3321, name=python, Contained: CE User Channel (0x9). RST: No, D-RST: No')] })),
  faulty('the only H100 of a virtual machine fell off the bus', /lost-gpu/, on(H100, 1, { every: VM, fails: { 0: { '*': 'gpu_is_lost' } }, log: [xid(0, 79, "pid='<unknown>', name=<unknown>, GPU has fallen off the bus.")] })),
  faulty('one of eight H100 of a virtual machine has uncorrected errors', /ecc/, on(H100, 8, { every: VM, gpus: { 2: { 'deviceGetTotalEccErrors uncorrected volatile': 12 } } })),
  faulty('one of two H200 waits for MIG', /mig-mode-pending/, on(H200, 2, { gpus: { 0: { deviceGetMigMode: { current: 0, pending: 1 } } } })),
  faulty('the driver asks for a reboot of a node of H200', /xid-154|recovery/, on(H200, 8, { gpus: { 0: field('gpuRecoveryAction', 2) }, log: [xid(0, 154, 'GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)')] })),
  faulty('one H200 has no ECC counters, and ECC on', /ECC/, on(H200, 8, { fails: { 3: { deviceGetTotalEccErrors: 'not_supported' } } })),
  faulty('an H200 has no row remapper beside seven that have', /row remap/, on(H200, 8, { fails: { 3: { deviceGetRemappedRows: 'not_supported' } } })),
  faulty('one of eight H200 is bound to another driver', /bound|lost|count/, on(H200, 8, { unseen: 1, bus: {}, host: {} })),
];

/** Nothing is wrong with these. */
// biome-ignore format: a table
const WELL: readonly FieldMachine[] = [
  well('one L4 that does nothing', on(L4, 1, { every: { deviceGetUtilizationRates: { gpu: 0, memory: 0 }, deviceGetCurrentClocksEventReasons: 1, deviceGetPerformanceState: 8, deviceGetComputeRunningProcesses: [], deviceGetMemoryInfo: { total: 24_152_899_584, reserved: 500_000_000, used: 0, free: 23_652_899_584 }, 'deviceGetClockInfo sm': 210, deviceGetPowerUsage: 12_000, deviceGetCurrPcieLinkGeneration: 1, deviceGetTemperature: 31 } })),
  well('eight L4 at work', on(L4, 8)),
  well('four L40S at their power cap', on(L40S, 4, { every: { deviceGetCurrentClocksEventReasons: 4, deviceGetPowerUsage: 349_000 } })),
  well('one A10 without ECC', on(A10, 1, { every: { deviceGetEccMode: { current: 0, pending: 0 } } })),
  well('four A30', on(A30, 4)),
  well('two A30 in MIG mode', on(A30, 2, { every: { deviceGetMigMode: { current: 1, pending: 1 } } })),
  well('two RTX 6000 Ada', on(ADA, 2)),
  well('one RTX 6000 Ada that rests: its fan stands', on(ADA, 1, { every: { deviceGetFanSpeed: 0, deviceGetTemperature: 34, deviceGetUtilizationRates: { gpu: 0, memory: 0 }, deviceGetCurrentClocksEventReasons: 1, deviceGetPowerUsage: 18_000 } })),
  well('eight RTX PRO 6000 at 595 W', on(PRO, 8, { every: { deviceGetPowerUsage: 595_000, deviceGetCurrentClocksEventReasons: 4 } })),
  well('eight H20', on(H20, 8)),
  well('eight H800', on(H800, 8)),
  well('eight A800', on(A800, 8)),
  well('a GH200 alone', on(GH200, 1)),
  well('two GH200 in one machine', on(GH200, 2)),
  well('a GB200 tray', on(GB200, 4)),
  well('half a GB200 tray', on(GB200, 2)),
  well('a GB300 tray', on(GB300, 4)),
  well('eight B300', on(B300, 8)),
  well('sixteen T4', on(T4, 16)),
  well('sixteen V100 on switches', on(V100, 16, { pci: SWITCHES, host: { daemons: [{ kind: 'fabric_manager', pid: 901, name: 'nv-fabricmanage' }] } })),
  well('two H100 of a virtual machine, without their links', on({ ...H100, without: NO_LINKS.slice(0, 2) }, 2, { every: { ...VM, ...NO_FABRIC } })),
  well('one H100 of a virtual machine', on({ ...H100, without: NO_LINKS.slice(0, 2) }, 1, { every: { ...VM, ...NO_FABRIC } })),
  well('eight H100 of a virtual machine with their links', on(H100, 8, { every: VM })),
  well('eight H200 that remapped three rows in their lives', on(H200, 8, { gpus: { 2: { deviceGetRemappedRows: { corrected: 2, uncorrected: 1, pending: 0, failureOccurred: 0 } } } })),
  well('an A100 with old errors of its whole life', on(A100, 8, { gpus: { 6: { 'deviceGetTotalEccErrors uncorrected aggregate': 14, 'deviceGetTotalEccErrors corrected aggregate': 2_200 } } })),
  well('four A100 of a machine with eight places', on(A100, 4)),
  well('two H100 NVL with their bridges', on(NVL, 2)),
  well('two bridged A40', on(A40, 2)),
  well('four A40 that serve virtual GPUs', on(A40, 4, { every: { deviceGetVirtualizationMode: 3, deviceGetHostVgpuMode: 1 } })),
  well('sixteen A100', on(A100, 16)),
  well('an RTX 8000 beside T4s', on(T4, 4, { gpus: { 3: { ...card('Quadro RTX 8000', [6, 7, 5], 260), deviceGetTemperature: 66 } } })),
  well('eight H100 of which one runs other work', on(H100, 8, { gpus: { 2: { deviceGetUtilizationRates: { gpu: 35, memory: 9 }, deviceGetPowerUsage: 310_000, deviceGetTemperature: 47, deviceGetCurrentClocksEventReasons: 0 } } })),
  well('an H100 with twelve replays since boot', on(H100, 8, { gpus: { 2: { deviceGetPcieReplayCounter: 12, ...field('pcieReplay', 12) } } })),
  well('an H100 with forty CRC errors since it was trained', on(H100, 8, { gpus: { 4: field('nvlinkCrc 3', 40) } })),
  well('a GB200 with a few replays on the links to its CPU', on(GB200, 4, { gpus: { 1: field('c2cReplays', 12) } })),
  well('two L4 with 8 lanes in slots for 8', on(L4, 2, { every: { deviceGetCurrPcieLinkWidth: 8 }, bus: { ...slotFor(8), currentLinkWidth: 8 } })),
  well('a program read out of bounds last week', on(L40S, 4)),
  well('eight H200 for one process each', on(H200, 8, { every: { deviceGetComputeMode: 3 } })),
  well('four L40S whose clocks someone set lower', on(L40S, 4, { every: { 'deviceGetApplicationsClock graphics': 1_800, 'deviceGetClockInfo sm': 1_800, 'deviceGetClockInfo graphics': 1_800, deviceGetCurrentClocksEventReasons: 2 } })),
  { ...well('one GPU of a virtual desktop', on({ like: 'a10' }, 1, { every: { deviceGetVirtualizationMode: 2 } })), mayBeUnknown: true },
];

export const FIELD_MACHINES: readonly FieldMachine[] = [...CARDS, ...MODULES, ...WELL];
