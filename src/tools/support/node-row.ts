import * as z from 'zod';
import {
  known,
  MISSING_REASONS,
  type MissingReason,
  present,
  type Reading,
} from '../../contract/reading.ts';
import { durationText } from '../../contract/time.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { NodeFacts } from '../../findings/facts.ts';

/** The node and its driver in one row; absent facts stand under their reason in `unavailable`. */
export const NodeRow = z
  .strictObject({
    hostname: z.string().optional(),
    os: z.string().optional(),
    kernel: z.string().optional(),
    bootId: z.string().optional(),
    uptimeSeconds: z.number().min(0).optional(),
    driverVersion: z.string().optional(),
    moduleVersion: z.string().optional(),
    moduleKind: z.string().optional(),
    nvmlVersion: z.string().optional(),
    cudaVersion: z.string().optional(),
    library: z.string().optional(),
    unavailable: z.partialRecord(z.enum(MISSING_REASONS), z.array(z.string())).optional(),
  })
  .meta({ listedKeys: ['hostname', 'driverVersion'] });
export type NodeRow = z.infer<typeof NodeRow>;

/** In a pod the host name is the pod's; the node's own name, where we were told it, goes before. */
export function nodeRow({ driver, host }: NodeFacts, node: string | undefined): NodeRow {
  const readings: Record<string, Reading<string | number>> = {
    hostname: node === undefined ? host.hostname : present(node),
    os: host.os,
    kernel: host.kernel,
    bootId: host.bootId,
    uptimeSeconds: host.uptimeSeconds,
    driverVersion: driver.driverVersion,
    moduleVersion: host.moduleVersion,
    moduleKind: host.moduleKind,
    nvmlVersion: driver.nvmlVersion,
    library: driver.library,
  };
  const values: Record<string, string | number> = {};
  const unavailable: Partial<Record<MissingReason, string[]>> = {};
  for (const [name, reading] of Object.entries(readings)) {
    if (reading.ok) {
      values[name] =
        typeof reading.value === 'string' ? plainText(reading.value, 128) : reading.value;
    } else {
      unavailable[reading.reason] = [...(unavailable[reading.reason] ?? []), name];
    }
  }
  const cuda = known(driver.cudaDriverVersion);
  return NodeRow.parse({
    ...values,
    // nvml.h: NVML_CUDA_DRIVER_VERSION_MAJOR is v/1000, MINOR (v%1000)/10.
    ...(cuda === undefined
      ? {}
      : { cudaVersion: `${Math.floor(cuda / 1000)}.${Math.floor((cuda % 1000) / 10)}` }),
    ...(Object.keys(unavailable).length === 0 ? {} : { unavailable }),
  });
}

/** One line about the machine and its driver. */
export function nodeLine(row: NodeRow): string {
  return [
    `node ${row.hostname ?? 'name not read'}`,
    row.os,
    row.kernel === undefined ? undefined : `kernel ${row.kernel}`,
    row.driverVersion === undefined
      ? row.moduleVersion === undefined
        ? 'no driver'
        : `module ${row.moduleVersion}`
      : `driver ${row.driverVersion}${row.moduleKind === undefined ? '' : ` (${row.moduleKind} module)`}`,
    row.cudaVersion === undefined ? undefined : `CUDA ${row.cudaVersion}`,
    row.uptimeSeconds === undefined ? undefined : `up ${durationText(row.uptimeSeconds * 1000)}`,
  ]
    .filter(part => part !== undefined)
    .join(', ');
}
