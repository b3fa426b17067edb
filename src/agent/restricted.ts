import { access } from 'node:fs/promises';
import { lacking, NEEDS, needIn } from '../contract/needs.ts';
import type { Reading } from '../contract/reading.ts';
import { explained } from '../contract/reading-schema.ts';
import type { Host, HostState, ProcessOwner } from '../host/port.ts';
import { hostState } from '../host/readings.ts';
import type { KernelLog, PodHistory } from '../kernel-log/port.ts';
import { unreadableSource } from '../kernel-log/source.ts';
import type { DriverState, GpuState, Nvml } from '../nvml/port.ts';
import { driverState, isUnanswered } from '../nvml/readings.ts';

/** What of a node a pod reads that has neither its processes nor its files. */
interface Sources {
  readonly nvml: Nvml;
  readonly host: Host;
  readonly kernelLog: KernelLog;
  readonly podHistory: PodHistory;
}

/**
 * The same instruments in a pod of --profile restricted. What they would read there of the pod itself,
 * its processes, files and devices, is no reading of the node: it is missing, and says what it needs.
 */
export function restrictedInstruments<Some extends Sources>(
  instruments: Some,
  hasDevices: () => Promise<boolean> = hasDriverDevices,
): Some {
  const { nvml, host, kernelLog, podHistory } = instruments;
  return {
    ...instruments,
    nvml: restrictedNvml(nvml, hasDevices),
    host: restrictedHost(host),
    kernelLog: restrictedLog(kernelLog),
    podHistory: restrictedHistory(podHistory),
  };
}

const [PROCESSES, FILES, DEVICES] = [lacking('hostPid'), lacking('files'), lacking('devices')];

/** What the kernel or the driver refused this pod, it would not refuse a privileged one. */
const REFUSED = (reading: Reading<never> & { readonly ok: false }): Reading<never> =>
  reading.reason === 'no_permission' && needIn(reading.detail) === undefined
    ? lacking('root')
    : reading;

function restrictedHost(host: Host): Host {
  const explain = explained(hostState, REFUSED);
  return {
    read: async (signal, depth) => explain.parse(withoutNode(await host.read(signal, depth))),
    counters: (of, signal) => host.counters(of, signal),
    processOwners: async pids => pids.map(unknownOwner),
    containers: async () => PROCESSES,
    containerLogs: async () => FILES,
  };
}

/** Of the machine itself sysfs and proc tell any pod the same; all else would be the pod's own. */
const withoutNode = (state: HostState): HostState => ({
  ...state,
  ...{ hostname: FILES, os: FILES, deviceNodes: PROCESSES },
  ...{ processesLeftOut: PROCESSES, blockedTasks: PROCESSES },
  ...{ daemons: PROCESSES, deviceHolders: PROCESSES },
  driverFiles: { ...state.driverFiles, nodes: PROCESSES, charLinks: FILES, packages: FILES },
  resources: {
    ...state.resources,
    ...{ sharedMemory: FILES, memlockBytes: PROCESSES, timeSync: PROCESSES, filesystems: FILES },
  },
  containerToolkit: { cdiSpecs: FILES, runtimes: FILES },
  containers: PROCESSES,
  pods: { allocations: FILES, checkpoint: FILES, allocatable: FILES, names: FILES },
});

const unknownOwner = (pid: number): ProcessOwner => ({
  pid,
  ...{ name: PROCESSES, cgroup: PROCESSES, state: PROCESSES, uid: PROCESSES },
  ...{ startedAfterBootSeconds: PROCESSES, gpuEnvironment: PROCESSES },
});

/** The driver shows a container the processes of its own PID namespace: of others it lists none. */
function restrictedNvml(nvml: Nvml, hasDevices: () => Promise<boolean>): Nvml {
  const explain = explained(driverState, REFUSED);
  return {
    async read(signal, depth, also) {
      const state = await nvml.read(signal, depth, also);
      const isGiven = state.initialized.ok || (await hasDevices());
      return explain.parse({
        ...(isGiven ? state : withoutDriver(state)),
        gpus: state.gpus.map(withoutProcesses),
      });
    },
    reached: () => nvml.reached?.(),
    warm: () => nvml.warm(),
    close: () => nvml.close(),
  };
}

const withoutProcesses = (gpu: GpuState): GpuState => ({
  ...gpu,
  ...{ processes: PROCESSES, allProcesses: PROCESSES },
});

/** Nobody gave this pod the driver: that it does not answer says nothing of it. */
const withoutDriver = (state: DriverState): DriverState => ({
  ...state,
  library: state.library.ok ? state.library : DEVICES,
  initialized: isUnanswered(state) ? state.initialized : DEVICES,
});

const hasDriverDevices = (): Promise<boolean> =>
  access('/dev/nvidiactl').then(
    () => true,
    () => false,
  );

/** The ring by syslog(2), where the pod has CAP_SYSLOG. */
const RING = 'syslog';

/** Of the pod's own folders nothing is said: they are not the node's. */
const restrictedLog = (log: KernelLog): KernelLog => ({
  ...log,
  async scan(window, visit, signal) {
    const sources = (window.sources ?? [RING]).filter(source => source === RING);
    const covered = await log.scan({ ...window, sources }, visit, signal);
    return [
      ...covered.map(coverage =>
        coverage.available ? coverage : { ...coverage, unavailable: NEEDS.syslog },
      ),
      unread('journals and log files of the node'),
    ];
  },
});

const restrictedHistory = (_history: PodHistory): PodHistory => ({
  read: async () => ({ lives: [], coverage: [unread('logs of the kubelet and its runtime')] }),
});

const unread = (source: string) => ({
  ...unreadableSource(source, 'no_permission'),
  unavailable: NEEDS.files,
});
