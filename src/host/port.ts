import type { ContainerLife } from '../contract/container-life.ts';
import type { Depth, Reading } from '../contract/reading.ts';
import type {
  ContainerToolkit,
  Daemon,
  DeviceHolder,
  DriverFiles,
  NodeResources,
} from './port-node.ts';
import type { HostCounters, Nic, PciBridge } from './port-pci.ts';
import type { PodState, ProcessOwner } from './port-pods.ts';

export type * from './port-node.ts';
export type * from './port-pci.ts';
export type * from './port-pods.ts';

/** What the node tells without its driver: PCI and proc. Only add what a tool or a finding uses. */
export interface Host {
  read(signal: AbortSignal, depth?: Depth): Promise<HostState>;
  /** The error counters of the devices that a reading found, read again and nothing else. */
  counters(of: HostState, signal: AbortSignal): Promise<HostCounters>;
  /** Whose processes these are, one entry a pid in the order asked, at most 1024. */
  processOwners(pids: readonly number[], signal: AbortSignal): Promise<readonly ProcessOwner[]>;
  /** When containers ran, as the dates of their log files tell; none is opened. */
  containerLogs(signal: AbortSignal): Promise<Reading<readonly ContainerLife[]>>;
}

export interface HostState {
  readonly hostname: Reading<string>;
  /** 32 hex digits, no dashes. */
  readonly bootId: Reading<string>;
  readonly uptimeSeconds: Reading<number>;
  readonly kernel: Reading<string>;
  /** PRETTY_NAME of os-release. */
  readonly os: Reading<string>;
  /** Whether the processor says that a hypervisor runs it; ARM's does not say. */
  readonly virtualMachine: Reading<boolean>;
  /** PCI functions of vendor 10de and class 03xx (GPU) or 0680 (NVSwitch). */
  readonly pciDevices: Reading<readonly PciDevice[]>;
  /** Version of the loaded kernel module, from /proc/driver/nvidia/version or /sys/module. */
  readonly moduleVersion: Reading<string>;
  readonly moduleKind: Reading<'open' | 'proprietary'>;
  /** GPUs that the kernel module knows, from /proc/driver/nvidia/gpus. */
  readonly driverGpus: Reading<readonly DriverGpu[]>;
  /** Names under /dev: nvidia0, nvidiactl, nvidia-uvm, ... */
  readonly deviceNodes: Reading<readonly string[]>;
  /** Tasks in uninterruptible sleep inside the NVIDIA driver, or whose name says nvidia. */
  readonly blockedTasks: Reading<readonly BlockedTask[]>;
  /** Parameters, modules and device nodes of the driver, as files tell them. */
  readonly driverFiles: DriverFiles;
  /** Programs of NVIDIA's that run, by the names of their processes. */
  readonly daemons: Reading<readonly Daemon[]>;
  /** Processes that hold /dev/nvidia* open, whether the driver names them or not. */
  readonly deviceHolders: Reading<readonly DeviceHolder[]>;
  /** RDMA devices: InfiniBand, RoCE, EFA. An empty list where the node has none. */
  readonly nics: Reading<readonly Nic[]>;
  readonly resources: NodeResources;
  readonly containerToolkit: ContainerToolkit;
  /** Which pod got which device, from the kubelet of this node. */
  readonly pods: PodState;
}

export interface PciDevice {
  /** `dddd:bb:dd`. */
  readonly pci: string;
  readonly function: number;
  readonly kind: 'gpu' | 'nvswitch';
  /** nvidia, vfio-pci, nouveau, ...; absent when no driver is bound. */
  readonly driver?: string;
  readonly currentLinkSpeed: Reading<string>;
  readonly currentLinkWidth: Reading<number>;
  readonly maxLinkSpeed: Reading<string>;
  readonly maxLinkWidth: Reading<number>;
  readonly aerFatal: Reading<number>;
  readonly aerNonFatal: Reading<number>;
  readonly aerCorrectable: Reading<number>;
  /** -1 in sysfs (no NUMA, or firmware that does not say) is `not_supported`. */
  readonly numaNode: Reading<number>;
  /** Label of the physical slot, from /sys/bus/pci/slots; `not_found` where firmware names none. */
  readonly slot: Reading<string>;
  /** The bridges above it, nearest first, up to the root port. */
  readonly bridges: Reading<readonly PciBridge[]>;
}

export interface DriverGpu {
  readonly pci: string;
  readonly model: Reading<string>;
  readonly uuid: Reading<string>;
  readonly minor: Reading<number>;
}

export interface BlockedTask {
  readonly pid: number;
  /** comm: hostile text. */
  readonly name: string;
  /** The kernel function it sleeps in, from wchan or the stack's top. */
  readonly waitsIn: Reading<string>;
}
