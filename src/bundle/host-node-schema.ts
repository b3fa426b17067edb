import * as z from 'zod';
import type { ContainerToolkit, DaemonKind, DriverFiles, NodeResources } from '../host/port.ts';
import { count, group, number, reading, text, texts, yesOrNo } from './bundle-readings.ts';

/** The node's own part of a host in a bundle: processes, files, memory, disks. */

const daemonKind = z.enum([
  'persistenced',
  'fabric_manager',
  'nvlink_subnet_manager',
  'imex',
  'mps_control',
  'mps_server',
  'dcgm_hostengine',
  'dcgm_exporter',
  'device_plugin',
  'gpu_feature_discovery',
  'mig_manager',
  'dra_plugin',
  'container_toolkit',
  'node_problem_detector',
  'kubelet',
  'container_runtime',
  'time_sync',
] satisfies DaemonKind[]);

const process = { pid: count, name: z.string(), state: z.string() };

export const daemon = z.object({
  kind: daemonKind,
  ...process,
  startedAfterBootSeconds: z.number(),
  podUid: z.string().exactOptional(),
});

export const deviceHolder = z.object({
  ...process,
  devices: z.array(z.string()),
  podUid: z.string().exactOptional(),
  containerId: z.string().exactOptional(),
  waitsIn: text.exactOptional(),
  sharedMemoryBytes: z.number().exactOptional(),
});

export const driverFiles = group({
  parameters: texts,
  modules: reading(
    z.array(
      z.object({
        name: z.string(),
        state: z.enum(['live', 'loading', 'unloading']),
        uses: z.number(),
        version: z.string().exactOptional(),
      }),
    ),
  ),
  nodes: reading(
    z.array(z.object({ name: z.string(), major: number, minor: number, mode: number })),
  ),
  charLinks: yesOrNo,
} satisfies { [F in keyof DriverFiles]-?: z.ZodType<DriverFiles[F]> });

const space = { totalBytes: z.number(), availableBytes: z.number() };

const stall = reading(
  z.object({
    some60Percent: z.number(),
    full60Percent: z.number().exactOptional(),
  }),
);

export const nodeResources = group({
  memory: reading(
    z.object({
      ...space,
    }),
  ),
  sharedMemory: reading(z.object(space)),
  memlockBytes: reading(z.union([z.number(), z.literal('unlimited')])),
  filesystems: reading(
    z.array(
      z.object({
        mountPoint: z.string(),
        type: z.string(),
        device: z.string(),
        readOnly: z.boolean(),
        readOnlyByDesign: z.boolean(),
        space: reading(z.object({ ...space, inodesTotal: z.number(), inodesFree: z.number() })),
      }),
    ),
  ),
  load: reading(z.object({ one: z.number(), cpus: number })),
  pressure: reading(z.object({ cpu: stall, memory: stall, io: stall })),
  timeSync: reading(z.object({ daemon: z.string().exactOptional() })),
  clock: reading(
    z.object({
      synchronized: z.boolean(),
      maximumErrorMicroseconds: z.number(),
    }),
  ),
  oomKills: number,
  edac: reading(z.object({ corrected: z.number(), uncorrected: z.number() })),
  kernelTaint: number,
} satisfies { [F in keyof NodeResources]-?: z.ZodType<NodeResources[F]> });

export const containerToolkit = group({
  cdiSpecs: reading(
    z.array(
      z.object({
        path: z.string(),
        kind: z.string(),
        devices: z.array(z.string()),
        driverVersions: z.array(z.string()),
      }),
    ),
  ),
  runtimes: reading(
    z.array(
      z.object({
        path: z.string(),
        runtime: z.enum(['containerd', 'cri-o', 'docker', 'nvidia_toolkit']),
        nvidiaHandler: z.boolean(),
        defaultIsNvidia: z.boolean().exactOptional(),
        cdiEnabled: z.boolean().exactOptional(),
        systemdCgroup: z.boolean().exactOptional(),
      }),
    ),
  ),
} satisfies { [F in keyof ContainerToolkit]-?: z.ZodType<ContainerToolkit[F]> });
