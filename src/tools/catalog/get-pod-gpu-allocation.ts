import * as z from 'zod';
import { type Line, summaryLine } from '../../contract/answer.ts';
import type { ClusterDevice, ClusterPod, ClusterView } from '../../contract/cluster-view.ts';
import { optional } from '../../contract/optional.ts';
import { known, MissingReason, missing } from '../../contract/reading.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import { HEAD, head, unlisted } from '../head.ts';
import {
  Allocation,
  allocationRow,
  Checkpoint,
  compareSources,
  freeOf,
  isSamePod,
  usedGpus,
  usedUnallocated,
} from '../support/allocations.ts';
import { holdsGpus, podInCluster } from '../support/cluster-rows.ts';
import { gpuRows } from '../support/gpu-rows.ts';
import { podInput, podName } from '../support/pod-name.ts';
import { hostnameOf, readNode } from '../support/read-node.ts';
import { plural } from '../support/wording.ts';
import { defineTool } from '../tool.ts';

/** A GPU by all that a ResourceSlice may call it. */
const NamedGpu = z.strictObject({
  index: z.int().optional(),
  pci: z.string().optional(),
  uuid: z.string().optional(),
  migUuids: z.array(z.string()).optional(),
});
type NamedGpu = z.infer<typeof NamedGpu>;

/** How the names of DRA's devices were told apart. */
const BY_NAMES = 'the number in their names, which is no proof';
const BY_SLICES = "their driver's ResourceSlices";

/**
 * Adds what pods hold by their ResourceClaims and the kubelet does not list: one before 1.34 leaves
 * claims out, and nothing may have been read on the node. Pure.
 */
function withClaims<F extends Joined & Pick<Allocated, 'draDevicesBy'>>(
  facts: F,
  view: ClusterView,
  wanted: PodFilter,
): F & Pick<Claimed, 'fromClaims'> {
  const rows = (known(view.claims) ?? []).flatMap(({ namespace, users, devices }) =>
    users.flatMap(({ pod, containers: [container = '', ...others] }): Allocation[] => {
      const own = devices.filter(({ driver }) => driver === GPU_DRIVER);
      const [first] = own;
      const listed = facts.allocations.some(
        row => row.namespace === namespace && row.pod === pod && row.resource === GPU_DRIVER,
      );
      if (!first || listed || !isWanted(namespace, pod, wanted)) return [];
      return [container, ...others].map(name => ({
        ...{ namespace, pod, container: name, resource: GPU_DRIVER, pool: first.pool },
        devices: own.map(device => ({ id: device.name })),
        devicesTotal: own.length,
      }));
    }),
  );
  if (rows.length === 0) return facts;
  const allocations = [...facts.allocations, ...rows].slice(0, ALLOCATIONS_MAX);
  const source = facts.source === 'none' ? 'ResourceClaims' : facts.source;
  return {
    ...facts,
    ...{ allocations, source, fromClaims: rows.length },
    summary: summaryOf(allocations, source, undefined),
    draDevicesBy: facts.draDevicesBy ?? BY_NAMES,
  };
}

/** NVIDIA/k8s-dra-driver-gpu: the driver of whole GPUs and MIG instances. */
const GPU_DRIVER = 'gpu.nvidia.com';

interface Claimed {
  /** Rows that only the ResourceClaims of the pods know. */
  readonly fromClaims?: number | undefined;
}

interface Allocated {
  readonly allocations: Allocation[];
  readonly draDevicesBy?: string | undefined;
  readonly gpus?: NamedGpu[] | undefined;
  readonly contradictions: string[];
}

/**
 * Names the GPUs of DRA allocations by what their driver publishes, where the cluster lets it be
 * read, in place of the number in the device's name. Pure.
 */
function withDraDevices<F extends Allocated>(facts: F, view: ClusterView): F {
  if (facts.draDevicesBy === undefined) return facts;
  const { devices = missing('not_read') } = view;
  if (!devices.ok) {
    const why = `ResourceSlices not read: ${devices.reason}`;
    return { ...facts, draDevicesBy: `${BY_NAMES} (${why})` };
  }
  const rows = facts.allocations.map(row => named(row, devices.value, facts.gpus ?? []));
  const moved = new Set(rows.flatMap(row => row.moved));
  return {
    ...facts,
    allocations: rows.map(({ row }) => row),
    draDevicesBy: rows.every(({ whole }) => whole)
      ? BY_SLICES
      : `${BY_SLICES}; those not in them by ${BY_NAMES}`,
    // Said of the GPUs that the names seemed to mean.
    contradictions: facts.contradictions.filter(
      text => ![...moved].some(index => text.startsWith(`GPU ${index} is used without`)),
    ),
  };
}

function named(row: Allocation, published: readonly ClusterDevice[], gpus: readonly NamedGpu[]) {
  if (row.pool === undefined) return { row, moved: [], whole: true };
  let whole = true;
  const devices = row.devices.map(device => {
    const found = published.find(
      ({ driver, pool, name }) =>
        driver === row.resource && pool === row.pool && name === device.id,
    );
    const gpu = found && gpuOf(found, gpus);
    if (!gpu) {
      whole = false;
      return device;
    }
    const { gpuIndex: _, pci: __, ...own } = device;
    return {
      ...own,
      ...optional({ gpuIndex: gpu.index, pci: gpu.pci }),
      ...(found.parentUuid === undefined || found.uuid === undefined
        ? {}
        : { migUuid: found.uuid }),
    };
  });
  const moved = devices.flatMap(({ gpuIndex }, at) =>
    gpuIndex === undefined || gpuIndex === row.devices[at]?.gpuIndex ? [] : [gpuIndex],
  );
  if (moved.length === 0) return { row: { ...row, devices }, moved, whole };
  // What was counted on the GPUs that the names seemed to mean is not of these.
  const { processes: _, usedBytes: __, ...rest } = row;
  return { row: { ...rest, devices }, moved, whole };
}

/** By UUID first: a bus address may belong to another board since. */
const gpuOf = (
  { uuid, parentUuid, pci }: ClusterDevice,
  gpus: readonly NamedGpu[],
): NamedGpu | undefined =>
  gpus.find(gpu => gpu.uuid !== undefined && (gpu.uuid === uuid || gpu.uuid === parentUuid)) ??
  gpus.find(gpu => uuid !== undefined && gpu.migUuids?.includes(uuid)) ??
  (uuid === undefined && parentUuid === undefined
    ? gpus.find(gpu => pci !== undefined && gpu.pci === pci)
    : undefined);

const ALLOCATIONS_MAX = 128;
export const getPodGpuAllocation = defineTool({
  name: 'get_pod_gpu_allocation',
  title: 'Which pod holds which GPU',
  description:
    'Tells which pod and container has which GPU, MIG instance or time slice, what is free, what is allocated but idle, and what is used without being allocated. ' +
    'Ask get_gpu_processes for what runs on the GPUs.',
  input: z.strictObject({
    pod: podInput.pod.optional(),
    namespace: podInput.namespace,
  }),
  output: z.strictObject({
    ...HEAD,
    source: z.string().describe('pod-resources, or the checkpoint, which may be stale.'),
    /** Allocations that only ResourceClaims know. */
    fromClaims: z.int().optional(),
    checkpoint: Checkpoint.describe('Beside pod-resources.'),
    notRead: MissingReason.optional(),
    allocations: z.array(Allocation),
    allocationsLeftOut: z.int().min(0),
    free: z.record(z.string(), z.int()).describe('Devices by resource that no pod holds.'),
    contradictions: z.array(z.string()),
    draDevicesBy: z.string().optional(),
    /** For the cluster's half, and only where DRA allocated something. */
    gpus: z.array(unlisted(NamedGpu)).optional(),
  }),
  async observe(input, instruments, signal) {
    const facts = await readNode(instruments, undefined, signal);
    const { allocations: live, checkpoint } = facts.host.pods;
    const read = live.ok ? live : checkpoint;
    const source = live.ok ? 'pod-resources' : checkpoint.ok ? 'checkpoint' : 'none';
    const used = usedGpus(facts);
    const all = (known(read) ?? []).map(one => allocationRow(facts, one, used));
    const wanted = all.filter(row => isWanted(row.namespace, row.pod, input));
    const reason = live.ok || checkpoint.ok ? undefined : live.reason;
    const compared = compareSources(facts.host.pods);
    return {
      ...head(instruments, hostnameOf(facts), summaryOf(wanted, source, reason)),
      source,
      checkpoint: compared.checkpoint,
      ...optional({ notRead: reason }),
      allocations: wanted.slice(0, ALLOCATIONS_MAX),
      allocationsLeftOut: Math.max(0, wanted.length - ALLOCATIONS_MAX),
      free: freeOf(facts, known(read) ?? []),
      contradictions: [...compared.contradictions, ...(read.ok ? usedUnallocated(all, used) : [])],
      ...(all.some(({ pool }) => pool !== undefined) ? { draDevicesBy: BY_NAMES } : {}),
      ...(all.some(({ pool }) => pool !== undefined) || hasDraPlugin(facts)
        ? { gpus: namedGpus(facts) }
        : {}),
    };
  },
  clusterView: {
    question: () => ({ devices: true }),
    join: (facts, view, input) =>
      withDraDevices(join(withClaims(facts, view, input), view, input), view),
  },
  lines(facts) {
    const rows = facts.allocations.toSorted((a, b) => (a.processes ?? 1) - (b.processes ?? 1));
    return [
      summaryLine(facts),
      ...facts.contradictions.map(
        (text): Line => ({ kind: 'warning', text: `contradiction: ${text}` }),
      ),
      ...rows.map(allocationLine),
      ...(facts.allocationsLeftOut > 0 ? [`${facts.allocationsLeftOut} more allocations`] : []),
      ...Object.entries(facts.free).map(([resource, amount]) => `free: ${amount} ${resource}`),
      ...(facts.draDevicesBy === undefined ? [] : [`devices of DRA by ${facts.draDevicesBy}`]),
      sourceLine(facts),
    ];
  },
});

function sourceLine({
  source,
  checkpoint,
  notRead,
  fromClaims,
}: {
  readonly fromClaims?: number | undefined;
  readonly source: string;
  readonly checkpoint: z.infer<typeof Checkpoint>;
  readonly notRead?: MissingReason | undefined;
}): string {
  if (notRead !== undefined) {
    return fromClaims === undefined
      ? `source: ${source} (not read: ${notRead})`
      : `source: ${source} (the kubelet not read: ${notRead})`;
  }
  const compared = checkpoint === 'agrees' || checkpoint === 'differs';
  const words = compared ? `source: ${source}; the checkpoint ${checkpoint}` : `source: ${source}`;
  return fromClaims === undefined
    ? words
    : `${words}; ${plural(fromClaims, 'allocation')} by ResourceClaims alone`;
}

function summaryOf(rows: readonly Allocation[], source: string, reason: string | undefined) {
  if (reason !== undefined) {
    return `Who holds which GPU could not be read (${reason}); get_gpu_processes shows who uses them.`;
  }
  const pods = new Set(rows.map(row => row.podUid ?? `${row.namespace}/${row.pod}`));
  const idle = rows.filter(row => row.processes === 0).length;
  return `${plural(pods.size, 'pod')} ${pods.size === 1 ? 'holds' : 'hold'} ${plural(
    rows.reduce((sum, row) => sum + row.devicesTotal, 0),
    'device',
  )}${idle > 0 ? `, ${plural(idle, 'allocation')} without any process` : ''}${source === 'checkpoint' ? ' (from the checkpoint, which may be stale)' : ''}.`;
}

const hasDraPlugin = ({ host }: NodeFacts): boolean =>
  known(host.daemons)?.some(({ kind }) => kind === 'dra_plugin') === true;

/** All names of the node's GPUs, also of such as the driver has lost. */
function namedGpus(facts: NodeFacts): NamedGpu[] {
  return gpuRows(facts, ['uuid']).map(({ index, pci, uuid }) => {
    const gpu = facts.driver.gpus.find(other => other.index === index);
    const migUuids = (known(gpu?.migInstances) ?? []).flatMap(one => known(one.uuid) ?? []);
    return {
      ...optional({ index, pci, uuid }),
      ...(migUuids.length === 0 ? {} : { migUuids }),
    };
  });
}

interface PodFilter {
  readonly pod?: string | undefined;
  readonly namespace?: string | undefined;
}

function isWanted(
  namespace: string | undefined,
  pod: string | undefined,
  wanted: PodFilter,
): boolean {
  const named = wanted.pod === undefined ? undefined : podName({ ...wanted, pod: wanted.pod });
  const within = named ? named.namespace : wanted.namespace;
  return (
    (within === undefined || namespace === within) && (named === undefined || pod === named.name)
  );
}

interface Joined {
  readonly summary: string;
  readonly allocations: Allocation[];
  readonly contradictions: string[];
  readonly source: string;
}

/** Phase and owner of each pod, and where kubelet and cluster disagree. */
function join<F extends Joined>(facts: F, view: ClusterView, wanted: PodFilter): F {
  const allocations = facts.allocations.map(row => {
    const pod = podInCluster(view, row);
    if (!pod) return row;
    return { ...row, phase: pod.phase, ...optional({ owner: pod.owner }) };
  });
  const pods = known(view.pods);
  const found =
    pods && facts.source !== 'none'
      ? disagreements(
          allocations,
          pods.gpuPods.filter(pod => isWanted(pod.namespace, pod.name, wanted)),
        )
      : [];
  return { ...facts, allocations, contradictions: [...facts.contradictions, ...found] };
}

function disagreements(rows: readonly Allocation[], pods: readonly ClusterPod[]): string[] {
  const ended = rows
    .filter(({ phase }) => phase === 'Succeeded' || phase === 'Failed')
    .map(
      row =>
        `the kubelet still gives devices to ${row.namespace}/${row.pod}, which has ${row.phase}`,
    );
  const without = pods
    .filter(pod => pod.phase === 'Running' && holdsGpus(pod) && Object.keys(pod.gpus).length > 0)
    .filter(pod => !rows.some(row => isSamePod(row, { ...pod, pod: pod.name, podUid: pod.uid })))
    .map(
      pod => `${pod.namespace}/${pod.name} runs and asks for GPUs, but the kubelet gave it none`,
    );
  return [...ended, ...without].slice(0, 16);
}

function allocationLine(row: Allocation): string {
  const pod =
    row.pod === undefined ? `pod uid ${row.podUid ?? 'unknown'}` : `${row.namespace}/${row.pod}`;
  const gpus = row.devices.map(device =>
    [
      device.gpuIndex === undefined ? device.id : `GPU ${device.gpuIndex}`,
      ...(device.migUuid === undefined ? [] : [device.migUuid]),
      ...(device.replica === undefined ? [] : [`slice ${device.replica}`]),
    ].join(' '),
  );
  return [
    `${pod} container ${row.container}`,
    `${row.resource}: ${gpus.join(', ')}${row.devicesTotal > row.devices.length ? `, ${row.devicesTotal - row.devices.length} more` : ''}`,
    ...(row.processes === undefined
      ? []
      : [row.processes === 0 ? 'IDLE, no process' : plural(row.processes, 'process', 'processes')]),
    ...(row.phase === undefined ? [] : [row.phase]),
    ...(row.owner === undefined ? [] : [`of ${row.owner}`]),
  ].join('  ');
}
