import * as z from 'zod';
import { missing, present } from '../contract/reading.ts';
import { reading, valueIn } from '../contract/reading-schema.ts';
import { replaceParts } from '../contract/schema-parts.ts';
import { driverFiles, moduleKind } from '../host/readings/driver.ts';
import { pciDevice } from '../host/readings/pci.ts';
import { deviceRef, podAllocation, podName } from '../host/readings/pods.ts';
import { hostState } from '../host/readings.ts';
import healthy from './healthy-host.json' with { type: 'json' };
import { isRecord } from './merged.ts';

/** A run of a container, as the kubelet and the runtime would have logged it. */
const life = z.object({
  podUid: z.string().exactOptional(),
  namespace: z.string().exactOptional(),
  pod: z.string().exactOptional(),
  container: z.string().exactOptional(),
  pid: z.int().exactOptional(),
  startedSecondsAgo: z.number().exactOptional(),
  endedSecondsAgo: z.number().exactOptional(),
  seenSecondsAgo: z.number().exactOptional(),
  exitCode: z.int().exactOptional(),
  source: z.enum(['service_log', 'log_files']),
});

/** Who holds a device comes with its source, and ids are those of the devices. */
const allocations = reading(z.array(podAllocation.omit({ deviceIds: true, source: true })));

/** A process beyond its name: whose it is, and which of the driver's devices it holds. */
const process = z.object({
  podUid: z.string().exactOptional(),
  containerId: z.string().exactOptional(),
  container: z.string().exactOptional(),
  state: z.string(),
  startedAfterBootSeconds: z.number(),
  uid: z.int(),
  devices: z.array(z.string()),
  /** The kernel function that it sleeps in. */
  waitsIn: z.string().exactOptional(),
  sharedMemoryBytes: z.int().exactOptional(),
  gpuEnvironment: z.record(z.string(), z.string()),
});

/** Follow from the rest of the machine. */
const FOLLOWING = {
  pciDevices: true,
  moduleVersion: true,
  moduleKind: true,
  driverGpus: true,
  deviceHolders: true,
} as const;

/** The host of a machine: readings of the port as values, and what other readings follow from. */
const host = hostState.omit(FOLLOWING).extend({
  bootId: z.string().regex(/^[0-9a-f]{32}$/),
  uptimeSeconds: z.number(),
  pci: z.array(pciDevice),
  /** Null where no kernel module of NVIDIA is loaded. */
  module: z.object({ version: z.string(), kind: moduleKind }).nullable(),
  /** Modules beyond nvidia, nvidia_uvm and nvidia_modeset, which come with the machine's module. */
  driverFiles: driverFiles.omit({ nodes: true }),
  /** comm by pid. */
  processes: z.record(z.string(), z.string()),
  /** More of a process of `processes`, by pid. */
  processDetails: z.record(z.string(), process),
  /** What the adapters of these names send and receive while they are looked at. */
  nicTraffic: z.record(
    z.string(),
    z.object({
      sentMbps: z.number().min(0).exactOptional(),
      receivedMbps: z.number().min(0).exactOptional(),
    }),
  ),
  pods: z.object({
    allocations,
    checkpoint: allocations,
    /** Ids by resource. Without it every whole GPU of the machine is allocatable. */
    allocatable: reading(z.record(z.string(), z.array(deviceRef))).exactOptional(),
    names: reading(z.array(podName)),
    lives: z.array(life),
  }),
});

/**
 * The host of a machine as its file says it, over a healthy one (healthy-host.json): in a reading's
 * place stands its value, or `{"missing": "no_permission"}`; one that is null or not there is not
 * supported. A word that no reading has is refused.
 */
export const HostData = z.preprocess(overHealthy, stated(host));
export type HostData = z.infer<typeof HostData>;

function stated<Schema extends z.ZodType>(schema: Schema): z.ZodType<z.output<Schema>>;
function stated(schema: z.ZodType): z.ZodType {
  const value = valueIn(schema);
  if (value) return z.preprocess(asReading, reading(stated(value)));
  const whole = replaceParts(schema, stated);
  return whole instanceof z.ZodObject ? whole.strict() : whole;
}

function asReading(data: unknown): unknown {
  if (data === undefined || data === null) return missing('not_supported');
  if (!isRecord(data) || !('missing' in data)) return present(data);
  const { missing: reason, ...why } = data;
  return { ok: false, reason, ...why };
}

const HOST: Readonly<Record<string, unknown>> = healthy.host;
const ROWS: Readonly<Record<string, object>> = healthy.rows;

/** What the file does not say of the host, or of a group of readings, is as on a healthy server. */
function overHealthy(data: unknown): unknown {
  if (!isRecord(data)) return data;
  const groups = Object.entries(HOST).map(([name, group]) => {
    const own = data[name];
    return [name, isRecord(group) && isRecord(own) ? { ...group, ...own } : (own ?? group)];
  });
  return withRows({ ...data, ...Object.fromEntries(groups) }, '');
}

/** Rows of a list, and those of a dictionary of rows, have what they do not say from ROWS. */
function withRows(data: unknown, name: string): unknown {
  if (Array.isArray(data)) return data.map(item => wholeRow(item, name));
  if (!isRecord(data)) return data;
  const inside = name === 'processDetails' ? (row: unknown) => wholeRow(row, name) : withRows;
  return Object.fromEntries(
    Object.entries(data).map(([key, part]) => [key, inside(part, key)] as const),
  );
}

function wholeRow(row: unknown, name: string): unknown {
  if (!isRecord(row)) return row;
  const stated = Object.entries({ ...ROWS[name], ...row }).filter(([, part]) => part !== null);
  return withRows(Object.fromEntries(stated), '');
}
