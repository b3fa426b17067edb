import { mapReading, type Reading } from '../contract/reading.ts';
import type {
  AllocatableDevices,
  BlockedTask,
  Daemon,
  DeviceHolder,
  Host,
  HostState,
  PodAllocation,
  PodName,
  PodState,
  ProcessOwner,
} from '../host/port.ts';
import { cgroupToken } from './kernel-line.ts';
import type { Names } from './names.ts';
import { optional } from './optional.ts';
import { containerLife } from './pod-history.ts';
import { processToken } from './public-words.ts';

/**
 * The host without the names of whoever uses it. Every field that holds text of pods or processes is
 * named here: one that is not does not leave. UIDs of pods and ids of containers stay.
 */
export const redactedHost = (host: Host, names: Names): Host => ({
  read: async (signal, depth) => hostState(await host.read(signal, depth), names),
  processOwners: async (pids, signal) =>
    (await host.processOwners(pids, signal)).map(each => processOwner(each, names)),
  // Numbers of ports and bridges; names of neither are anyone's.
  counters: (of, signal) => host.counters(of, signal),
  containerLogs: async signal =>
    all(await host.containerLogs(signal), each => containerLife(each, names)),
});

const hostState = (state: HostState, names: Names): HostState => ({
  hostname: state.hostname,
  bootId: state.bootId,
  uptimeSeconds: state.uptimeSeconds,
  virtualMachine: state.virtualMachine,
  kernel: state.kernel,
  os: state.os,
  pciDevices: state.pciDevices,
  moduleVersion: state.moduleVersion,
  moduleKind: state.moduleKind,
  driverGpus: state.driverGpus,
  deviceNodes: state.deviceNodes,
  blockedTasks: all(state.blockedTasks, each => blockedTask(each, names)),
  driverFiles: state.driverFiles,
  daemons: all(state.daemons, each => daemon(each, names)),
  deviceHolders: all(state.deviceHolders, each => deviceHolder(each, names)),
  nics: state.nics,
  resources: state.resources,
  containerToolkit: state.containerToolkit,
  pods: podState(state.pods, names),
});

const all = <T>(reading: Reading<readonly T[]>, change: (each: T) => T): Reading<readonly T[]> =>
  mapReading(reading, list => list.map(change));

const blockedTask = ({ pid, name, waitsIn }: BlockedTask, names: Names): BlockedTask => ({
  pid,
  name: processToken(names, name),
  waitsIn,
});

const daemon = (of: Daemon, names: Names): Daemon => ({
  kind: of.kind,
  pid: of.pid,
  name: processToken(names, of.name),
  state: of.state,
  startedAfterBootSeconds: of.startedAfterBootSeconds,
  ...optional('podUid', of.podUid),
});

const deviceHolder = (of: DeviceHolder, names: Names): DeviceHolder => ({
  pid: of.pid,
  name: processToken(names, of.name),
  state: of.state,
  devices: of.devices,
  ...optional('podUid', of.podUid),
  ...optional('containerId', of.containerId),
  ...optional('waitsIn', of.waitsIn),
  ...optional('sharedMemoryBytes', of.sharedMemoryBytes),
});

const podState = (pods: PodState, names: Names): PodState => ({
  allocations: all(pods.allocations, each => allocation(each, names)),
  checkpoint: all(pods.checkpoint, each => allocation(each, names)),
  allocatable: all(pods.allocatable, allocatable),
  names: all(pods.names, each => podName(each, names)),
});

const allocation = (of: PodAllocation, names: Names): PodAllocation => ({
  ...podAndNamespace(of, names),
  ...optional('podUid', of.podUid),
  container: names.token('ctr', of.container),
  resource: of.resource,
  deviceIds: of.deviceIds,
  devices: of.devices,
  ...optional(
    'claim',
    of.claim && {
      namespace: names.token('ns', of.claim.namespace),
      name: names.token('claim', of.claim.name),
      pool: names.token('pool', of.claim.pool),
    },
  ),
  source: of.source,
});

const allocatable = (of: AllocatableDevices): AllocatableDevices => ({
  resource: of.resource,
  deviceIds: of.deviceIds,
  devices: of.devices,
  source: of.source,
});

const podName = (of: PodName, names: Names): PodName => ({
  uid: of.uid,
  namespace: names.token('ns', of.namespace),
  pod: names.token('pod', of.pod),
  containers: of.containers.map(each => names.token('ctr', each)),
});

const processOwner = (of: ProcessOwner, names: Names): ProcessOwner => ({
  pid: of.pid,
  name: mapReading(of.name, name => processToken(names, name)),
  cgroup: mapReading(of.cgroup, path => cgroupToken(names, path)),
  ...optional('podUid', of.podUid),
  ...optional('containerId', of.containerId),
  ...optional('runtime', of.runtime),
  ...podAndNamespace(of, names),
  ...optional('container', of.container && names.token('ctr', of.container)),
  state: of.state,
  startedAfterBootSeconds: of.startedAfterBootSeconds,
  uid: of.uid,
  gpuEnvironment: mapReading(of.gpuEnvironment, gpuEnvironment),
});

const podAndNamespace = (
  of: { readonly namespace?: string; readonly pod?: string },
  names: Names,
) => ({
  ...optional('namespace', of.namespace && names.token('ns', of.namespace)),
  ...optional('pod', of.pod && names.token('pod', of.pod)),
});

const VARIABLES = /^(?:NVIDIA_(?:VISIBLE_DEVICES|DRIVER_CAPABILITIES)|CUDA_VISIBLE_DEVICES)$/;
/** Which GPUs and capabilities: indexes, UUIDs, `all`, `compute,utility`. */
const DEVICES =
  /^(?:(?:all|none|void|no-dev-files|compute|utility|graphics|video|display|ngx|compat32|-?\d{1,3}(?::\d{1,3})*|(?:GPU|MIG)-[0-9a-f/-]{8,64})(?:,(?!$)|$))*$/;

const gpuEnvironment = (variables: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(variables).flatMap(([key, value]) =>
      VARIABLES.test(key) ? [[key, DEVICES.test(value) ? value : '(withheld)'] as const] : [],
    ),
  );
