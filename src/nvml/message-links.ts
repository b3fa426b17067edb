import * as z from 'zod';
import { number, reading, text, yesOrNo } from '../contract/reading-schema.ts';

/** What connects GPUs with each other and with the CPU, in messages. */

const nvlinkErrors = z.object({
  replay: number,
  recovery: number,
  crcFlit: number,
  crcData: number,
  eccData: number,
  recoveryEvents: number,
  recoveryFailed: number,
  effective: number,
  symbol: number,
  malformedPackets: number,
  received: number,
  localIntegrity: number,
  transmitDiscards: number,
});

export const nvlinks = reading(
  z.object({
    indexes: z.number(),
    links: z.array(
      z.object({
        link: z.number(),
        state: reading(z.enum(['active', 'inactive', 'sleep', 'active_traffic_disabled'])),
        version: text,
        speedMbps: number,
        remoteType: reading(z.enum(['gpu', 'npu', 'switch', 'unknown'])),
        remotePci: text,
        lowPower: yesOrNo,
        errors: nvlinkErrors,
      }),
    ),
  }),
);

export const c2c = reading(
  z.object({
    links: z.number(),
    activeLinks: number,
    maxBandwidthMbps: number,
    crcErrors: number,
    replayErrors: number,
  }),
);

const fabricHealth = z.enum(['not_supported', 'fault', 'healthy']);
export const fabric = reading(
  z.object({
    state: z.enum(['not_supported', 'not_started', 'in_progress', 'completed', 'unknown']),
    status: z.string(),
    cliqueId: z.number(),
    clusterUuid: z.string().exactOptional(),
    health: z
      .object({
        mask: z.number(),
        degradedBandwidth: fabricHealth,
        routeRecovery: fabricHealth,
        routeUnhealthy: fabricHealth,
        accessTimeoutRecovery: fabricHealth,
        incorrectConfiguration: z.string(),
      })
      .exactOptional(),
    summary: z
      .enum(['not_supported', 'healthy', 'unhealthy', 'limited_capacity', 'unknown'])
      .exactOptional(),
  }),
);

export const topology = reading(
  z.array(
    z.object({
      gpus: z.tuple([z.number(), z.number()]),
      path: reading(z.enum(['internal', 'PIX', 'PXB', 'PHB', 'NODE', 'SYS', 'unknown'])),
      p2pRead: text,
      p2pNvlink: text,
    }),
  ),
);
