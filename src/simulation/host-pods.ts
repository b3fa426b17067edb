import { mapReading, missing, present, type Reading } from '../contract/reading.ts';
import type { AllocatableDevices, PodAllocation, PodState, ProcessOwner } from '../host/port.ts';
import type { AllocationData } from './host-data.ts';
import { readingOf } from './host-data-reading.ts';
import type { Machine } from './machine.ts';

/** What the kubelet of a machine would tell. */
export function simulatedPods(machine: Machine): PodState {
  const { pods } = machine.host;
  const from = (source: PodAllocation['source']) => (data: readonly AllocationData[]) =>
    data.map(each => ({ ...each, deviceIds: each.devices.map(({ id }) => id), source }));
  return {
    allocations: mapReading(readingOf(pods.allocations), from('pod_resources')),
    checkpoint: mapReading(readingOf(pods.checkpoint), from('checkpoint')),
    allocatable: allocatable(machine),
    names: present(pods.names),
  };
}

/** As told, or every whole GPU that a device plugin would find well. */
function allocatable(machine: Machine): Reading<readonly AllocatableDevices[]> {
  const data = machine.host.pods.allocatable;
  if (data !== undefined) {
    return mapReading(readingOf(data), resources =>
      Object.entries(resources).map(([resource, devices]) => row(resource, devices)),
    );
  }
  const uuids = machine.gpus.flatMap(({ answers, faults }) => {
    const uuid = answers['deviceGetUUID'];
    return faults['*'] === undefined && typeof uuid === 'string' ? [uuid] : [];
  });
  const devices = machine.host.module ? uuids.map(id => ({ id, gpuUuid: id })) : [];
  return present(devices.length > 0 ? [row('nvidia.com/gpu', devices)] : []);
}

const row = (resource: string, devices: AllocatableDevices['devices']): AllocatableDevices => ({
  resource,
  deviceIds: devices.map(({ id }) => id),
  devices,
  source: 'pod_resources',
});

/** Whose process it is, by the data's `processDetails`. */
export function simulatedOwner(
  { host }: Machine,
  pid: number,
  name: Reading<string>,
): ProcessOwner {
  if (!name.ok) {
    const { reason, detail } = name;
    const gone = missing(reason, detail);
    return {
      ...{ pid, name, cgroup: gone, state: gone, startedAfterBootSeconds: gone },
      ...{ uid: gone, gpuEnvironment: gone },
    };
  }
  const daemon = host.daemons.find(each => each.pid === pid);
  const details = host.processDetails[String(pid)];
  const podUid = details?.podUid ?? daemon?.podUid;
  const pod = host.pods.names.find(({ uid }) => uid === podUid);
  const container = details?.container ?? (pod?.containers.length === 1 ? pod.containers[0] : null);
  return {
    pid,
    name,
    cgroup: present(podUid === undefined ? '/system.slice' : `/kubepods/pod${podUid}`),
    ...(podUid === undefined ? {} : { podUid }),
    ...(details?.containerId === undefined
      ? {}
      : { containerId: details.containerId, runtime: 'containerd' as const }),
    ...(pod ? { namespace: pod.namespace, pod: pod.pod } : {}),
    ...(container ? { container } : {}),
    state: present(details?.state ?? daemon?.state ?? 'S'),
    startedAfterBootSeconds: present(
      details?.startedAfterBootSeconds ?? daemon?.startedAfterBootSeconds ?? 0,
    ),
    uid: present(details?.uid ?? 0),
    gpuEnvironment: present(details?.gpuEnvironment ?? {}),
  };
}
