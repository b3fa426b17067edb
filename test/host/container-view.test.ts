import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { NEEDS, needIn } from '../../src/contract/needs.ts';
import { known, missing, present, type Reading } from '../../src/contract/reading.ts';
import {
  podsOnGpus,
  readContainerViews,
  readSharedContainer,
} from '../../src/host/container-view.ts';
import { NodeFiles } from '../../src/host/files.ts';
import { readTasks } from '../../src/host/process-table.ts';
import { tree } from './tree.ts';

const UID = '0f0f0f0f-1111-4222-8333-444444444444';
const OTHER = 'aaaaaaaa-1111-4222-8333-444444444444';
const id = (digit: string) => digit.repeat(64);
const stat = (pid: number, name: string) =>
  `${pid} (${name}) S 1 ${pid} ${pid} 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 4 0 6000 1 1 1`;
const cgroup = (pod: string, container: string) =>
  `0::/kubepods.slice/kubepods-pod${pod.replaceAll('-', '_')}.slice/cri-containerd-${container}.scope\n`;

const process = (
  pid: number,
  name: string,
  of: string,
  files: Readonly<Record<string, string>>,
) => ({
  [`proc/${pid}/stat`]: stat(pid, name),
  [`proc/${pid}/cgroup`]: of,
  ...Object.fromEntries(Object.entries(files).map(([path, text]) => [`proc/${pid}/${path}`, text])),
});

const LIMITS = [
  'Limit                     Soft Limit           Hard Limit           Units     ',
  'Max open files            1048576              1048576              files     ',
  'Max locked memory         65536                unlimited            bytes     ',
].join('\n');

/** What the runtime sets for it. */
const SANDBOX = { oom_score_adj: '-998\n', 'root/dev/null': '' };

const CONTAINER = {
  oom_score_adj: '-997\n',
  mountinfo: [
    '911 867 0:212 / / rw,relatime master:301 - overlay overlay rw,lowerdir=/var/lib',
    '922 911 0:215 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755',
    '987 911 259:1 /usr/lib/x86_64-linux-gnu/libcuda.so.570.124.06 /usr/lib/x86_64-linux-gnu/libcuda.so.570.124.06 ro,nosuid,nodev,relatime master:1 - ext4 /dev/root rw',
  ].join('\n'),
  limits: LIMITS,
  environ:
    'PATH=/bin\0NVIDIA_VISIBLE_DEVICES=GPU-1\0AWS_SECRET_ACCESS_KEY=MARKER\0CUDA_VISIBLE_DEVICES=0,1\0NVIDIA_API_KEY=MARKER\0',
  'root/usr/lib/x86_64-linux-gnu/libcuda.so.570.124.06': '',
  'root/usr/lib/x86_64-linux-gnu/libcuda.so.1': '',
  'root/usr/lib/x86_64-linux-gnu/libMARKER.so.570.124.06': '',
  'root/usr/lib64/libnvidia-ml.so.570.124.06': '',
  'root/dev/nvidia0': '',
  'root/dev/nvidiactl': '',
  'root/dev/MARKER': '',
  'root/dev/shm/MARKER': '',
  'root/sys/fs/cgroup/memory.max': '34359738368\n',
  'root/sys/fs/cgroup/memory.events': 'low 0\nhigh 0\nmax 9\noom 2\noom_kill 3\n',
  'root/sys/fs/cgroup/cpu.stat': 'usage_usec 5\nnr_periods 200\nnr_throttled 130\n',
  'root/etc/shadow': 'MARKER',
};

async function viewed(files: Readonly<Record<string, string>>, uids: readonly string[] = [UID]) {
  return viewedAt(tree(files), uids);
}

async function viewedAt(
  root: string,
  uids: readonly string[],
  files = new NodeFiles(new AbortController().signal),
) {
  return readContainerViews(files, await readTasks(files, `${root}/proc`), uids, root);
}

test('a container by the root of its first process: names, sizes and limits, and nothing else', async () => {
  const views = await viewed({
    ...process(40, 'pause', cgroup(UID, id('a')), SANDBOX),
    ...process(41, 'python3', cgroup(UID, id('b')), CONTAINER),
    ...process(42, 'python3', cgroup(UID, id('b')), {}),
    ...process(43, 'python3', cgroup(OTHER, id('c')), CONTAINER),
  });
  expect(views).toMatchObject({
    ok: true,
    value: [
      {
        ...{ podUid: UID, containerId: id('b'), pid: 41 },
        libraries: present(['libcuda.so.570.124.06', 'libnvidia-ml.so.570.124.06']),
        mountedLibraries: present(['libcuda.so.570.124.06']),
        deviceNodes: present(['nvidia0', 'nvidiactl']),
        mayOpenGpus: missing('not_found', 'ENOENT'),
        visibleDevices: present({ NVIDIA_VISIBLE_DEVICES: 'GPU-1', CUDA_VISIBLE_DEVICES: '0,1' }),
        sharedMemory: { ok: true },
        ...{ lockedMemoryBytes: present(65_536), openFiles: present(1_048_576) },
        ...{ memoryLimitBytes: present(34_359_738_368), oomKills: present(3) },
        throttledPercent: present(65),
      },
    ],
  });
  expect(JSON.stringify(views)).not.toContain('MARKER');
});

test.each([
  ['c 195:0 rw\nc 195:255 rw\n', true],
  ['a *:* rwm\n', true],
  // What is left after systemctl daemon-reload: NVIDIA/nvidia-container-toolkit#251.
  ['c 136:* rwm\nc 195:* m\n', false],
])('version 1 of cgroups tells whether devices may be opened: %j', async (list, may) => {
  const files = { 'root/sys/fs/cgroup/devices/devices.list': list, 'root/dev/null': '' };
  const views = await viewed(process(41, 'python3', cgroup(UID, id('b')), files));
  expect(views).toMatchObject({ value: [{ mayOpenGpus: present(may) }] });
});

test('no pod is no look, and a pod without a process has no view', async () => {
  expect(await viewed({}, [])).toEqual(present([]));
  const views = await viewed(process(43, 'python3', cgroup(OTHER, id('c')), CONTAINER));
  expect(views).toEqual(present([]));
});

test.each([
  // What containerd gives every container; in the second, bit 14 is set besides.
  ['without CAP_IPC_LOCK the limit of locked memory holds', '00000000a80425fb', present(65_536)],
  ['with CAP_IPC_LOCK it does not', '00000000a80465fb', present('unlimited')],
])('%s', async (_, held, lockedMemoryBytes) => {
  const files = {
    limits: LIMITS,
    'root/dev/null': '',
    status: `Name:\tpython3\nCapEff:\t${held}\n`,
  };
  const views = await viewed(process(41, 'python3', cgroup(UID, id('b')), files));
  expect(views).toMatchObject({ value: [{ lockedMemoryBytes }] });
});

test('where pods have more containers than are looked into, each pod is seen whole or not at all', async () => {
  const pods = ['0', '1', '2', '3', '4', '5'].map(digit => `${UID.slice(0, -1)}${digit}`);
  const files = pods.flatMap((uid, pod) =>
    ['a', 'b', 'c'].map((digit, at) =>
      process(100 + pod * 3 + at, 'python3', cgroup(uid, id(digit).slice(1) + pod), {
        'root/dev/null': '',
      }),
    ),
  );
  const views = await viewed(Object.assign({}, ...files), pods);
  const seen = Map.groupBy(known(views) ?? [], ({ podUid }) => podUid);
  const looked = [...seen.values()].map(each =>
    each.filter(({ openFiles }) => isLooked(openFiles)),
  );
  expect(looked.map(({ length }) => length)).toEqual([3, 3, 3, 3, 3, 0]);
  expect(seen.get(pods[5] ?? '')).toMatchObject(
    Array(3).fill({ deviceNodes: missing('not_read', 'too many containers') }),
  );
});

const isLooked = (reading: Reading<unknown>) => reading.ok || reading.reason !== 'not_read';

test('a container begins with its oldest process, whatever its number', async () => {
  const later = process(41, 'worker', cgroup(UID, id('b')), {});
  const start = process(4_000, 'python3', cgroup(UID, id('b')), {});
  const views = await viewed({
    ...later,
    'proc/41/stat': stat(41, 'worker').replace(/6000(?= 1 1 1$)/, '9000'),
    ...start,
    [`var/log/containers/train-0_ml_main-${id('b')}.log`]: '',
  });
  expect(views).toMatchObject({ value: [{ pid: 4_000, container: 'main' }] });
});

test.each(['stat', 'cgroup'])(
  'where %s of a process cannot be read, nobody says that there is no container',
  async name => {
    const root = tree(process(41, 'python3', cgroup(UID, id('b')), CONTAINER));
    const files = new NodeFiles(new AbortController().signal);
    const real = files.textOfProcess.bind(files);
    files.textOfProcess = (path, max) =>
      path.endsWith(name) ? missing('unreadable', 'EIO') : real(path, max);
    expect(await viewedAt(root, [UID], files)).toEqual(missing('unreadable', 'EIO'));
    files.textOfProcess = (path, max) =>
      path.endsWith(name) ? missing('not_found', 'ESRCH') : real(path, max);
    expect(await viewedAt(root, [UID], files)).toEqual(present([]));
  },
);

test('a folder with a flood of names in a container is not read to its end', async () => {
  const root = tree(
    process(41, 'python3', cgroup(UID, id('b')), { 'root/usr/lib64/libc.so.6': '' }),
  );
  for (let at = 0; at < 20_000; at++) {
    writeFileSync(join(root, `proc/41/root/usr/lib64/${at}`), '');
  }
  const views = await viewedAt(root, [UID]);
  expect(views).toMatchObject({ value: [{ libraries: { ok: false } }] });
});

/** As a container sees the cgroup of the one beside it. */
const beside = (container: string) => `0::/../cri-containerd-${container}.scope\n`;
async function shared(root: string, containerId: string, podUids: readonly string[] = [UID]) {
  const files = new NodeFiles(new AbortController().signal);
  const tasks = await readTasks(files, `${root}/proc`);
  return readSharedContainer(files, tasks, { podUids, podUid: UID, containerId });
}

test('the one container whose PIDs are ours too is known by its cgroup, whoever comes first', async () => {
  const root = tree({
    ...process(1, 'pause', beside(id('a')), { 'root/dev/nvidia7': '' }),
    ...process(7, 'python3', beside(id('b')), CONTAINER),
    ...process(8, 'python3', beside(id('b')), {}),
  });
  const view = { podUid: UID, containerId: id('b'), pid: 7 };
  const devices = present(['nvidia0', 'nvidiactl']);
  const seen = await shared(root, id('b'));
  expect(seen).toMatchObject({ ok: true, value: [{ ...view, deviceNodes: devices }] });
  expect(JSON.stringify(seen)).not.toContain('MARKER');
});

test.each([
  ['Uid:\t1000\t1000\t1000\t1000\n', `${NEEDS.sameUser} (its user is 1000)`],
  ['', NEEDS.sameUser],
])(
  'whose the container is that is closed to us is told, where proc says so: %j',
  async (status, detail) => {
    const root = tree({
      ...process(7, 'python3', beside(id('b')), CONTAINER),
      'proc/7/status': status,
    });
    const files = new NodeFiles(new AbortController().signal);
    const tasks = await readTasks(files, `${root}/proc`);
    files.stat = async () => missing('no_permission');
    const asked = { podUids: [UID], podUid: UID, containerId: id('b') };
    const seen = await readSharedContainer(files, tasks, asked);
    expect(seen).toEqual(missing('no_permission', detail));
    expect(needIn(detail)).toBe(detail);
    expect(needIn(`${detail} and more`)).toBeUndefined();
  },
);

test('where the runtime shares no PIDs, or a whole node is asked for, nothing is told', async () => {
  const root = tree(process(1, 'node', beside(id('a')), {}));
  expect(await shared(root, id('b'))).toMatchObject({ ok: false, detail: NEEDS.sharedPids });
  expect(await shared(root, id('a'), [UID, OTHER])).toMatchObject({ detail: NEEDS.node });
  expect(await shared(root, id('a'), [])).toEqual(present([]));
});

describe('what a process calls itself hides no container', () => {
  test.each(['pause', 'exe', 'runc:[2:INIT]'])('%s', async name => {
    const alone = process(41, name, cgroup(UID, id('b')), CONTAINER);
    expect(await viewed(alone)).toMatchObject({ value: [{ pid: 41 }] });
    const beside = process(40, name, cgroup(UID, id('a')), SANDBOX);
    expect(await viewed({ ...alone, ...beside })).toMatchObject({ value: [{ pid: 41 }] });
  });
});

test('a sandbox is known by its score, or as the oldest container that the kubelet keeps no log of', async () => {
  const rootless = { ...SANDBOX, oom_score_adj: '0\n' };
  const pod = {
    ...process(40, 'catatonit', cgroup(UID, id('a')), rootless),
    ...process(41, 'python3', cgroup(UID, id('b')), CONTAINER),
  };
  const log = (of: string) => ({ [`var/log/containers/train-0_ml_main-${of}.log`]: '' });
  expect(await viewed({ ...pod, ...log(id('b')) })).toMatchObject({ value: [{ pid: 41 }] });
  // A container with a log is none, whatever its score, and a younger one may have no log yet.
  const young = process(42, 'python3', cgroup(UID, id('c')), CONTAINER);
  const named = { ...pod, ...young, ...log(id('a')) };
  expect(await viewed({ ...named, 'proc/40/oom_score_adj': '-998' })).toMatchObject({
    value: [{ pid: 40 }, { pid: 41 }, { pid: 42 }],
  });
  // Where the kubelet's logs tell nothing, nobody is left out for being the first.
  expect(await viewed(pod)).toMatchObject({ value: [{ pid: 40 }, { pid: 41 }] });
});

test('a process that the runtime has not given a root of its own yet is no container', async () => {
  const root = tree({
    ...process(1, 'systemd', '0::/init.scope', { 'root/dev/nvidia0': '' }),
    ...process(41, 'runc:[2:INIT]', cgroup(UID, id('b')), {}),
    ...process(42, 'python3', cgroup(UID, id('c')), CONTAINER),
  });
  symlinkSync('../1/root', join(root, 'proc/41/root'));
  expect(await viewedAt(root, [UID])).toMatchObject({ value: [{ pid: 42 }] });
});

test('a container with a kernel of its own, whose root has no /dev, was not looked into', async () => {
  const views = await viewed(process(41, 'exe', cgroup(UID, id('b')), { 'root/proc/x': '' }));
  const unread = missing('not_read', 'it runs in a sandbox of its own, as gVisor is');
  expect(views).toMatchObject({ value: [{ libraries: unread, visibleDevices: unread }] });
});

test('libraries in a folder that is mounted as a whole are mounted', async () => {
  const files = {
    ...CONTAINER,
    'root/usr/local/nvidia/lib64/libnvidia-ml.so.570.124.06': '',
    'root/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.535.1': '',
    // Octal for a space; and a mount whose name only begins alike.
    mountinfo:
      '9 8 259:1 /home/kubernetes/bin/nvidia /usr/local/nvidia ro - ext4 /dev/root ro\n' +
      '9 8 259:1 /x /usr/lib/x86_64-linux-gnu/libcuda.so ro - ext4 /dev/root ro\n9 8 0:1 / /my\\040dir ro - tmpfs t rw',
  };
  const views = await viewed(process(41, 'python3', cgroup(UID, id('b')), files));
  expect(views).toMatchObject({
    value: [{ mountedLibraries: present(['libnvidia-ml.so.570.124.06']) }],
  });
});

test('looked into are pods with an allocation or a device in hand, and none of NVIDIA’s own', () => {
  const held = { namespace: 'ml', pod: 'a', container: 'c', resource: 'nvidia.com/gpu' };
  const own = { deviceIds: [], devices: [], source: 'pod_resources' as const };
  const holder = { pid: 1, name: 'p', state: 'S', devices: ['nvidia0'] };
  const pods = {
    allocations: present([
      { ...held, ...own, podUid: UID },
      { ...held, ...own },
    ]),
    checkpoint: present([{ ...held, ...own, podUid: 'stale' }]),
    ...{ allocatable: missing('not_read'), names: present([]) },
  };
  const state = {
    pods,
    deviceHolders: present([holder, { ...holder, podUid: OTHER }, { ...holder, podUid: 'dcgm' }]),
    daemons: present([
      {
        ...{ kind: 'dcgm_exporter' as const, pid: 9, name: 'dcgm-exporter', state: 'S' },
        ...{ startedAfterBootSeconds: 1, podUid: 'dcgm' },
      },
    ]),
  };
  expect(podsOnGpus(state)).toEqual(present([UID, OTHER]));
  const unread = { ...pods, allocations: missing('no_permission') };
  expect(podsOnGpus({ ...state, pods: unread })).toEqual(present(['stale', OTHER]));
  const neither = { ...unread, checkpoint: missing('no_permission') };
  // Who was given GPUs is not known: those that hold one now are not all.
  expect(podsOnGpus({ ...state, pods: neither })).toEqual(missing('no_permission'));
  const unnamed = { ...pods, names: missing('timeout') };
  expect(podsOnGpus({ ...state, pods: unnamed })).toEqual(missing('timeout'));
  const none = { ...state, deviceHolders: missing('not_read') };
  expect(podsOnGpus(none)).toEqual(missing('not_read'));
});

test('a root that would lead us astray is not followed, not waited for and not read to its end', async () => {
  const root = tree({
    ...process(1, 'x\u001b[2J\u202e', beside(id('b')), {
      ...{ limits: LIMITS, environ: 'CUDA_VISIBLE_DEVICES=\u001b[31m0\u202e\0HF_TOKEN=MARKER\0' },
      'root/sys/fs/cgroup/cpu.stat': `nr_periods 1\nnr_throttled 0\n${'MARKER'.repeat(100_000)}`,
      'root/dev/nvidia0': '',
    }),
    'outside/libcuda.so.570.124.06': '',
    'outside/secret': 'MARKER',
  });
  const at = (path: string) => join(root, 'proc/1/root', path);
  execFileSync('mkfifo', [at('sys/fs/cgroup/memory.max')]);
  mkdirSync(at('usr'));
  symlinkSync(join(root, 'outside'), at('usr/lib64'));
  symlinkSync(join(root, 'outside/secret'), at('sys/fs/cgroup/memory.events'));
  const seen = await shared(root, id('b'));
  expect(seen).toMatchObject({
    value: [
      {
        deviceNodes: present(['nvidia0']),
        memoryLimitBytes: { ok: false },
        oomKills: { ok: false },
        throttledPercent: present(0),
      },
    ],
  });
  expect(JSON.stringify(seen)).not.toMatch(/MARKER|570\.124|\\u001b|\u202e/);
});

describe('two pods', () => {
  const both = () =>
    tree({
      ...process(41, 'python3', cgroup(OTHER, id('c')), CONTAINER),
      ...process(42, 'python3', cgroup(UID, id('b')), CONTAINER),
    });

  test('are looked into in the order in which they are named', async () => {
    const views = known(await viewedAt(both(), [UID, OTHER])) ?? [];
    expect(views.map(({ podUid }) => podUid)).toEqual([UID, OTHER]);
  });

  test('of whom the first hangs: the second is left alone', async () => {
    const files = new NodeFiles(new AbortController().signal);
    files.namesLike = async () => missing('timeout');
    const views = known(await viewedAt(both(), [UID, OTHER], files)) ?? [];
    expect(views).toMatchObject([
      { podUid: UID, libraries: { ok: false, reason: 'timeout' } },
      { podUid: OTHER, libraries: { ok: false, reason: 'not_read' } },
    ]);
  });
});
