import { describe, expect, test } from 'vitest';
import type { ClusterView } from '../../src/contract/cluster-view.ts';
import { missing, present } from '../../src/contract/reading.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { getGpuProcesses } from '../../src/tools/catalog/get-gpu-processes.ts';
import { getPodGpuAllocation } from '../../src/tools/catalog/get-pod-gpu-allocation.ts';
import type { AnyTool } from '../../src/tools/tool.ts';
import { answered } from '../fakes/answers.ts';
import { aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsFor } from '../fakes/instruments.ts';

const UID = '11111111-2222-4333-8444-555555555555';
const GPU_0 = 'GPU-00000000-0000-4000-8000-000000000000';
const GPU_1 = 'GPU-00000000-0000-4000-8000-000000000001';
const GIB = 1024 ** 3;

const gpu = (uuid: string, minor: number, used: number, processes: object[]) => ({
  answers: {
    deviceGetUUID: uuid,
    deviceGetMinorNumber: minor,
    deviceGetMemoryInfo: { total: 80 * GIB, reserved: 0, free: 80 * GIB - used, used },
    deviceGetComputeRunningProcesses: processes,
  },
});

const process = (pid: number, usedGpuMemory: number) => ({
  pid,
  usedGpuMemory,
  gpuInstanceId: 0xffffffff,
  computeInstanceId: 0xffffffff,
});

/** Two GPUs: one given to a pod that works on it, one given to a pod that does nothing. */
const MACHINE = {
  like: 'dgx-h100',
  gpus: [
    gpu(GPU_0, 0, 20 * GIB, [process(100, 12 * GIB), process(999, 8 * GIB)]),
    gpu(GPU_1, 1, 6 * GIB, []),
  ],
  host: {
    hostname: 'gpu-3',
    pci: [{ pci: '0000:1b:00' }, { pci: '0000:43:00' }],
    processes: { '100': 'python\u202e3' },
    processDetails: {
      '100': { podUid: UID, container: 'main', gpuEnvironment: { CUDA_VISIBLE_DEVICES: '0' } },
    },
    pods: {
      names: [{ uid: UID, namespace: 'team-a', pod: 'train-0' }],
      allocations: [
        {
          namespace: 'team-a',
          pod: 'train-0',
          podUid: UID,
          devices: [{ id: GPU_0, gpuUuid: GPU_0 }],
        },
        { namespace: 'team-b', pod: 'idle-0', devices: [{ id: GPU_1, gpuUuid: GPU_1 }] },
      ],
    },
  },
};

const ask = async (tool: AnyTool, input: object = {}, machine: object = MACHINE) => {
  const answer = await answered(tool, input, instrumentsFor(machineFrom('of-this-test', machine)));
  expect(tool.output.parse(answer.structured)).toEqual(answer.structured);
  return answer;
};

describe('get_gpu_processes', () => {
  test('names pod and container, the leaked context, and memory that nobody explains', async () => {
    const { structured, text } = await ask(getGpuProcesses);
    expect(structured).toMatchObject({
      leaked: 1,
      gpus: [
        {
          index: 0,
          processesTotal: 2,
          processes: [
            {
              pid: 100,
              place: 'pod',
              name: 'python 3',
              namespace: 'team-a',
              pod: 'train-0',
              container: 'main',
              gpuEnvironment: { CUDA_VISIBLE_DEVICES: '0' },
            },
            { pid: 999, place: 'gone', usedBytes: 8 * GIB },
          ],
        },
        { index: 1, unexplainedBytes: 6 * GIB, processes: [] },
      ],
    });
    expect(text).toContain('process gone: leaked context');
    expect(text).toContain('6.0 GiB that no process explains');
  });

  test('counts a process that no list by kind has, with its memory and what is protected', async () => {
    const hidden = {
      pid: 100,
      usedGpuMemory: 6 * GIB,
      usedGpuCcProtectedMemory: 5 * GIB,
    };
    const { structured, text } = await ask(
      getGpuProcesses,
      { gpu: '1' },
      {
        ...MACHINE,
        gpus: [
          gpu(GPU_0, 0, 0, []),
          {
            answers: {
              ...gpu(GPU_1, 1, 6 * GIB, []).answers,
              deviceGetRunningProcessDetailList: [hidden],
            },
          },
        ],
      },
    );
    const { gpus } = structured;
    expect(structured).toMatchObject({
      hidden: 1,
      leaked: 0,
      gpus: [
        {
          index: 1,
          processes: [
            { pid: 100, kind: 'other', place: 'pod', usedBytes: 6 * GIB, protectedBytes: 5 * GIB },
          ],
        },
      ],
    });
    expect(JSON.stringify(gpus)).not.toContain('unexplainedBytes');
    expect(text).toContain('1 process neither compute nor graphics');
    expect(text).toContain('6.0 GiB, 5.0 GiB protected');
  });

  test('owner and phase come from the cluster', async () => {
    const alone = await ask(getGpuProcesses);
    const pods = present({ namespace: null, total: 1, gpuPods: [aPod({ uid: UID })] });
    const answer = alone.joined(aView({ pods }));
    expect(answer.structured).toMatchObject({
      gpus: [{ processes: [{ pid: 100, owner: 'Job/train', phase: 'Running' }, {}] }, {}],
    });
    expect(answer.text).toContain('pod team-a/train-0 container main of Job/train, Running');
  });
});

describe('get_pod_gpu_allocation', () => {
  test('tells who holds which GPU, and which allocation is idle', async () => {
    const { structured, text } = await ask(getPodGpuAllocation);
    expect(structured).toMatchObject({
      source: 'pod-resources',
      allocations: [
        { pod: 'train-0', devices: [{ gpuIndex: 0 }], processes: 1, usedBytes: 12 * GIB },
        { pod: 'idle-0', devices: [{ gpuIndex: 1 }], processes: 0 },
      ],
      free: { 'nvidia.com/gpu': 0 },
      contradictions: [],
    });
    expect(text.split('\n')[1]).toContain('team-b/idle-0');
    expect(text).toContain('IDLE, no process');
  });

  test('one pod only, where one is named', async () => {
    const { structured } = await ask(getPodGpuAllocation, { pod: 'idle-0' });
    expect(structured).toMatchObject({ allocations: [{ pod: 'idle-0' }] });
  });

  test('a GPU that is used by a pod that was not given it is a contradiction', async () => {
    const pods = { ...MACHINE.host.pods, allocations: MACHINE.host.pods.allocations.slice(1) };
    const machine = { ...MACHINE, host: { ...MACHINE.host, pods } };
    const { structured } = await ask(getPodGpuAllocation, {}, machine);
    expect(structured).toMatchObject({
      contradictions: [expect.stringContaining('GPU 0 is used without being allocated: pid 100')],
    });
  });

  test('where the kubelet could not be asked, nothing is said to be free or contradicted', async () => {
    const pods = {
      ...MACHINE.host.pods,
      allocations: { missing: 'unreadable' },
      allocatable: { missing: 'unreadable' },
    };
    const machine = { ...MACHINE, host: { ...MACHINE.host, pods } };
    const { structured } = await ask(getPodGpuAllocation, {}, machine);
    expect(structured).toMatchObject({
      notRead: 'unreadable',
      source: 'none',
      allocations: [],
      free: {},
      contradictions: [],
    });
    expect(structured['summary']).toContain('could not be read (unreadable)');
  });

  test.each([
    [
      'a pod that has ended and holds devices',
      aPod({ uid: UID, phase: 'Failed' }),
      'which has Failed',
    ],
    ['a pod that runs and got none', aPod({ name: 'other', uid: 'x' }), 'the kubelet gave it none'],
  ])('%s is a contradiction of kubelet and cluster', async (_what, pod, words) => {
    const alone = await ask(getPodGpuAllocation);
    const pods = present({ namespace: null, total: 1, gpuPods: [pod] });
    const answer = alone.joined(aView({ pods }));
    expect(answer.structured).toMatchObject({ contradictions: [expect.stringContaining(words)] });
  });
});

describe('an allocation of DRA', () => {
  const claim = { namespace: 'team-a', name: 'gpu', pool: 'gpu-3' };
  const byMinor = { id: 'gpu-0', minor: 0, gpuUuid: GPU_0 };
  const machine = {
    ...MACHINE,
    host: {
      ...MACHINE.host,
      pods: {
        names: [{ uid: UID, namespace: 'team-a', pod: 'train-0' }],
        allocations: [
          {
            ...{ namespace: 'team-a', pod: 'train-0', podUid: UID, claim },
            resource: 'gpu.nvidia.com',
            devices: [byMinor],
          },
        ],
      },
    },
  };
  const joined = async (devices: ClusterView['devices']) => {
    const alone = await ask(getPodGpuAllocation, {}, machine);
    const view = aView(devices === undefined ? {} : { devices });
    const answer = alone.joined(view);
    expect(getPodGpuAllocation.output.parse(answer.structured)).toEqual(answer.structured);
    return answer;
  };
  const published = { driver: 'gpu.nvidia.com', pool: 'gpu-3', name: 'gpu-0' };

  test('asks the cluster what its driver publishes', () => {
    expect(getPodGpuAllocation.question({}).ofCluster).toEqual({ devices: true });
  });

  test.each([
    ['by its UUID, whatever number its name has', { uuid: GPU_1 }, 1],
    ['by its bus address, where its UUID is not published', { pci: '0000:43:00' }, 1],
    [
      'by the UUID of the GPU that a MIG device is part of',
      { uuid: 'MIG-x', parentUuid: GPU_1 },
      1,
    ],
  ])('names its GPU %s', async (_what, told, gpuIndex) => {
    const answer = await joined(present([{ ...published, ...told }]));
    expect(answer.structured).toMatchObject({
      draDevicesBy: "their driver's ResourceSlices",
      allocations: [{ pod: 'train-0', pool: 'gpu-3', devices: [{ id: 'gpu-0', gpuIndex }] }],
    });
    expect(answer.text).toContain(`gpu.nvidia.com: GPU ${gpuIndex}`);
    expect(answer.text).toContain("devices of DRA by their driver's ResourceSlices");
  });

  test('keeps what was counted on its GPU where the name was right, and drops it where not', async () => {
    const right = await joined(present([{ ...published, uuid: GPU_0 }]));
    const wrong = await joined(present([{ ...published, uuid: GPU_1 }]));
    expect(right?.structured).toMatchObject({ allocations: [{ processes: 1 }] });
    expect(wrong?.structured['allocations']).toEqual([
      expect.not.objectContaining({ processes: expect.anything() }),
    ]);
  });

  test.each([
    ['no right to read them', missing('no_permission'), 'no_permission'],
    ['no such API', missing('not_found'), 'not_found'],
    ['no cluster', undefined, 'not_read'],
  ])('with %s goes by the number and says so', async (_what, devices, reason) => {
    const answer = await joined(devices);
    expect(answer.structured).toMatchObject({
      draDevicesBy: `the number in their names, which is no proof (ResourceSlices not read: ${reason})`,
      allocations: [{ devices: [{ id: 'gpu-0', gpuIndex: 0 }] }],
    });
  });

  test('of another pool or driver is not taken for it', async () => {
    const answer = await joined(present([{ ...published, pool: 'gpu-4', uuid: GPU_1 }]));
    expect(answer.structured).toMatchObject({
      allocations: [{ devices: [{ gpuIndex: 0 }] }],
      draDevicesBy: expect.stringContaining('those not in them by the number in their names'),
    });
  });

  const byClaim = (pod: string, changed: object = {}) => ({
    ...{ namespace: 'team-a', name: 'gpu', users: [{ pod, containers: ['main'] }] },
    devices: [{ driver: 'gpu.nvidia.com', pool: 'gpu-3', name: 'gpu-1' }],
    ...changed,
  });
  const claimed = async (host: object, ...claims: readonly ReturnType<typeof byClaim>[]) => {
    const daemons = [{ kind: 'dra_plugin' as const, pid: 900, name: 'gpu-kubelet-plu' }];
    const alone = await ask(
      getPodGpuAllocation,
      {},
      { ...machine, host: { ...machine.host, daemons, ...host } },
    );
    const answer = alone.joined(
      aView({
        claims: present(claims),
        devices: present([{ ...published, name: 'gpu-1', uuid: GPU_1 }]),
      }),
    );
    expect(getPodGpuAllocation.output.parse(answer.structured)).toEqual(answer.structured);
    return answer;
  };

  test('that a kubelet does not list is known by the claim of its pod', async () => {
    const { structured, text } = await claimed({}, byClaim('other-0'));
    expect(structured).toMatchObject({
      fromClaims: 1,
      allocations: [
        { pod: 'train-0' },
        {
          ...{ pod: 'other-0', container: 'main', resource: 'gpu.nvidia.com', pool: 'gpu-3' },
          devices: [{ id: 'gpu-1', gpuIndex: 1 }],
        },
      ],
    });
    expect(text).toContain('; 1 allocation by ResourceClaims alone');
  });

  test('is the kubelet’s word where it has one, and a channel of NVLink is no GPU', async () => {
    const { structured } = await claimed(
      {},
      byClaim('train-0'),
      byClaim('channel', {
        devices: [{ driver: 'compute-domain.nvidia.com', pool: 'gpu-3', name: 'channel-0' }],
      }),
    );
    expect(structured).not.toHaveProperty('fromClaims');
    expect(structured['allocations']).toHaveLength(1);
  });

  test('is all that there is where the kubelet could not be asked', async () => {
    const unread = {
      ...{ allocations: { missing: 'timeout' }, checkpoint: { missing: 'not_found' }, names: [] },
    };
    const { structured, text } = await claimed({ pods: unread }, byClaim('other-0'));
    expect(structured).toMatchObject({
      ...{ source: 'ResourceClaims', notRead: 'timeout' },
      summary: expect.stringContaining('1 pod holds 1 device.'),
      allocations: [{ pod: 'other-0', devices: [{ gpuIndex: 1 }] }],
    });
    expect(text).toContain('source: ResourceClaims (the kubelet not read: timeout)');
  });
});
