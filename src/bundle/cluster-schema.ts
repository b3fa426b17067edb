import * as z from 'zod';
import type { ClusterNode, ClusterPod, ClusterView } from '../contract/cluster-view.ts';
import { reading } from './bundle-readings.ts';

/** What the cluster said, in a bundle; contract/cluster-view.ts says what it means. */

const optional = z.string().exactOptional();
const amounts = z.record(z.string(), z.number());
const manager = z.object({ manager: z.string(), time: optional }).exactOptional();

const node = z.object({
  name: z.string(),
  labels: z.record(z.string(), z.string()),
  instanceType: optional,
  cordoned: z.boolean(),
  cordonedBy: manager,
  taints: z.array(
    z.object({ key: z.string(), value: z.string(), effect: z.string(), since: optional }),
  ),
  taintsBy: manager,
  conditions: z.array(
    z.object({
      type: z.string(),
      status: z.enum(['True', 'False', 'Unknown']),
      reason: z.string(),
      message: z.string(),
      since: z.string(),
    }),
  ),
  capacity: amounts,
  allocatable: amounts,
  kubeletVersion: z.string(),
  containerRuntime: z.string(),
  bootId: z.string(),
  createdAt: z.string(),
} satisfies { [F in keyof ClusterNode]-?: z.ZodType });

const end = z
  .object({
    exitCode: z.int(),
    signal: z.int().exactOptional(),
    reason: z.string(),
    message: z.string(),
    startedAt: optional,
    finishedAt: optional,
  })
  .exactOptional();

const pod = z.object({
  namespace: z.string(),
  name: z.string(),
  uid: z.string(),
  node: z.string(),
  owner: optional,
  phase: z.enum(['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown']),
  reason: z.string(),
  message: z.string(),
  createdAt: z.string(),
  startedAt: optional,
  deleting: z.boolean(),
  gpus: amounts,
  claims: z.array(z.string()),
  containers: z.array(
    z.object({
      name: z.string(),
      init: z.boolean(),
      gpus: amounts,
      restarts: z.int(),
      state: z.enum(['waiting', 'running', 'terminated']),
      reason: z.string(),
      message: z.string(),
      startedAt: optional,
      ended: end,
      endedBefore: end,
    }),
  ),
} satisfies { [F in keyof ClusterPod]-?: z.ZodType });

const events = reading(
  z.array(
    z.object({
      type: z.enum(['Warning', 'Normal']),
      reason: z.string(),
      message: z.string(),
      count: z.int(),
      firstAt: optional,
      lastAt: optional,
      from: z.string(),
    }),
  ),
);

export const clusterView = z.object({
  node: reading(node),
  pods: reading(
    z.object({ namespace: z.string().nullable(), total: z.int(), gpuPods: z.array(pod) }),
  ),
  nodeEvents: events,
  devices: reading(
    z.array(
      z.object({
        driver: z.string(),
        pool: z.string(),
        name: z.string(),
        uuid: optional,
        parentUuid: optional,
        pci: optional,
      }),
    ),
  ).exactOptional(),
}) satisfies z.ZodType<ClusterView>;
