import { known, missing, present, type Reading } from '../contract/reading.ts';
import type { Host, HostCounters, HostState, ProcessOwner } from '../host/port.ts';
import { readingOf } from './host-data-reading.ts';
import { simulatedNic, simulatedPciDevice } from './host-pci.ts';
import { simulatedOwner, simulatedPods } from './host-pods.ts';
import type { Machine } from './machine.ts';

const OWNERS_MAX = 1_024;

/** The node of a machine made of data: PCI, proc and the kubelet without a node. */
export function simulatedHost(machine: Machine): Host {
  return {
    async read(signal) {
      signal.throwIfAborted();
      return stateOf(machine);
    },
    async counters(of, signal) {
      signal.throwIfAborted();
      return countersOf(of);
    },
    async processOwners(pids): Promise<readonly ProcessOwner[]> {
      return pids
        .slice(0, OWNERS_MAX)
        .map(pid => simulatedOwner(machine, pid, processName(machine, pid)));
    },
    // All that is known of containers' lives stands in one place of the data: simulatedPodHistory.
    containerLogs: async () => present([]),
  };
}

function stateOf(machine: Machine): HostState {
  const { host } = machine;
  const { resources, containerToolkit } = host;
  const nics = readingOf(host.nics);
  return {
    hostname: present(host.hostname),
    bootId: present(host.bootId),
    uptimeSeconds: present(host.uptimeSeconds),
    kernel: present(host.kernel),
    os: present(host.os),
    virtualMachine: present(host.virtualMachine),
    pciDevices: present(host.pci.map(simulatedPciDevice)),
    moduleVersion: host.module ? present(host.module.version) : NO_MODULE,
    moduleKind: host.module ? present(host.module.kind) : NO_MODULE,
    driverGpus: host.module ? present(driverGpus(machine)) : NO_MODULE,
    deviceNodes: present(host.deviceNodes),
    blockedTasks: present(host.blockedTasks.map(blockedTask)),
    driverFiles: driverFiles(machine),
    daemons: present(host.daemons),
    deviceHolders: present(deviceHolders(machine)),
    nics: nics.ok ? present(nics.value.map(simulatedNic)) : nics,
    resources: simulatedResources(resources),
    containerToolkit: {
      cdiSpecs: readingOf(containerToolkit.cdiSpecs),
      runtimes: readingOf(containerToolkit.runtimes),
    },
    pods: simulatedPods(machine),
  };
}

/** Counters of a machine made of data stand still. */
const countersOf = ({ nics, pciDevices }: HostState): HostCounters => ({
  ports: (known(nics) ?? []).flatMap(nic =>
    nic.ports.map(({ port, counters }) => ({ nic: nic.name, port, counters })),
  ),
  aer: (known(pciDevices) ?? []).filter(({ kind }) => kind === 'gpu'),
});

const NO_MODULE: Reading<never> = missing('driver_not_loaded', 'no kernel module of NVIDIA');

function processName({ host }: Machine, pid: number): Reading<string> {
  const daemon = host.daemons.find(each => each.pid === pid)?.name;
  const name = host.processes[String(pid)] ?? daemon;
  return name === undefined ? missing('not_found', `no process ${pid}`) : present(name);
}

const blockedTask = ({ pid, name, waitsIn }: Machine['host']['blockedTasks'][number]) => ({
  pid,
  name,
  waitsIn: waitsIn === null ? missing('no_permission') : present(waitsIn),
});

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
  const { module, driverFiles: files } = host;
  const own = ['nvidia', 'nvidia_uvm', 'nvidia_modeset'].map(name => ({
    name,
    state: 'live' as const,
    uses: 1,
    version: module?.version ?? '',
  }));
  return {
    parameters: module ? readingOf(files.parameters) : NO_MODULE,
    modules: present([...(module ? own : []), ...files.modules]),
    nodes: present(
      host.deviceNodes.map(name => {
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
    charLinks: readingOf(files.charLinks),
  };
}

/** Whoever has an entry of devices among the processes. */
function deviceHolders({ host }: Machine): HostStateList<'deviceHolders'> {
  return Object.entries(host.processDetails)
    .filter(([, { devices }]) => devices.length > 0)
    .map(([pid, { state, devices, podUid, containerId, waitsIn, sharedMemoryBytes }]) => ({
      pid: Number(pid),
      name: host.processes[pid] ?? '',
      state,
      devices,
      ...(podUid === undefined ? {} : { podUid }),
      ...(containerId === undefined ? {} : { containerId }),
      ...(waitsIn === undefined ? {} : { waitsIn: present(waitsIn) }),
      ...(sharedMemoryBytes === undefined ? {} : { sharedMemoryBytes }),
    }));
}

type HostStateList<Key extends keyof HostState> = Extract<
  HostState[Key],
  { readonly ok: true }
>['value'];

function simulatedResources(data: Machine['host']['resources']): HostState['resources'] {
  const filesystems = readingOf(data.filesystems);
  const load = readingOf(data.load);
  const pressure = readingOf(data.pressure);
  return {
    memory: readingOf(data.memory),
    sharedMemory: readingOf(data.sharedMemory),
    memlockBytes: readingOf<number | 'unlimited'>(data.memlockBytes),
    filesystems: filesystems.ok
      ? present(filesystems.value.map(each => ({ ...each, space: readingOf(each.space) })))
      : filesystems,
    load: load.ok ? present({ ...load.value, cpus: present(load.value.cpus) }) : load,
    pressure: pressure.ok
      ? present({
          cpu: present(pressure.value.cpu),
          memory: present(pressure.value.memory),
          io: present(pressure.value.io),
        })
      : pressure,
    timeSync: readingOf(data.timeSync),
    clock: readingOf(data.clock),
    oomKills: readingOf(data.oomKills),
    edac: readingOf(data.edac),
    kernelTaint: readingOf(data.kernelTaint),
  };
}
