import type * as z from 'zod';
import type { ClusterView } from '../../src/contract/cluster-view.ts';
import type { NameOf } from '../../src/contract/names-in-text.ts';
import { missing, present } from '../../src/contract/reading.ts';
import { replaceTexts } from '../../src/redaction/redacted.ts';
import { hexOf } from '../../src/simulation/hex.ts';
import { type Machine, machineFrom } from '../../src/simulation/machine.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import { aContainer, aNode, aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsFor } from '../fakes/instruments.ts';
import { PORTS } from './texts.ts';

/** A node where everything that a tenant can name begins with this. */
export const MARKER = /zz-secret[\w-]*/gi;

export const UID = '11111111-2222-4333-8444-555555555555';
const CONTAINER_ID = '0123456789abcdef'.repeat(4);
const GPU_0 = 'GPU-00000000-0000-4000-8000-000000000000';
const GPU_1 = 'GPU-00000000-0000-4000-8000-000000000001';
const GIB = 1024 ** 3;

const CGROUP = `/kubepods.slice/kubepods-pod${UID.replaceAll('-', '_')}.slice/cri-containerd-${CONTAINER_ID}.scope`;

const LINES: readonly string[] = [
  'NVRM: Xid (PCI:0000:1b:00): 31, pid=100, name=zz-secret-xid, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f_00000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ',
  'NVRM: Xid (PCI:0000:43:00): 43, pid=4711, name=zz-secret-a, b, Ch 00000010',
  'NVRM: Xid (PCI:0000:43:00): 45, pid=4711, name=zz-secret-a, b, Ch 00000010, caused by previous Xid 43',
  'NVRM: Xid (PCI:00, pid=1, name=zz-secret-cut',
  'NVRM: a message that no rule knows, name=zz-secret-odd, of a new driver',
  'zz-secret-seg[4712]: segfault at 10 ip 00007f00 sp 00007f01 error 4 in libcuda.so.570.124.06[7f0000000000+1000]',
  'zz-secret-alloc invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0',
  `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=zz-secret-set,mems_allowed=0-1,oom_memcg=${CGROUP},task_memcg=${CGROUP},task=zz-secret-oom,pid=4713,uid=1000`,
  'Memory cgroup out of memory: Killed process 4713 (zz-secret-oom) total-vm:100kB, anon-rss:50kB',
  'oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0-1,global_oom,task_memcg=/system.slice/zz-secret-job.service,task=zz-secret-sys,pid=4714,uid=0',
  'INFO: task cuda-zz-secret:4715 blocked for more than 122 seconds.',
  'watchdog: BUG: soft lockup - CPU#3 stuck for 23s! [zz-secret-soft:4716]',
];

/** Two GPUs, one with a lost neighbour's worth of trouble, all of it by name. */
export const secretive = (): Machine =>
  machineFrom('secretive', {
    like: 'dgx-h100',
    gpus: [
      {
        answers: {
          deviceGetUUID: GPU_0,
          deviceGetMinorNumber: 0,
          deviceGetMemoryInfo: { total: 80 * GIB, reserved: 0, free: 60 * GIB, used: 20 * GIB },
          deviceGetComputeRunningProcesses: [process(100), process(101)],
        },
      },
      {
        answers: {
          deviceGetUUID: GPU_1,
          deviceGetMinorNumber: 1,
          deviceGetMemoryInfo: { total: 80 * GIB, reserved: 0, free: 80 * GIB, used: 0 },
          deviceGetComputeRunningProcesses: [],
        },
      },
    ],
    host: {
      hostname: 'gpu-3',
      pci: [{ pci: '0000:1b:00' }, { pci: '0000:43:00' }],
      processes: { 100: 'zz-secret-proc', 101: 'zz-secret-login', 102: 'zz-secret-hold' },
      processDetails: {
        100: {
          podUid: UID,
          containerId: CONTAINER_ID,
          container: 'zz-secret-ctr',
          devices: ['nvidia0'],
          gpuEnvironment: { CUDA_VISIBLE_DEVICES: '0', NVIDIA_PRODUCT: 'zz-secret-env' },
        },
        102: { devices: ['nvidia1'], state: 'D' },
      },
      // As its 15 characters begin, a program may look like a daemon and be anybody's.
      daemons: [
        { kind: 'device_plugin', pid: 90, name: 'zz-secret-dmn' },
        { kind: 'nvlink_subnet_manager', pid: 103, name: 'nvlsm-zz-secret' },
      ],
      blockedTasks: [{ pid: 102, name: 'zz-secret-stuck', waitsIn: 'nvidia_ioctl' }],
      pods: {
        names: [
          {
            uid: UID,
            namespace: 'zz-secret-ns',
            pod: 'zz-secret-pod',
            containers: ['zz-secret-ctr'],
          },
        ],
        lives: [
          {
            podUid: '99999999-2222-4333-8444-555555555555',
            namespace: 'zz-secret-gone-ns',
            pod: 'zz-secret-gone',
            container: 'zz-secret-gone-ctr',
            pid: 4711,
            startedSecondsAgo: 5_000,
            endedSecondsAgo: 1_190,
            exitCode: 1,
            source: 'service_log',
          },
        ],
        allocations: [
          {
            namespace: 'zz-secret-ns',
            pod: 'zz-secret-pod',
            podUid: UID,
            container: 'zz-secret-ctr',
            devices: [{ id: GPU_0, gpuUuid: GPU_0 }],
          },
          {
            namespace: 'zz-secret-ns-2',
            pod: 'zz-secret-idle',
            container: 'zz-secret-idle-ctr',
            devices: [{ id: GPU_1, gpuUuid: GPU_1 }],
            claim: { namespace: 'zz-secret-ns-2', name: 'zz-secret-claim', pool: 'zz-secret-pool' },
          },
        ],
      },
    },
    kernelLog: {
      lines: LINES.map((text, index) => ({ secondsAgo: 1_200 - index, text })),
    },
  });

const process = (pid: number) => ({
  pid,
  usedGpuMemory: 10 * GIB,
  gpuInstanceId: 0xffffffff,
  computeInstanceId: 0xffffffff,
});

const event = (reason: string, message: string) => ({
  type: 'Warning' as const,
  reason,
  message,
  count: 1,
  lastAt: '2026-03-01T11:59:00Z',
  from: 'zz-secret-operator',
});

const END = {
  exitCode: 1,
  reason: 'Error',
  message: 'zz-secret-last-words: nvidia-container-cli: nvml error',
  startedAt: '2026-03-01T09:00:00Z',
  finishedAt: '2026-03-01T12:00:00Z',
};

const POD = aPod({
  namespace: 'zz-secret-ns',
  name: 'zz-secret-pod',
  uid: UID,
  owner: 'Job/zz-secret-job',
  phase: 'Failed',
  reason: 'zz-secret-reason',
  message: 'zz-secret-status',
  gpus: { 'nvidia.com/gpu': 1 },
  claims: ['zz-secret-pod-claim'],
  containers: [
    aContainer({
      name: 'zz-secret-ctr',
      state: 'terminated',
      ended: END,
      endedBefore: END,
    }),
  ],
});

/** What the cluster says of it; `pod` and its events only where they are asked for. */
export const secretiveView = (askedForPod: boolean): ClusterView =>
  aView({
    node: present(
      aNode({
        labels: {
          'nvidia.com/gpu.count': '8',
          'nvidia.com/gpu.product': 'zz-secret-product',
          'zz-secret-label/gpu': 'zz-secret-value',
        },
        instanceType: 'zz-secret-type',
        cordoned: true,
        cordonedBy: { manager: 'zz-secret-manager' },
        taints: [{ key: 'zz-secret-key', value: 'zz-secret-taint', effect: 'NoSchedule' }],
        taintsBy: { manager: 'zz-secret-tainter' },
        conditions: [
          {
            type: 'GpuFault',
            status: 'True',
            reason: 'zz-secret-why',
            message: 'zz-secret-condition saw XID 79',
            since: '2026-03-01T11:00:00Z',
          },
        ],
      }),
    ),
    pods: present({
      ...{ namespace: 'zz-secret-only', total: 3, gpuPods: [POD] },
      sessions: [
        {
          ...{ namespace: 'zz-secret-ns', pod: 'zz-secret-session', user: 'zz-secret-user' },
          ...{ session: '0a1b2c3d', since: '2026-03-01T11:00:00Z' },
        },
      ],
    }),
    nodeEvents: present([event('OOMKilling', 'Killed process 12 (zz-secret-victim)')]),
    ...(askedForPod && {
      pod: present(POD),
      podEvents: present([
        event('BackOff', 'zz-secret-event back-off restarting failed container'),
      ]),
    }),
  });

/** The texts of a schema's data that may hold a name, each made a secret one; the others stay. */
function withSecrets<Schema extends z.ZodType>(schema: Schema, seen: Set<NameOf>) {
  const secret = replaceTexts(schema, (mark, text) => {
    if (mark === undefined || text === '') return text;
    seen.add(mark);
    return /zz-secret/i.test(text) ? text : `zz-secret-${mark.replace(' ', '-')}-${hexOf(text, 6)}`;
  });
  return (data: unknown): z.output<Schema> => secret.parse(data);
}

/** The node and its cluster with a name wherever one may be; `seen`: of whom there was any. */
export function secretiveEverywhere() {
  const seen = new Set<NameOf>();
  const instruments = instrumentsFor(secretive());
  const { host, podHistory } = instruments;
  const inside: Instruments = {
    ...instruments,
    host: {
      read: async (signal, depth) => withSecrets(PORTS.host, seen)(await host.read(signal, depth)),
      processOwners: async (pids, signal) =>
        withSecrets(PORTS.processes, seen)(await host.processOwners(pids, signal)),
      counters: async (of, signal) =>
        withSecrets(PORTS.counters, seen)(await host.counters(of, signal)),
      containers: (podUids, signal) => host.containers(podUids, signal),
      containerLogs: async () =>
        withSecrets(
          PORTS['container logs'],
          seen,
        )(present([{ namespace: 'a', pod: 'b', container: 'c', source: 'log_files' }])),
    },
    podHistory: {
      read: async (spans, signal) =>
        withSecrets(PORTS['pod history'], seen)(await podHistory.read(spans, signal)),
    },
  };
  const view = (askedForPod: boolean): ClusterView =>
    withSecrets(
      PORTS.cluster,
      seen,
    )({
      ...secretiveView(askedForPod),
      ...(askedForPod ? {} : { nodeEvents: missing('no_permission', 'alice may not') }),
    });
  return { instruments: inside, view, seen };
}
