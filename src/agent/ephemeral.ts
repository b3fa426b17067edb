import { access, readdir } from 'node:fs/promises';
import { lacking, NEEDS, needIn } from '../contract/needs.ts';
import { known, type Reading } from '../contract/reading.ts';
import { explained, lenient } from '../contract/reading-schema.ts';
import type { Host, HostState, ProcessOwner } from '../host/port.ts';
import { hostState } from '../host/readings.ts';
import type { KernelLog, PodHistory } from '../kernel-log/port.ts';
import { unreadableSource } from '../kernel-log/source.ts';
import type { DriverState, GpuState, Nvml } from '../nvml/port.ts';
import { driverState, isUnanswered } from '../nvml/readings.ts';

/** What an agent in somebody's own pod reads: the driver that the pod has, and the container beside it. */
interface Sources {
  readonly nvml: Nvml;
  readonly host: Host;
  readonly kernelLog: KernelLog;
  readonly podHistory: PodHistory;
}

/**
 * The same instruments in an ephemeral container of --profile ephemeral: the pod's GPUs, what the container
 * sees, and its processes. Every reading of the node is missing, and says who would get it.
 */
export function ephemeralInstruments<Some extends Sources>(
  instruments: Some,
  podUid: string | undefined,
  pod: ContainerSight = { hasGpus: hasGpuDevices, hasProcess },
): Some {
  const { nvml, host } = instruments;
  return {
    ...instruments,
    nvml: podNvml(nvml, pod),
    host: podHost(host, podUid),
    kernelLog: NO_LOG,
    podHistory: NO_HISTORY,
  };
}

/** What a container sees of itself by its /dev and /proc. */
interface ContainerSight {
  readonly hasGpus: () => Promise<boolean>;
  readonly hasProcess: (pid: number) => Promise<boolean>;
}

const NODE = lacking('node');

/** Of the node nothing; what a kernel says of itself to every process is no reading of a node's state. */
const LOST = lenient(hostState, { absent: NODE, unreadable: NODE }).parse({});

const podHost = (host: Host, podUid: string | undefined): Host => ({
  async read(signal, depth = 'all') {
    const { kernel, moduleVersion, moduleKind }: HostState = await host.read(signal, 'first');
    // A container to which proc does not show the module says nothing of it.
    const isLookedInto = depth === 'all' && podUid !== undefined;
    return {
      ...LOST,
      kernel,
      ...(moduleVersion.ok && { moduleVersion, moduleKind }),
      ...(isLookedInto && { containers: await host.containers([podUid], signal) }),
    };
  },
  counters: async () => ({ ports: [], aer: [] }),
  processOwners: async (pids, signal) => (await host.processOwners(pids, signal)).map(ownOwner),
  containers: (podUids, signal) => host.containers(podUids, signal),
  containerLogs: async () => NODE,
});

/** A process of this pod by its own PID; what names pods and containers is the node's. */
const ownOwner = ({
  pid,
  name,
  state,
  startedAfterBootSeconds,
  uid,
  gpuEnvironment,
}: ProcessOwner) => ({
  ...{ pid, name, state, startedAfterBootSeconds, uid },
  cgroup: NODE,
  gpuEnvironment:
    !gpuEnvironment.ok && gpuEnvironment.reason === 'no_permission'
      ? lacking('sameUser')
      : gpuEnvironment,
});

/** What the driver refuses this pod, it would not refuse a privileged one. */
const REFUSED = (reading: Reading<never> & { readonly ok: false }): Reading<never> =>
  reading.reason === 'no_permission' && needIn(reading.detail) === undefined
    ? lacking('root')
    : reading;

/** The driver shows a container the processes of its PID namespace alone: who else is on a shared GPU stays unknown. */
function podNvml(nvml: Nvml, { hasGpus, hasProcess: isThere }: ContainerSight): Nvml {
  const explain = explained(driverState, REFUSED);
  return {
    async read(signal, depth, also) {
      const state = await nvml.read(signal, depth, also);
      const isGiven = state.gpus.length > 0 || (await hasGpus());
      return explain.parse({
        ...(isGiven ? state : withoutGpus(state)),
        gpus: await Promise.all(state.gpus.map(gpu => withOwnProcesses(gpu, isThere))),
      });
    },
    reached: () => nvml.reached?.(),
    warm: () => nvml.warm(),
    close: () => nvml.close(),
  };
}

async function withOwnProcesses(
  gpu: GpuState,
  isThere: ContainerSight['hasProcess'],
): Promise<GpuState> {
  const { processes } = gpu;
  const listed = known(processes) ?? [];
  // None, or one that is nowhere, would look like memory that nobody holds.
  const there = await Promise.all(listed.map(({ pid }) => isThere(pid)));
  const isTold = !processes.ok || (there.length > 0 && there.every(is => is));
  return { ...gpu, processes: isTold ? processes : NODE, allProcesses: NODE };
}

/** Nobody gave this container a GPU: that the driver counts none says nothing of it. */
const withoutGpus = (state: DriverState): DriverState => ({
  ...state,
  library: state.library.ok ? state.library : lacking('podDevices'),
  initialized: isUnanswered(state) ? state.initialized : lacking('podDevices'),
});

const hasGpuDevices = async (): Promise<boolean> => {
  const names: readonly string[] = await readdir('/dev').catch(() => []);
  return names.includes('nvidiactl') && names.some(name => /^nvidia\d{1,4}$/.test(name));
};

const hasProcess = (pid: number): Promise<boolean> =>
  access(`/proc/${pid}`).then(
    () => true,
    () => false,
  );

const unread = (source: string) => ({
  ...unreadableSource(source, 'no_permission'),
  unavailable: NEEDS.node,
});

const NO_LOG: KernelLog = { scan: async () => [unread('kernel log of the node')] };
const NO_HISTORY: PodHistory = {
  read: async () => ({ lives: [], coverage: [unread('logs of the kubelet and its runtime')] }),
};
