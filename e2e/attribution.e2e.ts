import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { known } from '../src/contract/reading.ts';
import { readKernelClock } from '../src/host/kernel-clock.ts';
import { createNodeHost } from '../src/host/node-host.ts';
import type { PodAllocation } from '../src/host/port.ts';
import { loadMachine, machineFrom } from '../src/simulation/machine.ts';
import { flatten } from '../test/sim-nvml/flatten.ts';
import type { ClusterNode } from './cluster/cluster.ts';
import { type DevicePlugin, startDevicePlugin } from './device-plugin/plugin.ts';
import { LIBRARY, MACHINE_FILE } from './machines.ts';
import { cluster, kubectl, leftAfterTenSeconds, withImage } from './plugin.ts';

const NODE = 'node-b';
const RESOURCE = 'nvidia.com/gpu';
const POD = 'gpu-work';
/** The GPUs of the machine, as a device plugin names them. */
const UUIDS = loadMachine('dgx-h100').gpus.map(({ answers }) => String(answers['deviceGetUUID']));
const GIB = 1024 ** 3;

let node: ClusterNode;
let plugin: DevicePlugin;

beforeAll(async () => {
  const found = cluster().nodes.find(({ name }) => name === NODE);
  if (!found) throw new Error(`there is no ${NODE} in the e2e cluster`);
  node = found;
  const devices = UUIDS.map((id, index) => ({ id, numaNode: index < 4 ? 0 : 1 }));
  plugin = await startDevicePlugin({ root: node.root, resource: RESOURCE, devices });
  await until(async () => (await allocatable()) === '8');
  const made = await kubectl(['create', '-f', '-'], { input: JSON.stringify(podManifest()) });
  expect(made.code, made.stderr).toBe(0);
  await until(async () => (await podField('{.status.phase}')) === 'Running');
});

afterAll(async () => {
  await kubectl(['delete', 'pod', POD, '--ignore-not-found', '--grace-period=0', '--force']);
  await node.exec(['rm', '-f', LIBRARY, MACHINE_FILE, '/var/log/syslog', '/var/log/kern.log']);
  plugin.stop();
});

test('pod-resources, checkpoint and cgroups of a real kubelet agree', async () => {
  const uid = await podField('{.metadata.uid}');
  const host = createNodeHost({ root: node.root });
  // The other node's kubelet is a process of this machine too, and may come first.
  const own = createNodeHost({ root: node.root, procRoot: join(node.root, 'proc') });
  const { pods } = await own.read(new AbortController().signal);
  const allocations = mine(known(pods.allocations));
  expect(allocations.map(({ container, devices }) => [container, devices.length])).toEqual([
    ['main', 2],
    ['worker', 1],
  ]);
  expect(new Set(allocations.flatMap(({ deviceIds }) => deviceIds)).size).toBe(3);
  expect(allocations.flatMap(({ devices }) => devices.map(({ gpuUuid }) => gpuUuid))).toEqual(
    allocations.flatMap(({ deviceIds }) => deviceIds),
  );
  const told = (one: PodAllocation) => ({ ...one, source: '', deviceIds: sorted(one) });
  expect(allocations.map(withoutOrder).map(told)).toEqual(
    mine(known(pods.checkpoint)).map(withoutOrder).map(told),
  );
  expect(known(pods.allocatable)).toMatchObject([
    { resource: RESOURCE, deviceIds: expect.arrayContaining([...UUIDS]) },
  ]);
  const processes = node.podProcesses().filter(({ podUid }) => podUid === uid);
  const owners = await host.processOwners(
    processes.map(({ pid }) => pid),
    new AbortController().signal,
  );
  expect(processes).toHaveLength(2);
  for (const [index, owner] of owners.entries()) {
    const container = processes[index]?.argv[1];
    expect(owner).toMatchObject({ podUid: uid, namespace: 'default', pod: POD, container });
    const given = allocations.find(each => each.container === container)?.deviceIds ?? [];
    const variable = known(owner.gpuEnvironment)?.['NVIDIA_VISIBLE_DEVICES'];
    expect(variable?.split(',').toSorted()).toEqual(given.toSorted());
  }
});

test('the agent joins the driver’s process to the pod that holds the GPU', async () => {
  const allocations = mine(known((await readPods()).allocations));
  const device = allocations.find(({ container }) => container === 'worker')?.deviceIds[0] ?? '';
  const gpu = UUIDS.indexOf(device);
  const pid = pidInNode('worker');
  // Every GPU is idle but the worker's, on which its process has a context.
  const context = { pid, usedGpuMemory: 4 * GIB, gpuInstanceId: NONE, computeInstanceId: NONE };
  const gpus = UUIDS.map((_, index) => [
    index,
    { answers: { deviceGetComputeRunningProcesses: index === gpu ? [context] : [] } },
  ]);
  const machine = { like: 'dgx-h100', gpus: Object.fromEntries(gpus) };
  node.writeFile(LIBRARY, { copyOf: inject('library') });
  node.writeFile(MACHINE_FILE, flatten(machineFrom('attribution', machine)));

  const held = await call('get_pod_gpu_allocation');
  // From inside the pod too the kubelet's two records agree.
  expect(held).toMatchObject({
    ...{ source: 'pod-resources', checkpoint: 'agrees', contradictions: [] },
    free: { [RESOURCE]: 5 },
  });
  expect(rows(held['allocations'])).toEqual([
    expect.objectContaining({ pod: POD, container: 'main', devicesTotal: 2, phase: 'Running' }),
    expect.objectContaining({
      pod: POD,
      container: 'worker',
      resource: RESOURCE,
      devices: [expect.objectContaining({ id: device, gpuIndex: gpu })],
      processes: 1,
    }),
  ]);
  const used = rows((await call('get_gpu_processes'))['gpus']);
  expect(used.filter(({ processesTotal }) => processesTotal !== 0)).toEqual([
    expect.objectContaining({
      index: gpu,
      processes: [expect.objectContaining({ pid, place: 'pod', pod: POD, container: 'worker' })],
    }),
  ]);
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('without the pod-resources socket the pod reads the checkpoint', async () => {
  const socket = '/var/lib/kubelet/pod-resources/kubelet.sock';
  const live = rows((await call('get_pod_gpu_allocation'))['allocations']);
  await node.exec(['mv', socket, `${socket}.away`]);
  try {
    const held = await call('get_pod_gpu_allocation');
    expect(held).toMatchObject({ source: 'checkpoint', checkpoint: 'is the source' });
    const told = (all: readonly Record<string, unknown>[]) =>
      all.map(({ namespace, pod, podUid, container, resource, devicesTotal }) => ({
        ...{ namespace, pod, podUid, container, resource, devicesTotal },
      }));
    expect(told(rows(held['allocations']))).toEqual(expect.arrayContaining(told(live)));
  } finally {
    await node.exec(['mv', `${socket}.away`, socket]);
  }
});

test('the pod reads what its mounts lack through the node’s own daemons', async () => {
  // The cluster's containerd is configured by /etc/containerd/config.toml, with a stand-in for NVIDIA's runtime.
  const machine = (await call('describe_gpu_node'))['machine'];
  // The kernel's clock is one for all nodes of this machine, and is told in the pod as outside.
  const trouble = 'the clock is not synchronized';
  const clock = known(await readKernelClock());
  expect(machine).toMatchObject({
    trouble: clock?.synchronized
      ? expect.not.arrayContaining([trouble])
      : expect.arrayContaining([trouble]),
    runtimes: ['containerd, nvidia handler'],
    notRead: expect.not.arrayContaining([expect.stringMatching(/^(?:daemons|filesystems)/)]),
  });
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('a device that the plugin calls unhealthy is no longer to be had', async () => {
  plugin.setHealthy(UUIDS.slice(1));
  await until(async () => (await allocatable()) === '7');
  const offered = known((await readPods()).allocatable)?.flatMap(({ deviceIds }) => deviceIds);
  expect(offered?.toSorted()).toEqual(UUIDS.slice(1).toSorted());
});

test('an XID of a pod that is gone names it, by the lines of the real runtime', async () => {
  const uid = await podField('{.metadata.uid}');
  const pid = pidInNode('worker');
  const written = known(await createNodeHost({ root: node.root }).containerLogs(signal())) ?? [];
  expect(written.filter(({ podUid }) => podUid === uid).map(({ container }) => container)).toEqual([
    'main',
    'worker',
  ]);
  const xidMs = Date.now();
  await kubectl(['delete', 'pod', POD, '--grace-period=0', '--force']);
  await until(async () => runtimeLines().some(line => isEndOf(line, pid)));
  // What rsyslog writes of both: the nodes of the cluster have no journald.
  const stamp = (ms: number) => new Date(ms).toISOString();
  const syslog = runtimeLines().map(line => {
    const [, time = ''] = /^time="([^"]+)"/.exec(line) ?? [];
    return `${stamp(Date.parse(time))} ${NODE} containerd[88]: ${line}`;
  });
  const xid = `NVRM: Xid (PCI:0000:1b:00): 31, pid=${pid}, name=pause, Ch 00000008, intr 00000000. MMU Fault`;
  node.writeFile('/var/log/syslog', `${syslog.join('\n')}\n`);
  node.writeFile('/var/log/kern.log', `${stamp(xidMs)} ${NODE} kernel: ${xid}\n`);
  const told = await call('analyze_xid_errors');
  const ended = rows(told['events']).filter(event => event['pid'] === pid);
  expect(ended).toEqual([
    expect.objectContaining({
      xid: 31,
      pods: [
        {
          ...{ namespace: 'default', pod: POD, podUid: uid, container: 'worker' },
          ...{ by: 'exit', confidence: 'high' },
          endedAt: expect.stringMatching(/^2\d{3}-.*Z$/),
          exitCode: expect.any(Number),
        },
      ],
    }),
  ]);
  expect(await leftAfterTenSeconds()).toEqual([]);
});

const signal = () => new AbortController().signal;

/** What containerd of this node has logged. */
const runtimeLines = (): readonly string[] =>
  readFileSync(join(cluster().logs, `${NODE}-containerd.log`), 'utf8')
    .split('\n')
    .filter(line => line.startsWith('time="'));

const isEndOf = (line: string, pid: number): boolean =>
  line.includes('exit event') && new RegExp(`pid:${pid}\\b`).test(line);

/** NVML's "no MIG instance". */
const NONE = 0xffff_ffff;

function podManifest() {
  const container = (name: string, gpus: number) => ({
    name,
    image: 'localhost/pause:1',
    imagePullPolicy: 'Never',
    // The pause program takes no notice; the test tells the containers apart by it.
    args: [name],
    resources: { limits: { [RESOURCE]: String(gpus) } },
  });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: POD },
    spec: {
      nodeName: NODE,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      containers: [container('main', 2), container('worker', 1)],
    },
  };
}

const mine = (all: readonly PodAllocation[] | undefined) =>
  (all ?? [])
    .filter(({ pod }) => pod === POD)
    .toSorted((a, b) => a.container.localeCompare(b.container));

const sorted = ({ deviceIds }: PodAllocation) => deviceIds.toSorted();
const withoutOrder = (one: PodAllocation) => ({
  ...one,
  devices: one.devices.toSorted((a, b) => a.id.localeCompare(b.id)),
});

async function readPods() {
  return (await createNodeHost({ root: node.root }).read(new AbortController().signal)).pods;
}

/** A container's process as the node numbers it: the driver knows no namespaces within. */
function pidInNode(container: string): number {
  const process = node.podProcesses().find(({ argv }) => argv[1] === container);
  const status = readFileSync(`/proc/${process?.pid}/status`, 'utf8');
  // Ours, the node's, the container's.
  const [, , pid] = /^NSpid:\t(\d+)\t(\d+)/m.exec(status) ?? [];
  if (pid === undefined) throw new Error(`the process of ${container} is in no namespace`);
  return Number(pid);
}

async function call(tool: string): Promise<Record<string, unknown>> {
  const ran = await kubectl(withImage('call', NODE, tool, '-o', 'json'));
  expect(ran.code, ran.stderr).toBe(0);
  return JSON.parse(ran.stdout);
}

const rows = (value: unknown): readonly Record<string, unknown>[] =>
  Array.isArray(value) ? value : [];

const allocatable = () => field('node', NODE, '{.status.allocatable.nvidia\\.com/gpu}');
const podField = (path: string) => field('pod', POD, path);

async function field(kind: string, name: string, path: string): Promise<string> {
  return (await kubectl(['get', kind, name, '-o', `jsonpath=${path}`])).stdout.trim();
}

/** Asks again, for at most half a minute. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`did not come about: ${holds}`);
    await new Promise(resolve => setTimeout(resolve, 200));
  }
}
