import type { MissingReason } from '../contract/reading.ts';
import type { HostState, ProcessOwner } from '../host/port.ts';
import type { DriverState, GpuState } from '../nvml/port.ts';
import { NOT_THERE, type ReadingPath } from './support/readings.ts';

/** The parts of a full read, and what each of them holds. */
export interface States {
  readonly gpu: GpuState;
  readonly driver: Omit<DriverState, 'gpus'>;
  readonly host: HostState;
  /** Of each process on the GPUs. */
  readonly owner: ProcessOwner;
}
export type Part = keyof States;

/** Every reading of a GPU, as far as it says whether the GPU is lost. */
export const ANY = '*';

/** A reading by its place in its part. */
export type Path<P extends Part> = ReadingPath<States[P]> | (P extends 'gpu' ? typeof ANY : never);

/**
 * How a reading by which a rule tells a fault is called where it is missing, in this order. Those of a
 * GPU have their words where they are declared.
 */
export const LABELS = {
  driver: {
    initialized: 'start',
    count: 'count of GPUs',
    nvlinkBandwidthMode: 'NVLink bandwidth mode',
    errorRecords: 'hardware error records',
  },
  host: {
    pciDevices: 'PCI bus',
    'resources.filesystems': 'file systems',
    'resources.memory': 'memory of the host',
    'resources.edac': 'memory errors of the host',
    'resources.kernelTaint': 'kernel taint',
    nics: 'network adapters',
    daemons: 'programs of NVIDIA',
    moduleVersion: 'kernel module',
    deviceNodes: 'device nodes',
    deviceHolders: 'holders of GPU devices',
    // Without it no line of the kernel log can be told to be of this boot.
    bootId: 'boot id',
    'pods.allocatable': "the kubelet's devices",
    'pods.allocations': "the kubelet's allocations",
    containers: 'what containers see',
    'containerToolkit.cdiSpecs': 'CDI specifications',
    'pciDevices.currentLinkWidth': 'PCI links',
    'pciDevices.currentLinkSpeed': 'PCI links',
    'pciDevices.maxLinkSpeed': 'PCI links',
    'pciDevices.aerFatal': 'PCIe errors',
    'pciDevices.aerCorrectable': 'PCIe errors',
    'pciDevices.bridges': 'PCI bridges',
    'pciDevices.bridges.aerFatal': 'PCIe errors',
    'pciDevices.bridges.currentLinkWidth': 'PCI links',
    'pciDevices.bridges.maxLinkWidth': 'PCI links',
    'pciDevices.bridges.maxLinkSpeed': 'PCI links',
    virtualMachine: 'whether this is a virtual machine',
    'resources.filesystems.space': 'space of file systems',
    'resources.sharedMemory': 'shared memory',
    'resources.pressure': 'pressure',
    'resources.pressure.memory': 'pressure',
    'nics.pci': 'addresses of network adapters',
    'nics.ports.state': 'ports of network adapters',
    'nics.ports.rateGbps': 'ports of network adapters',
    'nics.interfaces.operstate': 'network interfaces',
  },
  owner: {
    name: 'owners of processes',
    cgroup: 'owners of processes',
  },
} as const satisfies { readonly [P in Exclude<Part, 'gpu'>]: Partial<Record<Path<P>, string>> };

/** A reading that may decide: one that has a name for where it is missing. */
export type DecidingPath<P extends Part> = P extends keyof typeof LABELS
  ? keyof (typeof LABELS)[P]
  : Path<P>;

/** What the node has not hides nothing. Of a host, that is also what is not shown to our pod. */
const EXCUSES: Readonly<Record<Part, readonly MissingReason[]>> = {
  gpu: NOT_THERE,
  driver: NOT_THERE,
  host: [...NOT_THERE, 'not_found', 'driver_not_loaded'],
  // A process that has ended.
  owner: [...NOT_THERE, 'not_found'],
};

/** Every driver of every GPU gives these: where one is missing, an old driver is no excuse. */
export const ALWAYS_GIVEN: readonly string[] = [
  'memory',
  'temperatureC',
  'clocksEventReasons',
  'eccUncorrectedVolatile',
] satisfies readonly DecidingPath<'gpu'>[];

/** Without these there is nothing to judge. */
const NEVER_EXCUSED: readonly string[] = [
  'handle',
  'initialized',
  'pciDevices',
] satisfies readonly (DecidingPath<'gpu'> | DecidingPath<'driver'> | DecidingPath<'host'>)[];

/** Whether a reading that is missing for this reason hides nothing. */
export function isExcused(part: Part, path: string, reason: MissingReason): boolean {
  if (NEVER_EXCUSED.includes(path)) return false;
  // Who owns a container decides what is in it: that it cannot be read is a remark on it, and no gap of the node.
  if (part === 'host' && path.startsWith('containers.')) return true;
  if (part === 'gpu' && path === ANY) return reason !== 'gpu_is_lost';
  if (part === 'gpu' && ALWAYS_GIVEN.includes(path)) return reason === 'not_supported';
  return EXCUSES[part].includes(reason);
}
