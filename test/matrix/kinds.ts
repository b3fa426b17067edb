import { type Answers, down, limits, linked, product } from '../scenarios/machines.ts';

/** A kind of machine: what differs from a type of gpu-types.json, and within which limits it lives. */
export interface Kind {
  readonly like: string;
  readonly gpus: number;
  readonly powerMw: number;
  readonly maxClockMhz: number;
  /** The highest temperature at which it may work all day. */
  readonly hottestC: number;
  readonly answers?: Answers;
  readonly refused?: readonly string[];
  readonly mayBeUnknown?: true;
}

const FIELD = 'deviceGetFieldValue';
const REFUSED_WITHOUT_ECC = [
  ...['deviceGetEccMode', 'deviceGetTotalEccErrors', 'deviceGetMemoryErrorCounter'],
  ...['deviceGetRemappedRows', 'deviceGetRowRemapperHistogram', 'deviceGetSramEccErrorStatus'],
  ...['deviceGetRetiredPages', 'deviceGetRetiredPagesPendingStatus'],
];
const NO_NVLINK = [`${FIELD} nvlinkCount`, `${FIELD} nvlinkState`, 'deviceGetGpuFabricInfoV3'];
const clocks = (mhz: number): Answers => ({
  'deviceGetMaxClockInfo graphics': mhz,
  'deviceGetMaxClockInfo sm': mhz,
  'deviceGetApplicationsClock graphics': mhz,
  'deviceGetDefaultApplicationsClock graphics': mhz,
});
const card = (name: string, chip: readonly [number, number, number], mw: number, mhz: number) => ({
  ...product(name, ...chip),
  ...limits(mw),
  ...clocks(mhz),
});
/**
 * Limits are those of NVIDIA's data sheets and of gpu-types.json; clocks under a power cap and
 * counters of PCIe those of test/fixtures/silicon/h200-580.
 */
export const KINDS: Readonly<Record<string, Kind>> = {
  T4: { like: 't4', gpus: 4, powerMw: 70_000, maxClockMhz: 1_590, hottestC: 83 },
  'V100 SXM2': {
    like: 't4',
    gpus: 4,
    powerMw: 300_000,
    maxClockMhz: 1_530,
    hottestC: 83,
    answers: {
      ...card('Tesla V100-SXM2-32GB', [5, 7, 0], 300_000, 1_530),
      ...linked(6, 25_781),
      [`${FIELD} memoryTemperature`]: 61,
    },
  },
  'P100 PCIe': {
    like: 't4',
    gpus: 2,
    powerMw: 250_000,
    maxClockMhz: 1_328,
    hottestC: 80,
    answers: card('Tesla P100-PCIE-16GB', [4, 6, 0], 250_000, 1_328),
  },
  A10: { like: 'a10', gpus: 2, powerMw: 150_000, maxClockMhz: 1_695, hottestC: 86 },
  'A100 SXM 40 GB': {
    like: 'a100-sxm4-40gb',
    gpus: 8,
    powerMw: 400_000,
    maxClockMhz: 1_410,
    hottestC: 83,
  },
  'A100 SXM 80 GB': {
    like: 'a100-sxm4-80gb',
    gpus: 8,
    powerMw: 400_000,
    maxClockMhz: 1_410,
    hottestC: 83,
  },
  'A100 PCIe': {
    like: 'h100-pcie',
    gpus: 4,
    powerMw: 300_000,
    maxClockMhz: 1_410,
    hottestC: 82,
    answers: card('NVIDIA A100 80GB PCIe', [7, 8, 0], 300_000, 1_410),
    refused: NO_NVLINK,
  },
  A30: {
    like: 'h100-pcie',
    gpus: 2,
    powerMw: 165_000,
    maxClockMhz: 1_440,
    hottestC: 80,
    answers: card('NVIDIA A30', [7, 8, 0], 165_000, 1_440),
    refused: NO_NVLINK,
  },
  L4: { like: 'l4', gpus: 4, powerMw: 72_000, maxClockMhz: 2_040, hottestC: 83 },
  L40S: { like: 'l40s', gpus: 8, powerMw: 350_000, maxClockMhz: 2_520, hottestC: 84 },
  'H100 SXM': { like: 'h100-sxm', gpus: 8, powerMw: 700_000, maxClockMhz: 1_980, hottestC: 84 },
  'H100 PCIe': { like: 'h100-pcie', gpus: 4, powerMw: 350_000, maxClockMhz: 1_755, hottestC: 82 },
  'H100 NVL': {
    like: 'h100-pcie',
    gpus: 2,
    powerMw: 400_000,
    maxClockMhz: 1_785,
    hottestC: 82,
    answers: { ...card('NVIDIA H100 NVL', [9, 9, 0], 400_000, 1_785), ...linked(12, 26_562) },
  },
  // Azure/azurehpc-health-checks#162: the bridges have twelve of the eighteen links.
  'H100 NVL that tells all its links': {
    like: 'h100-pcie',
    gpus: 2,
    powerMw: 400_000,
    maxClockMhz: 1_785,
    hottestC: 82,
    answers: {
      ...card('NVIDIA H100 NVL', [9, 9, 0], 400_000, 1_785),
      ...linked(18, 26_562),
      ...down(4, 5, 10, 11, 16, 17),
    },
  },
  H200: { like: 'h200', gpus: 8, powerMw: 700_000, maxClockMhz: 1_980, hottestC: 84 },
  'an H200 in a virtual machine': {
    like: 'h200',
    gpus: 1,
    powerMw: 700_000,
    maxClockMhz: 1_980,
    hottestC: 84,
    answers: {
      deviceGetVirtualizationMode: 1,
      deviceGetGpuFabricInfoV3: {
        state: 0,
        status: 0,
        cliqueId: 0,
        healthMask: 0,
        healthSummary: 0,
      },
    },
    refused: [`${FIELD} nvlinkCount`, `${FIELD} nvlinkState`],
  },
  GH200: {
    like: 'gb200',
    gpus: 1,
    powerMw: 900_000,
    maxClockMhz: 1_980,
    hottestC: 84,
    answers: {
      ...card('NVIDIA GH200 480GB', [9, 9, 0], 900_000, 1_980),
      deviceGetGpuFabricInfoV3: {
        state: 0,
        status: 0,
        cliqueId: 0,
        healthMask: 0,
        healthSummary: 0,
      },
    },
    refused: [`${FIELD} nvlinkCount`, `${FIELD} nvlinkState`, 'deviceGetPlatformInfo'],
  },
  B200: { like: 'b200', gpus: 8, powerMw: 1_000_000, maxClockMhz: 1_965, hottestC: 80 },
  GB200: { like: 'gb200', gpus: 4, powerMw: 1_200_000, maxClockMhz: 2_062, hottestC: 80 },
  GB300: { like: 'gb300', gpus: 4, powerMw: 1_400_000, maxClockMhz: 2_062, hottestC: 80 },
  'RTX PRO 6000': {
    like: 'l40s',
    gpus: 2,
    powerMw: 600_000,
    maxClockMhz: 2_430,
    hottestC: 84,
    answers: {
      ...card('NVIDIA RTX PRO 6000 Blackwell Workstation Edition', [10, 12, 0], 600_000, 2_430),
      deviceGetNumFans: 2,
    },
    refused: ['deviceGetRemappedRows', 'deviceGetRowRemapperHistogram'],
  },
  'RTX A6000 without ECC, bridged': {
    like: 'l4',
    gpus: 2,
    powerMw: 300_000,
    maxClockMhz: 2_100,
    hottestC: 84,
    answers: {
      ...card('NVIDIA RTX A6000', [7, 8, 6], 300_000, 2_100),
      ...linked(4, 14_062),
      deviceGetNumFans: 1,
      deviceGetEccMode: { current: 0, pending: 0 },
    },
    refused: REFUSED_WITHOUT_ECC.filter(key => key !== 'deviceGetEccMode'),
  },
  'GeForce RTX 4090': {
    like: 'l4',
    gpus: 1,
    powerMw: 450_000,
    maxClockMhz: 3_105,
    hottestC: 80,
    answers: {
      ...card('NVIDIA GeForce RTX 4090', [8, 8, 9], 450_000, 3_105),
      deviceGetBrand: 15,
      deviceGetNumFans: 2,
    },
    refused: [
      ...REFUSED_WITHOUT_ECC,
      'deviceGetMigMode',
      'deviceGetInforomImageVersion',
      'deviceGetInforomVersion',
    ],
  },
  'GeForce GT 1030 without a power meter': {
    like: 't4',
    gpus: 1,
    powerMw: 30_000,
    maxClockMhz: 1_911,
    hottestC: 75,
    answers: {
      ...card('NVIDIA GeForce GT 1030', [4, 6, 1], 30_000, 1_911),
      deviceGetBrand: 5,
      deviceGetNumFans: 1,
    },
    refused: [
      ...[...REFUSED_WITHOUT_ECC, 'deviceGetMigMode', 'deviceGetInforomImageVersion'],
      ...['deviceGetPowerUsage', 'deviceGetPowerManagementLimit', 'deviceGetEnforcedPowerLimit'],
      ...['deviceGetPowerManagementDefaultLimit', 'deviceGetInforomVersion'],
    ],
  },
  'A100 in MIG mode': {
    like: 'a100-sxm4-80gb',
    gpus: 8,
    powerMw: 400_000,
    maxClockMhz: 1_410,
    hottestC: 83,
    answers: { deviceGetMigMode: { current: 1, pending: 1 } },
    refused: ['deviceGetUtilizationRates', 'deviceGetRemappedRows'],
  },
  'Tesla K80': {
    like: 't4',
    gpus: 2,
    powerMw: 149_000,
    maxClockMhz: 875,
    hottestC: 80,
    answers: card('Tesla K80', [2, 3, 7], 149_000, 875),
    refused: ['deviceGetMemoryErrorCounter', 'deviceGetInforomConfigurationChecksum'],
  },
  'a laptop': {
    like: 'l4',
    gpus: 1,
    powerMw: 115_000,
    maxClockMhz: 3_105,
    hottestC: 80,
    answers: {
      ...card('NVIDIA GeForce RTX 4070 Laptop GPU', [8, 8, 9], 115_000, 3_105),
      deviceGetBrand: 15,
    },
    refused: [
      ...[...REFUSED_WITHOUT_ECC, 'deviceGetMigMode', 'deviceGetInforomImageVersion'],
      ...['deviceGetPowerManagementLimit', 'deviceGetNumFans', 'deviceGetInforomVersion'],
    ],
  },
  'A40 as a host of virtual GPUs': {
    like: 'l4',
    gpus: 4,
    powerMw: 300_000,
    maxClockMhz: 1_740,
    hottestC: 84,
    answers: {
      ...card('NVIDIA A40', [7, 8, 6], 300_000, 1_740),
      deviceGetVirtualizationMode: 3,
      deviceGetHostVgpuMode: 1,
    },
  },
  'eight H100 in a virtual machine without its switches': {
    like: 'h100-sxm',
    gpus: 8,
    powerMw: 700_000,
    maxClockMhz: 1_980,
    hottestC: 84,
    answers: { deviceGetVirtualizationMode: 1 },
    refused: ['deviceGetNvLinkRemoteDeviceType', 'deviceGetNvLinkRemotePciInfo'],
  },
  H20: {
    like: 'h100-sxm',
    gpus: 8,
    powerMw: 500_000,
    maxClockMhz: 1_980,
    hottestC: 84,
    answers: card('NVIDIA H20', [9, 9, 0], 500_000, 1_980),
  },
  B300: {
    like: 'b200',
    gpus: 8,
    powerMw: 1_100_000,
    maxClockMhz: 1_920,
    hottestC: 80,
    answers: card('NVIDIA B300 SXM6 AC', [10, 10, 3], 1_100_000, 1_920),
  },
  'a superchip that nobody knows yet': {
    like: 'gb300',
    gpus: 4,
    powerMw: 1_800_000,
    maxClockMhz: 2_300,
    hottestC: 80,
    answers: card('NVIDIA VR200', [13, 10, 7], 1_800_000, 2_300),
    refused: ['deviceGetRemappedRows', 'deviceGetTemperatureThreshold'],
  },
  'an A100 PCIe without a bridge': {
    like: 'h100-pcie',
    gpus: 1,
    powerMw: 300_000,
    maxClockMhz: 1_410,
    hottestC: 82,
    answers: {
      ...card('NVIDIA A100 80GB PCIe', [7, 8, 0], 300_000, 1_410),
      [`${FIELD} nvlinkCount`]: 12,
    },
    refused: ['deviceGetGpuFabricInfoV3'],
  },
  'a DGX Spark': {
    like: 'l4',
    gpus: 1,
    powerMw: 140_000,
    maxClockMhz: 3_003,
    hottestC: 85,
    answers: product('NVIDIA GB10', 10, 12, 1),
    refused: [
      ...[
        ...REFUSED_WITHOUT_ECC,
        'deviceGetMigMode',
        'deviceGetMemoryInfo',
        'deviceGetBAR1MemoryInfo',
      ],
      ...['deviceGetPowerManagementLimit', 'deviceGetEnforcedPowerLimit', 'deviceGetMemoryInfoV1'],
      ...['deviceGetPowerManagementDefaultLimit', 'deviceGetClockInfo memory'],
      ...['deviceGetCurrPcieLinkWidth', 'deviceGetMaxPcieLinkWidth', 'deviceGetPcieReplayCounter'],
      ...['deviceGetCurrPcieLinkGeneration', 'deviceGetMaxPcieLinkGeneration'],
    ],
  },
  'a virtual GPU': {
    like: 'a10',
    gpus: 1,
    powerMw: 150_000,
    maxClockMhz: 1_695,
    hottestC: 80,
    answers: { deviceGetName: 'NVIDIA A10-12Q', deviceGetVirtualizationMode: 2 },
    refused: [
      ...[...REFUSED_WITHOUT_ECC, 'deviceGetTemperature', 'deviceGetTemperatureThreshold'],
      ...['deviceGetPowerUsage', 'deviceGetPowerManagementLimit', 'deviceGetEnforcedPowerLimit'],
      ...['deviceGetCurrPcieLinkWidth', 'deviceGetMaxPcieLinkWidth', 'deviceGetPcieReplayCounter'],
    ],
    mayBeUnknown: true,
  },
  'a Jetson Orin': {
    like: 'l4',
    gpus: 1,
    powerMw: 60_000,
    maxClockMhz: 1_300,
    hottestC: 80,
    answers: product('Orin (nvgpu)', 7, 8, 7),
    refused: [
      ...[...REFUSED_WITHOUT_ECC, 'deviceGetTemperature', 'deviceGetTemperatureThreshold'],
      ...['deviceGetPowerUsage', 'deviceGetPowerManagementLimit', 'deviceGetEnforcedPowerLimit'],
      ...['deviceGetClockInfo', 'deviceGetMaxClockInfo', 'deviceGetCurrentClocksEventReasons'],
      ...['deviceGetMemoryInfo', 'deviceGetUtilizationRates', 'deviceGetPerformanceState'],
      ...['deviceGetCurrPcieLinkWidth', 'deviceGetMaxPcieLinkWidth', 'deviceGetPcieReplayCounter'],
      ...['deviceGetCurrPcieLinkGeneration', 'deviceGetMaxPcieLinkGeneration'],
    ],
    mayBeUnknown: true,
  },
};
