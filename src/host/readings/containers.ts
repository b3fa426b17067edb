import * as z from 'zod';
import { publicText, textOf } from '../../contract/names-in-text.ts';
import { count, type Fixed, number, reading } from '../../contract/reading-schema.ts';

/** A limit in bytes or as a number of files. */
const limit = reading(z.union([z.number(), z.literal('unlimited')]));

/** What one container of a pod sees of GPUs and of its node, by the root of its oldest process. */
export const containerView = z.object({
  podUid: publicText,
  containerId: publicText,
  /** By the names of the kubelet's logs. */
  container: textOf('container').exactOptional(),
  pid: count,
  /** Files of the driver in its library folders: `libcuda.so.570.124.06`. */
  libraries: reading(z.array(publicText)),
  /** Those of them that the runtime mounted there, or a folder around them; the others are of its image. */
  mountedLibraries: reading(z.array(publicText)),
  /** Names in its /dev: nvidia0, nvidiactl, nvidia-uvm; and infiniband, where it has RDMA. */
  deviceNodes: reading(z.array(publicText)),
  /** Whether its cgroup lets it open NVIDIA's devices, major 195; cgroup version 1 alone tells. */
  mayOpenGpus: reading(z.boolean()),
  /** NVIDIA_VISIBLE_DEVICES and CUDA_VISIBLE_DEVICES of its first process, and no other variable. */
  visibleDevices: reading(z.record(publicText, textOf('setting'))),
  /** Its /dev/shm. */
  sharedMemory: reading(z.object({ totalBytes: z.number(), availableBytes: z.number() })),
  lockedMemoryBytes: limit,
  openFiles: limit,
  memoryLimitBytes: limit,
  /** Kills by the OOM killer within its cgroup. */
  oomKills: number,
  /** Of the periods of its CPU limit, the percent in which it was throttled. */
  throttledPercent: number,
});
export type ContainerView = Fixed<z.infer<typeof containerView>>;
