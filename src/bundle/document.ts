import * as z from 'zod';
import { type ClusterView, clusterView } from '../contract/cluster-view.ts';
import { type ContainerLife, containerLife } from '../contract/container-life.ts';
import { Coverage } from '../contract/coverage.ts';
import type { KernelRecord } from '../contract/kernel-record.ts';
import { Reach } from '../contract/reach.ts';
import type { Reading } from '../contract/reading.ts';
import { milliseconds, reading } from '../contract/reading-schema.ts';
import { plainText } from '../contract/untrusted.ts';
import type { HostState, ProcessOwner } from '../host/port.ts';
import { processOwner } from '../host/readings/processes.ts';
import { hostCounters, hostState } from '../host/readings.ts';
import type { PodHistory } from '../kernel-log/port.ts';
import type { DriverState } from '../nvml/port.ts';
import type { Again } from '../tools/instruments.ts';
import { kept, plain, time } from './bundle-readings.ts';
import { keptDriver } from './driver-schema.ts';
import { RECORD_CHARACTERS_MAX, RECORDS_MAX } from './kept-records.ts';

const FORMAT = 'kubectl-gpu-mcp-bundle';
/**
 * Raised when what is written means something else than before. A reading more or less does not
 * raise it: what a bundle lacks is missing.
 */
export const SCHEMA = 1;

/** Everything that the tools could ask of one node at one moment. */
export interface Bundle {
  /** Of the agent that read the node, and of the plugin that wrote the file. */
  readonly versions: { readonly agent: string; readonly plugin: string };
  readonly capturedAtMs: number;
  /** The node's name in Kubernetes; absent with `--local`. */
  readonly node: string | undefined;
  /** The machine's name when nothing here is real. */
  readonly simulated: string | undefined;
  /** One reading, and those of the seconds after it. */
  readonly drivers: readonly DriverState[];
  readonly host: HostState;
  readonly owners: readonly ProcessOwner[];
  /** Counters that were read twice, where the first reading gave reason to. */
  readonly again: Again | undefined;
  readonly podHistory: Awaited<ReturnType<PodHistory['read']>>;
  readonly containerLogs: Reading<readonly ContainerLife[]>;
  readonly kernelLog: KeptLog;
  /** Absent where its node was reached by a pod with all of it, or by none. */
  readonly reach?: Reach | undefined;
  /** Absent where there was no cluster. */
  readonly cluster: ClusterView | undefined;
}

export interface KeptLog {
  /** How far back it was searched, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** Those that the analysis needs, source by source. */
  readonly records: readonly KernelRecord[];
  readonly coverage: readonly Coverage[];
}

/** A name goes where a client reads instructions: it is one word, or the bundle is damaged. */
const NAME = /^[\w.-]{1,253}$/;
const name = z.string().regex(NAME).optional();

const version = z.string().regex(/^[\w.+-]{1,64}$/);

const record = z.object({
  source: z.string().transform(text => plainText(text, 4_096)),
  line: z.int().min(0),
  text: z.string().max(RECORD_CHARACTERS_MAX),
  level: z.int().min(0).max(7).nullable(),
  boot: z
    .string()
    .regex(/^[\w-]{1,64}$/)
    .nullable(),
  bootSeconds: z.number().nullable(),
  timeMs: milliseconds.nullable(),
  timeUncertaintyMs: z.number().min(0).nullable(),
});

const coverage = plain(
  z.array(Coverage.extend({ from: time.optional(), to: time.optional() })).max(1_024),
);

const countersNow = z.object({
  driver: keptDriver.optional(),
  counters: kept(hostCounters).optional(),
  hostAtMs: milliseconds,
});

const Document = z.object({
  versions: z.object({ agent: version, plugin: version }),
  capturedAt: time,
  node: name,
  simulated: name,
  drivers: z.array(plain(keptDriver)).min(1).max(16),
  host: plain(kept(hostState)),
  owners: plain(kept(z.array(processOwner).max(8_192))),
  again: plain(z.object({ before: countersNow, after: countersNow }).optional()),
  podHistory: z.object({ lives: plain(z.array(containerLife)), coverage }),
  containerLogs: plain(kept(reading(z.array(containerLife)))),
  kernelLog: z.object({
    since: time,
    records: z.array(record).max(RECORDS_MAX),
    coverage,
  }),
  reach: Reach.optional(),
  // Of one pod more is read only when a tool asks.
  cluster: plain(
    kept(clusterView.omit({ pod: true, podEvents: true, log: true, job: true })).optional(),
  ),
});

/** What makes a document one of ours, whatever its schema. */
export const Envelope = z.looseObject({
  format: z.literal(FORMAT),
  schema: z.int().min(1),
  versions: z.looseObject({ agent: version }),
});

/** A document as its parts. @throws ZodError where a part is not of its form. */
export function bundleFrom(document: unknown): Bundle {
  const { capturedAt, kernelLog, node, simulated, again, cluster, ...parts } =
    Document.parse(document);
  const { since, records, coverage } = kernelLog;
  return {
    ...{ ...parts, node, simulated, again, cluster },
    capturedAtMs: Date.parse(capturedAt),
    kernelLog: { sinceMs: Date.parse(since), records, coverage },
  };
}

/** What bundleFrom reads, for what is written. The plugin adds its part on the user's machine. */
export function documentOf(bundle: Bundle): Record<string, unknown> {
  const { capturedAtMs, kernelLog, versions, ...parts } = bundle;
  return {
    format: FORMAT,
    schema: SCHEMA,
    versions,
    capturedAt: new Date(capturedAtMs).toISOString(),
    ...parts,
    kernelLog: {
      since: new Date(kernelLog.sinceMs).toISOString(),
      records: kernelLog.records,
      coverage: kernelLog.coverage,
    },
  };
}

/** How the node of a bundle is called: as its answers call it. */
export const nodeOf = ({ node, simulated, host }: Bundle): string =>
  node ??
  simulated ??
  (host.hostname.ok && NAME.test(host.hostname.value) ? host.hostname.value : 'this machine');
