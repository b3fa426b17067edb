import { missing, present } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import type { ProcessOwner } from '../../src/host/port.ts';
import { DAEMONS, H100, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const CONTAINER = 'c'.repeat(64);
const minors = (...numbers: readonly number[]) =>
  numbers.map(minor => ({ id: `nvidia${minor}`, minor }));
const offered = (...numbers: readonly number[]) => ({
  pods: { allocatable: { 'nvidia.com/gpu': minors(...numbers) } },
});

/** GPU 0 given to these pods; the process on it, 41210, belongs to this one. */
const given = (
  allocations: readonly object[],
  owner: object,
  more: Readonly<Record<string, unknown>> = {},
) =>
  h100({
    host: {
      pods: { allocations: allocations.map(each => ({ devices: minors(0), ...each })) },
      processDetails: { 41210: owner },
      ...more,
    },
  });
const TRAIN = { namespace: 'ml', pod: 'train-0', podUid: 'uid-train' };
const OTHER = { podUid: 'uid-other', containerId: CONTAINER };
const used = {
  truth: 'configuration',
  verdict: 'warning',
  findings: [`used-not-allocated:${H100[0]}`],
} as const;
const well = { truth: 'healthy', verdict: 'healthy', findings: [] } as const;

const withOwner =
  (over: Partial<ProcessOwner>) =>
  (facts: NodeFacts): NodeFacts => ({
    ...facts,
    owners: (facts.owners ?? []).map(owner =>
      owner.pid === 41210 ? { ...owner, ...over } : owner,
    ),
  });

/** The bus of a bare machine without its last GPUs, and the driver that counts as many. */
const absent = (gone: readonly number[], every: object = {}) => {
  const left = H100.map((_, at) => at).filter(at => !gone.includes(at));
  return {
    like: 'dgx-h100',
    everyGpu: { answers: { deviceGetVirtualizationMode: 0, ...every } },
    driver: { answers: { deviceGetCount: left.length } },
    host: {
      daemons: DAEMONS,
      deviceNodes: [...left.map(at => `nvidia${at}`), 'nvidiactl', 'nvidia-uvm'],
      pods: { allocatable: { 'nvidia.com/gpu': minors(...left) } },
      pci: Object.fromEntries(gone.map(at => [at, { kind: 'nvswitch' }])),
    },
  };
};

/** Which GPU Kubernetes offers, to whom it gave it, and who uses it. */
export const GIVEN: readonly Scenario[] = [
  {
    name: 'the kubelet does not offer two GPUs: each is told',
    truth: 'configuration',
    machine: h100({ host: offered(0, 1, 2, 4, 5, 6) }),
    verdict: 'warning',
    findings: [`gpu-not-offered:${H100[3]}`, `gpu-not-offered:${H100[7]}`],
  },
  {
    name: 'the kubelet does not offer three GPUs: they are told together',
    truth: 'configuration',
    machine: h100({ host: offered(0, 1, 2, 4, 5) }),
    verdict: 'warning',
    findings: ['gpus-not-offered'],
  },
  {
    name: 'a GPU in a slot with a name is not offered',
    truth: 'configuration',
    machine: h100({ host: { ...offered(0, 1, 2, 4, 5, 6, 7), pci: { 3: { slot: '21' } } } }),
    verdict: 'warning',
    findings: [`gpu-not-offered:${H100[3]}`],
  },
  {
    name: 'the kubelet offers no GPU, and no device plugin runs',
    truth: 'configuration',
    machine: h100({
      host: {
        pods: { allocatable: {} },
        daemons: DAEMONS.filter(({ kind }) => kind !== 'device_plugin'),
      },
    }),
    verdict: 'warning',
    findings: ['no-gpu-offered'],
  },
  {
    name: 'the kubelet offers no GPU, and nobody could look which daemons run',
    truth: 'configuration',
    machine: h100({ host: { pods: { allocatable: {} } } }),
    facts: facts => ({ ...facts, host: { ...facts.host, daemons: missing('no_permission') } }),
    verdict: 'warning',
    findings: ['no-gpu-offered'],
  },
  {
    name: 'a DRA driver gives the GPUs, which no device plugin offers then',
    ...well,
    machine: h100({
      host: {
        pods: { allocatable: {} },
        daemons: [...DAEMONS, { kind: 'dra_plugin', pid: 4500, name: 'gpu-kubelet-pl' }],
      },
    }),
  },
  {
    name: 'no GPU is left to be offered: all are given',
    ...well,
    machine: h100({
      host: {
        pods: {
          allocatable: {},
          allocations: [{ ...TRAIN, devices: minors(0, 1, 2, 3, 4, 5, 6, 7) }],
        },
        processDetails: Object.fromEntries(
          H100.map((_, at) => [41210 + at, { podUid: 'uid-train', containerId: CONTAINER }]),
        ),
      },
    }),
  },
  {
    name: 'a pod without a name uses a GPU that two pods share',
    ...used,
    machine: given([TRAIN, { namespace: 'ml', pod: 'train-1', podUid: 'uid-train-1' }], OTHER),
  },
  {
    name: 'one of two pods that share a GPU uses it',
    ...well,
    machine: given([TRAIN, { namespace: 'ml', pod: 'train-1', podUid: 'uid-train-1' }], {
      podUid: 'uid-train-1',
      containerId: CONTAINER,
    }),
  },
  {
    name: 'a login on the node uses a GPU that a pod was given',
    ...used,
    machine: given([TRAIN], {}),
  },
  {
    name: 'a container without a pod uses a GPU that a pod was given: perhaps it is the pod',
    ...well,
    machine: given([TRAIN], {}),
    facts: withOwner({ cgroup: present('/system.slice/containerd.service') }),
  },
  {
    name: 'a helper of the driver uses a GPU that a pod was given',
    ...well,
    machine: given([TRAIN], OTHER),
    facts: withOwner({ name: present('nvidia-cuda-mps-server') }),
  },
  {
    name: 'nobody could read who a process is that uses a GPU of a pod',
    truth: 'unknown',
    machine: given([TRAIN], OTHER),
    facts: withOwner({ name: missing('no_permission') }),
    verdict: 'unknown',
    findings: [],
  },
  {
    name: 'nobody could read in which container a process is that uses a GPU of a pod',
    truth: 'unknown',
    machine: given([TRAIN], OTHER),
    facts: withOwner({ cgroup: missing('no_permission') }),
    verdict: 'unknown',
    findings: [],
  },
  {
    name: 'a pod uses a GPU that was given to a pod of which only the name is known: another one',
    ...used,
    machine: given([{ namespace: 'ml', pod: 'train-0' }], OTHER, {}),
    facts: withOwner({ namespace: 'lab', pod: 'notebook' }),
  },
  {
    name: 'a pod uses a GPU that was given to a pod of its own name',
    ...well,
    machine: given([{ namespace: 'ml', pod: 'train-0' }], OTHER),
    facts: withOwner({ namespace: 'ml', pod: 'train-0' }),
  },
  {
    name: 'a pod without a name uses a GPU that was given to a pod of which only the name is known',
    ...well,
    machine: given([{ namespace: 'ml', pod: 'train-0' }], OTHER),
  },
  {
    name: 'a pod uses a GPU that was given to a pod by name and to itself by uid',
    ...well,
    machine: given([{ namespace: 'ml', pod: 'train-0' }, { podUid: 'uid-other' }], OTHER),
    facts: withOwner({ namespace: 'lab', pod: 'notebook' }),
  },
  {
    name: 'a pod uses a GPU that was given to nobody while another has a GPU',
    ...used,
    machine: h100({
      host: {
        pods: { allocations: [{ ...TRAIN, devices: minors(1) }] },
        processDetails: { 41210: OTHER, 41211: { podUid: 'uid-train', containerId: CONTAINER } },
      },
    }),
  },
  {
    name: 'the bus of a baseboard for eight shows seven GPUs: the driver names the module',
    truth: 'hardware',
    machine: absent([7]),
    verdict: 'critical',
    findings: ['gpu-absent'],
  },
  {
    name: 'the bus of a baseboard for eight shows seven GPUs, which tell no module',
    truth: 'hardware',
    machine: absent([7], { deviceGetModuleId: 0 }),
    facts: facts => ({
      ...facts,
      driver: {
        ...facts.driver,
        gpus: facts.driver.gpus.map(gpu => ({ ...gpu, moduleId: missing('not_supported') })),
      },
    }),
    verdict: 'critical',
    findings: ['gpu-absent'],
  },
  {
    name: 'a machine was built with six GPUs',
    ...well,
    machine: absent([6, 7]),
  },
];
