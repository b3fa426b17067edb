import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { known, missing, present } from '../../src/contract/reading.ts';
import { NodeFiles } from '../../src/host/files.ts';
import { readTasks } from '../../src/host/process-table.ts';
import { readDeviceHolders } from '../../src/host/processes.ts';
import { node, PATIENCE_MS, status, task } from './tree.ts';

const UID = 'f6a1e4a0-3b1c-4a52-9f6e-0d8f2d3c7b11';
const ID = 'd'.repeat(64);
const POD = `0::/kubepods.slice/kubepods-pod${UID.replaceAll('-', '_')}.slice/cri-containerd-${ID}.scope\n`;
describe('daemons', () => {
  test.each([
    ['nvidia-persiste', 'persistenced'],
    ['nv-fabricmanage', 'fabric_manager'],
    ['nvlsm', 'nvlink_subnet_manager'],
    ['nvidia-imex', 'imex'],
    ['nv-hostengine', 'dcgm_hostengine'],
    ['dcgm-exporter', 'dcgm_exporter'],
    ['nvidia-device-p', 'device_plugin'],
    ['nvidia_gpu', 'device_plugin'],
    ['gpu-feature-dis', 'gpu_feature_discovery'],
    ['nvidia-mig-mana', 'mig_manager'],
    ['gpu-kubelet-plu', 'dra_plugin'],
    ['node-problem-de', 'node_problem_detector'],
    ['containerd', 'container_runtime'],
    ['chronyd', 'time_sync'],
    ['kubelet', 'kubelet'],
  ])('%s is %s', async (comm, kind) => {
    const { read } = node(task(7, comm, { startTicks: 4_250 }));
    expect((await read()).daemons).toEqual(
      present([{ kind, pid: 7, name: comm, state: 'S', startedAfterBootSeconds: 42.5 }]),
    );
  });

  test('programs whose names only resemble one are none', async () => {
    const { read } = node({
      ...task(7, 'nvidia-smi'),
      ...task(8, 'containerd-shim'),
      ...task(9, 'kubelet-x'),
    });
    expect((await read()).daemons).toEqual(present([]));
  });

  test('the MPS server and its control daemon have one name and two programs', async () => {
    const { read } = node(
      { ...task(7, 'nvidia-cuda-mps'), ...task(8, 'nvidia-cuda-mps') },
      {
        'proc/7/exe': '/usr/bin/nvidia-cuda-mps-control',
        'proc/8/exe': '/usr/bin/nvidia-cuda-mps-server',
      },
    );
    const daemons = known((await read()).daemons) ?? [];
    expect(daemons.map(({ pid, kind }) => [pid, kind])).toEqual([
      [7, 'mps_control'],
      [8, 'mps_server'],
    ]);
  });

  test('one in a pod names it; a zombie says so', async () => {
    const { read } = node({
      ...task(7, 'nvidia-device-p', { state: 'Z' }),
      'proc/7/cgroup': POD,
    });
    expect(known((await read()).daemons)).toMatchObject([{ podUid: UID, state: 'Z' }]);
  });
});

test('processes beyond the bound are counted, and none where all were looked at', async () => {
  const { root, read } = node({ ...task(7, 'a'), ...task(8, 'b'), ...task(9, 'c') });
  expect((await read()).processesLeftOut).toEqual(present(0));
  const files = new NodeFiles(new AbortController().signal, PATIENCE_MS);
  expect(await readTasks(files, join(root, 'proc'), 2)).toMatchObject({
    value: { tasks: [{ pid: 7 }, { pid: 8 }], leftOut: 1 },
  });
});

test('past the bound of descriptors the older processes are left out, and counted', async () => {
  const fds = { 'proc/8/fd/0': '/dev/null', 'proc/9/fd/0': '/dev/nvidia0' };
  const { root } = node({ ...task(7, 'a'), ...task(8, 'b'), ...task(9, 'c') }, fds);
  const files = new NodeFiles(new AbortController().signal, PATIENCE_MS);
  const table = await readTasks(files, join(root, 'proc'));
  const leftOut = async (linksMax: number) =>
    known(await readDeviceHolders(files, table, linksMax))?.leftOut;
  expect([await leftOut(1), await leftOut(2), await leftOut(3)]).toEqual([2, 1, 0]);
});

describe('a daemon is one by who it is, not by its name', () => {
  const inPod = { 'proc/7/cgroup': POD };
  const logsOf = (namespace: string) => ({
    [`host/var/log/pods/${namespace}_pod-0_${UID}/main/`]: '',
  });
  test.each([
    ['root outside any pod', status(7, 0), true],
    ['a service account outside any pod', status(7, 123), true],
    ['a user outside any pod', status(7, 1_000), false],
    ['one whose user cannot be read', { 'proc/7/status': '' }, false],
    ['root of a tenant pod', { ...inPod, ...status(7, 0, 1), ...logsOf('team-a') }, false],
    ['root of a pod of nobody known', { ...inPod, ...status(7, 0, 1) }, false],
    [
      'a user in a system pod',
      { ...inPod, ...status(7, 1_000, 1), ...logsOf('kube-system') },
      false,
    ],
    ['root of a system pod', { ...inPod, ...status(7, 0, 1), ...logsOf('gpu-operator') }, true],
    ['root of a pod with the node’s PIDs', { ...inPod, ...status(7, 0) }, true],
  ])('%s', async (_, files, counts) => {
    const { read } = node({ ...task(7, 'nvidia-persiste'), ...files });
    expect(known((await read()).daemons)?.map(({ kind }) => kind)).toEqual(
      counts ? ['persistenced'] : [],
    );
  });
});

describe('who holds /dev/nvidia*', () => {
  test('each process once, with its devices, its pod, and where a blocked one sleeps', async () => {
    const { read } = node(
      {
        ...task(10, 'python3', { state: 'D' }),
        'proc/10/cgroup': POD,
        'proc/10/wchan': 'rm_wait',
        ...task(11, 'bash'),
        ...task(12, 'nvidia-persiste'),
        ...task(13, 'kthread', { kernel: true }),
      },
      {
        'proc/10/fd/3': '/dev/nvidiactl',
        'proc/10/fd/4': '/dev/nvidia0',
        'proc/10/fd/5': '/dev/nvidia0',
        'proc/10/fd/6': '/dev/nvidia-caps/nvidia-cap1',
        'proc/11/fd/0': '/dev/null',
        'proc/11/fd/1': '/home/a/dev/nvidia0',
        'proc/12/fd/3': '/dev/nvidiactl',
        'proc/13/fd/3': '/dev/nvidia0',
      },
    );
    expect((await read()).deviceHolders).toEqual(
      present([
        {
          pid: 10,
          name: 'python3',
          state: 'D',
          devices: ['nvidia-caps/nvidia-cap1', 'nvidia0', 'nvidiactl'],
          podUid: UID,
          containerId: ID,
          waitsIn: present('rm_wait'),
        },
        { pid: 12, name: 'nvidia-persiste', state: 'S', devices: ['nvidiactl'] },
      ]),
    );
  });

  test('what has ended but for a thread holds what the thread has open', async () => {
    const { read } = node(
      {
        ...task(10, 'python3', { state: 'Z', threads: 2 }),
        ...task(11, 'python3', { state: 'Z' }),
        'proc/10/fd/': '',
        'proc/10/task/10/fd/': '',
        'proc/10/task/14/wchan': 'nv_close_device',
      },
      { 'proc/10/task/14/fd/3': '/dev/nvidia0' },
    );
    expect((await read()).deviceHolders).toEqual(
      present([
        {
          pid: 10,
          name: 'python3',
          state: 'Z',
          devices: ['nvidia0'],
          waitsIn: present('nv_close_device'),
        },
      ]),
    );
  });

  test.each([
    ['its sandbox’s', '1 2 0:9 / /dev/shm rw,nosuid - tmpfs shm rw,size=65536k', 67_108_864],
    [
      'what is mounted over it',
      '1 2 0:9 / /dev/shm rw - tmpfs shm rw,size=65536k\n3 2 0:7 / /dev/shm rw - tmpfs tmpfs rw,size=8388608k,inode64',
      8_589_934_592,
    ],
    ['one without a limit', '1 2 0:9 / /dev/shm rw - tmpfs tmpfs rw', undefined],
    ['none', '1 2 0:9 / /dev/shm/x rw - tmpfs shm rw,size=65536k', undefined],
  ])('the shared memory of a process in a pod: %s', async (_, mounts, bytes) => {
    const holder = { ...task(10, 'python3'), 'proc/10/mountinfo': `${mounts}\n` };
    const open = { 'proc/10/fd/4': '/dev/nvidia0' };
    const sizeOf = async (files: Readonly<Record<string, string>>) =>
      known((await node(files, open).read()).deviceHolders)?.[0]?.sharedMemoryBytes;
    expect(await sizeOf({ ...holder, 'proc/10/cgroup': POD })).toBe(bytes);
    // A service of the node has the node's, of which resources tell.
    expect(await sizeOf(holder)).toBeUndefined();
  });

  test('without any process nothing can be said', async () => {
    const none = missing('not_found', 'no process is visible');
    const state = await node({ 'proc/version': '' }).read();
    expect([state.daemons, state.deviceHolders]).toEqual([none, none]);
  });
});
