import { optional } from '../contract/optional.ts';
import { known, mapReading, missing, present, type Reading } from '../contract/reading.ts';
import type {
  AllocatableDevices,
  Host,
  HostCounters,
  HostState,
  PodAllocation,
  PodState,
  ProcessOwner,
} from '../host/port.ts';
import type { Machine } from './machine.ts';

const OWNERS_MAX = 1_024;

/** The node of a machine made of data: PCI, proc and the kubelet without a node. */
export function simulatedHost(
  machine: Machine,
  clock: { readonly nowMs: () => number } = { nowMs: () => 0 },
): Host {
  return {
    async read(signal) {
      signal.throwIfAborted();
      return stateOf(machine);
    },
    async counters(of, signal) {
      signal.throwIfAborted();
      return countersOf(of, machine.host.nicTraffic, clock.nowMs());
    },
    async processOwners(pids): Promise<readonly ProcessOwner[]> {
      return pids.slice(0, OWNERS_MAX).map(pid => ownerOf(machine, pid));
    },
    containers: async podUids =>
      mapReading(machine.host.containers, views =>
        views.filter(({ podUid }) => podUids.includes(podUid)),
      ),
    // All that is known of containers' lives stands in one place of the data: simulatedPodHistory.
    containerLogs: async () => present([]),
  };
}

function stateOf(machine: Machine): HostState {
  const { module, pci, processes, processDetails, ...rest } = machine.host;
  const { bootId, uptimeSeconds, nicTraffic: _, ...host } = rest;
  return {
    ...host,
    bootId: present(bootId),
    uptimeSeconds: present(uptimeSeconds),
    pciDevices: present(pci),
    moduleVersion: module ? present(module.version) : NO_MODULE,
    moduleKind: module ? present(module.kind) : NO_MODULE,
    driverGpus: module ? present(driverGpus(machine)) : NO_MODULE,
    driverFiles: driverFiles(machine),
    deviceHolders: present(deviceHolders(machine)),
    pods: podsOf(machine),
  };
}

/** Counters of errors of a machine made of data stand still; its adapters send and receive as it says. */
const countersOf = (
  { nics, pciDevices }: HostState,
  traffic: Machine['host']['nicTraffic'],
  nowMs: number,
): HostCounters => ({
  ports: (known(nics) ?? []).flatMap(({ name: nic, ports }) =>
    ports.map(({ port, counters }) => {
      const { sentMbps, receivedMbps } = traffic[nic] ?? {};
      const bytes = (mbps: number) => Math.round((mbps * nowMs * 1_000) / 8);
      return {
        ...{ nic, port, counters },
        ...(sentMbps === undefined ? {} : { sentBytes: bytes(sentMbps) }),
        ...(receivedMbps === undefined ? {} : { receivedBytes: bytes(receivedMbps) }),
      };
    }),
  ),
  aer: (known(pciDevices) ?? []).filter(({ kind }) => kind === 'gpu'),
});

const NO_MODULE: Reading<never> = missing('driver_not_loaded', 'no kernel module of NVIDIA');

/** /proc/driver/nvidia/gpus holds what the module bound, also when the GPU is lost since. */
function driverGpus(machine: Machine) {
  const gpus = machine.host.pci.filter(({ kind, driver }) => kind === 'gpu' && driver === 'nvidia');
  return gpus.map(({ pci }, index) => {
    const answers = machine.gpus[index]?.answers ?? {};
    const text = (key: string): Reading<string> => {
      const answer = answers[key];
      return typeof answer === 'string' ? present(answer) : missing('not_found');
    };
    const minor = answers['deviceGetMinorNumber'];
    return {
      pci,
      model: text('deviceGetName'),
      uuid: text('deviceGetUUID'),
      minor: present(typeof minor === 'number' ? minor : index),
    };
  });
}

/** Majors as the driver registers them: 195 is its own, the other is given out by the kernel. */
const MAJORS = { nvidia: 195, uvm: 510 } as const;

function driverFiles({ host }: Machine): HostState['driverFiles'] {
  const { module, deviceNodes } = host;
  const { parameters, modules, charLinks, packages } = host.driverFiles;
  const own = ['nvidia', 'nvidia_uvm', 'nvidia_modeset'].map(name => ({
    ...{ name, state: 'live' as const, uses: 1, version: module?.version ?? '' },
  }));
  return {
    parameters: module ? parameters : NO_MODULE,
    modules: mapReading(modules, others => [...(module ? own : []), ...others]),
    nodes: mapReading(deviceNodes, names =>
      names.map(name => {
        const uvm = name.startsWith('nvidia-uvm');
        const number = /^nvidia(\d+)$/.exec(name)?.[1];
        return {
          name,
          major: present(uvm ? MAJORS.uvm : MAJORS.nvidia),
          minor: present(uvm ? 0 : Number(number ?? 255)),
          mode: present(0o666),
        };
      }),
    ),
    charLinks,
    packages,
  };
}

/** Whoever has an entry of devices among the processes. */
const deviceHolders = ({ host }: Machine) =>
  Object.entries(host.processDetails)
    .filter(([, { devices }]) => devices.length > 0)
    .map(([pid, { state, devices, podUid, containerId, waitsIn, sharedMemoryBytes }]) => ({
      pid: Number(pid),
      name: host.processes[pid] ?? '',
      state,
      devices,
      ...optional({ podUid, containerId, sharedMemoryBytes }),
      ...(waitsIn === undefined ? {} : { waitsIn: present(waitsIn) }),
    }));

/** What the kubelet of a machine would tell. */
function podsOf(machine: Machine): PodState {
  const { allocations, checkpoint, names } = machine.host.pods;
  const held = (
    data: Machine['host']['pods']['allocations'],
    source: PodAllocation['source'],
  ): PodState['allocations'] =>
    mapReading(data, all =>
      all.map(each => ({ ...each, deviceIds: each.devices.map(({ id }) => id), source })),
    );
  return {
    allocations: held(allocations, 'pod_resources'),
    checkpoint: held(checkpoint, 'checkpoint'),
    allocatable: allocatable(machine),
    names,
  };
}

/** As told, or every whole GPU that a device plugin would find well. */
function allocatable({ host, gpus }: Machine): PodState['allocatable'] {
  if (host.pods.allocatable !== undefined) {
    return mapReading(host.pods.allocatable, resources =>
      Object.entries(resources).map(([resource, devices]) => offered(resource, devices)),
    );
  }
  const uuids = gpus.flatMap(({ answers, faults }) => {
    const uuid = answers['deviceGetUUID'];
    return faults['*'] === undefined && typeof uuid === 'string' ? [uuid] : [];
  });
  const devices = host.module ? uuids.map(id => ({ id, gpuUuid: id })) : [];
  return present(devices.length > 0 ? [offered('nvidia.com/gpu', devices)] : []);
}

const offered = (resource: string, devices: AllocatableDevices['devices']): AllocatableDevices => ({
  resource,
  deviceIds: devices.map(({ id }) => id),
  devices,
  source: 'pod_resources',
});

/** Whose process it is, by the data's `processDetails`. */
function ownerOf({ host }: Machine, pid: number): ProcessOwner {
  const daemon = known(host.daemons)?.find(each => each.pid === pid);
  const name = host.processes[String(pid)] ?? daemon?.name;
  if (name === undefined) {
    const gone = missing('not_found', `no process ${pid}`);
    return {
      ...{ pid, name: gone, cgroup: gone, state: gone, startedAfterBootSeconds: gone },
      ...{ uid: gone, gpuEnvironment: gone },
    };
  }
  const details = host.processDetails[String(pid)];
  const podUid = details?.podUid ?? daemon?.podUid;
  const pod = known(host.pods.names)?.find(({ uid }) => uid === podUid);
  const container = details?.container ?? (pod?.containers.length === 1 ? pod.containers[0] : null);
  return {
    pid,
    name: present(name),
    cgroup: present(podUid === undefined ? '/system.slice' : `/kubepods/pod${podUid}`),
    ...optional({ podUid }),
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
