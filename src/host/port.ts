import type { Reading } from '../contract/reading.ts';

/** What the node tells without its driver: PCI and proc. Only add what a tool or a finding uses. */
export interface Host {
  read(signal: AbortSignal): Promise<HostState>;
  /** The name of a process (comm, hostile text), where it lives. */
  processName(pid: number): Promise<Reading<string>>;
}

export interface HostState {
  readonly hostname: Reading<string>;
  /** 32 hex digits, no dashes. */
  readonly bootId: Reading<string>;
  readonly uptimeSeconds: Reading<number>;
  readonly kernel: Reading<string>;
  /** PRETTY_NAME of os-release. */
  readonly os: Reading<string>;
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
}

export interface PciDevice {
  /** `dddd:bb:dd`. */
  readonly pci: string;
  readonly function: number;
  readonly kind: 'gpu' | 'nvswitch';
  /** Four hex digits. */
  readonly deviceId: string;
  /** nvidia, vfio-pci, nouveau, ...; absent when no driver is bound. */
  readonly driver?: string;
  readonly currentLinkSpeed: Reading<string>;
  readonly currentLinkWidth: Reading<number>;
  readonly maxLinkSpeed: Reading<string>;
  readonly maxLinkWidth: Reading<number>;
  readonly aerFatal: Reading<number>;
  readonly aerNonFatal: Reading<number>;
  readonly aerCorrectable: Reading<number>;
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
