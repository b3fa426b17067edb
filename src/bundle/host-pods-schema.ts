import * as z from 'zod';
import type { PodState, ProcessOwner } from '../host/port.ts';
import { count, group, number, reading, text, texts } from './bundle-readings.ts';

/** What the kubelet knows of devices and pods, and whose processes are, in a bundle. */

const source = z.enum(['pod_resources', 'checkpoint']);

const device = z.object({
  id: z.string(),
  gpuUuid: z.string().exactOptional(),
  migUuid: z.string().exactOptional(),
  minor: z.number().exactOptional(),
  gpuInstance: z.number().exactOptional(),
  replica: z.number().exactOptional(),
});
const devices = {
  resource: z.string(),
  deviceIds: z.array(z.string()),
  devices: z.array(device),
  source,
};

const allocations = reading(
  z.array(
    z.object({
      namespace: z.string().exactOptional(),
      pod: z.string().exactOptional(),
      podUid: z.string().exactOptional(),
      container: z.string(),
      ...devices,
      claim: z
        .object({ namespace: z.string(), name: z.string(), pool: z.string() })
        .exactOptional(),
    }),
  ),
);

export const pods = group({
  allocations,
  checkpoint: allocations,
  allocatable: reading(z.array(z.object(devices))),
  names: reading(
    z.array(
      z.object({
        uid: z.string(),
        namespace: z.string(),
        pod: z.string(),
        containers: z.array(z.string()),
      }),
    ),
  ),
} satisfies { [F in keyof PodState]-?: z.ZodType<PodState[F]> });

export const processOwner = z.object({
  pid: count,
  name: text,
  cgroup: text,
  podUid: z.string().exactOptional(),
  containerId: z.string().exactOptional(),
  runtime: z.enum(['containerd', 'cri-o', 'docker']).exactOptional(),
  namespace: z.string().exactOptional(),
  pod: z.string().exactOptional(),
  container: z.string().exactOptional(),
  state: text,
  startedAfterBootSeconds: number,
  uid: number,
  gpuEnvironment: texts,
}) satisfies z.ZodType<ProcessOwner>;
