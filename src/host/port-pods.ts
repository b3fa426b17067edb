import type { Reading } from '../contract/reading.ts';

/** What the kubelet of this node knows of devices and pods. All names are hostile text. */
export interface PodState {
  /** Who holds which device now, from the kubelet's pod-resources v1 socket (List). */
  readonly allocations: Reading<readonly PodAllocation[]>;
  /** The same from kubelet_internal_checkpoint, which may be stale. */
  readonly checkpoint: Reading<readonly PodAllocation[]>;
  /** Devices that the kubelet may hand out, from pod-resources (GetAllocatableResources). */
  readonly allocatable: Reading<readonly AllocatableDevices[]>;
  /** Pods that this node keeps logs of, by the names of directories in /var/log/pods. */
  readonly names: Reading<readonly PodName[]>;
}

/** The devices of one resource that one container of a pod got. */
export interface PodAllocation {
  /** Absent where the source does not tell: the checkpoint of a pod without logs. */
  readonly namespace?: string;
  readonly pod?: string;
  /** From /var/log/pods where pod-resources does not tell it and only one pod has that name. */
  readonly podUid?: string;
  readonly container: string;
  /** nvidia.com/gpu, nvidia.com/mig-1g.10gb, ...; with DRA the driver's name, gpu.nvidia.com. */
  readonly resource: string;
  /** As the device plugin calls them. */
  readonly deviceIds: readonly string[];
  /** The same ids taken apart, in the same order. */
  readonly devices: readonly DeviceRef[];
  /** The claim and pool of a DRA allocation. */
  readonly claim?: { readonly namespace: string; readonly name: string; readonly pool: string };
  readonly source: 'pod_resources' | 'checkpoint';
}

/** What a device plugin's id names. */
export interface DeviceRef {
  readonly id: string;
  /** `GPU-...` of the whole GPU, given or found by its minor number. */
  readonly gpuUuid?: string;
  /** `MIG-...` as the driver calls the instance. */
  readonly migUuid?: string;
  /** The number in /dev/nvidiaN: GKE's `nvidia0`, DRA's `gpu-0`. */
  readonly minor?: number;
  /** GKE's `nvidia0/gi1`. */
  readonly gpuInstance?: number;
  /** Of time-slicing and MPS, `GPU-...::3`, and GKE's `vgpu2`: several pods may share this GPU. */
  readonly replica?: number;
}

export interface AllocatableDevices {
  readonly resource: string;
  readonly deviceIds: readonly string[];
  readonly devices: readonly DeviceRef[];
  readonly source: 'pod_resources' | 'checkpoint';
}

export interface PodName {
  readonly uid: string;
  readonly namespace: string;
  readonly pod: string;
  readonly containers: readonly string[];
}

/** Whose process a pid is. Without a podUid it runs outside any pod, if `cgroup` was read. */
export interface ProcessOwner {
  readonly pid: number;
  /** comm: hostile text. `not_found`: the process is gone. */
  readonly name: Reading<string>;
  /** Path of its cgroup, cut; what podUid and containerId were read from. */
  readonly cgroup: Reading<string>;
  readonly podUid?: string;
  /** 64 hex digits. */
  readonly containerId?: string;
  readonly runtime?: 'containerd' | 'cri-o' | 'docker';
  /** From /var/log/pods by the pod's UID. */
  readonly namespace?: string;
  readonly pod?: string;
  /** From pod-resources or the logs' names, where it is unambiguous. */
  readonly container?: string;
  /** One letter of proc(5): R, S, D, Z, T, I, ... */
  readonly state: Reading<string>;
  /** Seconds after boot. */
  readonly startedAfterBootSeconds: Reading<number>;
  readonly uid: Reading<number>;
  /** NVIDIA_VISIBLE_DEVICES, CUDA_VISIBLE_DEVICES and other NVIDIA_* of its environment; nothing else. */
  readonly gpuEnvironment: Reading<Readonly<Record<string, string>>>;
}
