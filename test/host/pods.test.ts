import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { known, missing, present } from '../../src/contract/reading.ts';
import { NodeFiles } from '../../src/host/files.ts';
import { readPodResources } from '../../src/host/pods.ts';
import { pass } from '../fakes/deadlines.ts';
import { startKubelet } from './kubelet.ts';
import { node, PATIENCE_MS, stat, WHOLE_ROOT } from './tree.ts';

const UID = 'f6a1e4a0-3b1c-4a52-9f6e-0d8f2d3c7b11';
const GPU = 'GPU-8c1f9f2e-6a0b-4d7c-8c1f-9f2e6a0b4d7c';
const OTHER = 'GPU-b6c3b2be-c55b-d076-fa0e-d464e4c7e08b';
const ID = 'c'.repeat(64);
const SOCKET_FOLDER = { 'host/var/lib/kubelet/pod-resources/': '' };
const LOGS = { [`host/var/log/pods/team-a_train-0_${UID}/main/`]: '' };

const stop: (() => void)[] = [];
afterEach(() => {
  for (const each of stop.splice(0)) each();
});
const kubelet = async (root: string, answers: Parameters<typeof startKubelet>[1]) => {
  stop.push(await startKubelet(join(root, 'host'), answers));
};

describe('pod-resources', () => {
  test('who holds what: devices of one resource together, the UID from the logs’ names', async () => {
    const { root, read } = node({ ...SOCKET_FOLDER, ...LOGS });
    const device = (id: string) => ({ resourceName: 'nvidia.com/gpu', deviceIds: [id] });
    await kubelet(root, {
      List: {
        podResources: [
          {
            name: 'train-0',
            namespace: 'team-a',
            containers: [
              { name: 'main', devices: [device(GPU), device(`${OTHER}::2`)] },
              { name: 'sidecar', devices: [] },
            ],
          },
          { name: 'web', namespace: 'team-b', containers: [{ name: 'web', devices: [] }] },
        ],
      },
      GetAllocatableResources: { devices: [device(GPU), device(OTHER)] },
    });
    const { pods } = await read();
    expect(pods.allocations).toEqual(
      present([
        {
          namespace: 'team-a',
          pod: 'train-0',
          podUid: UID,
          container: 'main',
          resource: 'nvidia.com/gpu',
          deviceIds: [GPU, `${OTHER}::2`],
          devices: [
            { id: GPU, gpuUuid: GPU },
            { id: `${OTHER}::2`, gpuUuid: OTHER, replica: 2 },
          ],
          source: 'pod_resources',
        },
      ]),
    );
    expect(pods.allocatable).toEqual(
      present([
        {
          resource: 'nvidia.com/gpu',
          deviceIds: [GPU, OTHER],
          devices: [
            { id: GPU, gpuUuid: GPU },
            { id: OTHER, gpuUuid: OTHER },
          ],
          source: 'pod_resources',
        },
      ]),
    );
    expect(pods.names).toEqual(
      present([{ uid: UID, namespace: 'team-a', pod: 'train-0', containers: ['main'] }]),
    );
  });

  test('DRA: the device by its claim, its GPU by the minor number', async () => {
    const { root, read } = node({
      ...SOCKET_FOLDER,
      'proc/driver/nvidia/gpus/0000:3b:00.0/information': `GPU UUID: \t ${GPU}\nDevice Minor: \t 0\n`,
    });
    const claim = { driverName: 'gpu.nvidia.com', poolName: 'node-a', deviceName: 'gpu-0' };
    await kubelet(root, {
      List: {
        podResources: [
          {
            name: 'p',
            namespace: 'n',
            containers: [
              {
                name: 'c',
                devices: [],
                dynamicResources: [
                  { claimName: 'p-gpu', claimNamespace: 'n', claimResources: [claim] },
                ],
              },
            ],
          },
        ],
      },
    });
    const { pods } = await read();
    expect(pods.allocations).toEqual(
      present([
        {
          namespace: 'n',
          pod: 'p',
          container: 'c',
          resource: 'gpu.nvidia.com',
          deviceIds: ['gpu-0'],
          devices: [{ id: 'gpu-0', minor: 0, gpuUuid: GPU }],
          claim: { namespace: 'n', name: 'p-gpu', pool: 'node-a' },
          source: 'pod_resources',
        },
      ]),
    );
    expect(pods.allocatable).toEqual(missing('not_supported', 'not implemented'));
  });

  test('names are one plain line', async () => {
    const { root, read } = node(SOCKET_FOLDER);
    const containers = [{ name: 'c\u202e', devices: [{ resourceName: 'r', deviceIds: ['a\nb'] }] }];
    await kubelet(root, {
      List: { podResources: [{ name: 'p\u0007q', namespace: 'n', containers }] },
    });
    expect(known((await read()).pods.allocations)).toMatchObject([
      { pod: 'p q', container: 'c', deviceIds: ['a b'] },
    ]);
  });

  test.each([
    [7, 'no_permission'],
    [8, 'unreadable'],
    [12, 'not_supported'],
  ])('status %d is %s', async (code, reason) => {
    const { root, read } = node(SOCKET_FOLDER);
    await kubelet(root, { List: { code, details: 'no\u0007' } });
    expect((await read()).pods.allocations).toEqual({ ok: false, reason, detail: 'no' });
  });

  test('a kubelet that never answers is timeout, a cancelled call is not_read', async () => {
    const { root } = node(SOCKET_FOLDER);
    await kubelet(root, { List: 'never', GetAllocatableResources: 'never' });
    const files = new NodeFiles(new AbortController().signal, PATIENCE_MS);
    const ask = (signal: AbortSignal, ms: number) =>
      readPodResources(files, `${root}/host`, signal, ms);
    const late = ask(new AbortController().signal, 30);
    await pass(30);
    expect((await late).pods).toEqual(missing('timeout', 'the kubelet did not answer in 30 ms'));
    const cancelled = await ask(AbortSignal.abort(), 60_000);
    expect(cancelled.pods).toEqual(missing('not_read', 'the call was cancelled'));
  });

  test('a socket without a kubelet is not_ready', async () => {
    const { read } = node({ 'host/var/lib/kubelet/pod-resources/kubelet.sock': '' });
    expect((await read()).pods.allocations).toMatchObject({ ok: false, reason: 'not_ready' });
  });

  test('no socket is not_found', async () => {
    expect((await node({}).read()).pods.allocations).toEqual(missing('not_found', 'ENOENT'));
  });
});

describe('the kubelet’s checkpoint', () => {
  const path = 'host/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint';
  const entry = (ids: unknown) => ({
    PodUID: UID,
    ContainerName: 'main',
    ResourceName: 'nvidia.com/gpu',
    DeviceIDs: ids,
    AllocResp: 'Cg==',
  });
  const file = (entries: unknown) =>
    JSON.stringify({
      Data: { PodDeviceEntries: entries, RegisteredDevices: { 'nvidia.com/gpu': [GPU, OTHER] } },
      Checksum: 1,
    });

  test.each([
    ['by NUMA node', { '0': [GPU], '-1': [OTHER] }],
    ['a plain list, before 1.20', [GPU, OTHER]],
  ])('%s', async (_, ids) => {
    const { read } = node({ ...WHOLE_ROOT, ...LOGS, [path]: file([entry(ids)]) });
    const { pods } = await read();
    expect(known(pods.checkpoint)).toMatchObject([
      { namespace: 'team-a', pod: 'train-0', podUid: UID, source: 'checkpoint' },
    ]);
    expect(known(pods.checkpoint)?.[0]?.deviceIds.toSorted()).toEqual([GPU, OTHER].toSorted());
    // The socket is not there: what plugins have registered is the next best.
    expect(known(pods.allocatable)).toMatchObject([
      { resource: 'nvidia.com/gpu', deviceIds: [GPU, OTHER], source: 'checkpoint' },
    ]);
  });

  test('a pod without logs keeps its UID', async () => {
    const { read } = node({ ...WHOLE_ROOT, [path]: file([entry({ '0': [GPU] })]) });
    const [allocation] = known((await read()).pods.checkpoint) ?? [];
    expect(allocation).toMatchObject({ podUid: UID });
    expect(allocation).not.toHaveProperty('pod');
  });

  test.each([
    ['no entries', file(null), present([])],
    ['no JSON', '{"Data":', missing('unreadable', 'unknown form')],
    ['another form', '{"data":{}}', missing('unreadable', 'unknown form')],
  ])('%s', async (_, content, reading) => {
    const { read } = node({ ...WHOLE_ROOT, [path]: content });
    expect((await read()).pods.checkpoint).toEqual(reading);
  });

  test('where the pod has no such mount it was not read', async () => {
    const { pods } = await node(LOGS).read();
    expect(pods.checkpoint).toMatchObject({ ok: false, reason: 'not_read' });
  });
});

describe('whose process', () => {
  const process = (pid: number, cgroup: string, environ = '') => ({
    [`proc/${pid}/stat`]: stat({ pid, comm: 'python3', startTicks: 12_345 }),
    [`proc/${pid}/cgroup`]: `0::${cgroup}\n`,
    [`proc/${pid}/status`]: 'Name:\tpython3\nUid:\t1000\t1001\t1000\t1000\n',
    [`proc/${pid}/environ`]: environ,
  });
  const inPod = `/kubepods.slice/kubepods-pod${UID.replaceAll('-', '_')}.slice/cri-containerd-${ID}.scope`;
  const owners = async (files: Readonly<Record<string, string>>, pids: readonly number[]) =>
    node(files).host.processOwners(pids, new AbortController().signal);

  test('of a pod: its names, user, start, and only the GPUs of its environment', async () => {
    const environment =
      'HOME=/root\0TOKEN=secret\0NVIDIA_VISIBLE_DEVICES=all\0CUDA_VISIBLE_DEVICES=0,1\0XNVIDIA_A=1\0';
    expect(await owners({ ...LOGS, ...process(41, inPod, environment) }, [41])).toEqual([
      {
        pid: 41,
        name: present('python3'),
        cgroup: present(inPod),
        podUid: UID,
        containerId: ID,
        runtime: 'containerd',
        namespace: 'team-a',
        pod: 'train-0',
        container: 'main',
        state: present('S'),
        startedAfterBootSeconds: present(123.45),
        uid: present(1001),
        gpuEnvironment: present({ NVIDIA_VISIBLE_DEVICES: 'all', CUDA_VISIBLE_DEVICES: '0,1' }),
      },
    ]);
  });

  test('of several containers the id tells which', async () => {
    const log = `host/var/log/containers/train-0_team-a_worker-${ID}.log`;
    const files = { ...LOGS, [`host/var/log/pods/team-a_train-0_${UID}/worker/`]: '', [log]: '' };
    expect(await owners({ ...files, ...process(41, inPod) }, [41])).toMatchObject([
      { container: 'worker' },
    ]);
    const [owner] = await owners(
      { ...LOGS, [`host/var/log/pods/team-a_train-0_${UID}/worker/`]: '', ...process(41, inPod) },
      [41],
    );
    expect(owner).not.toHaveProperty('container');
  });

  test('one that ends between two looks is gone, and not unreadable', async () => {
    const { [`proc/41/stat`]: _, ...files } = process(41, inPod);
    expect(await owners(files, [41])).toMatchObject([
      { name: { ok: false, reason: 'not_found' }, state: { ok: false, reason: 'not_found' } },
    ]);
  });

  test('outside any pod; of a pod without logs; gone', async () => {
    const [service, unnamed, gone] = await owners(
      { ...process(41, '/system.slice/ollama.service'), ...process(42, inPod) },
      [41, 42, 43],
    );
    expect(service).toMatchObject({ cgroup: present('/system.slice/ollama.service') });
    expect(service).not.toHaveProperty('podUid');
    expect(unnamed).toMatchObject({ podUid: UID, containerId: ID });
    expect(unnamed).not.toHaveProperty('pod');
    expect(gone).toEqual({
      pid: 43,
      ...Object.fromEntries(
        ['name', 'cgroup', 'state', 'startedAfterBootSeconds', 'uid', 'gpuEnvironment'].map(key => [
          key,
          missing('not_found', 'ENOENT'),
        ]),
      ),
    });
  });

  test('names that are no pod’s are passed over', async () => {
    const { read } = node({
      ...LOGS,
      'host/var/log/pods/readme': '',
      'host/var/log/pods/a_b_c_d/': '',
    });
    expect(known((await read()).pods.names)).toHaveLength(1);
  });
});

describe('the dates of container logs', () => {
  const POD = `host/var/log/pods/team-a_train-0_${UID}`;

  test('tell each run’s last word, by its newest file', async () => {
    const { root, host } = node({
      [`${POD}/main/0.log`]: 'x',
      [`${POD}/main/1.log`]: 'x',
      [`${POD}/main/1.log.20260301-110000.gz`]: 'x',
      [`${POD}/main/readme`]: 'x',
    });
    const dates = { '0.log': 1_000, '1.log': 3_000, '1.log.20260301-110000.gz': 2_000 };
    for (const [name, seconds] of Object.entries(dates)) {
      utimesSync(join(root, POD, 'main', name), seconds, seconds);
    }
    const own = { podUid: UID, namespace: 'team-a', pod: 'train-0', container: 'main' };
    // These dates lie before the files were made: no start is taken from that.
    expect(await host.containerLogs(new AbortController().signal)).toEqual(
      present([
        { ...own, source: 'log_files', seenMs: 1_000_000 },
        { ...own, source: 'log_files', seenMs: 3_000_000 },
      ]),
    );
  });

  test('tell a run’s start by the birth of its first file, where the file system keeps it', async () => {
    const before = Date.now() - 1_000;
    const { root, host } = node({ [`${POD}/main/0.log`]: 'x' });
    const later = Date.now() / 1_000 + 600;
    utimesSync(join(root, POD, 'main/0.log'), later, later);
    const [run] = known(await host.containerLogs(new AbortController().signal)) ?? [];
    expect(run?.seenMs).toBeCloseTo(later * 1_000, -2);
    expect(run?.startedMs).toBeGreaterThan(before);
    expect(run?.startedMs).toBeLessThan(later * 1_000 - 500_000);
  });

  test('are missing where the node keeps no such folder', async () => {
    const { host } = node(WHOLE_ROOT);
    expect(await host.containerLogs(new AbortController().signal)).toMatchObject({
      ok: false,
      reason: 'not_found',
    });
  });
});
