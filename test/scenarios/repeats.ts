import { h100, LOADED } from './machines.ts';
import type { Scenario } from './scenario.ts';

type Lines = readonly (readonly [secondsAgo: number, text: string])[];

const HOUR = 3_600;
const xid = (pci: string, rest: string) => `NVRM: Xid (PCI:${pci}): ${rest}`;

const contained = (secondsAgo: number, pid = 41211) =>
  [
    secondsAgo,
    xid(
      '0000:43:00',
      `94, pid=${pid}, name=pt_main_thread, Contained: SM (0x1). RST: No, D-RST: No`,
    ),
  ] as const;

const pageFault = (secondsAgo: number, pci = '0000:43:00', name = 'pt_main_thread') =>
  [
    secondsAgo,
    xid(
      pci,
      `31, pid=${40_000 + secondsAgo}, name=${name}, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f3a_00000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ`,
    ),
  ] as const;

const warpException = (secondsAgo: number, tpc: number, name = 'pt_main_thread') =>
  [
    secondsAgo,
    xid(
      '0000:43:00',
      `13, pid=${40_000 + secondsAgo}, name=${name}, Graphics SM Warp Exception on (GPC 3, TPC ${tpc}, SM 0): Out Of Range Address`,
    ),
  ] as const;

const resetAsked = (secondsAgo: number) =>
  [
    secondsAgo,
    xid(
      '0000:43:00',
      '154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)',
    ),
  ] as const;

const dbe = (secondsAgo: number) =>
  [
    secondsAgo,
    xid(
      '0000:43:00',
      '48, An uncorrectable double bit error (DBE) has been detected on GPU in the framebuffer at physAddr 0xe9b9107e0 partition 3, subpartition 0.',
    ),
  ] as const;

const driverAsks = (secondsAgo: number) =>
  [
    secondsAgo,
    xid('0000:43:00', '154, GPU recovery action changed from 0x0 (None) to 0x4 (Drain and Reset)'),
  ] as const;

const halted = (secondsAgo: number) =>
  [
    secondsAgo,
    xid(
      '0000:43:00',
      '62, 3239edf9 0000c3d8 00000000 206dae60 206da022 206da190 206d85f6 206d8d86',
    ),
  ] as const;

const hung = (secondsAgo: number) =>
  [
    secondsAgo,
    xid(
      '0000:43:00',
      `109, pid=${40_000 + secondsAgo}, name=pt_main_thread, Ch 00000010, errorString CTX SWITCH TIMEOUT, Info 0x4c01a`,
    ),
  ] as const;

const linkFailed = (secondsAgo: number) =>
  [
    secondsAgo,
    xid(
      '0000:43:00',
      '74, pid=41211, name=pt_main_thread, NVLink: fatal error detected on link 3(0x10000, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0)',
    ),
  ] as const;

const scenario = (
  name: string,
  truth: Scenario['truth'],
  log: Lines,
  expected: Pick<Scenario, 'verdict' | 'findings'>,
): Scenario => ({ name, truth, machine: h100({ log }), ...expected });

/** The same fault again: when it means more than each line of it, and when it does not. */
export const REPEATS: readonly Scenario[] = [
  scenario(
    'contained errors five times in a day on one GPU (XID 94)',
    'hardware',
    [20, 16, 12, 8, 4].map(hours => contained(hours * HOUR)),
    { verdict: 'warning', findings: ['xid-94-repeated:0000:43:00'] },
  ),
  scenario(
    'contained errors four times in a day are not yet often',
    'hardware',
    [16, 12, 8, 4].map(hours => contained(hours * HOUR)),
    { verdict: 'warning', findings: ['xid-94:0000:43:00'] },
  ),
  scenario(
    'five lines of one burst are one time',
    'hardware',
    [900, 800, 700, 600, 500].map(seconds => contained(seconds)),
    { verdict: 'warning', findings: ['xid-94:0000:43:00'] },
  ),
  scenario(
    'the driver asks for a reset as often as it likes (XID 154): one request, no repeated fault',
    'unknown',
    [20, 16, 12, 8, 4].map(hours => resetAsked(hours * HOUR)),
    { verdict: 'critical', findings: ['xid-154:0000:43:00'] },
  ),
  scenario(
    'five times in nine days is not often',
    'hardware',
    [200, 150, 100, 50, 4].map(hours => contained(hours * HOUR)),
    { verdict: 'warning', findings: ['xid-94:0000:43:00'] },
  ),
  scenario(
    'jobs that are ended five times in a day leave their GPU well (XID 45)',
    'healthy',
    [20, 16, 12, 8, 4].map(
      hours =>
        [
          hours * HOUR,
          xid('0000:43:00', `45, pid=${40_000 + hours}, name=pt_main_thread, Ch 00000008`),
        ] as const,
    ),
    { verdict: 'healthy', findings: Array(5).fill('xid-45:0000:43:00') },
  ),
  scenario(
    'the driver asks for a drain and a reset five times in a day and names no error (XID 154)',
    'unknown',
    [20, 16, 12, 8, 4].map(hours => driverAsks(hours * HOUR)),
    { verdict: 'critical', findings: ['xid-154:0000:43:00'] },
  ),
  scenario(
    'an uncorrected error came back after two driver loads',
    'hardware',
    [dbe(20 * HOUR), [18 * HOUR, LOADED], dbe(12 * HOUR), [10 * HOUR, LOADED], dbe(2 * HOUR)],
    { verdict: 'critical', findings: ['xid-48-not-cured:0000:43:00'] },
  ),
  scenario(
    'an uncorrected error came back after one driver load',
    'hardware',
    [dbe(12 * HOUR), [10 * HOUR, LOADED], dbe(2 * HOUR)],
    { verdict: 'critical', findings: ['xid-48:0000:43:00'] },
  ),
  scenario(
    'three uncorrected errors without a driver load between',
    'hardware',
    [dbe(20 * HOUR), dbe(12 * HOUR), dbe(2 * HOUR)],
    { verdict: 'critical', findings: ['xid-48:0000:43:00'] },
  ),
  scenario(
    'two programs touched memory that is not theirs on one GPU alone (XID 31)',
    'unknown',
    [pageFault(8 * HOUR), pageFault(2 * HOUR, '0000:43:00', 'vllm')],
    { verdict: 'warning', findings: ['xid-31-same-place:0000:43:00'] },
  ),
  scenario(
    'one program touched memory that is not its own twice on one GPU (XID 31)',
    'application',
    [pageFault(8 * HOUR), pageFault(2 * HOUR)],
    { verdict: 'warning', findings: ['xid-31-same-place:0000:43:00'] },
  ),
  scenario(
    'a program touched memory that is not its own on two GPUs (XID 31)',
    'application',
    [pageFault(8 * HOUR), pageFault(2 * HOUR), pageFault(2 * HOUR - 1, '0000:9d:00')],
    { verdict: 'warning', findings: ['xid-31-on-several-gpus'] },
  ),
  scenario(
    'two programs failed at one place of one GPU (XID 13)',
    'unknown',
    [warpException(8 * HOUR, 1), warpException(2 * HOUR, 1, 'vllm')],
    { verdict: 'warning', findings: ['xid-13-same-place:0000:43:00'] },
  ),
  scenario(
    'five programs touched memory that is not theirs on one GPU alone (XID 31)',
    'unknown',
    ['a', 'b', 'c', 'd', 'e'].map((name, at) =>
      pageFault((10 - 2 * at) * HOUR, '0000:43:00', name),
    ),
    { verdict: 'warning', findings: ['xid-31-same-place:0000:43:00'] },
  ),
  scenario(
    'a program touched memory that is not its own on two GPUs, on the first of them last (XID 31)',
    'application',
    [pageFault(8 * HOUR, '0000:9d:00', 'vllm'), pageFault(2 * HOUR)],
    { verdict: 'warning', findings: ['xid-31-on-several-gpus'] },
  ),
  scenario(
    'an uncorrected error came back after two driver loads, and has not after the third',
    'hardware',
    [
      ...[dbe(20 * HOUR), [18 * HOUR, LOADED] as const, dbe(12 * HOUR)],
      ...[[10 * HOUR, LOADED] as const, dbe(4 * HOUR), [2 * HOUR, LOADED] as const],
    ],
    { verdict: 'warning', findings: ['xid-48-not-cured:0000:43:00'] },
  ),
  scenario(
    'the power unit halts after each of two driver loads: the driver’s own fault (XID 62)',
    'driver',
    [
      ...[halted(20 * HOUR), [18 * HOUR, LOADED] as const, halted(12 * HOUR)],
      ...[[10 * HOUR, LOADED] as const, halted(2 * HOUR)],
    ],
    { verdict: 'critical', findings: ['xid-62-not-cured:0000:43:00'] },
  ),
  scenario(
    'contained errors five times in a day, and the driver was loaded anew since',
    'hardware',
    [...[20, 16, 12, 8, 4].map(hours => contained(hours * HOUR)), [2 * HOUR, LOADED] as const],
    { verdict: 'warning', findings: ['xid-94-repeated:0000:43:00'] },
  ),
  scenario(
    'a channel hangs five times in a day: the driver’s fault (XID 109)',
    'driver',
    [20, 16, 12, 8, 4].map(hours => hung(hours * HOUR)),
    { verdict: 'critical', findings: ['xid-109-repeated:0000:43:00'] },
  ),
  scenario(
    'uncorrected errors five times in a day, and the driver asks for more than a drain (XID 48, 154)',
    'hardware',
    [20, 16, 12, 8, 4].flatMap(hours => [dbe(hours * HOUR), driverAsks(hours * HOUR - 1)]),
    { verdict: 'critical', findings: ['xid-48-repeated:0000:43:00'] },
  ),
  scenario(
    'an NVLink fails five times in a day: the fabric’s fault (XID 74)',
    'fabric',
    [20, 16, 12, 8, 4].map(hours => linkFailed(hours * HOUR)),
    { verdict: 'critical', findings: ['xid-74-repeated:0000:43:00'] },
  ),
  scenario(
    'a program failed at two places of one GPU (XID 13)',
    'application',
    [warpException(8 * HOUR, 1), warpException(2 * HOUR, 2)],
    { verdict: 'warning', findings: ['xid-13:0000:43:00', 'xid-13:0000:43:00'] },
  ),
];
