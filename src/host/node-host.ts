import { join } from 'node:path';
import { known, mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { lenient } from '../contract/reading-schema.ts';
import { plainText } from '../contract/untrusted.ts';
import { readContainerToolkit } from './container-toolkit.ts';
import {
  podsOnGpus,
  readContainerViews,
  readSharedContainer,
  type SharedContainer,
} from './container-view.ts';
import { readDriverFiles, readDriverGpus, readKernelModule } from './driver.ts';
import { eachOf, NodeFiles } from './files.ts';
import { readKernelClock } from './kernel-clock.ts';
import { readNics, readPortCounters, readPortTraffic } from './nic-ports.ts';
import { PciChains, readPciDevices } from './pci-chain.ts';
import { readErrorTotals } from './pci-link.ts';
import { readContainerLogs, readPods } from './pods.ts';
import type { Daemon, Host, HostCounters, HostState, KernelClock } from './port.ts';
import { readProcessOwners } from './process-owners.ts';
import { readTasks, type TaskTable } from './process-table.ts';
import { readBlockedTasks, readDaemons, readDeviceHolders } from './processes.ts';
import { deepHostState } from './readings.ts';
import { readResources } from './resources.ts';
import { type NodeRoot, openRoot } from './root.ts';

export interface NodeHostOptions {
  /** Where the node's files lie for us: `/host` in the pod, `/` on the node itself. */
  readonly root: string;
  /** Default `/proc`: with `hostPID` the pod's own proc shows the node's processes. */
  readonly procRoot?: string;
  /** Default `/sys`: sysfs is not namespaced for what we read. */
  readonly sysRoot?: string;
  /** Default `/dev`: a privileged container gets a copy of the node's devices. */
  readonly devRoot?: string;
  /** Default: the kernel that we run on. */
  readonly readClock?: () => Promise<Reading<KernelClock>>;
  /** The one container whose PIDs are ours too: no other is looked into. */
  readonly container?: SharedContainer | undefined;
  /** Default FILE_READ_MS_MAX. */
  readonly readMsMax?: number;
}

/** The node we run on, read from proc, sysfs and a few files. Never throws for what is missing. */
export function createNodeHost(options: NodeHostOptions): Host {
  const { root, procRoot = '/proc', sysRoot = '/sys', devRoot = '/dev' } = options;
  const roots = { root, procRoot, sysRoot, devRoot };
  const { readClock = readKernelClock, readMsMax, container } = options;
  const filesFor = (signal: AbortSignal) => new NodeFiles(signal, readMsMax);
  return {
    read: (signal, depth = 'all') =>
      depth === 'all'
        ? readHost(filesFor(signal), { ...roots, readClock }, signal)
        : readFirst(filesFor(signal), roots),
    counters: (of, signal) => readCounters(filesFor(signal), sysRoot, of),
    processOwners: (pids, signal) => readProcessOwners(filesFor(signal), { root, procRoot }, pids),
    async containers(podUids, signal) {
      const files = filesFor(signal);
      const tasks = await readTasks(files, procRoot);
      return container === undefined
        ? readContainerViews(files, tasks, podUids, root)
        : readSharedContainer(files, tasks, { podUids, ...container });
    },
    containerLogs: signal => readContainerLogs(filesFor(signal), root),
  };
}

type Roots = Omit<Required<NodeHostOptions>, 'readClock' | 'readMsMax' | 'container'>;

/** What there is: the machine, its PCI devices, the kernel module. */
async function readFirst(files: NodeFiles, roots: Roots): Promise<HostState> {
  const daemons = async () => UNREAD_DEPTH.daemons;
  const root = await openRoot(files, { ...roots, daemons });
  const [names, pciDevices, driverGpus] = await Promise.all([
    readNames(files, roots, root),
    readPciDevices(files, roots.sysRoot, new PciChains(files, roots.sysRoot)),
    readDriverGpus(files, roots),
  ]);
  return { ...UNREAD_DEPTH, ...names, pciDevices, driverGpus };
}

async function readHost(
  files: NodeFiles,
  { readClock, ...roots }: Roots & Pick<Required<NodeHostOptions>, 'readClock'>,
  signal: AbortSignal,
): Promise<HostState> {
  const tasks = readTasks(files, roots.procRoot);
  const daemons = tasks.then(found => readDaemons(files, roots.root, found));
  const root = await openRoot(files, { ...roots, daemons: () => daemons });
  const driverGpus = await readDriverGpus(files, roots);
  // Each waits for the kernel, the kubelet or the disk on its own.
  const [names, devices, processes, driverFiles, containerToolkit, pods] = await Promise.all([
    readNames(files, roots, root),
    readDevices(files, roots),
    readProcesses(files, { ...roots, root, tasks, daemons, clock: readClock() }),
    readDriverFiles(files, roots, root),
    readContainerToolkit(root),
    readPods(files, root, driverGpus, signal),
  ]);
  const onGpus = podsOnGpus({ ...processes, pods });
  return {
    ...names,
    ...devices,
    ...processes,
    driverGpus,
    driverFiles,
    containerToolkit,
    pods,
    containers: onGpus.ok
      ? await readContainerViews(files, await tasks, onGpus.value, root.path)
      : onGpus,
  };
}

async function readNames(files: NodeFiles, roots: Roots, root: NodeRoot) {
  const { procRoot, sysRoot, devRoot } = roots;
  return {
    hostname: await readHostname(files, roots.procRoot, root),
    bootId: await readBootId(files, procRoot),
    uptimeSeconds: await readUptime(files, procRoot),
    kernel: await files.text(join(procRoot, 'sys/kernel/osrelease')),
    os: await readOsName(root),
    virtualMachine: await readVirtualMachine(files, procRoot),
    vendor: mapReading(await files.text(join(sysRoot, 'class/dmi/id/sys_vendor')), name =>
      plainText(name, 64),
    ),
    ...(await readKernelModule(files, roots)),
    deviceNodes: mapReading(await files.names(devRoot), all =>
      all.filter(name => name.startsWith('nvidia')),
    ),
  };
}

async function readDevices(files: NodeFiles, { sysRoot }: Roots) {
  const chains = new PciChains(files, sysRoot);
  const pciDevices = await readPciDevices(files, sysRoot, chains);
  return { pciDevices, nics: await readNics(files, sysRoot, chains, pciDevices) };
}

interface ProcessParts extends Omit<Roots, 'root'> {
  readonly root: NodeRoot;
  readonly tasks: Promise<Reading<TaskTable>>;
  readonly daemons: Promise<Reading<readonly Daemon[]>>;
  readonly clock: Promise<Reading<KernelClock>>;
}

/** Everything that looks through the processes, which are listed once. */
async function readProcesses(files: NodeFiles, parts: ProcessParts) {
  const [tasks, daemons] = [await parts.tasks, await parts.daemons];
  const held = await readDeviceHolders(files, tasks);
  const unheld = known(held)?.leftOut ?? 0;
  return {
    processesLeftOut: mapReading(tasks, ({ leftOut }) => leftOut + unheld),
    daemons,
    blockedTasks: await readBlockedTasks(files, tasks),
    deviceHolders: mapReading(held, ({ holders }) => holders),
    resources: await readResources(files, parts, daemons, await parts.clock),
  };
}

/** The node's file first: in a pod, proc tells the pod's own host name. */
async function readHostname(
  files: NodeFiles,
  procRoot: string,
  root: NodeRoot,
): Promise<Reading<string>> {
  const text = await root.text('/etc/hostname');
  if (text.ok && text.value !== '') return present(plainText(text.value, 253));
  const name = await files.text(join(procRoot, 'sys/kernel/hostname'));
  return mapReading(name, value => plainText(value, 253));
}

async function readBootId(files: NodeFiles, procRoot: string): Promise<Reading<string>> {
  const text = await files.text(join(procRoot, 'sys/kernel/random/boot_id'));
  if (!text.ok) return text;
  const digits = text.value.replaceAll('-', '').toLowerCase();
  return /^[0-9a-f]{32}$/.test(digits) ? present(digits) : missing('unreadable');
}

/** proc(5): the first number is the time since boot in seconds, with time in suspend. */
async function readUptime(files: NodeFiles, procRoot: string): Promise<Reading<number>> {
  const text = await files.text(join(procRoot, 'uptime'));
  if (!text.ok) return text;
  const seconds = /^(\d{1,12}(?:\.\d+)?)\b/.exec(text.value)?.[1];
  return seconds === undefined ? missing('unreadable') : present(Number(seconds));
}

/** CPUID's hypervisor bit, which the kernel lists among the flags of an x86 processor. */
async function readVirtualMachine(files: NodeFiles, procRoot: string): Promise<Reading<boolean>> {
  const text = await files.text(join(procRoot, 'cpuinfo'));
  if (!text.ok) return text;
  const flags = /^flags\t*: (.*)$/m.exec(text.value)?.[1];
  return flags === undefined
    ? missing('not_supported', 'the processor does not tell')
    : present(flags.split(' ').includes('hypervisor'));
}

/** PRETTY_NAME of os-release(5), from either of its two places. */
async function readOsName(root: NodeRoot): Promise<Reading<string>> {
  let text = await root.text('/etc/os-release');
  if (!text.ok) text = await root.text('/usr/lib/os-release');
  if (!text.ok) return text;
  const line = text.value.split('\n').find(each => each.startsWith('PRETTY_NAME='));
  const value = line
    ?.slice('PRETTY_NAME='.length)
    .trim()
    .replace(/^(["'])(.*)\1$/, '$2');
  return value === undefined || value === ''
    ? missing('not_found', 'PRETTY_NAME')
    : present(plainText(value, 128));
}

/** Reads the counters again of what an earlier reading found: no list of devices, no other file. */
async function readCounters(
  files: NodeFiles,
  sysRoot: string,
  of: Pick<HostState, 'nics' | 'pciDevices'>,
): Promise<HostCounters> {
  const ports = (known(of.nics) ?? []).flatMap(nic =>
    nic.ports.map(({ port }) => ({ nic: nic.name, port })),
  );
  const gpus = (known(of.pciDevices) ?? []).filter(({ kind }) => kind === 'gpu');
  return {
    ports: await eachOf(ports, async ({ nic, port }) => {
      const path = join(sysRoot, 'class/infiniband', nic, 'ports', String(port));
      const counters = await readPortCounters(files, path);
      return { nic, port, counters, ...(await readPortTraffic(files, path)) };
    }),
    aer: await eachOf(gpus, async ({ pci, function: fn }) => {
      const path = join(sysRoot, 'bus/pci/devices', `${pci}.${fn}`);
      return { pci, function: fn, ...(await readErrorTotals(files, path)) };
    }),
  };
}

const unread = missing('not_read', 'a shallow reading');

/** A shallow reading's share of what it leaves out. */
const UNREAD_DEPTH = lenient(deepHostState, { absent: unread, unreadable: unread }).parse({});
