import * as z from 'zod';
import { publicText, textOf } from '../../contract/names-in-text.ts';
import { count, type Fixed, reading } from '../../contract/reading-schema.ts';

/** What the kubelet of this node knows of devices and pods. All names are hostile text. */

/** What a device plugin's id names. */
export const deviceRef = z.object({
  id: publicText,
  /** `GPU-...` of the whole GPU, given or found by its minor number. */
  gpuUuid: publicText.exactOptional(),
  /** `MIG-...` as the driver calls the instance. */
  migUuid: publicText.exactOptional(),
  /** The number in /dev/nvidiaN: GKE's `nvidia0`, DRA's `gpu-0`. */
  minor: count.exactOptional(),
  /** GKE's `nvidia0/gi1`. */
  gpuInstance: count.exactOptional(),
  /** Of time-slicing and MPS, `GPU-...::3`, and GKE's `vgpu2`: several pods may share this GPU. */
  replica: count.exactOptional(),
});
export type DeviceRef = Fixed<z.infer<typeof deviceRef>>;

const allocatableDevices = z.object({
  /** nvidia.com/gpu, nvidia.com/mig-1g.10gb, ...; with DRA the driver's name, gpu.nvidia.com. */
  resource: publicText,
  /** As the device plugin calls them. */
  deviceIds: z.array(publicText),
  /** The same ids taken apart, in the same order. */
  devices: z.array(deviceRef),
  source: z.enum(['pod_resources', 'checkpoint']),
});
export type AllocatableDevices = Fixed<z.infer<typeof allocatableDevices>>;

/** The devices of one resource that one container of a pod got. */
export const podAllocation = allocatableDevices.extend({
  /** Absent where the source does not tell: the checkpoint of a pod without logs. */
  namespace: textOf('namespace').exactOptional(),
  pod: textOf('pod').exactOptional(),
  /** From /var/log/pods where pod-resources does not tell it and only one pod has that name. */
  podUid: publicText.exactOptional(),
  container: textOf('container'),
  /** The claim and pool of a DRA allocation. */
  claim: z
    .object({ namespace: textOf('namespace'), name: textOf('claim'), pool: textOf('pool') })
    .exactOptional(),
});
export type PodAllocation = Fixed<z.infer<typeof podAllocation>>;

export const podName = z.object({
  uid: publicText,
  namespace: textOf('namespace'),
  pod: textOf('pod'),
  containers: z.array(textOf('container')),
});
export type PodName = Fixed<z.infer<typeof podName>>;

/** Why the kubelet's socket gave no answer is said in the kubelet's words. */
const refusal = textOf('refusal');

export const pods = z.object({
  /** Who holds which device now, from the kubelet's pod-resources v1 socket (List). */
  allocations: reading(z.array(podAllocation), refusal),
  /** The same from kubelet_internal_checkpoint, which may be stale. */
  checkpoint: reading(z.array(podAllocation)),
  /** Devices that the kubelet may hand out, from pod-resources (GetAllocatableResources). */
  allocatable: reading(z.array(allocatableDevices), refusal),
  /** Pods that this node keeps logs of, by the names of directories in /var/log/pods. */
  names: reading(z.array(podName)),
});
export type PodState = Fixed<z.infer<typeof pods>>;
