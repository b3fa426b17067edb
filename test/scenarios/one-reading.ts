import { missing, type Reading } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import type { GpuState, Violations } from '../../src/nvml/port.ts';
import { withGpu } from '../fakes/facts.ts';
import { type Answers, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const SECOND_NS = 1_000_000_000;

/** What these GPUs do not tell, so that the fault shows in one reading. */
const untold =
  (changed: (gpu: GpuState) => Partial<GpuState>) =>
  (facts: NodeFacts): NodeFacts =>
    facts.driver.gpus.reduce((all, gpu) => withGpu(all, gpu.index, changed(gpu)), facts);

const NOT_THERE: Reading<never> = missing('not_supported');

const onGpu6 = (
  name: string,
  truth: Scenario['truth'],
  answers: Answers,
  finding: string,
): Scenario => ({
  name,
  truth,
  machine: h100({ gpus: { 6: answers } }),
  verdict: 'warning',
  findings: [finding],
});

/** An SXM pair whose links all end at the same kind of device, one of them down. */
const pair = (name: string, answers: Answers): Scenario => ({
  name,
  truth: 'fabric',
  machine: {
    like: 'a100-sxm4-80gb',
    everyGpu: { answers },
    gpus: [{}, { answers: { 'deviceGetFieldValue nvlinkState 7': 0 } }],
    host: { pci: ['07', '0f'].map(bus => ({ pci: `0000:${bus}:00` })) },
  },
  verdict: 'critical',
  findings: ['nvlink-down:0000:0f:00'],
});

const heldDown = (counter: keyof Violations & string, field: string): Scenario => ({
  name: `between two readings only ${counter} ran`,
  truth: 'host',
  machine: h100({ every: { [`deviceGetFieldValue ${field}`]: SECOND_NS } }),
  facts: facts => {
    const before = untold(({ index, violations }) => ({
      violations: index === 6 ? { ...violations, [counter]: { ok: true, value: 0 } } : violations,
    }))(facts);
    return { ...facts, earlier: { ...before.driver, takenAtMs: facts.driver.takenAtMs - 2_000 } };
  },
  verdict: 'warning',
  findings: ['throttled:0000:d1:00'],
});

/** Faults that show in one reading and nowhere else: whoever does not read it knows of no fault. */
export const ONE_READING: readonly Scenario[] = [
  {
    name: 'the total counts an uncorrected error, no place does',
    truth: 'hardware',
    machine: {
      like: 'healthy-t4',
      gpus: {
        0: {
          answers: {
            'deviceGetTotalEccErrors uncorrected volatile': 1,
            'deviceGetMemoryErrorCounter uncorrected volatile dram': 0,
          },
        },
      },
    },
    verdict: 'critical',
    findings: ['ecc-uncorrected:0000:00:04', 'persistence-off'],
  },
  {
    name: 'uncorrected errors in the DRAM that the total does not count',
    truth: 'hardware',
    machine: h100({ gpus: { 1: { 'deviceGetMemoryErrorCounter uncorrected volatile dram': 3 } } }),
    verdict: 'critical',
    findings: ['ecc-uncorrected:0000:43:00'],
  },
  {
    name: 'a T4 has retired 63 pages for single-bit errors',
    truth: 'hardware',
    machine: {
      like: 'healthy-t4',
      gpus: {
        0: {
          answers: { 'deviceGetRetiredPages singleBit': Array.from({ length: 63 }, (_, at) => at) },
        },
      },
    },
    verdict: 'warning',
    findings: ['retired-pages-limit:0000:00:04', 'persistence-off'],
  },
  {
    name: 'an older driver asks for a reset by its own flag',
    truth: 'hardware',
    machine: h100({ gpus: { 3: { 'deviceGetFieldValue resetStatus': 1 } } }),
    facts: untold(() => ({ recoveryAction: NOT_THERE })),
    verdict: 'critical',
    findings: ['recovery-action:0000:61:00'],
  },
  ...[
    'deviceGetInforomImageVersion',
    ...['oem', 'ecc', 'power'].map(part => `deviceGetInforomVersion ${part}`),
    'deviceValidateInforom',
  ].map((call): Scenario => {
    return {
      name: `the InfoROM is corrupt where ${call} reads it`,
      truth: 'hardware',
      machine: { ...h100(), gpus: { 5: { faults: { [call]: { return: 'corrupted_inforom' } } } } },
      verdict: 'warning',
      findings: ['inforom-corrupt:0000:c3:00'],
    };
  }),
  onGpu6(
    'a GPU is hotter than its highest temperature for work',
    'hardware',
    { deviceGetTemperature: 88 },
    'over-temperature:0000:d1:00',
  ),
  {
    ...onGpu6(
      'a GPU that tells no highest temperature for work is hotter than its slowdown limit',
      'hardware',
      { deviceGetTemperature: 90 },
      'over-temperature:0000:d1:00',
    ),
    facts: untold(({ thermal }) => ({ thermal: { ...thermal, gpuMaxC: NOT_THERE } })),
  },
  heldDown('hwPowerBrakeNs', 'hwPowerBrakeSlowdown'),
  heldDown('thermalNs', 'performanceThermal'),
  heldDown('swThermalNs', 'swThermalSlowdown'),
  ...(['Replay', 'Recovery', 'CrcDataOfLink'] as const).map(counter =>
    onGpu6(
      `an NVLink counts far more than all others, and only in nvlink${counter}`,
      'fabric',
      { [`deviceGetFieldValue nvlink${counter} 3`]: 4_000_000 },
      'nvlink-errors:0000:d1:00',
    ),
  ),
  ...(['EffectiveErrors', 'RecoveryFailed'] as const).map(
    (counter): Scenario => ({
      name: `an NVLink of a B200 counts far more than all others, and only in nvlink${counter}`,
      truth: 'fabric',
      machine: {
        like: 'b200',
        gpus: { 6: { answers: { [`deviceGetFieldValue nvlink${counter} 3`]: 4_000_000 } } },
      },
      verdict: 'warning',
      findings: ['nvlink-errors:0000:d1:00'],
    }),
  ),
  pair('one link of two GPUs on bare metal is down, and each ends at the other', {
    deviceGetNvLinkRemoteDeviceType: 0,
    deviceGetVirtualizationMode: 0,
  }),
  pair('one link of two GPUs in a virtual machine is down, and they end at switches', {
    deviceGetNvLinkRemoteDeviceType: 2,
    deviceGetVirtualizationMode: 1,
  }),
  {
    name: 'a program has ended and is still listed with its memory',
    truth: 'application',
    machine: h100({
      gpus: {
        2: { deviceGetComputeRunningProcesses: [{ pid: 99_001, usedGpuMemory: 82_900_418_560 }] },
      },
    }),
    verdict: 'warning',
    findings: ['leaked-context:0000:52:00'],
  },
  {
    name: 'the kernel is tainted by a machine check of which its log tells nothing',
    truth: 'host',
    machine: h100({ host: { resources: { kernelTaint: 4096 + 16 } } }),
    verdict: 'warning',
    findings: ['host-hardware-error'],
  },
];
