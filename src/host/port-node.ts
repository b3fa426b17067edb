import type { Reading } from '../contract/reading.ts';

/** Parameters, modules and device nodes of NVIDIA's driver. */
export interface DriverFiles {
  /** /proc/driver/nvidia/params: as loaded, by name without the `NVreg_`. */
  readonly parameters: Reading<Readonly<Record<string, string>>>;
  /** Loaded modules that matter to GPUs and their fabric: nvidia*, nouveau, vfio*, nv_peer_mem, ... */
  readonly modules: Reading<readonly KernelModule[]>;
  /** Device nodes below /dev whose name begins with nvidia, also in nvidia-caps/. */
  readonly nodes: Reading<readonly DeviceNode[]>;
  /** Whether /dev/char has the links that keep GPUs in containers over `systemctl daemon-reload`. */
  readonly charLinks: Reading<boolean>;
}

export interface KernelModule {
  /** With underscores, as /proc/modules writes it: nvidia_uvm. */
  readonly name: string;
  readonly state: 'live' | 'loading' | 'unloading';
  readonly uses: number;
  readonly version?: string;
}

export interface DeviceNode {
  /** Below /dev: nvidia0, nvidiactl, nvidia-caps/nvidia-cap1. */
  readonly name: string;
  /** Missing for what is no character device. */
  readonly major: Reading<number>;
  readonly minor: Reading<number>;
  /** Permission bits, 0o666 by default. */
  readonly mode: Reading<number>;
}

export type DaemonKind =
  | 'persistenced'
  | 'fabric_manager'
  | 'nvlink_subnet_manager'
  | 'imex'
  | 'mps_control'
  | 'mps_server'
  | 'dcgm_hostengine'
  | 'dcgm_exporter'
  | 'device_plugin'
  | 'gpu_feature_discovery'
  | 'mig_manager'
  | 'dra_plugin'
  | 'container_toolkit'
  | 'node_problem_detector'
  | 'kubelet'
  | 'container_runtime'
  | 'time_sync';

export interface Daemon {
  readonly kind: DaemonKind;
  readonly pid: number;
  /** comm, at most 15 characters: hostile text. */
  readonly name: string;
  /** One letter of proc(5): Z is a zombie, D is blocked. */
  readonly state: string;
  readonly startedAfterBootSeconds: number;
  /** Where it runs in a pod. */
  readonly podUid?: string;
}

export interface DeviceHolder {
  readonly pid: number;
  readonly name: string;
  /** One letter of proc(5): D is blocked; Z has ended, but a thread of it has not. */
  readonly state: string;
  /** nvidia0, nvidiactl, nvidia-uvm, ...: names below /dev, each once. */
  readonly devices: readonly string[];
  readonly podUid?: string;
  readonly containerId?: string;
  /** For blocked tasks, and for what is left of one that has ended. */
  readonly waitsIn?: Reading<string>;
  /** Limit of the memory at its /dev/shm, where it is in a pod and its mounts tell one. */
  readonly sharedMemoryBytes?: number;
}

export interface NodeResources {
  readonly memory: Reading<Space>;
  /** The node's /dev/shm, which processes outside containers use. */
  readonly sharedMemory: Reading<Space>;
  /** Limit of locked memory that containers inherit from the container runtime, in bytes. */
  readonly memlockBytes: Reading<number | 'unlimited'>;
  /** Disks that the node lives on: /, /var, /var/lib/kubelet, the runtime's, logs. */
  readonly filesystems: Reading<readonly Filesystem[]>;
  readonly load: Reading<Load>;
  readonly pressure: Reading<Pressure>;
  /** Which daemon keeps the clock right. */
  readonly timeSync: Reading<{ readonly daemon?: string }>;
  /** Whether it is right, from the kernel: adjtimex(2). */
  readonly clock: Reading<KernelClock>;
  /** Kills by the OOM killer since boot, from /proc/vmstat. */
  readonly oomKills: Reading<number>;
  /** Memory errors of the node's own RAM since boot, from EDAC; `not_supported` without it. */
  readonly edac: Reading<{ readonly corrected: number; readonly uncorrected: number }>;
  /** /proc/sys/kernel/tainted, a bit mask; bit 4 (16) is a machine check, bit 9 (512) a warning, bit 7 (128) an oops. */
  readonly kernelTaint: Reading<number>;
}

export interface KernelClock {
  /** As timedatectl says it: the error is bounded. */
  readonly synchronized: boolean;
  readonly maximumErrorMicroseconds: number;
}

export interface Space {
  readonly totalBytes: number;
  readonly availableBytes: number;
}

export interface Filesystem {
  /** On the node. */
  readonly mountPoint: string;
  readonly type: string;
  readonly device: string;
  /** By mount or by super block. An error makes the kernel remount read-only. */
  readonly readOnly: boolean;
  /** True where the system is built so: a verified or packed root (COS, Bottlerocket, Talos). */
  readonly readOnlyByDesign: boolean;
  /** Missing where our pod does not see the mount. */
  readonly space: Reading<Space & { readonly inodesTotal: number; readonly inodesFree: number }>;
}

/** The average of runnable and blocked tasks over one minute, and how many CPUs there are. */
export interface Load {
  readonly one: number;
  readonly cpus: Reading<number>;
}

/** Pressure stall information in percent of time; Documentation/accounting/psi.rst. */
export interface Pressure {
  readonly cpu: Reading<Stall>;
  readonly memory: Reading<Stall>;
  readonly io: Reading<Stall>;
}

export interface Stall {
  readonly some60Percent: number;
  /** Absent where the kernel has none (cpu before 5.13). */
  readonly full60Percent?: number;
}

/** How containers get their GPUs. */
export interface ContainerToolkit {
  /** CDI specs of NVIDIA's in /etc/cdi, /run/cdi and Talos' /var/cdi. */
  readonly cdiSpecs: Reading<readonly CdiSpec[]>;
  /** What files tell the container runtime of nvidia; a file without a row was not seen. */
  readonly runtimes: Reading<readonly RuntimeConfiguration[]>;
}

export interface CdiSpec {
  readonly path: string;
  /** nvidia.com/gpu, management.nvidia.com/gpu, ... */
  readonly kind: string;
  readonly devices: readonly string[];
  /** Driver versions in the names of the libraries that it mounts; more than the loaded one is stale. */
  readonly driverVersions: readonly string[];
}

export interface RuntimeConfiguration {
  readonly path: string;
  readonly runtime: 'containerd' | 'cri-o' | 'docker' | 'nvidia_toolkit';
  /** A handler named nvidia is configured. */
  readonly nvidiaHandler: boolean;
  readonly defaultIsNvidia?: boolean;
  readonly cdiEnabled?: boolean;
  readonly systemdCgroup?: boolean;
}
