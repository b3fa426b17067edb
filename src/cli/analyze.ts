import { Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { type Answer, linesOf, type Written } from '../contract/answer.ts';
import type { Coverage } from '../contract/coverage.ts';
import { UsageError } from '../contract/errors.ts';
import { type Hits, SEVERITIES } from '../contract/finding.ts';
import { text } from '../contract/flag-values.ts';
import type { KernelRecord } from '../contract/kernel-record.ts';
import { optional } from '../contract/optional.ts';
import { type Clock, momentMs } from '../contract/time.ts';
import { TAKES } from '../findings/remedy.ts';
import { KERNEL_ANCHORS } from '../kernel-log/anchors.ts';
import { createFileLog } from '../kernel-log/file-log.ts';
import { loadXz } from '../kernel-log/load-xz.ts';
import { eventLine, incidentLines } from '../tools/support/finding-lines.ts';
import type { LogFacts } from '../tools/support/read-node.ts';
import { searchedLog, searchedText, unreadSentence } from '../tools/support/searched.ts';
import { plural } from '../tools/support/wording.ts';
import { createAnalysis } from '../xid/analysis.ts';
import type { Incident, KernelEvent } from '../xid/events.ts';
import { createProgramTexts, type ProgramText, TEXT_ANCHORS } from '../xid/pasted-texts.ts';
import type { Place } from '../xid/place.ts';
import { defineCommand } from './command.ts';
import { failOn, moment, OUTPUT, PLACE, word } from './flags.ts';
import { STDIN_WORD } from './io.ts';
import { print } from './print.ts';
import { SUMMARIES } from './summaries.ts';

/**
 * A log of gigabytes makes gigabytes of short-lived objects; V8 would let them lie until the heap is
 * several times what lives in it. With these, a 1 GB log takes 140 MB instead of 270.
 */
const SMALL_HEAP = ['--optimize-for-size', '--heap-growing-percent=20'];

/** Kernel-log text to events and incidents: no cluster, no node. */
export const analyze = defineCommand({
  ...SUMMARIES.analyze,
  examples: [
    ['$0 analyze kern.log', 'dmesg, journalctl, kern.log, journal files, nvidia-bug-report.log.gz'],
    ['dmesg | $0 analyze - -o json', 'for scripts'],
  ],
  flags: {
    file: word('A file, a directory, or -', { names: 'file' }),
    ...OUTPUT,
    since: moment('How far back: 30m, 24h, 7d or an ISO time'),
    timeZone: text('Zone of local times in it, for example Europe/Berlin (default: UTC)', {
      names: 'zone',
    }),
    ...PLACE,
    failOn: failOn('Exit code 1 when an incident is this bad or worse'),
  },
  async run(invocation) {
    const { args, io } = invocation;
    const { file, since, timeZone, place } = args;
    for (const option of SMALL_HEAP) setFlagsFromString(option);
    const nowMs = io.clock.nowMs();
    const sinceMs = since === undefined ? undefined : momentMs(since, nowMs);
    const found = await analyzed(file === STDIN_WORD ? io.stdin : file, {
      ...{ name: file === STDIN_WORD ? '-' : file, place, timeZone, sinceMs },
      ...{ clock: io.clock, signal: io.signal },
    });
    refuseUnread(file, found.coverage);
    const lines = linesOf(pageOf(found, { nowMs, sinceMs }));
    await print({ title: `Analysis of ${file}`, lines, structured: { ...found } }, invocation);
    const { incidents, coverage } = found;
    if (args.failOn === undefined) return 0;
    const limit = SEVERITIES.indexOf(args.failOn);
    const isBad = incidents.some(({ severity }) => SEVERITIES.indexOf(severity) <= limit);
    return isBad || coverage.some(isUnread) ? 1 : 0;
  },
});

interface Analyzing {
  /** What its coverage calls it. */
  readonly name: string;
  readonly place?: Place | undefined;
  readonly timeZone?: string | undefined;
  readonly sinceMs?: number | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Events and incidents in a file, a directory or a stream. */
async function analyzed(
  input: string | AsyncIterable<Uint8Array>,
  { name, place, timeZone, sinceMs, clock, signal }: Analyzing,
): Promise<Found> {
  const log = createFileLog({
    ...{ input, name, loadXz },
    nowMs: () => clock.nowMs(),
    anchors: [...KERNEL_ANCHORS, ...TEXT_ANCHORS],
    ...(timeZone === undefined ? {} : { zone: checkedZone(timeZone) }),
  });
  const analysis = createAnalysis({ place });
  const programs = createProgramTexts();
  const see = (record: KernelRecord) => {
    analysis.see(record);
    programs.see(record);
  };
  const covered = await log.scan(optional({ sinceMs }), see, signal);
  const { events, incidents, folded, census } = analysis.finish();
  const texts = programs.all();
  return {
    events,
    incidents: incidents.map(incident => withHits(incident, events)),
    coverage: census.added(covered),
    folded,
    ...(texts.length > 0 && { texts }),
  };
}

/** Of pasted text: what a model reads of each list. */
const PASTED = { incidents: 12, events: 24, texts: 8 } as const;

/** Text that somebody pasted, for a model: both forms say the same, and what was left out of it. */
export async function analyzedText(
  text: string,
  analyzing: Omit<Analyzing, 'name'>,
): Promise<Answer> {
  const found = await analyzed(Readable.from([Buffer.from(text)]), {
    ...analyzing,
    name: 'pasted text',
  });
  const events = found.events.slice(-PASTED.events);
  const incidents = found.incidents.slice(0, PASTED.incidents);
  const texts = found.texts?.slice(0, PASTED.texts);
  const left = {
    events: found.events.length - events.length,
    incidents: found.incidents.length - incidents.length,
    texts: (found.texts?.length ?? 0) - (texts?.length ?? 0),
  };
  const shown = { ...found, events, incidents, ...(texts && { texts }) };
  const nowMs = analyzing.clock.nowMs();
  const isCut = Object.values(left).some(count => count > 0);
  const [first = '', ...rest] = pageOf(shown, { nowMs, sinceMs: analyzing.sinceMs });
  const cut = `left out: ${left.incidents} incidents, ${left.events} events, ${left.texts} texts; analyse a part of it`;
  return {
    structured: {
      summary: typeof first === 'string' ? first : first.text,
      ...shown,
      incidents: incidents.map(briefIncident),
      events: events.map(({ line, time, severity, text }) => ({ line, time, severity, text })),
      ...(isCut && { leftOut: left }),
    },
    lines: linesOf([first, ...rest, ...(isCut ? [cut] : [])]),
  };
}

/** What the lines say of an incident. */
function briefIncident(incident: IncidentWithHits) {
  const { severity, title, gpu, action, actionSource, advice, blame, confidence, why } = incident;
  const { firstTime, firstLine, count, counterEvidence, disagreement, sinceThen, over, hits } =
    incident;
  return {
    ...{ severity, title, gpu, action, actionSource, blame, confidence, why },
    ...{ firstLine, firstTime, count, counterEvidence, disagreement, sinceThen },
    ...optional({ advice, over, hits }),
  };
}

/** What could not be read at all is no log without incidents. */
function refuseUnread(file: string, coverage: readonly Coverage[]): void {
  const [first] = coverage;
  if (!first || coverage.some(source => source.available)) return;
  const [note] = first.notes;
  throw new UsageError(
    `"${file}" could not be read: ${note ?? first.unavailable ?? 'unknown'}`,
    'name a log file, a journal directory, or - for stdin',
  );
}

/** A part that was not read, as a whole or at single places: no all-clear. */
const isUnread = ({ available, unread, complete }: Coverage): boolean =>
  !available || unread !== undefined || complete === false;

type IncidentWithHits = Incident & { readonly hits?: Hits };

const PROCESSES_MAX = 4;

/** Whom the action ends: the log knows the programs that it names, and nobody else. */
function withHits(incident: Incident, events: readonly KernelEvent[]): IncidentWithHits {
  const takes = TAKES[incident.action];
  if (takes === undefined || incident.severity === 'info') return incident;
  const isTaken = ({ source, line, pci }: KernelEvent) =>
    source === incident.source &&
    line >= incident.firstLine &&
    (takes === 'node' || incident.gpu === null || pci === incident.gpu);
  const named = events
    .filter(isTaken)
    .flatMap(({ xid, pid, process }) =>
      xid === null || pid === null ? [] : [{ pid, ...(process === null ? {} : { name: process }) }],
    );
  const processes = [...new Map(named.map(of => [of.pid, of])).values()];
  const place = takes === 'node' ? 'the GPUs of this node' : 'this GPU';
  const hits = {
    pods: [],
    processes: processes.slice(0, PROCESSES_MAX),
    more: Math.max(0, processes.length - PROCESSES_MAX),
    notRead: [`who else uses ${place}, which no log tells (${WHO})`],
  };
  return { ...incident, hits };
}

const WHO =
  'kubectl gpu-mcp triage NODE does, or on it: nvidia-smi --query-compute-apps=gpu_bus_id,pid,name --format=csv';

const EVENTS_SHOWN_MAX = 40;

function pageOf(
  found: Found,
  { nowMs, sinceMs }: { readonly nowMs: number; readonly sinceMs: number | undefined },
): Written[] {
  const { incidents, events, coverage, folded } = found;
  const shown = events.slice(-EVENTS_SHOWN_MAX);
  const [worst] = incidents;
  return [
    worst
      ? `${plural(incidents.length, 'incident')} in ${plural(events.length, 'event')}. Worst: ${worst.title}${worst.over ? ', which is over' : ''}, action ${worst.action}.${unreadSentence(coverage)}`
      : `No XID or SXid incident found ${searchedText(coverage, sinceMs)}.`,
    ...partsUnread(coverage),
    ...incidents.flatMap(incident => ['', ...incidentLines(incident, nowMs)]),
    ...textLines(found.texts ?? []),
    ...(shown.length > 0 ? ['', `events, the last ${shown.length} of ${events.length}:`] : []),
    ...shown.map(eventLine),
    ...(folded > 0 ? [`${folded} repeats folded into counts`] : []),
    '',
    ...searchedLog(coverage, nowMs),
  ];
}

/** Files of a directory or an archive that were not read, by name. */
function partsUnread(coverage: readonly Coverage[]): string[] {
  const parts = coverage.filter(({ available, complete }) => !available || complete === false);
  if (parts.length === 0) return [];
  const names = parts.map(({ source, notes, unavailable }) => {
    const why = notes.at(-1) ?? unavailable ?? 'unknown';
    return `${source} (${why})`;
  });
  return [
    `Not read whole: ${names.slice(0, PARTS_SHOWN_MAX).join(', ')}${names.length > PARTS_SHOWN_MAX ? ', ...' : ''}. This is no all-clear.`,
  ];
}

const PARTS_SHOWN_MAX = 8;

type Found = Pick<LogFacts, 'events' | 'coverage' | 'folded'> & {
  readonly incidents: readonly IncidentWithHits[];
  readonly texts?: readonly ProgramText[];
};

/** What programs wrote is told apart: no kernel vouches for it. */
const textLines = (texts: readonly ProgramText[]): string[] => [
  ...(texts.length > 0
    ? ['', 'error texts of programs, which the kernel does not vouch for:']
    : []),
  ...texts.flatMap(({ title, layer, advice, next, firstLine, count }) => [
    `  line ${firstLine}  ${title} (${plural(count, 'line')}; likely layer: ${layer})`,
    `    ${advice} Next: ${next}`,
  ]),
];

function checkedZone(zone: string): string {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone;
  } catch {
    throw new UsageError(`"${zone.slice(0, 60)}" is not a time zone`, '--time-zone Europe/Berlin');
  }
}
