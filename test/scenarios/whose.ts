import { h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

/** GPU 1 of the eight, at 0000:43:00. */
const GPU_1 = 'GPU-2d72d83a-c8c8-0fa5-6921-dc0421b95c56';
const [OLD, NEW] = ['11111111-2222-4333-8444-555555555555', '99999999-2222-4333-8444-555555555555'];
const PAGE_FAULT =
  'NVRM: Xid (PCI:0000:43:00): 31, pid=4711, name=python3, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f_00000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ';
const CONTAINED =
  'NVRM: Xid (PCI:0000:43:00): 94, pid=4711, name=python3, Contained: SM (0x1). RST: No, D-RST: No';

const ran = (podUid: string, pod: string, more: object = {}) => ({
  ...{ podUid, namespace: 'team-a', pod, container: 'main', exitCode: 137 },
  ...{ startedSecondsAgo: 7200, endedSecondsAgo: 590, pid: 4000, ...more },
});
const had = (podUid: string) => ({ podUid, devices: [{ id: GPU_1, gpuUuid: GPU_1 }] });

/** One line of the driver ten minutes ago, and what the node knows of pods. */
const told = (text: string, pods: object) => h100({ host: { pods }, log: [[600, text]] });

/** Whose fault it was, as far as the node knows. */
export const WHOSE: readonly Scenario[] = [
  {
    name: 'a page fault of a pod whose process had the pid of the line',
    truth: 'application',
    machine: told(PAGE_FAULT, { lives: [ran(OLD, 'train-0', { pid: 4711 })] }),
    verdict: 'warning',
    findings: ['xid-31:0000:43:00'],
  },
  {
    name: 'a page fault of a pod of which only the uid is known',
    truth: 'application',
    machine: told(PAGE_FAULT, {
      lives: [
        { podUid: OLD, startedSecondsAgo: 7200, endedSecondsAgo: 590, exitCode: 1, pid: 4711 },
      ],
    }),
    verdict: 'warning',
    findings: ['xid-31:0000:43:00'],
  },
  {
    name: 'a page fault on a GPU that two pods shared',
    truth: 'application',
    machine: told(PAGE_FAULT, {
      checkpoint: [had(OLD), had(NEW)],
      lives: [ran(OLD, 'train-0'), ran(NEW, 'train-1')],
    }),
    verdict: 'warning',
    findings: ['xid-31:0000:43:00'],
  },
  {
    name: 'a page fault after which a pod failed, of which no more is known',
    truth: 'application',
    machine: told(PAGE_FAULT, { lives: [ran(OLD, 'train-0')] }),
    verdict: 'warning',
    findings: ['xid-31:0000:43:00'],
  },
  {
    name: 'a page fault on a GPU that a pod holds now, which proves nothing',
    truth: 'configuration',
    machine: told(PAGE_FAULT, {
      allocations: [{ ...had(NEW), namespace: 'team-a', pod: 'train-1', container: 'main' }],
    }),
    verdict: 'warning',
    findings: ['used-not-allocated:0000:43:00', 'xid-31:0000:43:00'],
  },
  {
    name: 'a fault of the memory under a pod that is known: it is not by the pod',
    truth: 'hardware',
    machine: told(CONTAINED, { lives: [ran(OLD, 'train-0', { pid: 4711 })] }),
    verdict: 'warning',
    findings: ['xid-94:0000:43:00'],
  },
  {
    name: 'a page fault before the driver was loaded again is over',
    truth: 'healthy',
    machine: h100({
      log: [
        [7200, PAGE_FAULT],
        [
          3600,
          'NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (dvs-builder@U22-I3-G01-1-1)  Wed Feb 19 17:02:09 UTC 2025',
        ],
      ],
    }),
    verdict: 'healthy',
    findings: ['xid-31:0000:43:00'],
  },
];
