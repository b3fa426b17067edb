import { type Answers, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const rows = (over: object) => ({
  deviceGetRemappedRows: { corrected: 0, uncorrected: 0, pending: 0, failureOccurred: 0, ...over },
});

const banks = (over: object) => ({
  deviceGetBankRemapperStatus: {
    activeRemappings: 0,
    inactiveRemappings: 0,
    bPending: 0,
    'histogram.maxSpareGroupCount': 31,
    'histogram.noSpareGroupCount': 0,
    ...over,
  },
});

const sram = (over: object) => ({
  aggregateUncParity: 0,
  aggregateUncSecDed: 0,
  aggregateCor: 0,
  volatileUncParity: 0,
  volatileUncSecDed: 0,
  volatileCor: 0,
  aggregateUncBucketL2: 0,
  aggregateUncBucketSm: 0,
  aggregateUncBucketPcie: 0,
  aggregateUncBucketMcu: 0,
  aggregateUncBucketOther: 0,
  bThresholdExceeded: 0,
  ...over,
});

const sramAddress = (count: number) => ({
  unit: 2,
  location: 1,
  sublocation: 0,
  extlocation: 0,
  address: 4_096,
  isParity: 0,
  count,
});

/** Where corrected errors are counted, and the first number that is too many there. */
const CORRECTED_COUNTS: readonly (readonly [name: string, answers: Answers])[] = [
  ['all of them, volatile', { 'deviceGetTotalEccErrors corrected volatile': 20_000_001 }],
  [
    'all of them, aggregate',
    {
      'deviceGetTotalEccErrors corrected aggregate': 20_000_001,
      'deviceGetMemoryErrorCounter corrected aggregate dram': 0,
    },
  ],
  ['in DRAM, volatile', { 'deviceGetMemoryErrorCounter corrected volatile dram': 20_000_001 }],
  ['in DRAM, aggregate', { 'deviceGetMemoryErrorCounter corrected aggregate dram': 20_000_001 }],
  ['in SRAM, volatile', { 'deviceGetMemoryErrorCounter corrected volatile sram': 10_001 }],
  ['in SRAM, aggregate', { 'deviceGetMemoryErrorCounter corrected aggregate sram': 10_001 }],
  ['in SRAM by kind', { deviceGetSramEccErrorStatus: sram({ volatileCor: 10_001 }) }],
  ['far above the neighbours', { 'deviceGetTotalEccErrors corrected volatile': 5_000_000 }],
];

/** Errors that were corrected: a few are daily life, a flood is memory that fails. */
const CORRECTED: readonly Scenario[] = [
  ...CORRECTED_COUNTS.map(
    ([name, answers]): Scenario => ({
      name: `a flood of corrected ECC errors: ${name}`,
      truth: 'hardware',
      machine: h100({ gpus: { 1: answers } }),
      verdict: 'warning',
      findings: ['ecc-corrected:0000:43:00'],
    }),
  ),
  {
    name: 'corrected ECC errors come at 4,600 a second, as in NVIDIA/DCGM#313',
    truth: 'hardware',
    machine: h100({ gpus: { 1: { 'deviceGetTotalEccErrors corrected volatile': 40_000 } } }),
    facts: facts => ({
      ...facts,
      earlier: {
        ...facts.driver,
        takenAtMs: facts.driver.takenAtMs - 2_000,
        gpus: facts.driver.gpus.map(gpu => ({
          ...gpu,
          eccCorrectedVolatile: { ok: true, value: gpu.index === 1 ? 30_800 : 0 },
        })),
      },
    }),
    verdict: 'warning',
    findings: ['ecc-corrected:0000:43:00'],
  },
  {
    name: '200,000 corrected ECC errors on one GPU, 9,000 of them in SRAM',
    truth: 'healthy',
    machine: h100({
      gpus: {
        1: {
          'deviceGetTotalEccErrors corrected volatile': 200_000,
          'deviceGetTotalEccErrors corrected aggregate': 900_000,
          'deviceGetMemoryErrorCounter corrected volatile sram': 9_000,
        },
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
];

/** What the memory of a GPU can be in need of. */
export const MEMORY: readonly Scenario[] = [
  {
    name: 'uncorrected ECC errors since the driver was loaded',
    truth: 'hardware',
    machine: h100({ gpus: { 1: { 'deviceGetTotalEccErrors uncorrected volatile': 2 } } }),
    verdict: 'critical',
    findings: ['ecc-uncorrected:0000:43:00'],
  },
  {
    name: 'uncorrected errors in the SRAM that the total does not count',
    truth: 'hardware',
    machine: h100({ gpus: { 1: { 'deviceGetMemoryErrorCounter uncorrected volatile sram': 3 } } }),
    verdict: 'critical',
    findings: ['ecc-uncorrected:0000:43:00'],
  },
  {
    name: 'a row remap waits for a reset',
    truth: 'hardware',
    machine: h100({ gpus: { 2: rows({ uncorrected: 1, pending: 1 }) } }),
    verdict: 'warning',
    findings: ['row-remap-pending:0000:52:00'],
  },
  {
    name: 'a row remap has failed',
    truth: 'hardware',
    machine: h100({ gpus: { 2: rows({ uncorrected: 8, failureOccurred: 1 }) } }),
    verdict: 'critical',
    findings: ['row-remap-failed:0000:52:00'],
  },
  {
    name: 'a bank has no spare row left',
    truth: 'hardware',
    machine: h100({
      gpus: {
        4: { deviceGetRowRemapperHistogram: { max: 2558, high: 1, partial: 0, low: 0, none: 1 } },
      },
    }),
    verdict: 'warning',
    findings: ['remap-banks-exhausted:0000:9d:00'],
  },
  {
    name: 'a bank has one spare row left',
    truth: 'hardware',
    machine: h100({
      gpus: {
        4: { deviceGetRowRemapperHistogram: { max: 2558, high: 1, partial: 0, low: 1, none: 0 } },
      },
    }),
    verdict: 'warning',
    findings: ['remap-banks-low:0000:9d:00'],
  },
  {
    name: 'banks of an old GPU that have used some spare rows',
    truth: 'healthy',
    machine: h100({
      gpus: {
        4: { deviceGetRowRemapperHistogram: { max: 2550, high: 8, partial: 2, low: 0, none: 0 } },
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'as many rows were remapped as the limit',
    truth: 'hardware',
    machine: h100({ gpus: { 4: rows({ uncorrected: 512 }) } }),
    verdict: 'warning',
    findings: ['row-remap-limit:0000:9d:00'],
  },
  {
    name: 'half of the rows that the limit allows were remapped, most for corrected errors',
    truth: 'hardware',
    machine: h100({ gpus: { 4: rows({ corrected: 230, uncorrected: 26 }) } }),
    verdict: 'warning',
    findings: ['row-remaps-many:0000:9d:00'],
  },
  {
    name: 'one address of the SRAM failed three times',
    truth: 'hardware',
    machine: h100({
      gpus: {
        4: {
          deviceGetSramEccErrorStatus: sram({ aggregateUncSecDed: 3 }),
          deviceGetSramUniqueUncorrectedEccErrorCounts: [sramAddress(3)],
        },
      },
    }),
    verdict: 'warning',
    findings: ['sram-address-repeats:0000:9d:00'],
  },
  {
    name: 'one address of the SRAM failed once in a life',
    truth: 'healthy',
    machine: h100({
      gpus: {
        4: {
          deviceGetSramEccErrorStatus: sram({ aggregateUncSecDed: 1 }),
          deviceGetSramUniqueUncorrectedEccErrorCounts: [sramAddress(1)],
        },
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'the remap of a memory bank waits for a reset',
    truth: 'hardware',
    machine: h100({ every: banks({}), gpus: { 4: banks({ activeRemappings: 1, bPending: 1 }) } }),
    verdict: 'warning',
    findings: ['bank-remap-pending:0000:9d:00'],
  },
  {
    name: 'a group of memory banks has no spare bank left',
    truth: 'hardware',
    machine: h100({ every: banks({}), gpus: { 4: banks({ 'histogram.noSpareGroupCount': 1 }) } }),
    verdict: 'warning',
    findings: ['spare-banks-exhausted:0000:9d:00'],
  },
  {
    name: 'a spare bank stands in for a bad one',
    truth: 'healthy',
    machine: h100({ every: banks({}), gpus: { 4: banks({ activeRemappings: 1 }) } }),
    verdict: 'healthy',
    findings: [],
  },
  ...CORRECTED,
  {
    name: 'more rows were remapped than the limit',
    truth: 'hardware',
    machine: h100({ gpus: { 4: rows({ uncorrected: 513 }) } }),
    verdict: 'warning',
    findings: ['row-remap-limit:0000:9d:00'],
  },
  {
    name: 'the driver says that the SRAM threshold is exceeded',
    truth: 'hardware',
    machine: h100({
      gpus: {
        0: {
          deviceGetSramEccErrorStatus: sram({
            aggregateUncSecDed: 9,
            aggregateUncBucketL2: 9,
            bThresholdExceeded: 1,
          }),
        },
      },
    }),
    verdict: 'critical',
    findings: ['sram-threshold:0000:1b:00'],
  },
  {
    name: 'the driver calls the memory unrepairable',
    truth: 'hardware',
    machine: h100({ gpus: { 0: { deviceGetUnrepairableMemoryFlag: { bUnrepairableMemory: 1 } } } }),
    verdict: 'critical',
    findings: ['memory-unrepairable:0000:1b:00'],
  },
  {
    name: 'the repair of a memory channel waits for a reset',
    truth: 'hardware',
    machine: h100({
      gpus: { 0: { deviceGetRepairStatus: { bChannelRepairPending: 1, bTpcRepairPending: 0 } } },
    }),
    verdict: 'warning',
    findings: ['repair-pending:0000:1b:00'],
  },
  {
    name: 'a T4 has pages that wait for their retirement',
    truth: 'hardware',
    machine: {
      like: 'healthy-t4',
      gpus: { 0: { answers: { deviceGetRetiredPagesPendingStatus: 1 } } },
    },
    verdict: 'warning',
    findings: ['page-retirement-pending:0000:00:04', 'persistence-off'],
  },
  {
    name: 'the driver asks for a reset and the log does not say why',
    truth: 'hardware',
    machine: h100({ gpus: { 3: { 'deviceGetFieldValue gpuRecoveryAction': 1 } } }),
    verdict: 'critical',
    findings: ['recovery-action:0000:61:00'],
  },
  ...[6, 7, 8].map(
    (code): Scenario => ({
      name: `the driver asks for the recovery ${code}, as drivers of tomorrow do`,
      truth: code === 8 ? 'unknown' : 'hardware',
      machine: h100({ gpus: { 3: { 'deviceGetFieldValue gpuRecoveryAction': code } } }),
      verdict: 'critical',
      findings: ['recovery-action:0000:61:00'],
    }),
  ),
  {
    name: 'an older driver asks for drain and reset by its own flag',
    truth: 'hardware',
    machine: h100({
      gpus: { 3: { 'deviceGetFieldValue drainAndResetStatus': 1 } },
    }),
    facts: facts => ({
      ...facts,
      driver: {
        ...facts.driver,
        gpus: facts.driver.gpus.map(gpu => ({
          ...gpu,
          recoveryAction: { ok: false, reason: 'not_supported' },
        })),
      },
    }),
    verdict: 'critical',
    findings: ['recovery-action:0000:61:00'],
  },
  {
    name: 'ECC, XID 48, row remap and recovery action of one GPU are one finding',
    truth: 'hardware',
    machine: { like: 'ecc-row-remap' },
    verdict: 'critical',
    findings: ['ecc-uncorrected:0000:0f:00'],
  },
  {
    name: 'the InfoROM is corrupt',
    truth: 'hardware',
    machine: {
      ...h100(),
      gpus: {
        5: { faults: { deviceGetInforomConfigurationChecksum: { return: 'corrupted_inforom' } } },
      },
    },
    verdict: 'warning',
    findings: ['inforom-corrupt:0000:c3:00'],
  },
  {
    name: 'the InfoROM is corrupt, its configuration is not',
    truth: 'hardware',
    machine: {
      ...h100(),
      gpus: { 5: { faults: { deviceValidateInforom: { return: 'corrupted_inforom' } } } },
    },
    verdict: 'warning',
    findings: ['inforom-corrupt:0000:c3:00'],
  },
];
