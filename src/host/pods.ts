import { join } from 'node:path';
import * as z from 'zod';
import type { ContainerLife } from '../contract/container-life.ts';
import { POD_RESOURCES_MS_MAX } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { known, mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { CHECKPOINTS, POD_RESOURCES } from '../node-root/allowed.ts';
import { eachOf, type NodeFiles, pathInRoot } from './files.ts';
import { readPodNames, uidOf } from './pod-names.ts';
import type { ListedDevices, ListedPods } from './pod-resources-client.ts';
import type {
  AllocatableDevices,
  DeviceRef,
  DriverGpu,
  PodAllocation,
  PodName,
  PodState,
} from './port.ts';
import type { NodeRoot } from './root.ts';

/** Who holds which device, from the kubelet's socket, its checkpoint, and the names of its logs. */
export async function readPods(
  files: NodeFiles,
  root: NodeRoot,
  driverGpus: Reading<readonly DriverGpu[]>,
  signal: AbortSignal,
): Promise<PodState> {
  const [names, resources, checkpoint] = await Promise.all([
    readPodNames(files, root.path),
    readPodResources(files, root.path, signal),
    readDeviceCheckpoint(root),
  ]);
  const gpus = known(driverGpus) ?? [];
  const fromSocket = mapReading(resources.allocatable, listed => allocatable(listed, gpus));
  const registered = mapReading(checkpoint, data => registeredDevices(data, gpus));
  return {
    allocations: mapReading(resources.pods, pods => listedAllocations({ pods, names, gpus })),
    checkpoint: mapReading(checkpoint, data => checkpointAllocations({ data, names, gpus })),
    allocatable: !fromSocket.ok && registered.ok ? registered : fromSocket,
    names,
  };
}

interface Known {
  readonly names: Reading<readonly PodName[]>;
  readonly gpus: readonly DriverGpu[];
}

/** The allocations of List, those of a device plugin and those of DRA. */
function listedAllocations({
  pods,
  names,
  gpus,
}: Known & { readonly pods: ListedPods }): readonly PodAllocation[] {
  return pods.flatMap(({ name: pod, namespace, containers }) => {
    const podUid = uidOf(names, { namespace, pod });
    const owner = optional({ namespace, pod, podUid });
    return containers.flatMap(({ name: container, devices, dynamicResources }) => [
      ...byResource(devices).map(([resource, deviceIds]) => ({
        ...owner,
        container,
        resource,
        deviceIds,
        devices: deviceIds.map(id => deviceRef(id, gpus)),
        source: 'pod_resources' as const,
      })),
      ...dynamicResources.flatMap(({ claimName, claimNamespace, claimResources }) =>
        claimResources.map(({ driverName, poolName, deviceName }) => ({
          ...owner,
          container,
          resource: driverName,
          deviceIds: [deviceName],
          devices: [deviceRef(deviceName, gpus)],
          claim: { namespace: claimNamespace, name: claimName, pool: poolName },
          source: 'pod_resources' as const,
        })),
      ),
    ]);
  });
}

/** The kubelet lists each device, or each NUMA node's devices, on its own. */
function byResource(devices: ListedDevices): readonly (readonly [string, readonly string[]])[] {
  const resources = new Map<string, string[]>();
  for (const { resourceName, deviceIds } of devices) {
    resources.set(resourceName, [...(resources.get(resourceName) ?? []), ...deviceIds]);
  }
  return [...resources];
}

function checkpointAllocations({
  data,
  names,
  gpus,
}: Known & { readonly data: DeviceCheckpoint }): readonly PodAllocation[] {
  const pods = known(names) ?? [];
  return data.PodDeviceEntries.map(entry => {
    const named = pods.find(({ uid }) => uid === entry.PodUID);
    return {
      ...(named ? { namespace: named.namespace, pod: named.pod } : {}),
      podUid: entry.PodUID,
      container: entry.ContainerName,
      resource: entry.ResourceName,
      deviceIds: entry.DeviceIDs,
      devices: entry.DeviceIDs.map(id => deviceRef(id, gpus)),
      source: 'checkpoint',
    };
  });
}

function allocatable(listed: ListedDevices, gpus: readonly DriverGpu[]) {
  return byResource(listed).map(([resource, deviceIds]) =>
    row({ resource, deviceIds, gpus, source: 'pod_resources' }),
  );
}

function registeredDevices(data: DeviceCheckpoint, gpus: readonly DriverGpu[]) {
  return Object.entries(data.RegisteredDevices).map(([resource, deviceIds]) =>
    row({ resource, deviceIds: deviceIds ?? [], gpus, source: 'checkpoint' }),
  );
}

const row = ({
  gpus,
  ...devices
}: Omit<AllocatableDevices, 'devices'> & Pick<Known, 'gpus'>): AllocatableDevices => ({
  ...devices,
  devices: devices.deviceIds.map(id => deviceRef(id, gpus)),
});

/** What the kubelet's pod-resources service v1 tells, from its socket below the node's root. */
export async function readPodResources(
  files: NodeFiles,
  root: string,
  signal: AbortSignal,
  deadlineMs: number = POD_RESOURCES_MS_MAX,
): Promise<{ pods: Reading<ListedPods>; allocatable: Reading<ListedDevices> }> {
  const socket = await socketIn(files, root);
  if (!socket.ok) return { pods: socket, allocatable: socket };
  // HTTP/2 takes a while to load: only a node with a kubelet pays for it.
  const { askPodResources } = await import('./pod-resources-client.ts');
  return askPodResources(socket.value, deadlineMs, signal);
}

/** The first socket that is there; the usual one's reason where none is. */
async function socketIn(files: NodeFiles, root: string): Promise<Reading<string>> {
  const found = await eachOf(POD_RESOURCES, async path => {
    const place = await pathInRoot(files, root, path);
    const seen = place.ok ? await files.stat(place.value) : place;
    return seen.ok ? place : seen;
  });
  return found.find(({ ok }) => ok) ?? found[0] ?? missing('not_found');
}

/** A device plugin's answer is stored with each entry, so the file is larger than its names. */
const BYTES_MAX = 4 * 1024 * 1024;

const text = (charactersMax: number) => z.string().transform(raw => plainText(raw, charactersMax));
const ids = z.array(text(128));

/** kubelet cm/devicemanager/checkpoint: by NUMA node since 1.20, a plain list before. */
const Checkpoint = z.object({
  Data: z.object({
    PodDeviceEntries: z
      .array(
        z.object({
          PodUID: text(64),
          ContainerName: text(63),
          ResourceName: text(253),
          DeviceIDs: z
            .union([ids, z.record(z.string(), ids.nullable())])
            .nullable()
            .transform(found =>
              Array.isArray(found) ? found : Object.values(found ?? {}).flatMap(each => each ?? []),
            ),
        }),
      )
      .nullable()
      .transform(entries => entries ?? []),
    RegisteredDevices: z
      .record(z.string(), ids.nullable())
      .nullish()
      .transform(devices => devices ?? {}),
  }),
});
type DeviceCheckpoint = z.infer<typeof Checkpoint>['Data'];

/**
 * The kubelet's own record of who got which device. It keeps pods that are gone, and tells what was
 * there before a crash.
 */
async function readDeviceCheckpoint(root: NodeRoot): Promise<Reading<DeviceCheckpoint>> {
  let content: Reading<string> = missing('not_found');
  for (const path of CHECKPOINTS) {
    content = await root.text(path, BYTES_MAX);
    if (content.ok || content.reason !== 'not_found') break;
  }
  if (!content.ok) return content;
  const parsed = Checkpoint.safeParse(jsonOf(content.value));
  return parsed.success ? present(parsed.data.Data) : missing('unreadable', 'unknown form');
}

/** Undefined where the text is no JSON: cut, or written to while we read. */
function jsonOf(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const NVIDIA_ID = new RegExp(`^(GPU|MIG)-(${UUID})(?:::(\\d{1,6}))?$`, 'i');
/** MIG's form before driver 470: `MIG-GPU-<uuid>/<gpu instance>/<compute instance>`. */
const OLD_MIG_ID = new RegExp(`^MIG-(GPU-${UUID})/(\\d{1,3})/(\\d{1,3})(?:::(\\d{1,6}))?$`, 'i');
const GKE_ID = /^nvidia(\d{1,4})(?:\/gi(\d{1,3}))?(?:\/vgpu(\d{1,6}))?$/;
const DRA_ID = /^gpu-(\d{1,4})(?:-mig-.*)?$/;

/**
 * What a device plugin's id names. Of an unknown form only the id itself is told.
 *
 * Sources: k8s-device-plugin (`GPU-`, `MIG-`, `::` replicas), container-engine-accelerators
 * (`nvidia0/gi1/vgpu0`), k8s-dra-driver-gpu (`gpu-<minor>`).
 */
export function deviceRef(id: string, gpus: readonly DriverGpu[]): DeviceRef {
  const nvidia = NVIDIA_ID.exec(id);
  if (nvidia) {
    const [, kind = '', uuid = '', replica] = nvidia;
    const name = `${kind.toUpperCase()}-${uuid.toLowerCase()}`;
    return {
      id,
      ...(kind.toUpperCase() === 'MIG' ? { migUuid: name } : { gpuUuid: name }),
      ...(replica === undefined ? {} : { replica: Number(replica) }),
    };
  }
  const oldMig = OLD_MIG_ID.exec(id);
  if (oldMig) {
    const [, gpuUuid = '', instance = '', , replica] = oldMig;
    return {
      id,
      gpuUuid,
      gpuInstance: Number(instance),
      ...(replica === undefined ? {} : { replica: Number(replica) }),
    };
  }
  const gke = GKE_ID.exec(id);
  const minor = (gke ?? DRA_ID.exec(id))?.[1];
  return {
    id,
    ...(minor === undefined ? {} : byMinor(Number(minor), gpus)),
    ...(gke?.[2] === undefined ? {} : { gpuInstance: Number(gke[2]) }),
    ...(gke?.[3] === undefined ? {} : { replica: Number(gke[3]) }),
  };
}

function byMinor(minor: number, gpus: readonly DriverGpu[]): Pick<DeviceRef, 'minor' | 'gpuUuid'> {
  const gpu = gpus.find(each => each.minor.ok && each.minor.value === minor);
  return { minor, ...(gpu?.uuid.ok ? { gpuUuid: gpu.uuid.value } : {}) };
}

/** The kubelet keeps the logs of one dead container each, and rotates them to five files. */
const FILES_MAX = 64;

/**
 * When containers ran, as the dates of their log files tell: one file a run,
 * `/var/log/pods/<namespace>_<pod>_<uid>/<container>/<restarts>.log`, made when it starts and
 * written to while it speaks. No log is opened. Source: kubelet kuberuntime/helpers.go,
 * BuildContainerLogsDirectory and buildContainerLogsPath.
 */
export async function readContainerLogs(
  files: NodeFiles,
  root: string,
): Promise<Reading<readonly ContainerLife[]>> {
  const pods = await readPodNames(files, root);
  if (!pods.ok) return pods;
  const place = await pathInRoot(files, root, '/var/log/pods');
  if (!place.ok) return place;
  const directory = place.value;
  const containers = pods.value.flatMap(({ containers: names, ...pod }) =>
    names.map(container => ({ ...pod, container })),
  );
  const runs = await eachOf(containers, async ({ uid, namespace, pod, container }) => {
    const path = join(directory, `${namespace}_${pod}_${uid}`, container);
    const names = (known(await files.names(path)) ?? []).slice(0, FILES_MAX);
    const all = await eachOf(
      [...new Set(names.flatMap(name => /^(\d{1,6})\.log/.exec(name)?.[1] ?? []))],
      async restarts =>
        runOf(
          files,
          path,
          names.filter(name => name.startsWith(`${restarts}.log`)),
        ),
    );
    return all.flat().map(run => ({
      ...run,
      podUid: plainText(uid, 64),
      namespace,
      pod,
      container,
      source: 'log_files' as const,
    }));
  });
  return present(runs.flat());
}

/** From the birth of the oldest file of a run to the last word in the newest. */
async function runOf(
  files: NodeFiles,
  path: string,
  names: readonly string[],
): Promise<readonly Pick<ContainerLife, 'startedMs' | 'seenMs'>[]> {
  const dates = await eachOf(names, async name => known(await files.stat(join(path, name))) ?? []);
  const stats = dates.flat();
  if (stats.length === 0) return [];
  const seenMs = Math.max(...stats.map(({ mtimeMs }) => mtimeMs));
  const startedMs = Math.min(...stats.map(({ birthtimeMs }) => birthtimeMs));
  // A file system that keeps no birth gives 0, or the last change.
  return [{ ...(startedMs > 0 && startedMs < seenMs ? { startedMs } : {}), seenMs }];
}
