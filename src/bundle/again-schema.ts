import * as z from 'zod';
import type { ContainerLife } from '../contract/container-life.ts';
import type { HostCounters } from '../host/port.ts';
import { count, milliseconds, number } from './bundle-readings.ts';
import { driverState } from './driver-schema.ts';

/** Counters that were read twice, and the lives of containers, in a bundle. */

const hostCounters = z.object({
  ports: z.array(
    z.object({ nic: z.string(), port: count, counters: z.record(z.string(), z.number()) }),
  ),
  aer: z.array(
    z.object({
      pci: z.string(),
      function: count,
      aerFatal: number,
      aerNonFatal: number,
      aerCorrectable: number,
    }),
  ),
}) satisfies z.ZodType<HostCounters>;

const countersNow = z.object({
  driver: driverState.optional(),
  counters: hostCounters.optional(),
  hostAtMs: milliseconds,
});

export const again = z.object({ before: countersNow, after: countersNow });

const optional = z.string().exactOptional();

export const containerLife = z.object({
  podUid: optional,
  namespace: optional,
  pod: optional,
  container: optional,
  containerId: optional,
  pid: count.exactOptional(),
  startedMs: milliseconds.exactOptional(),
  endedMs: milliseconds.exactOptional(),
  exitCode: z.int().exactOptional(),
  seenMs: milliseconds.exactOptional(),
  source: z.enum(['service_log', 'log_files', 'cluster']),
}) satisfies z.ZodType<ContainerLife>;
