import * as z from 'zod';
import { summaryLine } from '../../contract/answer.ts';
import type { ClusterView } from '../../contract/cluster-view.ts';
import { Severity } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { known } from '../../contract/reading.ts';
import { momentMs } from '../../contract/time.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import { EventPod, eventPodsText, podsOfEvent } from '../../findings/support/event-pods.ts';
import { numberOf } from '../../findings/support/incident-evidence.ts';
import { isGpuResource } from '../../findings/support/layers.ts';
import type { Boundary } from '../../xid/boots.ts';
import { HEAD, head, unlisted } from '../head.ts';
import { allocationRow } from '../support/allocations.ts';
import { podTimes } from '../support/cluster-pod-lives.ts';
import { type GpuRow, gpuRows, gpuSelector, selectRows } from '../support/gpu-rows.ts';
import { eventGpu } from '../support/merged-order.ts';
import { moment } from '../support/moment-input.ts';
import { withPodHistory } from '../support/pods-of-events.ts';
import { EMPTY_LOG, hostnameOf, readNode } from '../support/read-node.ts';
import {
  Searched,
  searchedLines,
  searchedPods,
  searchedText,
  unreadSentence,
} from '../support/searched.ts';
import { plural, when } from '../support/wording.ts';
import { defineTool } from '../tool.ts';

const Entry = z
  .strictObject({
    /** ISO 8601 UTC; null where the log has no wall time. */
    time: z.string().nullable(),
    /** How wrong `time` may be by its own clock; absent where the source does not tell. */
    timeUncertaintyMs: z.number().optional(),
    bootSeconds: z.number().nullable(),
    kind: z.string(),
    /** `XID 79`, `SXid 20034`. */
    code: z.string().optional(),
    severity: Severity,
    gpuIndex: z.int().optional(),
    pci: z.string().nullable(),
    text: z.string(),
    source: z.string(),
    line: z.int(),
    /** Whose it was, as far as the node can tell. */
    pods: z.array(unlisted(EventPod)).optional(),
  })
  .meta({ listedKeys: ['time', 'kind', 'code', 'severity', 'gpuIndex', 'text', 'pods'] });
type Entry = z.infer<typeof Entry>;

/** What a drawing of the timeline is made from. */
export const TimelineFacts = z.strictObject({
  ...HEAD,
  entries: z.array(Entry),
  entriesTotal: z.int().min(0),
  /** Pods that hold other GPUs than the chosen one, as `namespace/pod`. */
  podsElsewhere: unlisted(z.array(z.string())).optional(),
  searched: unlisted(Searched),
});
export type TimelineFacts = z.infer<typeof TimelineFacts>;

export const getGpuTimeline = defineTool({
  name: 'get_gpu_timeline',
  title: 'Timeline of a GPU node',
  description:
    'Tells what the kernel log holds, oldest first: XIDs, SXids, driver loads, boots, out-of-memory kills, hung tasks, starts and ends of GPU pods. ' +
    'Ask it for what came first.',
  input: z.strictObject({
    since: moment.default('24h').describe('30m, 24h, 7d or an ISO time.'),
    gpu: gpuSelector,
    limit: z.int().min(1).max(500).default(60).describe('Entries at most; the newest are kept.'),
  }),
  output: TimelineFacts,
  async observe(input, instruments, signal) {
    const sinceMs = momentMs(input.since, instruments.clock.nowMs());
    const read = await readNode(instruments, { sinceMs }, signal, 'first');
    const told = await withPodHistory(read, instruments, signal);
    // Whose starts and ends belong to a GPU only the kubelet knows.
    const facts =
      input.gpu === undefined || told.history
        ? told
        : { ...told, host: await instruments.host.read(signal, 'all') };
    const { events, boundaries, coverage } = read.log ?? EMPTY_LOG;
    const rows = gpuRows(facts, ['name']);
    const chosen = input.gpu === undefined ? undefined : selectRows(rows, input.gpu);
    const selected = chosen?.map(row => row.pci);
    const boots = boundaries.flatMap(boundary => bootOf(boundary, sinceMs));
    const all = [...boots, ...events.map(event => entryOf(event, rows, podsOfEvent(facts, event)))]
      .filter(entry => selected === undefined || entry.pci === null || selected.includes(entry.pci))
      .toSorted(byTime);
    const entries = all.slice(-input.limit);
    const summary =
      all.length === 0
        ? `Nothing of the driver, the GPUs or their host ${searchedText(coverage, sinceMs)}.`
        : `${plural(all.length, 'entry', 'entries')}${entries.length < all.length ? `, the newest ${entries.length} shown` : ''}; first ${all[0]?.kind}, last ${all.at(-1)?.kind}.${unreadSentence(coverage)}`;
    return {
      ...head(instruments, hostnameOf(facts), summary),
      entries,
      entriesTotal: all.length,
      ...(chosen ? { podsElsewhere: podsElsewhere(facts, chosen) } : {}),
      searched: {
        since: new Date(sinceMs).toISOString(),
        kernelLog: [...coverage],
        ...searchedPods(facts),
      },
    };
  },
  clusterView: { question: () => ({}), join },
  timed: ({ entries, entriesTotal }) => ({
    fromFirst: entries.length === entriesTotal,
    events: entries.flatMap(({ time, timeUncertaintyMs, severity, text, gpuIndex, pci, code }) =>
      time === null
        ? []
        : [
            {
              time,
              // The cluster tells whole seconds.
              uncertaintyMs: timeUncertaintyMs ?? 1_000,
              severity,
              what: text,
              ...eventGpu(gpuIndex, pci),
              ...optional({ code }),
            },
          ],
    ),
  }),
  lines(facts) {
    const nowMs = Date.parse(facts.takenAt);
    return [
      summaryLine(facts),
      ...facts.entries.map(entry => {
        const time = when(entry.time, nowMs) ?? `${entry.bootSeconds ?? '?'} s after boot`;
        const whose = entry.pods ? `  [${eventPodsText(entry.pods)}]` : '';
        return `  ${time}  ${entry.severity.padEnd(8)} ${entry.text}${whose}`;
      }),
      ...searchedLines(facts.searched, nowMs),
    ];
  },
});

/** A boot in the window; a log may show only what came days after the one before. */
function bootOf({ kind, moment }: Boundary, sinceMs: number): Entry[] {
  const { timeMs, bootSeconds } = moment;
  if (kind !== 'boot' || (timeMs !== null && timeMs < sinceMs)) return [];
  return [
    {
      time: timeMs === null ? null : new Date(timeMs).toISOString(),
      bootSeconds,
      kind: 'boot',
      severity: 'info',
      pci: null,
      text: 'the machine booted',
      source: 'kernel log',
      line: 0,
    },
  ];
}

const PODS_ELSEWHERE_MAX = 128;

/** Pods whose GPUs are all known, and none of them is chosen. */
function podsElsewhere(facts: NodeFacts, chosen: readonly GpuRow[]): string[] {
  const held = [facts.host.pods.allocations, facts.host.pods.checkpoint].flatMap(
    reading => known(reading) ?? [],
  );
  const names = held
    .filter(({ resource }) => isGpuResource(resource))
    .map(allocation => {
      const { namespace, pod, devices } = allocationRow(facts, allocation, []);
      const isElsewhere = devices.every(
        ({ gpuIndex, pci }) =>
          (gpuIndex ?? pci) !== undefined &&
          !chosen.some(row => (gpuIndex === undefined ? row.pci === pci : row.index === gpuIndex)),
      );
      return { name: `${namespace}/${pod}`, isElsewhere: pod !== undefined && isElsewhere };
    });
  const here = new Set(names.flatMap(({ name, isElsewhere }) => (isElsewhere ? [] : name)));
  return [...new Set(names.map(({ name }) => name))]
    .filter(name => !here.has(name))
    .slice(0, PODS_ELSEWHERE_MAX);
}

interface Joined {
  readonly podsElsewhere?: readonly string[] | undefined;
  readonly summary: string;
  readonly entries: Entry[];
  readonly entriesTotal: number;
  readonly searched: { readonly since: string };
}

/** The starts and ends of the node's GPU pods, among what the kernel told. */
function join<F extends Joined>(facts: F, view: ClusterView, { limit }: { limit: number }): F {
  const times = podTimes(view, new Set(facts.podsElsewhere)).filter(
    ({ time }) => time >= facts.searched.since,
  );
  if (times.length === 0) return facts;
  const pods = times.map(({ time, kind, text }) => ({
    time,
    bootSeconds: null,
    kind,
    severity: 'info' as const,
    pci: null,
    text,
    source: 'cluster',
    line: 0,
  }));
  return {
    ...facts,
    summary: `${facts.summary} Pods: ${times.length} starts and ends.`,
    entries: [...facts.entries, ...pods].toSorted(byTime).slice(-limit),
    entriesTotal: facts.entriesTotal + pods.length,
  };
}

type Event = (typeof EMPTY_LOG)['events'][number];

function entryOf(event: Event, rows: ReturnType<typeof gpuRows>, pods: readonly EventPod[]): Entry {
  const { time, bootSeconds, kind, severity, pci, text, source, line } = event;
  const uncertainty = event.timeUncertaintyMs;
  const index = pci === null ? undefined : rows.find(row => row.pci === pci)?.index;
  const place = index === undefined ? {} : { gpuIndex: index };
  const whose = pods.length === 0 ? {} : { pods: [...pods] };
  return {
    time,
    ...(uncertainty === null ? {} : { timeUncertaintyMs: uncertainty }),
    bootSeconds,
    kind,
    ...optional({ code: numberOf(event) }),
    severity,
    ...place,
    pci,
    text,
    source,
    line,
    ...whose,
  };
}

/** Entries without a wall time keep their order among themselves, before all others. */
const byTime = (a: Entry, b: Entry): number =>
  (a.time ?? '').localeCompare(b.time ?? '') || (a.bootSeconds ?? 0) - (b.bootSeconds ?? 0);
