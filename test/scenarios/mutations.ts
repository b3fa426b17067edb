import type { Blame } from '../../src/contract/finding.ts';
import { type Answers, fabric, H100 } from './machines.ts';

/** One change to one GPU of eight well ones, and who is to blame for what it shows. */
export interface Mutation {
  readonly name: string;
  readonly truth: Blame | 'healthy';
  readonly answers?: Answers;
  readonly faults?: Readonly<Record<string, { readonly return: string }>>;
  /** Texts of XIDs on this GPU. */
  readonly xids?: readonly string[];
}

const rows = (over: object) => ({
  deviceGetRemappedRows: { corrected: 0, uncorrected: 1, pending: 0, failureOccurred: 0, ...over },
});
const program = (code: number, text: string) => `${code}, pid=41999, name=train.py, ${text}`;
const OUT_OF_RANGE = program(
  13,
  'Graphics SM Warp Exception on (GPC 3, TPC 1, SM 0): Out Of Range Address',
);
const PAGE_FAULT = program(
  31,
  'Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f3a_00000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ',
);

/** What breaks: each has to be told, and to be blamed on whom it names. */
export const FAULTS: readonly Mutation[] = [
  {
    name: 'lost',
    truth: 'hardware',
    faults: { '*': { return: 'gpu_is_lost' } },
    xids: ["79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."],
  },
  {
    name: 'ECC',
    truth: 'hardware',
    answers: { 'deviceGetTotalEccErrors uncorrected volatile': 2 },
  },
  {
    name: 'SRAM',
    truth: 'hardware',
    answers: { 'deviceGetMemoryErrorCounter uncorrected volatile sram': 1 },
  },
  { name: 'remap pending', truth: 'hardware', answers: rows({ pending: 1 }) },
  { name: 'remap failed', truth: 'hardware', answers: rows({ failureOccurred: 1 }) },
  {
    name: 'reset asked',
    truth: 'hardware',
    answers: { 'deviceGetFieldValue gpuRecoveryAction': 1 },
  },
  { name: 'PCIe width', truth: 'hardware', answers: { deviceGetCurrPcieLinkWidth: 8 } },
  { name: 'PCIe replays', truth: 'hardware', answers: { deviceGetPcieReplayCounter: 812_334 } },
  {
    name: 'uncontained error',
    truth: 'hardware',
    xids: ['95, pid=41999, Uncontained: FBHUB. RST: Yes, D-RST: No'],
  },
  {
    name: 'contained error',
    truth: 'hardware',
    answers: rows({ pending: 1 }),
    xids: ['94, pid=41999, name=train.py, Contained: SM (0x1). RST: No, D-RST: No'],
  },
  { name: 'NVLink down', truth: 'fabric', answers: { 'deviceGetFieldValue nvlinkState 7': 0 } },
  {
    name: 'fabric refused',
    truth: 'fabric',
    answers: { deviceGetGpuFabricInfoV3: fabric({ status: 999 }) },
  },
  {
    name: 'GSP',
    truth: 'driver',
    xids: [
      '119, pid=41999, name=train.py, Timeout after 45s of waiting for RPC response from GPU2 GSP! Expected function 76 (GSP_RM_CONTROL) (0x20801702 0x4).',
    ],
  },
  { name: 'heat', truth: 'host', answers: { deviceGetCurrentClocksEventReasons: 0x48 } },
  {
    name: 'hot memory',
    truth: 'hardware',
    answers: { 'deviceGetFieldValue memoryTemperature': 101 },
  },
  {
    name: 'power limit',
    truth: 'configuration',
    answers: { deviceGetPowerManagementLimit: 400_000 },
  },
  {
    name: 'MIG pending',
    truth: 'configuration',
    answers: { deviceGetMigMode: { current: 0, pending: 1 } },
  },
];

/** Faults of programs: told, and never blamed on anything but the program. */
export const PROGRAM_FAULTS: readonly Mutation[] = [
  { name: 'out of range', truth: 'application', xids: [OUT_OF_RANGE, program(43, 'Ch 00000008')] },
  {
    name: 'page fault and what follows',
    truth: 'application',
    xids: [
      PAGE_FAULT,
      program(45, 'Ch 00000008'),
      program(109, 'Ch 00000010, errorString CTX SWITCH TIMEOUT, Info 0x4c01a'),
    ],
  },
  { name: 'video decoder', truth: 'application', xids: [program(68, 'Ch 00000010')] },
  { name: 'class error', truth: 'application', xids: [program(69, 'Class Error: ChId 0003')] },
];

/** What happens to well GPUs every day. */
export const NOISE: readonly Mutation[] = [
  {
    name: 'idle',
    truth: 'healthy',
    answers: {
      deviceGetCurrPcieLinkGeneration: 1,
      deviceGetUtilizationRates: { gpu: 0, memory: 0 },
      deviceGetCurrentClocksEventReasons: 1,
      'deviceGetClockInfo sm': 345,
    },
  },
  {
    name: 'old errors',
    truth: 'healthy',
    answers: { ...rows({}), 'deviceGetTotalEccErrors uncorrected aggregate': 3 },
  },
  { name: 'at its limit', truth: 'healthy', answers: { deviceGetTemperature: 87 } },
  {
    name: 'some CRC errors',
    truth: 'healthy',
    answers: { 'deviceGetFieldValue nvlinkCrc 3': 120 },
  },
  { name: 'other VBIOS', truth: 'healthy', answers: { deviceGetVbiosVersion: '96.00.74.00.01' } },
  { name: 'a job ended', truth: 'healthy', xids: [program(43, 'Ch 00000008')] },
  { name: 'a clean-up', truth: 'healthy', xids: [program(45, 'Ch 00000009')] },
];

/** Functions that decide, refused: a gap, and neither an accusation nor an all-clear. */
export const REFUSALS: readonly Mutation[] = [
  'deviceGetRemappedRows',
  'deviceGetTotalEccErrors',
  'deviceGetTemperature',
  'deviceGetFieldValue gpuRecoveryAction',
  'deviceGetCurrPcieLinkWidth',
  'deviceGetFieldValue nvlinkState 11',
].flatMap(name =>
  ['timeout', 'no_permission', 'unknown'].map(reason => ({
    name: `${name} ${reason}`,
    truth: 'unknown' as const,
    faults: { [name]: { return: reason } },
  })),
);

export interface Placed {
  readonly gpu: number;
  readonly mutation: Mutation;
}

/** What the GPU answers and logs with all of its mutations; later ones win. */
export function mutated(placed: readonly Placed[]) {
  const gpus = [...new Set(placed.map(({ gpu }) => gpu))].map(gpu => {
    const own = placed.filter(one => one.gpu === gpu).map(({ mutation }) => mutation);
    const answers = Object.assign({}, ...own.map(one => one.answers ?? {}));
    const faults = Object.assign({}, ...own.map(one => one.faults ?? {}));
    return [gpu, { answers, faults }] as const;
  });
  const log = placed.flatMap(({ gpu, mutation }, at) =>
    (mutation.xids ?? []).map(
      (xid, line) => [900 - at * 7 - line, `NVRM: Xid (PCI:${H100[gpu]}): ${xid}`] as const,
    ),
  );
  return { gpus: Object.fromEntries(gpus), log };
}
