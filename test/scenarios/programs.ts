import { missing, present } from '../../src/contract/reading.ts';
import { withGpu } from '../fakes/facts.ts';
import { h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const xid = (pci: string, rest: string) => `NVRM: Xid (PCI:${pci}): ${rest}`;

/** What is told of memory that nobody holds; a GPU that is divided into nothing is a remark. */
const LEAKED_OR_NOT = {
  warning: ['leaked-context:0000:52:00'],
  unknown: [],
  healthy: ['mig-without-instances:0000:52:00'],
} as const;

/** Programs that break: their GPU is well and must not be blamed. */
export const PROGRAMS: readonly Scenario[] = [
  {
    name: 'a program touched memory that is not its own (XID 31)',
    truth: 'application',
    machine: h100({
      log: [
        [
          600,
          xid(
            '0000:43:00',
            '31, pid=41211, name=pt_main_thread, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f3a_00000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ',
          ),
        ],
      ],
    }),
    verdict: 'warning',
    findings: ['xid-31:0000:43:00'],
  },
  {
    name: 'a kernel of a program read beyond its array (XID 13)',
    truth: 'application',
    machine: h100({
      log: [
        [
          600,
          xid(
            '0000:43:00',
            '13, pid=41211, name=pt_main_thread, Graphics SM Warp Exception on (GPC 3, TPC 1, SM 0): Out Of Range Address',
          ),
        ],
        [599, xid('0000:43:00', '43, pid=41211, name=pt_main_thread, Ch 00000008')],
      ],
    }),
    verdict: 'warning',
    findings: ['xid-13:0000:43:00'],
  },
  {
    name: 'a program was killed for using more memory than its pod may',
    truth: 'application',
    machine: h100({
      log: [
        [
          700,
          'Memory cgroup out of memory: Killed process 41211 (pt_main_thread) total-vm:98123456kB, anon-rss:52428800kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:104448kB oom_score_adj:-997',
        ],
      ],
    }),
    verdict: 'warning',
    findings: ['oom'],
  },
  {
    name: 'the node ran out of memory and the kernel chose a program',
    truth: 'host',
    machine: h100({
      log: [
        [
          700,
          'Out of memory: Killed process 41211 (pt_main_thread) total-vm:98123456kB, anon-rss:52428800kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:104448kB oom_score_adj:1000',
        ],
      ],
    }),
    verdict: 'warning',
    findings: ['oom'],
  },
  {
    name: 'a program crashed in NCCL: good to know, the node is well',
    truth: 'healthy',
    machine: h100({
      log: [
        [
          700,
          'pt_main_thread[41211]: segfault at 18 ip 00007f2a3c0ab1e2 sp 00007ffd5c0f3a10 error 4 in libnccl.so.2.21.5[7f2a3c000000+8a2000]',
        ],
      ],
    }),
    verdict: 'healthy',
    findings: ['segfault'],
  },
  {
    name: 'a program ended and left its memory on the GPU',
    truth: 'application',
    machine: h100({
      gpus: { 2: { deviceGetComputeRunningProcesses: [] } },
      host: { processDetails: { 41212: { state: 'Z', devices: ['nvidia2', 'nvidiactl'] } } },
    }),
    verdict: 'warning',
    findings: ['leaked-context:0000:52:00'],
  },
  ...(
    [
      ['of a guest with the whole GPU', { virtualizationMode: present('passthrough') }, 'warning'],
      ['of a virtual GPU, for its machine', { virtualizationMode: present('vgpu') }, 'unknown'],
      ['while it is divided', { migMode: present({ current: true, pending: true }) }, 'healthy'],
      ['of which nobody knows whether it is divided', { migMode: missing('timeout') }, 'unknown'],
    ] as const
  ).map(
    ([of, changed, verdict]): Scenario => ({
      name: `memory of a GPU is held by nobody, ${of}`,
      truth: verdict === 'warning' ? 'application' : verdict,
      machine: h100({ gpus: { 2: { deviceGetComputeRunningProcesses: [] } } }),
      facts: facts => withGpu(facts, 2, changed),
      verdict,
      findings: LEAKED_OR_NOT[verdict],
    }),
  ),
  {
    name: 'memory is held by a process that is neither compute nor graphics',
    truth: 'healthy',
    machine: h100({
      gpus: {
        2: {
          deviceGetComputeRunningProcesses: [],
          deviceGetRunningProcessDetailList: [{ pid: 41212, usedGpuMemory: 82_900_418_560 }],
        },
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'an uncorrected error was contained: the program died, the GPU goes on (XID 94)',
    truth: 'hardware',
    machine: h100({
      log: [
        [
          900,
          xid(
            '0000:43:00',
            '94, pid=41211, name=pt_main_thread, Contained: SM (0x1). RST: No, D-RST: No',
          ),
        ],
      ],
    }),
    verdict: 'warning',
    findings: ['xid-94:0000:43:00'],
  },
  {
    name: 'a fault of memory that a driver load has cured since',
    truth: 'hardware',
    machine: h100({
      log: [
        [
          1_814_368,
          xid(
            '0000:43:00',
            '48, An uncorrectable double bit error (DBE) has been detected on GPU in the framebuffer at physAddr 0xe9b9107e0 partition 3, subpartition 0.',
          ),
        ],
        [
          3_600,
          'NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (dvs-builder@U22-I3-G01-1-1)  Wed Feb 19 17:02:09 UTC 2025',
        ],
      ],
    }),
    verdict: 'warning',
    findings: ['xid-48:0000:43:00'],
  },
];

const uuidOf = (minor: number) => UUIDS[minor] ?? '';
/** UUIDs of the first GPUs of dgx-h100. */
const UUIDS = ['GPU-d64dbec7-9f79-444f-4a37-177ddb37b314'];

const device = (id: string) => ({ id, gpuUuid: id });

/** Who was given which GPU, and who uses it. */
export const PODS: readonly Scenario[] = [
  {
    name: 'a pod uses a GPU that belongs to another pod',
    truth: 'configuration',
    machine: h100({
      host: {
        pods: {
          allocations: [
            { namespace: 'ml', pod: 'train-0', podUid: 'uid-train', devices: [device(uuidOf(0))] },
          ],
          names: [{ uid: 'uid-other', namespace: 'lab', pod: 'notebook' }],
        },
        processDetails: { 41210: { podUid: 'uid-other', containerId: 'c'.repeat(64) } },
      },
    }),
    verdict: 'warning',
    findings: ['used-not-allocated:0000:1b:00'],
  },
  {
    name: 'every pod uses the GPU that it was given',
    truth: 'healthy',
    machine: h100({
      host: {
        pods: {
          allocations: [
            { namespace: 'ml', pod: 'train-0', podUid: 'uid-train', devices: [device(uuidOf(0))] },
          ],
        },
        processDetails: { 41210: { podUid: 'uid-train', containerId: 'c'.repeat(64) } },
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'the kubelet offers one GPU of eight',
    truth: 'configuration',
    machine: h100({
      host: { pods: { allocatable: { 'nvidia.com/gpu': [device(uuidOf(0))] } } },
    }),
    verdict: 'warning',
    findings: ['gpus-not-offered'],
  },
  {
    name: 'the kubelet does not offer one GPU that the driver finds well',
    truth: 'configuration',
    machine: h100({
      host: {
        pods: {
          allocatable: {
            'nvidia.com/gpu': [0, 1, 2, 4, 5, 6, 7].map(minor => ({ id: `nvidia${minor}`, minor })),
          },
        },
      },
    }),
    verdict: 'warning',
    findings: ['gpu-not-offered:0000:61:00'],
  },
  {
    name: 'the device plugin withdrew a GPU for its XID: one finding',
    truth: 'hardware',
    machine: h100({
      gpus: { 3: { 'deviceGetTotalEccErrors uncorrected volatile': 1 } },
      host: {
        pods: {
          allocatable: {
            'nvidia.com/gpu': [0, 1, 2, 4, 5, 6, 7].map(minor => ({ id: `nvidia${minor}`, minor })),
          },
        },
      },
    }),
    verdict: 'critical',
    findings: ['ecc-uncorrected:0000:61:00'],
  },
  {
    name: 'the kubelet offers no GPU at all',
    truth: 'configuration',
    machine: h100({ host: { pods: { allocatable: {} } } }),
    verdict: 'warning',
    findings: ['no-gpu-offered'],
  },
  {
    name: 'the device node of a GPU is missing',
    truth: 'configuration',
    machine: h100({
      host: {
        deviceNodes: [
          'nvidia0',
          'nvidia1',
          'nvidia2',
          'nvidia3',
          'nvidia4',
          'nvidia5',
          'nvidia6',
          'nvidiactl',
          'nvidia-uvm',
        ],
      },
    }),
    verdict: 'warning',
    findings: ['device-node-missing:0000:df:00'],
  },
];
