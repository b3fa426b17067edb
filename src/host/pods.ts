import { known, mapReading, type Reading } from '../contract/reading.ts';
import { type DeviceCheckpoint, readDeviceCheckpoint } from './device-checkpoint.ts';
import { deviceRef } from './device-ids.ts';
import type { NodeFiles } from './files.ts';
import { readPodNames, uidOf } from './pod-names.ts';
import { readPodResources } from './pod-resources.ts';
import type { ListedDevices, ListedPods } from './pod-resources-client.ts';
import type { AllocatableDevices, DriverGpu, PodAllocation, PodName, PodState } from './port.ts';
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
    const owner = { namespace, pod, ...(podUid === undefined ? {} : { podUid }) };
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
