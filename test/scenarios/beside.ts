import { missing } from '../../src/contract/reading.ts';
import { H100, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const UID = 'f6a1e4a0-3b1c-4a52-9f6e-0d8f2d3c7b11';
const LOST = "79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.";

const aer = (device: string) =>
  [
    600,
    `pcieport 0000:c0:01.0: AER: Uncorrectable (Fatal) error message received from ${device}`,
  ] as const;
const behind = (bridge: string, ...gpus: readonly number[]) => ({
  pci: Object.fromEntries(gpus.map(at => [at, { bridges: [{ pci: bridge, function: 0 }] }])),
});

/** A container met its limit, as the kernel tells it in three lines. */
const oom = (constraint: string, cgroup: string): readonly (readonly [number, string])[] => [
  [
    700,
    'pt_main_thread invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=-997',
  ],
  [
    700,
    `oom-kill:constraint=${constraint},nodemask=(null),cpuset=x,mems_allowed=0-1,oom_memcg=${cgroup},task_memcg=${cgroup},task=pt_main_thread,pid=41211,uid=1000`,
  ],
  [
    699,
    `${constraint === 'CONSTRAINT_MEMCG' ? 'Memory cgroup out of memory' : 'Out of memory'}: Killed process 41211 (pt_main_thread) total-vm:98123456kB, anon-rss:52428800kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:104448kB oom_score_adj:-997`,
  ],
];
const OF_POD = `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID.replaceAll('-', '_')}.slice/cri-containerd-${'c'.repeat(64)}.scope`;
const NAMES = { pods: { names: [{ uid: UID, namespace: 'team-a', pod: 'loader-0' }] } };

/** Lines of the kernel about what stands beside the GPUs: whose fault they are not, and whose they are. */
export const BESIDE: readonly Scenario[] = [
  {
    name: 'the bridge above three GPUs has a fatal PCIe error',
    truth: 'host',
    machine: h100({ host: behind('0000:c0:01', 3, 4, 5), log: [aer('0000:c0:01.0')] }),
    verdict: 'critical',
    findings: ['aer'],
  },
  {
    name: 'the bridge above two GPUs has a fatal PCIe error',
    truth: 'host',
    machine: h100({ host: behind('0000:c0:01', 4, 5), log: [aer('0000:c0:01.0')] }),
    verdict: 'critical',
    findings: ['aer'],
  },
  {
    name: 'an NVSwitch has a fatal PCIe error',
    truth: 'host',
    machine: h100({
      host: { pci: { 8: { pci: '0000:05:00', kind: 'nvswitch' } } },
      log: [aer('0000:05:00.0')],
    }),
    verdict: 'critical',
    findings: ['aer'],
  },
  {
    name: 'an adapter has a fatal PCIe error: no matter of the GPUs',
    truth: 'healthy',
    machine: h100({
      host: { nics: [{ name: 'mlx5_0', pci: '0000:20:00', gpuPaths: [] }] },
      log: [aer('0000:20:00.0')],
    }),
    verdict: 'healthy',
    findings: ['aer'],
  },
  {
    name: 'some device has a fatal PCIe error, and nobody could read the bus',
    truth: 'unknown',
    machine: h100({ log: [aer('0000:02:00.0')] }),
    facts: facts => ({
      ...facts,
      host: {
        ...facts.host,
        pciDevices: missing('no_permission'),
        driverGpus: missing('no_permission'),
      },
    }),
    verdict: 'unknown',
    findings: ['aer'],
  },
  {
    name: 'a GPU that only its driver knows has a fatal PCIe error',
    truth: 'host',
    machine: h100({ log: [aer(`${H100[6]}.0`)] }),
    facts: facts => ({
      ...facts,
      host: { ...facts.host, pciDevices: missing('no_permission') },
      driver: {
        ...facts.driver,
        gpus: facts.driver.gpus.map(gpu =>
          gpu.index === 6 ? { ...gpu, pci: missing('unknown') } : gpu,
        ),
      },
    }),
    verdict: 'critical',
    findings: [`aer:${H100[6]}`],
  },
  {
    name: 'a device at an address where no GPU is known cannot be reached: good to know',
    truth: 'healthy',
    machine: h100({
      log: [
        [
          600,
          'pcieport 0000:c0:01.0: Unable to change power state from D3cold to D0, device inaccessible',
        ],
      ],
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a container of a pod with a name met its limit of memory',
    truth: 'application',
    machine: h100({ host: NAMES, log: oom('CONSTRAINT_MEMCG', OF_POD) }),
    verdict: 'warning',
    findings: ['oom'],
  },
  {
    name: 'a container of a pod that nobody names met its limit of memory',
    truth: 'application',
    machine: h100({
      host: { pods: { names: [{ uid: 'another', namespace: 'team-b', pod: 'web-0' }] } },
      log: oom('CONSTRAINT_MEMCG', OF_POD),
    }),
    verdict: 'warning',
    findings: ['oom'],
  },
  {
    name: 'the node ran out of memory and the kernel chose a program of a pod',
    truth: 'host',
    machine: h100({ host: NAMES, log: oom('CONSTRAINT_NONE', OF_POD) }),
    verdict: 'warning',
    findings: ['oom'],
  },
  {
    name: 'a GPU was lost and the driver loaded anew: it answers',
    truth: 'hardware',
    machine: h100({
      log: [
        [7_200, `NVRM: Xid (PCI:0000:52:00): ${LOST}`],
        [
          3_600,
          'NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (dvs-builder@U22-I3-G01-1-1)  Wed Feb 19 17:02:09 UTC 2025',
        ],
      ],
    }),
    verdict: 'warning',
    findings: ['xid-79:0000:52:00'],
  },
  {
    name: 'a GPU that was lost gives its handle, and its temperature does not come',
    truth: 'hardware',
    machine: h100({ log: [[600, `NVRM: Xid (PCI:0000:52:00): ${LOST}`]] }),
    facts: facts => ({
      ...facts,
      driver: {
        ...facts.driver,
        gpus: facts.driver.gpus.map(gpu =>
          gpu.index === 2 ? { ...gpu, temperatureC: missing('unknown') } : gpu,
        ),
      },
    }),
    verdict: 'critical',
    findings: ['xid-79:0000:52:00'],
  },
];
