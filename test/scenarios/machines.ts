/** Small words for machines that differ from a healthy one. */

export type Answers = Readonly<Record<string, unknown>>;

/** PCI addresses of the eight GPUs of dgx-h100. */
export const H100 = ['1b', '43', '52', '61', '9d', 'c3', 'd1', 'df'].map(bus => `0000:${bus}:00`);

/** Eight H100 that train, with the readings of newer drivers that the file leaves out. */
export const EVERY_H100: Answers = {
  'deviceGetFieldValue nvlinkCount': 18,
  'deviceGetFieldValue nvlinkState': 1,
  'deviceGetFieldValue nvlinkVersion': 7,
  'deviceGetFieldValue nvlinkSpeed': 26_562,
  deviceGetNvLinkRemoteDeviceType: 2,
  'deviceGetFieldValue nvlinkCrc': 0,
  'deviceGetFieldValue nvlinkReplay': 3,
  'deviceGetFieldValue nvlinkRecovery': 0,
  deviceGetGpuFabricInfoV3: fabric(),
  deviceGetVirtualizationMode: 0,
  deviceGetInforomImageVersion: 'G520.0200.00.05',
  deviceGetRowRemapperHistogram: { max: 2560, high: 0, partial: 0, low: 0, none: 0 },
  'deviceGetTemperatureThreshold memoryMax': 95,
  'deviceGetTemperatureThreshold gpuMax': 87,
  'deviceGetFieldValue memoryTemperature': 71,
  deviceGetMarginTemperature: { marginTemperature: 27 },
};

const FIELD = 'deviceGetFieldValue';

/** What a GPU of another product calls itself. */
export const product = (name: string, architecture: number, major: number, minor = 0): Answers => ({
  deviceGetName: name,
  deviceGetArchitecture: architecture,
  deviceGetCudaComputeCapability: { major, minor },
});

/** One power limit: set, enforced and by default. */
export const limits = (mw: number): Answers =>
  Object.fromEntries(
    ['PowerManagementLimit', 'EnforcedPowerLimit', 'PowerManagementDefaultLimit'].map(key => [
      `deviceGet${key}`,
      mw,
    ]),
  );

/** So many NVLinks to other GPUs, all up. */
export const linked = (links: number, speedMbps: number): Answers => ({
  [`${FIELD} nvlinkCount`]: links,
  [`${FIELD} nvlinkState`]: 1,
  [`${FIELD} nvlinkSpeed`]: speedMbps,
  deviceGetNvLinkRemoteDeviceType: 0,
  ...Object.fromEntries(
    ['Replay', 'Recovery', 'ReplayOfLink', 'RecoveryOfLink', 'CrcFlitOfLink', 'CrcDataOfLink'].map(
      counter => [`${FIELD} nvlink${counter}`, 0],
    ),
  ),
});

/** Links that are down. */
export const down = (...links: readonly number[]): Answers =>
  Object.fromEntries(links.map(link => [`${FIELD} nvlinkState ${link}`, 0]));

/** Functions that the driver does not support, as faults of a machine. */
export const refused = (...keys: readonly string[]) =>
  Object.fromEntries(keys.map(key => [key, { return: 'not_supported' }]));

/** GPUs with the addresses of their type, fewer than the type's machine has. */
export const few = (like: string, addresses: readonly string[], everyGpu: object): object => ({
  like,
  everyGpu,
  gpus: addresses.map(() => ({})),
  host: { pci: addresses.map(pci => ({ pci })) },
});

/** What a node that is in a cluster runs. */
export const DAEMONS = [
  { kind: 'kubelet', pid: 1200, name: 'kubelet' },
  { kind: 'fabric_manager', pid: 1300, name: 'nv-fabricmanage' },
  { kind: 'persistenced', pid: 1310, name: 'nvidia-persiste' },
  { kind: 'device_plugin', pid: 4400, name: 'nvidia-device-p' },
];

/** As it is installed there. */
export const MANAGER = { name: 'nvidia-fabricmanager-570', version: '570.124.06' };

/** Registered with the fabric, and every two-bit field healthy (0xaa), configuration correct. */
export function fabric(over: Answers = {}): Answers {
  return {
    clusterUuid: '0',
    status: 0,
    cliqueId: 0,
    state: 3,
    healthMask: 0x1aa,
    healthSummary: 1,
    ...over,
  };
}

/** Eight H100 with changes: to all GPUs, to single ones by index, to the host, with kernel lines. */
export function h100(
  over: {
    readonly every?: Answers;
    readonly gpus?: Readonly<Record<number, Answers>>;
    readonly host?: Readonly<Record<string, unknown>>;
    readonly log?: readonly (readonly [secondsAgo: number, text: string])[];
  } = {},
): object {
  return {
    like: 'dgx-h100',
    everyGpu: { answers: { ...EVERY_H100, ...over.every } },
    gpus: Object.fromEntries(
      Object.entries(over.gpus ?? {}).map(([index, answers]) => [index, { answers }]),
    ),
    host: { daemons: DAEMONS, ...over.host },
    ...(over.log ? { kernelLog: log(over.log) } : {}),
  };
}

/** The driver was loaded: a new life of it. */
export const LOADED =
  'NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (dvs-builder@U22-I3-G01-1-1)  Wed Feb 19 17:02:09 UTC 2025';

const log = (lines: readonly (readonly [number, string])[]) => ({
  lines: [[1_814_369, LOADED] as const, ...lines].map(([secondsAgo, text]) => ({
    secondsAgo,
    text,
  })),
});

/** Links of all GPUs, and what each answers of its speed or errors. */
export const ofLinks = (field: string, value: number, ...links: readonly number[]) =>
  Object.fromEntries(links.map(link => [`deviceGetFieldValue ${field} ${link}`, value]));

/** The ids of one finding on the GPUs at these places of the bus. */
export const idsOn = (rule: string, ...buses: readonly string[]) =>
  buses.map(bus => `${rule}:${bus}:00`);
