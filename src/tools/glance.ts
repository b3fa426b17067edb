import * as z from 'zod';
import { optional } from '../contract/optional.ts';
import { known, MissingReason } from '../contract/reading.ts';
import { isoTime } from '../contract/time.ts';
import { plainText } from '../contract/untrusted.ts';
import type { NodeFacts } from '../findings/facts.ts';
import type { DriverState, GpuState } from '../nvml/port.ts';
import { HEAD } from './head.ts';
import type { Instruments } from './instruments.ts';
import { FaultStep, logSteps } from './support/fault-timeline.ts';
import { counterDeltas, growsWithLoad } from './support/gpu-counters.ts';
import type { Field } from './support/gpu-fields.ts';
import { GpuRow, gpuRows } from './support/gpu-rows.ts';
import { ProcessRow, processRows } from './support/process-rows.ts';
import type { LogFacts } from './support/read-node.ts';

/**
 * What a live view shows of a node at one moment: a tool that is not listed, so no model sees it. An
 * agent keeps what changes seldom from one call to the next, and counts from its first call on.
 */
export const GLANCE_TOOL = 'glance_node';

const GlanceGpu = GpuRow.omit({ processes: true }).extend({
  processes: z.array(ProcessRow.omit({ gpuEnvironment: true, startedAt: true })).optional(),
  processesLeftOut: z.int().optional(),
  /** Why the driver named no processes. */
  processesUnavailable: MissingReason.optional(),
  /** NVLinks that are up, of those that the GPU has by its own count. */
  links: z.strictObject({ active: z.int(), all: z.int() }).optional(),
  linksUnavailable: MissingReason.optional(),
  /** By how much counters of errors and throttling grew since the first call; those that stood still are absent. */
  grew: z.record(z.string(), z.number()).optional(),
});
export type GlanceGpu = z.infer<typeof GlanceGpu>;

export const Glance = z.strictObject({
  node: HEAD.node,
  simulated: HEAD.simulated,
  /** ISO 8601 UTC, as all times here by the node's clock. */
  takenAt: HEAD.takenAt,
  /** When the session began: events are since then, and growth since its first glance. */
  since: z.string(),
  driver: z.string().optional(),
  /** Why there is no driver to ask. */
  unavailable: MissingReason.optional(),
  /** The call that the driver does not answer, and for how long it was waited for. */
  hung: z
    .strictObject({ call: z.string(), gpu: z.int().optional(), waitedMs: z.number() })
    .optional(),
  gpus: z.array(GlanceGpu),
  /** What the kernel said of GPUs since then, oldest first. */
  events: z.array(FaultStep),
  eventsLeftOut: z.int(),
  /** Why the kernel's ring buffer could not be read: no events then say nothing. */
  logUnavailable: z.string().optional(),
});
export type Glance = z.infer<typeof Glance>;

/** What is shown of a GPU beside its processes and links. */
const FIELDS: readonly Field[] = [
  ...(['name', 'uuid', 'memory', 'temperatureC', 'slowdownTemperatureC', 'powerUsageMw'] as const),
  ...(['enforcedPowerLimitMw', 'smClockMhz', 'maxSmClockMhz', 'memoryClockMhz'] as const),
  ...(['gpuUtilizationPercent', 'memoryUtilizationPercent', 'clocksEventReasons'] as const),
  ...(['migMode', 'eccUncorrectedVolatile'] as const),
];

const PROCESSES_MAX = 32;
const EVENTS_MAX = 32;

/** A node as an agent has read it, with what it kept of earlier readings. */
export interface GlanceFacts extends NodeFacts {
  readonly sinceMs: number;
  /** The first and the last reading of counters; absent where there was none. */
  readonly counters?: { readonly first: DriverState; readonly last: DriverState } | undefined;
  readonly log: LogFacts;
}

/** The readings as they are shown. Pure but for the name of the node. */
export function glanceOf(
  facts: GlanceFacts,
  { node, simulated }: Pick<Instruments, 'node' | 'simulated'>,
): Glance {
  const { driver, host, log, nowMs, sinceMs } = facts;
  const rows = gpuRows(facts, FIELDS);
  const steps = logSteps(log.events, { incidents: log.incidents, rows });
  const { unresponsive: hung, initialized } = driver;
  const version = known(driver.driverVersion);
  return {
    node: node ?? simulated ?? known(host.hostname) ?? 'this machine',
    simulated: simulated !== undefined,
    takenAt: isoTime(nowMs),
    since: isoTime(sinceMs),
    ...optional({ driver: version && plainText(version, 48) }),
    ...(initialized.ok ? {} : { unavailable: initialized.reason }),
    ...optional({ hung }),
    gpus: rows.map(row => gpuAtAGlance(row, facts)),
    events: steps.slice(-EVENTS_MAX),
    eventsLeftOut: Math.max(0, steps.length - EVENTS_MAX) + log.folded,
    ...logGap(log),
  };
}

/** The ring buffer has two doors: one that is open is enough. */
function logGap({ coverage }: LogFacts): Pick<Glance, 'logUnavailable'> {
  if (coverage.some(({ available }) => available)) return {};
  const reasons = coverage.flatMap(({ unavailable }) => unavailable ?? []);
  return { logUnavailable: plainText(reasons[0] ?? 'no source of it is there', 120) };
}

function gpuAtAGlance(row: GpuRow, facts: GlanceFacts): GlanceGpu {
  const { processes: _, ...own } = row;
  const gpu = facts.driver.gpus.find(({ index }) => index === row.index);
  if (!gpu?.handle.ok) return own;
  const { first, last } = facts.counters ?? {};
  return { ...own, ...processesOf(facts, gpu), ...countersOf(at(first, gpu), at(last, gpu)) };
}

const at = (state: DriverState | undefined, { index }: GpuState): GpuState | undefined =>
  state?.gpus.find(gpu => gpu.index === index);

function processesOf(facts: NodeFacts, gpu: GpuState): Partial<GlanceGpu> {
  const rows = processRows(facts, gpu);
  if (!rows) return gpu.processes.ok ? {} : { processesUnavailable: gpu.processes.reason };
  const left = rows.length - PROCESSES_MAX;
  return {
    processes: rows
      .slice(0, PROCESSES_MAX)
      .map(({ gpuEnvironment: _, startedAt: __, ...row }) => row),
    ...(left > 0 && { processesLeftOut: left }),
  };
}

function countersOf(
  first: GpuState | undefined,
  last: GpuState | undefined,
): Pick<GlanceGpu, 'links' | 'linksUnavailable' | 'grew'> {
  if (!last) return {};
  const { nvlinks } = last;
  const deltas: Readonly<Record<string, number>> = first ? counterDeltas(first, last).deltas : {};
  const grew = Object.entries(deltas).filter(([name]) => !growsWithLoad(name));
  return {
    ...(nvlinks.ok
      ? { links: linkCount(nvlinks.value.links) }
      : { linksUnavailable: nvlinks.reason }),
    ...(grew.length > 0 && { grew: Object.fromEntries(grew) }),
  };
}

type Links = Extract<GpuState['nvlinks'], { ok: true }>['value']['links'];

/** A sleeping link is up: it saves power. */
const linkCount = (links: Links) => ({
  active: links.filter(({ state }) => known(state) === 'active' || known(state) === 'sleep').length,
  all: links.length,
});
