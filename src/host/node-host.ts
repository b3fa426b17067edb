import { join } from 'node:path';
import { mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { readBlockedTasks } from './blocked-tasks.ts';
import { readContainerLogs } from './container-logs.ts';
import { readContainerToolkit } from './container-toolkit.ts';
import { readDaemons } from './daemons.ts';
import { readDeviceHolders } from './device-holders.ts';
import { readDriverFiles } from './driver-files.ts';
import { NodeFiles, pathInRoot } from './files.ts';
import { readDriverGpus, readKernelModule } from './kernel-module.ts';
import { readNics } from './nics.ts';
import { PciChains } from './pci-chain.ts';
import { readPciDevices } from './pci-devices.ts';
import { readPods } from './pods.ts';
import type { Host, HostState } from './port.ts';
import { readProcessOwners } from './process-owners.ts';
import { readTasks } from './process-table.ts';
import { readResources } from './resources.ts';
import { type NodeRoot, openRoot } from './root.ts';
import { UNREAD_DEPTH } from './unread.ts';

export interface NodeHostOptions {
  /** Where the node's files lie for us: `/host` in the pod, `/` on the node itself. */
  readonly root: string;
  /** Default `/proc`: with `hostPID` the pod's own proc shows the node's processes. */
  readonly procRoot?: string;
  /** Default `/sys`: sysfs is not namespaced for what we read. */
  readonly sysRoot?: string;
  /** Default `/dev`: a privileged container gets a copy of the node's devices. */
  readonly devRoot?: string;
}

/** The node we run on, read from proc, sysfs and a few files. Never throws for what is missing. */
export function createNodeHost(options: NodeHostOptions): Host {
  const { root, procRoot = '/proc', sysRoot = '/sys', devRoot = '/dev' } = options;
  const roots = { root, procRoot, sysRoot, devRoot };
  return {
    read: (signal, depth = 'all') =>
      depth === 'all'
        ? readHost(new NodeFiles(signal), roots, signal)
        : readFirst(new NodeFiles(signal), roots),
    processName: async pid => {
      const files = new NodeFiles(new AbortController().signal);
      const comm = await files.text(join(procRoot, String(pid), 'comm'));
      return mapReading(comm, name => plainText(name, 64));
    },
    processOwners: (pids, signal) =>
      readProcessOwners(new NodeFiles(signal), { root, procRoot }, pids),
    containerLogs: signal => readContainerLogs(new NodeFiles(signal), root),
  };
}

type Roots = Required<NodeHostOptions>;

/** What there is: the machine, its PCI devices, the kernel module. */
async function readFirst(files: NodeFiles, roots: Roots): Promise<HostState> {
  const [names, pciDevices, driverGpus] = await Promise.all([
    readNames(files, roots),
    readPciDevices(files, roots.sysRoot, new PciChains(files, roots.sysRoot)),
    readDriverGpus(files, roots),
  ]);
  return { ...UNREAD_DEPTH, ...names, pciDevices, driverGpus };
}

async function readHost(files: NodeFiles, roots: Roots, signal: AbortSignal): Promise<HostState> {
  const root = await openRoot(files, roots.root);
  const driverGpus = await readDriverGpus(files, roots);
  // Each waits for the kernel, the kubelet or the disk on its own.
  const [names, devices, processes, driverFiles, containerToolkit, pods] = await Promise.all([
    readNames(files, roots),
    readDevices(files, roots),
    readProcesses(files, roots, root),
    readDriverFiles(files, roots),
    readContainerToolkit(files, root),
    readPods(files, root, driverGpus, signal),
  ]);
  return {
    ...names,
    ...devices,
    ...processes,
    driverGpus,
    driverFiles,
    containerToolkit,
    pods,
  };
}

async function readNames(files: NodeFiles, roots: Roots) {
  const { procRoot, devRoot } = roots;
  return {
    hostname: await readHostname(files, roots),
    bootId: await readBootId(files, procRoot),
    uptimeSeconds: await readUptime(files, procRoot),
    kernel: await files.text(join(procRoot, 'sys/kernel/osrelease')),
    os: await readOsName(files, roots.root),
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

/** Everything that looks through the processes, which are listed once. */
async function readProcesses(files: NodeFiles, roots: Roots, root: NodeRoot) {
  const tasks = await readTasks(files, roots.procRoot);
  const daemons = await readDaemons(files, tasks);
  return {
    daemons,
    blockedTasks: await readBlockedTasks(files, tasks),
    deviceHolders: await readDeviceHolders(files, tasks),
    resources: await readResources(files, { ...roots, root }, daemons),
  };
}

/** The node's file first: in a pod, proc tells the pod's own host name. */
async function readHostname(files: NodeFiles, { root, procRoot }: Roots): Promise<Reading<string>> {
  const text = await files.text(await pathInRoot(files, root, '/etc/hostname'));
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

/** PRETTY_NAME of os-release(5), from either of its two places. */
async function readOsName(files: NodeFiles, root: string): Promise<Reading<string>> {
  let text = await files.text(await pathInRoot(files, root, '/etc/os-release'));
  if (!text.ok) text = await files.text(await pathInRoot(files, root, '/usr/lib/os-release'));
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
