import type { NodeFacts } from '../../src/findings/facts.ts';
import { gpuType } from '../../src/simulation/gpu-types.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { factsFor } from '../fakes/facts.ts';
import { type Answers, down, fabric, product } from '../scenarios/machines.ts';

/** One reading of a healthy machine, changed to a value that no healthy machine gives. */
export interface Degradation {
  /** The reading and its value: `GPU 3 of h100-sxm: deviceGetCurrPcieLinkWidth 8`. */
  readonly name: string;
  readonly facts: () => Promise<NodeFacts>;
}

type Faults = Readonly<Record<string, string>>;
interface Change {
  readonly answers?: Answers;
  readonly faults?: Faults;
}

const FIELD = 'deviceGetFieldValue';
const at = (change: Change) => ({
  answers: change.answers ?? {},
  faults: Object.fromEntries(
    Object.entries(change.faults ?? {}).map(([key, reason]) => [key, { return: reason }]),
  ),
});

/** What every GPU of a type tells beside what gpu-types.json says. */
const MORE: Readonly<Record<string, Answers>> = {
  'h100-sxm': {
    'deviceGetTemperatureThreshold gpuMax': 87,
    'deviceGetTemperatureThreshold memoryMax': 95,
  },
  l40s: { 'deviceGetTemperatureThreshold gpuMax': 88, deviceGetNumFans: 2, deviceGetFanSpeed: 55 },
};

interface Place {
  readonly like: string;
  /** The GPUs that differ; all of them where none is named. */
  readonly gpus?: readonly number[];
}

const machineOf = ({ like, gpus }: Place, change: Change): object => ({
  like,
  everyGpu: {
    answers: { ...MORE[like], ...(gpus ? {} : change.answers) },
    faults: gpus ? {} : at(change).faults,
  },
  gpus: Object.fromEntries((gpus ?? []).map(index => [index, at(change)])),
});

const placeText = ({ like, gpus }: Place): string =>
  gpus ? `GPU ${gpus.join(', ')} of ${like}` : `every GPU of ${like}`;

const textOf = ({ answers = {}, faults = {} }: Change): string =>
  [...Object.entries(answers), ...Object.entries(faults)]
    .map(([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(', ');

const degraded = (place: Place, change: Change): Degradation => ({
  name: `${placeText(place)}: ${textOf(change)}`,
  facts: () => factsFor(machineFrom('degraded', machineOf(place, change))),
});

/** The same between two looks two seconds apart: at the first all was well. */
const growing = (place: Place, answers: Answers): Degradation => ({
  name: `${placeText(place)}, within two seconds: ${textOf({ answers })}`,
  facts: async () => {
    const before = await factsFor(machineFrom('before', machineOf(place, {})));
    const facts = await factsFor(machineFrom('after', machineOf(place, { answers })));
    const takenAtMs = facts.driver.takenAtMs - 2_000;
    return { ...facts, earlier: { ...before.driver, takenAtMs } };
  },
});

const ONE: Place = { like: 'h100-sxm', gpus: [3] };
const ALL: Place = { like: 'h100-sxm' };
const B200: Place = { like: 'b200', gpus: [3] };
const TRAY: Place = { like: 'gb200', gpus: [1] };
const TRAYS: Place = { like: 'gb200' };
const CARD: Place = { like: 'l40s', gpus: [2] };
const T4: Place = { like: 't4', gpus: [0] };
const A100: Place = { like: 'a100-sxm4-80gb', gpus: [3] };

const each = (place: Place, key: string, values: readonly unknown[]): readonly Degradation[] =>
  values.map(value => degraded(place, { answers: { [key]: value } }));
const members = (place: Place, key: string, base: object, values: readonly object[]) =>
  each(
    place,
    key,
    values.map(value => ({ ...base, ...value })),
  );
const fields = (place: Place, values: Readonly<Record<string, number>>) =>
  Object.entries(values).map(([name, value]) =>
    degraded(place, { answers: { [`${FIELD} ${name}`]: value } }),
  );
const errors = (place: Place, keys: readonly string[], reason: string) =>
  keys.map(key => degraded(place, { faults: { [key]: reason } }));

const ROWS = { corrected: 0, uncorrected: 0, pending: 0, failureOccurred: 0 };
const BANKS = { max: 2560, high: 0, partial: 0, low: 0, none: 0 };

/** nvml.h, the limits of the products' own firmware, and DCGM's and NVSentinel's where these are silent. */
const HEAT_POWER_CLOCKS: readonly Degradation[] = [
  ...each(ONE, 'deviceGetTemperature', [88, 89, 92, 95]),
  ...each(CARD, 'deviceGetTemperature', [89, 99, 105]),
  ...fields(ONE, { memoryTemperature: 96 }),
  ...fields(ONE, { memoryTemperature: 106 }),
  ...members(CARD, 'deviceGetMarginTemperature', {}, [{ marginTemperature: -2 }]),
  ...each(ONE, 'deviceGetCurrentClocksEventReasons', [0x8, 0x20, 0x40, 0x80, 0xc8]),
  ...each(ALL, 'deviceGetCurrentClocksEventReasons', [0x20, 0x40, 0x80]),
  ...each(ONE, 'deviceGetClockInfo sm', [345, 600]),
  degraded(ALL, {
    answers: {
      'deviceGetClockInfo sm': 600,
      'deviceGetClockInfo graphics': 600,
      deviceGetCurrentClocksEventReasons: 0,
    },
  }),
  degraded(
    { like: 'a100-sxm4-80gb', gpus: [2] },
    {
      answers: {
        'deviceGetClockInfo sm': 600,
        deviceGetPowerUsage: 150_000,
        deviceGetCurrentClocksEventReasons: 4,
      },
    },
  ),
  ...each(ONE, 'deviceGetClockInfo memory', [1593]),
  ...each(ONE, 'deviceGetApplicationsClock graphics', [1200]),
  ...each(ONE, 'deviceGetPowerManagementLimit', [200_000, 400_000]),
  ...each(ONE, 'deviceGetEnforcedPowerLimit', [150_000, 350_000]),
  ...each(ALL, 'deviceGetEnforcedPowerLimit', [300_000]),
  ...each(ONE, 'deviceGetPerformanceState', [8]),
  ...each(CARD, 'deviceGetFanSpeed', [0]),
  growing(ONE, { [`${FIELD} hwThermalSlowdown`]: 1e9 }),
  growing(ONE, { [`${FIELD} hwPowerBrakeSlowdown`]: 1e9 }),
  growing(ONE, { [`${FIELD} performanceThermal`]: 1e9 }),
];

/** NVIDIA GPU Memory Error Management; DCGM errors 79 and 132; Azure’s node health checks for H100. */
const MEMORY: readonly Degradation[] = [
  ...each(ONE, 'deviceGetTotalEccErrors uncorrected volatile', [1, 4, 3_000]),
  ...each(ONE, 'deviceGetTotalEccErrors corrected volatile', [25_000_000]),
  ...each(ALL, 'deviceGetTotalEccErrors corrected volatile', [54_700_000_000]),
  ...each(ONE, 'deviceGetMemoryErrorCounter uncorrected volatile sram', [1]),
  ...each(ONE, 'deviceGetMemoryErrorCounter uncorrected volatile dram', [1]),
  ...each(ONE, 'deviceGetMemoryErrorCounter corrected volatile sram', [20_000]),
  ...members(ONE, 'deviceGetSramEccErrorStatus', {}, [
    { volatileUncParity: 1 },
    { volatileUncSecDed: 1 },
    { volatileCor: 20_000 },
    { bThresholdExceeded: 1 },
  ]),
  ...members(ONE, 'deviceGetRemappedRows', ROWS, [
    { pending: 1 },
    { failureOccurred: 1 },
    { uncorrected: 512 },
    { uncorrected: 600 },
  ]),
  ...members(ONE, 'deviceGetRowRemapperHistogram', BANKS, [
    { max: 2559, none: 1 },
    { max: 2559, low: 1 },
  ]),
  ...each(T4, 'deviceGetRetiredPagesPendingStatus', [1]),
  ...(['singleBit', 'doubleBit'] as const).flatMap(cause =>
    each(T4, `deviceGetRetiredPages ${cause}`, [Array.from({ length: 63 }, (_, page) => page)]),
  ),
  ...members(B200, 'deviceGetUnrepairableMemoryFlag', {}, [{ bUnrepairableMemory: 1 }]),
  ...members(B200, 'deviceGetRepairStatus', {}, [
    { bChannelRepairPending: 1 },
    { bTpcRepairPending: 1 },
  ]),
  ...members(ONE, 'deviceGetEccMode', {}, [
    { current: 0, pending: 0 },
    { current: 1, pending: 0 },
  ]),
  ...members(ALL, 'deviceGetEccMode', {}, [{ current: 0, pending: 0 }]),
  degraded(ONE, { answers: { deviceGetComputeRunningProcesses: [] } }),
];

/** nvml.h, nvmlDeviceGpuRecoveryAction_t and the fields beside it; DCGM: CORRUPT_INFOROM. */
const DRIVER_ASKS: readonly Degradation[] = [
  ...[1, 2, 3, 4, 5, 6, 7, 99].flatMap(action => fields(ONE, { gpuRecoveryAction: action })),
  ...fields(ONE, { resetStatus: 1, drainAndResetStatus: 1 }).map(({ name }) => ({
    name: `${name}, of a driver without recovery actions`,
    facts: () =>
      factsFor(
        machineFrom(
          'older',
          machineOf(ONE, {
            answers: {
              [name.includes('drain') ? `${FIELD} drainAndResetStatus` : `${FIELD} resetStatus`]: 1,
            },
            faults: { [`${FIELD} gpuRecoveryAction`]: 'not_supported' },
          }),
        ),
      ),
  })),
  ...members(ONE, 'deviceGetMigMode', {}, [{ current: 0, pending: 1 }]),
  ...errors(
    ONE,
    [
      'deviceGetInforomImageVersion',
      ...['oem', 'ecc', 'power'].map(part => `deviceGetInforomVersion ${part}`),
      ...['deviceGetInforomConfigurationChecksum', 'deviceValidateInforom'],
    ],
    'corrupted_inforom',
  ),
  ...errors(ONE, ['deviceGetHandleByIndex'], 'gpu_is_lost'),
  ...errors(ONE, ['deviceGetHandleByIndex'], 'reset_required'),
  ...errors(ONE, ['deviceGetHandleByIndex'], 'unknown'),
  ...errors(ONE, ['*'], 'gpu_is_lost'),
];

/** Every link of a busy node slower than GPUs and slots can be, by the bus's word too. */
const slowLinks = (generation: 1 | 3): Degradation => ({
  name: `every GPU of h100-sxm: PCIe generation ${generation} of 5, on the bus too`,
  facts: () =>
    factsFor(
      machineFrom('slow links', {
        like: 'h100-sxm',
        everyGpu: { answers: { deviceGetCurrPcieLinkGeneration: generation } },
        host: {
          pci: gpuType('h100-sxm').pci.map(pci => ({
            pci,
            currentLinkSpeed: generation === 1 ? '2.5 GT/s PCIe' : '8.0 GT/s PCIe',
          })),
        },
      }),
    ),
});

/** nvml.h, NVML_FI_DEV_PCIE_COUNT_*; DCGM: replays a minute by generation and lanes. */
const PCIE: readonly Degradation[] = [
  ...each(ONE, 'deviceGetCurrPcieLinkWidth', [1, 4, 8]),
  ...each(ALL, 'deviceGetCurrPcieLinkWidth', [8]),
  ...each(ONE, 'deviceGetCurrPcieLinkGeneration', [1, 3]),
  ...([1, 3] as const).map(generation => slowLinks(generation)),
  ...each(ONE, 'deviceGetPcieReplayCounter', [812_334]),
  growing(ONE, { deviceGetPcieReplayCounter: 200 }),
  growing(ONE, { deviceGetPcieReplayCounter: 8 }),
  ...fields(ONE, {
    pcieReplay: 812_334,
    pcieReplayRollover: 20_000,
    pcieCorrectable: 900_000,
    pcieNaksReceived: 500_000,
    pcieNaksSent: 500_000,
    pcieReceiverErrors: 500_000,
    pcieBadTlp: 500_000,
    pcieBadDllp: 500_000,
    pcieNonFatal: 40,
    pcieFatal: 4,
    pcieLcrcErrors: 500_000,
    pcieLaneErrors: 500_000,
  }),
  ...fields(ALL, { pcieFatal: 1 }),
];

/** nvml.h, DCGM’s NVLink watches, gpud and Azure’s checks of links and fabric. */
const NVLINK: readonly Degradation[] = [
  ...[down(7), down(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)].map(answers =>
    degraded(ONE, { answers }),
  ),
  ...fields(ONE, { nvlinkState: 0 }),
  ...fields(ALL, { nvlinkState: 0 }),
  ...fields(TRAYS, { nvlinkState: 0 }),
  degraded(ALL, { answers: down(4, 5) }),
  degraded(TRAYS, { answers: down(4, 5) }),
  degraded({ like: 'gb300' }, { answers: down(17) }),
  degraded(TRAY, { answers: down(9) }),
  ...fields(ONE, { 'nvlinkSpeed 5': 13_281 }),
  ...fields(ONE, { nvlinkSpeed: 13_281 }),
  ...fields(ALL, { nvlinkSpeed: 13_281 }),
  ...fields(B200, { 'nvlinkSpeed 5': 26_562 }),
  ...fields(ONE, {
    'nvlinkCrc 3': 4_000_000,
    'nvlinkReplay 3': 4_000_000,
    'nvlinkRecovery 3': 4_000_000,
    'nvlinkCrcDataOfLink 3': 4_000_000,
    'nvlinkEccDataOfLink 3': 4_000_000,
  }),
  growing(ONE, { [`${FIELD} nvlinkCrc 3`]: 2_000 }),
  growing(ALL, { [`${FIELD} nvlinkCrc`]: 2_000 }),
  ...fields(B200, {
    'nvlinkRecoveryEvents 3': 50_000,
    'nvlinkRecoveryFailed 3': 40,
    'nvlinkEffectiveErrors 3': 4_000_000,
    'nvlinkMalformedPackets 3': 77_000,
    'nvlinkReceiveErrors 3': 1_000_000,
    'nvlinkRemoteErrors 3': 1_000_000,
    'nvlinkGeneralErrors 3': 1_000_000,
    'nvlinkBufferOverruns 3': 1_000_000,
    'nvlinkLocalIntegrity 3': 5_000,
    'nvlinkTransmitDiscards 3': 1_000_000,
  }),
  growing(B200, { [`${FIELD} nvlinkRecoveryEvents 3`]: 2_000 }),
  growing(B200, { [`${FIELD} nvlinkEffectiveErrors 3`]: 2_000 }),
  growing(B200, { [`${FIELD} nvlinkReceiveErrors 3`]: 2_000 }),
  degraded(A100, {
    answers: { [`${FIELD} nvlinkVersion`]: 5, [`${FIELD} nvlinkCrc 4`]: 9_000_000 },
  }),
  degraded(ONE, {
    answers: { [`${FIELD} nvlinkVersion`]: 7, [`${FIELD} nvlinkCrc 4`]: 9_000_000 },
  }),
];

/** Every two-bit field of the mask healthy is 0xaa, and 0x100 the correct configuration. */
const FABRIC: readonly Degradation[] = [
  ...members(ONE, 'deviceGetGpuFabricInfoV3', fabric(), [
    { state: 0, healthMask: 0, healthSummary: 0 },
    { state: 1 },
    { state: 2 },
    { status: 999 },
    { healthMask: 0x1a9, healthSummary: 3 },
    { healthMask: 0x1a6, healthSummary: 2 },
    { healthMask: 0x19a, healthSummary: 2 },
    { healthMask: 0x16a, healthSummary: 2 },
    { healthMask: 0x2aa, healthSummary: 2 },
    { healthSummary: 2 },
    { healthSummary: 3 },
  ]),
  ...members(ALL, 'deviceGetGpuFabricInfoV3', fabric(), [
    { state: 0, healthMask: 0, healthSummary: 0 },
    { state: 1 },
    { state: 2 },
  ]),
  ...members(TRAYS, 'deviceGetGpuFabricInfoV3', fabric(), [
    { state: 0, healthMask: 0, healthSummary: 0 },
    { clusterUuid: '00000000000000000000000000000000', cliqueId: 0 },
  ]),
  ...members(TRAY, 'deviceGetGpuFabricInfoV3', fabric(), [
    { clusterUuid: '3c1f6d2a9e8b4f07a5d4c3b2a1908f7e', cliqueId: 7 },
    { clusterUuid: 'ffffffff9e8b4f07a5d4c3b2a1908f7e', cliqueId: 32_766 },
  ]),
];

const C2C: readonly Degradation[] = [
  ...[0, 7].map(link => degraded(TRAY, { answers: { [`${FIELD} c2cStatus ${link}`]: 0 } })),
  ...fields(TRAY, { c2cStatus: 0 }),
  ...fields(TRAYS, { c2cStatus: 0 }),
  ...fields(TRAY, { c2cErrors: 10_000_000, c2cReplays: 10_000_000, c2cBandwidth: 22_356 }),
];

/** Where an error stands in place of a value that every such GPU gives. */
const ERRORS: readonly Degradation[] = [
  'deviceGetTemperature',
  'deviceGetPowerUsage',
  'deviceGetPowerManagementLimit',
  'deviceGetEnforcedPowerLimit',
  ...['graphics', 'sm', 'memory'].map(clock => `deviceGetClockInfo ${clock}`),
  ...['deviceGetCurrentClocksEventReasons', 'deviceGetMemoryInfo', 'deviceGetEccMode'],
  ...['deviceGetTotalEccErrors uncorrected volatile', 'deviceGetRemappedRows'],
  ...['deviceGetCurrPcieLinkWidth', 'deviceGetPcieReplayCounter', `${FIELD} nvlinkState 4`],
  ...[`${FIELD} memoryTemperature`, `${FIELD} gpuRecoveryAction`, 'deviceGetGpuFabricInfoV3'],
  ...['deviceGetUtilizationRates', 'deviceGetPerformanceState'],
].flatMap(key => errors(ONE, [key], 'unknown'));

/** What a GPU of this kind gives and the driver calls not supported: on one, and on all alike. */
const ABSENT: readonly Degradation[] = [
  ...[
    'deviceGetTemperature',
    ...['deviceGetPowerUsage', 'deviceGetPowerManagementLimit', 'deviceGetEnforcedPowerLimit'],
    ...['graphics', 'sm', 'memory'].map(clock => `deviceGetClockInfo ${clock}`),
    ...['deviceGetCurrentClocksEventReasons', 'deviceGetEccMode', 'deviceGetRemappedRows'],
    ...['deviceGetTotalEccErrors', 'deviceGetRowRemapperHistogram', 'deviceGetUtilizationRates'],
    ...['deviceGetPcieReplayCounter', 'deviceGetCurrPcieLinkWidth', `${FIELD} nvlinkState`],
    ...[`${FIELD} memoryTemperature`, 'deviceGetInforomImageVersion', 'deviceGetName'],
    ...['deviceGetUUID', 'deviceGetPerformanceState', 'deviceGetTemperatureThreshold slowdown'],
  ].flatMap(key => [ONE, ALL].flatMap(place => errors(place, [key], 'not_supported'))),
  ...errors(ONE, [`${FIELD} gpuRecoveryAction`, 'deviceGetSramEccErrorStatus'], 'not_supported'),
  degraded(ONE, {
    faults: {
      deviceGetGpuFabricInfoV3: 'not_supported',
      deviceGetGpuFabricInfoV2: 'not_supported',
    },
  }),
  degraded(ALL, {
    faults: {
      deviceGetGpuFabricInfoV3: 'not_supported',
      deviceGetGpuFabricInfoV2: 'not_supported',
    },
  }),
  ...errors(
    { like: 't4' },
    ['deviceGetRetiredPagesPendingStatus', 'deviceGetRetiredPages'],
    'not_supported',
  ),
  degraded(
    { like: 'l4' },
    {
      answers: product('Orin (nvgpu)', 7, 8, 7),
      faults: { deviceGetTemperature: 'not_supported' },
    },
  ),
  ...errors({ like: 'gb200', gpus: [2] }, [`${FIELD} c2cCount`], 'not_supported'),
  ...errors(CARD, ['deviceGetFanSpeed'], 'unknown'),
];

/** Every one of them must be told, or be a gap: none may be healthy. */
export const DEGRADATIONS: readonly Degradation[] = [
  ...HEAT_POWER_CLOCKS,
  ...MEMORY,
  ...DRIVER_ASKS,
  ...PCIE,
  ...NVLINK,
  ...FABRIC,
  ...C2C,
  ...ERRORS,
  ...ABSENT,
];
