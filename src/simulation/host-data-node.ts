import * as z from 'zod';
import { count, reading } from './host-data-reading.ts';

const DAEMONS = [
  ...['persistenced', 'fabric_manager', 'nvlink_subnet_manager', 'imex', 'mps_control'],
  ...['mps_server', 'dcgm_hostengine', 'dcgm_exporter', 'device_plugin', 'gpu_feature_discovery'],
  ...['mig_manager', 'dra_plugin', 'container_toolkit', 'node_problem_detector', 'kubelet'],
  ...['container_runtime', 'time_sync'],
] as const;

export const Daemon = z.strictObject({
  kind: z.enum(DAEMONS),
  pid: z.int(),
  name: z.string(),
  state: z.string().default('S'),
  startedAfterBootSeconds: z.number().default(30),
  podUid: z.string().exactOptional(),
});

const space = { totalBytes: count, availableBytes: count };
const stall = z.strictObject({
  some60Percent: z.number(),
  full60Percent: z.number().exactOptional(),
});
const calm = { some60Percent: 0, full60Percent: 0 };
const GIB = 1024 ** 3;

/** The node's own means; everything has the value of a healthy server where nothing is said. */
export const Resources = z.strictObject({
  memory: reading(
    z.strictObject({
      totalBytes: count,
      availableBytes: count,
    }),
  ).prefault({ totalBytes: 2048 * GIB, availableBytes: 1800 * GIB }),
  sharedMemory: reading(z.strictObject(space)).default({
    totalBytes: 1024 * GIB,
    availableBytes: 1024 * GIB,
  }),
  memlockBytes: reading(z.union([count, z.literal('unlimited')])).default('unlimited'),
  filesystems: reading(
    z.array(
      z.strictObject({
        mountPoint: z.string(),
        type: z.string().default('ext4'),
        device: z.string().default('/dev/nvme0n1p1'),
        readOnly: z.boolean().default(false),
        readOnlyByDesign: z.boolean().default(false),
        space: reading(z.strictObject({ ...space, inodesTotal: count, inodesFree: count })).default(
          {
            totalBytes: 1000 * GIB,
            availableBytes: 600 * GIB,
            inodesTotal: 60_000_000,
            inodesFree: 58_000_000,
          },
        ),
      }),
    ),
  ).prefault([{ mountPoint: '/' }]),
  load: reading(z.strictObject({ one: z.number(), cpus: z.int() })).default({
    one: 24.1,
    cpus: 224,
  }),
  pressure: reading(z.strictObject({ cpu: stall, memory: stall, io: stall })).default({
    cpu: calm,
    memory: calm,
    io: calm,
  }),
  timeSync: reading(z.strictObject({ daemon: z.string().exactOptional() })).default({
    daemon: 'chronyd',
  }),
  clock: reading(
    z.strictObject({
      synchronized: z.boolean(),
      maximumErrorMicroseconds: count,
    }),
  ).default({
    synchronized: true,
    maximumErrorMicroseconds: 31_000,
  }),
  oomKills: reading(count).default(0),
  edac: reading(z.strictObject({ corrected: count, uncorrected: count })).default({
    corrected: 0,
    uncorrected: 0,
  }),
  /** 4096: an out-of-tree module, as the driver is. */
  kernelTaint: reading(count).default(4096),
});

export const DriverFiles = z.strictObject({
  parameters: reading(z.record(z.string(), z.string())).default({ EnableMSI: '1' }),
  /** Beyond nvidia, nvidia_uvm and nvidia_modeset, which come with the machine's module. */
  modules: z
    .array(
      z.strictObject({
        name: z.string(),
        state: z.enum(['live', 'loading', 'unloading']).default('live'),
        uses: count.default(0),
        version: z.string().exactOptional(),
      }),
    )
    .default([]),
  charLinks: reading(z.boolean()).default(true),
});

export const Toolkit = z.strictObject({
  cdiSpecs: reading(
    z.array(
      z.strictObject({
        path: z.string(),
        kind: z.string(),
        devices: z.array(z.string()),
        driverVersions: z.array(z.string()),
      }),
    ),
  ).default({ missing: 'not_read', detail: 'not mounted' }),
  runtimes: reading(
    z.array(
      z.strictObject({
        path: z.string(),
        runtime: z.enum(['containerd', 'cri-o', 'docker', 'nvidia_toolkit']),
        nvidiaHandler: z.boolean(),
        defaultIsNvidia: z.boolean().exactOptional(),
        cdiEnabled: z.boolean().exactOptional(),
        systemdCgroup: z.boolean().exactOptional(),
      }),
    ),
  ).default({ missing: 'not_read', detail: 'not mounted' }),
});
