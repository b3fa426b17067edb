import { setFlagsFromString } from 'node:v8';
import { linesOf, type Written } from '../contract/answer.ts';
import { UsageError } from '../contract/errors.ts';
import { SEVERITIES } from '../contract/finding.ts';
import { text } from '../contract/flag.ts';
import { momentMs } from '../contract/time.ts';
import { createFileLog } from '../kernel-log/file-log.ts';
import { loadXz } from '../kernel-log/load-xz.ts';
import { eventLine, incidentLines } from '../tools/support/finding-lines.ts';
import type { LogFacts } from '../tools/support/read-node.ts';
import { searchedLog, searchedText } from '../tools/support/searched.ts';
import { plural } from '../tools/support/wording.ts';
import { createAnalysis } from '../xid/analysis.ts';
import { defineCommand } from './command.ts';
import { failOn, moment, OUTPUT, word } from './flags.ts';
import { STDIN_WORD } from './io.ts';
import { print } from './print.ts';

/**
 * A log of gigabytes makes gigabytes of short-lived objects; V8 would let them lie until the heap is
 * several times what lives in it. With these, a 1 GB log takes 140 MB instead of 270.
 */
const SMALL_HEAP = ['--optimize-for-size', '--heap-growing-percent=20'];

/** Kernel-log text to events and incidents: no cluster, no node. */
export const analyze = defineCommand({
  command: 'analyze <file>',
  description: 'Finds events and incidents in a kernel log: a file, a directory, or - for stdin',
  examples: [
    ['$0 analyze kern.log', 'dmesg, journalctl, kern.log, journal files, nvidia-bug-report.log.gz'],
    ['dmesg | $0 analyze - -o json', 'for scripts'],
  ],
  flags: {
    file: word('A file, a directory, or -'),
    ...OUTPUT,
    since: moment('How far back: 30m, 24h, 7d or an ISO time'),
    timeZone: text('Zone of local times in it, for example Europe/Berlin (default: UTC)'),
    failOn: failOn('Exit code 1 when an incident is this bad or worse'),
  },
  async run(invocation) {
    const { args, io } = invocation;
    const { file, since, timeZone } = args;
    for (const flag of SMALL_HEAP) setFlagsFromString(flag);
    const nowMs = io.clock.nowMs();
    const log = createFileLog({
      input: file === STDIN_WORD ? io.stdin : file,
      name: file === STDIN_WORD ? '-' : file,
      nowMs: () => io.clock.nowMs(),
      loadXz,
      ...(timeZone === undefined ? {} : { zone: checkedZone(timeZone) }),
    });
    const analysis = createAnalysis();
    const window = since === undefined ? {} : { sinceMs: momentMs(since, nowMs) };
    const coverage = await log.scan(window, record => analysis.see(record), io.signal);
    const [first] = coverage;
    if (first && coverage.every(source => !source.available)) {
      throw new UsageError(
        `"${file}" could not be read: ${first.unavailable ?? 'unknown'}`,
        'name a log file, a journal directory, or - for stdin',
      );
    }
    const { events, incidents, folded } = analysis.finish();
    const structured = { events, incidents, coverage, folded };
    const lines = linesOf(pageOf(structured, nowMs));
    await print({ title: `Analysis of ${file}`, lines, structured }, invocation);
    const limit = args.failOn === undefined ? -1 : SEVERITIES.indexOf(args.failOn);
    return incidents.some(({ severity }) => SEVERITIES.indexOf(severity) <= limit) ? 1 : 0;
  },
});

const EVENTS_SHOWN_MAX = 40;

function pageOf(found: Found, nowMs: number): Written[] {
  const { incidents, events, coverage, folded } = found;
  const shown = events.slice(-EVENTS_SHOWN_MAX);
  const [worst] = incidents;
  return [
    worst
      ? `${plural(incidents.length, 'incident')} in ${plural(events.length, 'event')}. Worst: ${worst.title}, action ${worst.action}.`
      : `No XID or SXid incident found ${searchedText(coverage)}.`,
    ...incidents.flatMap(incident => ['', ...incidentLines(incident, nowMs)]),
    ...(shown.length > 0 ? ['', `events, the last ${shown.length} of ${events.length}:`] : []),
    ...shown.map(eventLine),
    ...(folded > 0 ? [`${folded} repeats folded into counts`] : []),
    '',
    ...searchedLog(coverage, nowMs),
  ];
}

type Found = Pick<LogFacts, 'incidents' | 'events' | 'coverage' | 'folded'>;

function checkedZone(zone: string): string {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone;
  } catch {
    throw new UsageError(`"${zone.slice(0, 60)}" is no time zone`, '--time-zone Europe/Berlin');
  }
}
