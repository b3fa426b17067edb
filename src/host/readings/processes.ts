import * as z from 'zod';
import { publicText, textOf } from '../../contract/names-in-text.ts';
import { count, type Fixed, number, reading, text } from '../../contract/reading-schema.ts';

/** Processes of the node: NVIDIA's and Kubernetes' daemons, who holds GPUs, who is stuck. */

interface Program<Kind> {
  readonly kind: Kind;
  readonly comm: RegExp;
  readonly exe?: RegExp;
}
const programs = <Kind extends string>(rows: readonly Program<Kind>[]) => rows;

/**
 * Programs by their comm, which the kernel cuts at 15 characters. `exe` tells apart two that are cut
 * to the same name: the base name of /proc/PID/exe has to match it too.
 */
export const DAEMONS = programs([
  { kind: 'persistenced', comm: /^nvidia-persiste/ },
  { kind: 'fabric_manager', comm: /^nv-fabricmanage/ },
  { kind: 'nvlink_subnet_manager', comm: /^nvlsm/ },
  { kind: 'imex', comm: /^nvidia-imex$/ },
  { kind: 'mps_server', comm: /^nvidia-cuda-mps/, exe: /^nvidia-cuda-mps-server/ },
  { kind: 'mps_control', comm: /^nvidia-cuda-mps/ },
  { kind: 'dcgm_hostengine', comm: /^nv-hostengine/ },
  { kind: 'dcgm_exporter', comm: /^dcgm-exporter/ },
  // NVIDIA's and Google's.
  { kind: 'device_plugin', comm: /^nvidia-device-p|^nvidia_gpu$|^nvidia-gpu-devi/ },
  { kind: 'gpu_feature_discovery', comm: /^gpu-feature-dis/ },
  { kind: 'mig_manager', comm: /^nvidia-mig-mana|^nvidia-mig-part/ },
  { kind: 'dra_plugin', comm: /^gpu-kubelet-plu|^compute-domain-/ },
  { kind: 'container_toolkit', comm: /^nvidia-toolkit|^nvidia-ctk/ },
  { kind: 'node_problem_detector', comm: /^node-problem-de/ },
  { kind: 'kubelet', comm: /^(?:kubelet|k3s-server|k3s-agent|k3s|rke2|k0s|kubelite)$/ },
  { kind: 'container_runtime', comm: /^(?:containerd|crio|dockerd)$/ },
  { kind: 'time_sync', comm: /^(?:chronyd|ntpd|systemd-timesyn|ptp4l|phc2sys|timed)$/ },
]);

const daemonKind = z.enum(DAEMONS.map(({ kind }) => kind));
export type DaemonKind = z.infer<typeof daemonKind>;

/** comm is at most 15 characters and whatever the process calls itself: hostile text. */
const comm = textOf('process');
const process = {
  pid: count,
  name: comm,
  /** One letter of proc(5): R, S, T, I; D is blocked; Z has ended, though a thread of it may not have. */
  state: publicText,
};
/** Where it runs in a pod. */
const podUid = publicText.exactOptional();

export const daemon = z.object({
  kind: daemonKind,
  ...process,
  startedAfterBootSeconds: z.number(),
  podUid,
});
export type Daemon = Fixed<z.infer<typeof daemon>>;

/** A process that holds /dev/nvidia* open, whether the driver names it or not. */
export const deviceHolder = z.object({
  ...process,
  /** nvidia0, nvidiactl, nvidia-uvm, ...: names below /dev, each once. */
  devices: z.array(publicText),
  podUid,
  containerId: publicText.exactOptional(),
  /** For blocked tasks, and for what is left of one that has ended. */
  waitsIn: text.exactOptional(),
  /** Limit of the memory at its /dev/shm, where it is in a pod and its mounts tell one. */
  sharedMemoryBytes: count.exactOptional(),
});
export type DeviceHolder = Fixed<z.infer<typeof deviceHolder>>;

export const blockedTask = z.object({
  pid: count,
  name: comm,
  /** The kernel function it sleeps in, from wchan or the stack's top. */
  waitsIn: text,
});
export type BlockedTask = Fixed<z.infer<typeof blockedTask>>;

/** Whose process a pid is. Without a podUid it runs outside any pod, if `cgroup` was read. */
export const processOwner = z.object({
  pid: count,
  /** `not_found`: the process is gone. */
  name: reading(comm),
  /** Path of its cgroup, cut; what podUid and containerId were read from. */
  cgroup: reading(textOf('cgroup')),
  podUid,
  /** 64 hex digits. */
  containerId: publicText.exactOptional(),
  runtime: z.enum(['containerd', 'cri-o', 'docker']).exactOptional(),
  /** From /var/log/pods by the pod's UID. */
  namespace: textOf('namespace').exactOptional(),
  pod: textOf('pod').exactOptional(),
  /** From pod-resources or the logs' names, where it is unambiguous. */
  container: textOf('container').exactOptional(),
  state: text,
  /** Seconds after boot. */
  startedAfterBootSeconds: number,
  uid: number,
  /** NVIDIA_VISIBLE_DEVICES, CUDA_VISIBLE_DEVICES and other NVIDIA_* of its environment; nothing else. */
  gpuEnvironment: reading(z.record(textOf('variable'), textOf('setting'))),
});
export type ProcessOwner = Fixed<z.infer<typeof processOwner>>;
