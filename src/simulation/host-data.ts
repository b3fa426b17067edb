import * as z from 'zod';
import { Daemon, DriverFiles, Resources, Toolkit } from './host-data-node.ts';
import { Nic, PciFunction } from './host-data-pci.ts';
import { reading } from './host-data-reading.ts';

const Device = z.strictObject({
  id: z.string(),
  gpuUuid: z.string().exactOptional(),
  migUuid: z.string().exactOptional(),
  minor: z.int().exactOptional(),
  gpuInstance: z.int().exactOptional(),
  replica: z.int().exactOptional(),
});

const Allocation = z.strictObject({
  namespace: z.string().exactOptional(),
  pod: z.string().exactOptional(),
  podUid: z.string().exactOptional(),
  container: z.string().default('main'),
  resource: z.string().default('nvidia.com/gpu'),
  devices: z.array(Device),
  claim: z
    .strictObject({ namespace: z.string(), name: z.string(), pool: z.string() })
    .exactOptional(),
});
export type AllocationData = z.infer<typeof Allocation>;

/** A run of a container, as the kubelet and the runtime would have logged it. */
const Life = z.strictObject({
  podUid: z.string().exactOptional(),
  namespace: z.string().exactOptional(),
  pod: z.string().exactOptional(),
  container: z.string().exactOptional(),
  pid: z.int().exactOptional(),
  startedSecondsAgo: z.number().exactOptional(),
  endedSecondsAgo: z.number().exactOptional(),
  seenSecondsAgo: z.number().exactOptional(),
  exitCode: z.int().exactOptional(),
  source: z.enum(['service_log', 'log_files']).default('service_log'),
});

const Pods = z.strictObject({
  allocations: reading(z.array(Allocation)).default([]),
  checkpoint: reading(z.array(Allocation)).default({
    missing: 'not_read',
    detail: 'not mounted',
  }),
  /** Ids by resource. Without it every whole GPU of the machine is allocatable. */
  allocatable: reading(z.record(z.string(), z.array(Device))).exactOptional(),
  names: z
    .array(
      z.strictObject({
        uid: z.string(),
        namespace: z.string(),
        pod: z.string(),
        containers: z.array(z.string()).default(['main']),
      }),
    )
    .default([]),
  lives: z.array(Life).default([]),
});

/** A process beyond its name: whose it is, and which of the driver's devices it holds. */
const Process = z.strictObject({
  podUid: z.string().exactOptional(),
  containerId: z.string().exactOptional(),
  container: z.string().exactOptional(),
  state: z.string().default('S'),
  startedAfterBootSeconds: z.number().default(600),
  uid: z.int().default(0),
  devices: z.array(z.string()).default([]),
  /** The kernel function that it sleeps in. */
  waitsIn: z.string().exactOptional(),
  sharedMemoryBytes: z.int().exactOptional(),
  gpuEnvironment: z.record(z.string(), z.string()).default({}),
});

/** The host of a machine: what is not said is as on a healthy server. */
export const HostData = z.strictObject({
  hostname: z.string(),
  bootId: z.string().regex(/^[0-9a-f]{32}$/),
  uptimeSeconds: z.number(),
  kernel: z.string(),
  os: z.string(),
  virtualMachine: z.boolean().default(false),
  /** Null where no kernel module of NVIDIA is loaded. */
  module: z.strictObject({ version: z.string(), kind: z.enum(['open', 'proprietary']) }).nullable(),
  deviceNodes: z.array(z.string()),
  blockedTasks: z
    .array(z.strictObject({ pid: z.int(), name: z.string(), waitsIn: z.string().nullable() }))
    .default([]),
  /** comm by pid. */
  processes: z.record(z.string(), z.string()).default({}),
  /** More of a process of `processes`, by pid. */
  processDetails: z.record(z.string(), Process).default({}),
  pci: z.array(PciFunction),
  driverFiles: DriverFiles.prefault({}),
  daemons: z.array(Daemon).default([]),
  nics: reading(z.array(Nic)).default([]),
  resources: Resources.prefault({}),
  containerToolkit: Toolkit.prefault({}),
  pods: Pods.prefault({}),
});
export type HostData = z.infer<typeof HostData>;
