import * as z from 'zod';
import { summaryLine } from '../../contract/answer.ts';
import type { Coverage } from '../../contract/coverage.ts';
import { UsageError } from '../../contract/errors.ts';
import { SEVERITIES } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { momentMs } from '../../contract/time.ts';
import { decidedIncidents, diagnose } from '../../findings/diagnosis.ts';
import { EventPod, eventPodsText, podsOfEvent } from '../../findings/support/event-pods.ts';
import { Incident, KernelEvent } from '../../xid/events.ts';
import { HEAD, head, unlisted } from '../head.ts';
import { withClusterPods } from '../support/cluster-pod-lives.ts';
import { eventLine, incidentLines } from '../support/finding-lines.ts';
import { type GpuRow, gpuRows, gpuSelector, selectRows } from '../support/gpu-rows.ts';
import { timedIncidents } from '../support/merged-order.ts';
import { moment } from '../support/moment-input.ts';
import { isAboutPod, podInput } from '../support/pod-name.ts';
import { hostnameOf, readJudged } from '../support/read-node.ts';
import {
  Searched,
  searchedLines,
  searchedPods,
  searchedText,
  unreadSentence,
} from '../support/searched.ts';
import { plural } from '../support/wording.ts';
import { defineTool } from '../tool.ts';

const Input = z.strictObject({
  since: moment.default('24h').describe('30m, 24h, 7d or an ISO time.'),
  until: moment.optional(),
  gpu: gpuSelector,
  pod: podInput.pod.optional().describe('Only what concerns its processes or GPUs.'),
  severity: z.enum(SEVERITIES).optional().describe('This and worse; absent: all.'),
  code: z.int().min(1).max(99_999).optional().describe('One XID or SXid number.'),
  source: z.string().max(64).optional().describe('One source: kmsg, text, journal, ...'),
  limit: z.int().min(1).max(500).default(30).describe('Events at most; incidents are never cut.'),
  cursor: z.string().max(16).optional().describe('nextCursor of the answer before.'),
});

const named = { gpuIndex: z.int().optional(), gpuUuid: z.string().optional() } as const;
const Event = z
  .strictObject({ ...KernelEvent.shape, ...named, pods: z.array(EventPod).optional() })
  .meta({
    listedKeys: ['xid', 'sxid', 'gpuIndex', 'time', 'severity', 'text'],
  });
const IncidentHere = z.strictObject({ ...Incident.shape, ...named }).meta({
  listedKeys: ['title', 'action', 'severity', 'blame', 'gpuIndex', 'why', 'count'],
});
const INCIDENTS_MAX = 50;

export const analyzeXidErrors = defineTool({
  name: 'analyze_xid_errors',
  title: 'XID and SXid errors',
  description:
    'Searches the kernel log for XID, SXid and other NVIDIA driver messages, explains each and groups what has one cause into incidents (root, symptoms, action, blame). ' +
    '"None found" says what was searched. Ask explain_xid for a single number.',
  input: Input,
  output: z.strictObject({
    ...HEAD,
    incidents: z.array(IncidentHere),
    events: z.array(Event),
    eventsTotal: z.int().min(0),
    eventsFolded: z.int().min(0).describe('Repeats of a flood, only counted.'),
    nextCursor: z.string().optional(),
    searched: unlisted(Searched),
  }),
  async observe(input, instruments, signal) {
    const nowMs = instruments.clock.nowMs();
    const sinceMs = momentMs(input.since, nowMs);
    const untilMs = input.until === undefined ? nowMs : momentMs(input.until, nowMs);
    if (untilMs <= sinceMs) throw new UsageError('"until" is not after "since"', 'swap them');
    const { judged, shown: facts } = await readJudged(
      instruments,
      {
        sinceMs,
        ...(input.until === undefined ? {} : { untilMs }),
        ...(input.source === undefined ? {} : { sources: [input.source] }),
      },
      signal,
    );
    const { log } = facts;
    const rows = gpuRows(facts, ['name', 'uuid']);
    const wanted = filterOf(input, rows);
    const { events: all } = log;
    const pods = (event: KernelEvent) => podsOfEvent(facts, event);
    const about = (event: KernelEvent) => isAboutPod(pods(event), input.pod);
    const events = log.events
      .filter(event => wanted({ ...event, codes: [event.xid, event.sxid] }) && about(event))
      .toReversed();
    const decided = decidedIncidents(judged, log.incidents, diagnose(judged).findings);
    const incidents = decided
      .filter(incident => wanted({ ...incident, pci: incident.gpu }))
      .filter(incident => input.pod === undefined || membersOf(incident, all).some(about))
      .slice(0, INCIDENTS_MAX);
    const start = cursorIndex(input.cursor, events.length);
    const page = events.slice(start, start + input.limit);
    const end = start + page.length;
    return {
      ...head(
        instruments,
        hostnameOf(facts),
        summaryOf(incidents, events.length, log.coverage, sinceMs),
      ),
      incidents: incidents.map(incident => ({ ...incident, ...names(incident.gpu, rows) })),
      events: page.map(event => {
        const found = pods(event);
        return {
          ...event,
          ...names(event.pci, rows),
          ...(found.length === 0 ? {} : { pods: [...found] }),
        };
      }),
      eventsTotal: events.length,
      eventsFolded: log.folded,
      ...(end < events.length ? { nextCursor: String(end) } : {}),
      searched: {
        since: new Date(sinceMs).toISOString(),
        until: new Date(untilMs).toISOString(),
        kernelLog: [...log.coverage],
        ...searchedPods(facts),
      },
    };
  },
  clusterView: {
    question: () => ({}),
    join: (facts, view) => ({ ...facts, events: withClusterPods(facts.events, view) }),
  },
  timed: ({ incidents }) => ({
    events: timedIncidents(incidents),
    fromFirst: incidents.length < INCIDENTS_MAX,
  }),
  lines(facts) {
    const nowMs = Date.parse(facts.takenAt);
    return [
      summaryLine(facts),
      ...facts.incidents.flatMap(incident => ['', ...incidentLines(incident, nowMs)]),
      ...(facts.events.length > 0 ? ['', 'events, newest first:'] : []),
      ...facts.events.map(event => `${eventLine(event)}${podText(event.pods)}`),
      ...(facts.nextCursor === undefined
        ? []
        : [`more: ${facts.eventsTotal} events in all, next cursor ${facts.nextCursor}`]),
      ...(facts.eventsFolded > 0 ? [`${facts.eventsFolded} repeats folded into counts`] : []),
      ...searchedLines(facts.searched, nowMs),
    ];
  },
});

/** The events that an incident was made of, as far as they were kept. */
const membersOf = (incident: Incident, events: readonly KernelEvent[]): readonly KernelEvent[] =>
  events.filter(({ source, line }) => source === incident.source && incident.lines.includes(line));

const podText = (pods: readonly EventPod[] = []): string =>
  pods.length === 0 ? '' : `  [${eventPodsText(pods)}]`;

function names(pci: string | null, rows: readonly GpuRow[]) {
  const row = pci === null ? undefined : rows.find(other => other.pci === pci);
  return {
    ...optional({ gpuIndex: row?.index, gpuUuid: row?.uuid }),
  };
}

interface Filtered {
  readonly pci: string | null;
  readonly codes: readonly (number | null)[];
  readonly severity: (typeof SEVERITIES)[number];
}

function filterOf(input: z.output<typeof Input>, rows: readonly GpuRow[]) {
  const selected =
    input.gpu === undefined ? undefined : selectRows(rows, input.gpu).map(row => row.pci);
  const worst =
    input.severity === undefined ? SEVERITIES.length : SEVERITIES.indexOf(input.severity);
  return (event: Filtered): boolean =>
    (selected === undefined || (event.pci !== null && selected.includes(event.pci))) &&
    SEVERITIES.indexOf(event.severity) <= worst &&
    (input.code === undefined || event.codes.includes(input.code));
}

function cursorIndex(cursor: string | undefined, total: number): number {
  if (cursor === undefined) return 0;
  const index = /^\d{1,9}$/.test(cursor) ? Number(cursor) : -1;
  if (index < 0 || index > total) {
    throw new UsageError(
      `"${cursor}" is not a cursor of this answer`,
      'pass nextCursor, or leave it out',
    );
  }
  return index;
}

function summaryOf(
  incidents: readonly Incident[],
  events: number,
  coverage: readonly Coverage[],
  sinceMs: number,
): string {
  const [worst] = incidents.toSorted(
    (a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity),
  );
  if (!worst)
    return `No XID or SXid incident found ${searchedText(coverage, sinceMs)}${events > 0 ? ` (${events} other driver messages)` : ''}.`;
  return `${plural(incidents.length, 'incident')} in ${plural(events, 'event')}. Worst: ${worst.title}, action ${worst.action}.${unreadSentence(coverage)}`;
}
