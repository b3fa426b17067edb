import { setFlagsFromString } from 'node:v8';
import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { SEVERITIES } from '../contract/finding.ts';
import type { KernelRecord } from '../contract/kernel-record.ts';
import { momentMs } from '../contract/time.ts';
import { KERNEL_ANCHORS } from '../kernel-log/anchors.ts';
import { createFileLog } from '../kernel-log/file-log.ts';
import { loadXz } from '../kernel-log/load-xz.ts';
import { rendered } from '../report/answer.ts';
import { coverageLines, type LogFacts, searchedText } from '../tools/support/facts.ts';
import { plural } from '../tools/support/lines.ts';
import { eventLine, incidentLines } from '../tools/support/log-lines.ts';
import { createAnalysis } from '../xid/analysis.ts';
import { PLACES } from '../xid/place.ts';
import { createProgramTexts, type ProgramText, TEXT_ANCHORS } from '../xid/program-texts.ts';
import { useColour } from './ask.ts';
import type { Command } from './command.ts';
import { STDIN_WORD, write } from './io.ts';
import { OUTPUT } from './options.ts';

const More = z.looseObject({
  file: z.string(),
  timeZone: z.string().optional(),
  place: z.enum(PLACES).optional(),
});

/**
 * A log of gigabytes makes gigabytes of short-lived objects; V8 would let them lie until the heap is
 * several times what lives in it. With these, a 1 GB log takes 140 MB instead of 270.
 */
const SMALL_HEAP = ['--optimize-for-size', '--heap-growing-percent=20'];

/** Kernel-log text to events and incidents: no cluster, no node. */
export const analyze: Command = {
  command: 'analyze <file>',
  description: 'Finds events and incidents in a kernel log: a file, a directory, or - for stdin',
  examples: [
    ['$0 analyze kern.log', 'dmesg, journalctl, kern.log, journal files, nvidia-bug-report.log.gz'],
    ['dmesg | $0 analyze - -o json', 'for scripts'],
  ],
  options: yargs =>
    yargs
      .positional('file', { type: 'string', describe: 'A file, a directory, or -' })
      .options(OUTPUT)
      .option('since', { type: 'string', describe: 'How far back: 30m, 24h, 7d or an ISO time' })
      .option('time-zone', {
        type: 'string',
        requiresArg: true,
        describe: 'Zone of local times in it, for example Europe/Berlin (default: UTC)',
      })
      .option('place', {
        choices: PLACES,
        describe: 'Where the machine stands (default: as its log tells): what can be done differs',
      })
      .option('fail-on', {
        choices: ['critical', 'warning'] as const,
        describe: 'Exit code 1 when an incident is this bad or worse',
      }),
  async run({ args, raw, io }) {
    const { file, timeZone, place } = More.parse(raw);
    for (const flag of SMALL_HEAP) setFlagsFromString(flag);
    const nowMs = io.clock.nowMs();
    const log = createFileLog({
      input: file === STDIN_WORD ? io.stdin : file,
      name: file === STDIN_WORD ? '-' : file,
      nowMs: () => io.clock.nowMs(),
      loadXz,
      anchors: [...KERNEL_ANCHORS, ...TEXT_ANCHORS],
      ...(timeZone === undefined ? {} : { zone: checkedZone(timeZone) }),
    });
    const analysis = createAnalysis({ place });
    const programs = createProgramTexts();
    const see = (record: KernelRecord) => {
      analysis.see(record);
      programs.see(record);
    };
    const window = args.since === undefined ? {} : { sinceMs: momentMs(args.since, nowMs) };
    const coverage = await log.scan(window, see, io.signal);
    const [first] = coverage;
    if (first && coverage.every(source => !source.available)) {
      throw new UsageError(
        `"${file}" could not be read: ${first.unavailable ?? 'unknown'}`,
        'name a log file, a journal directory, or - for stdin',
      );
    }
    const { events, incidents, folded } = analysis.finish();
    const texts = programs.all();
    const structured = {
      events,
      incidents,
      coverage,
      folded,
      ...(texts.length > 0 ? { texts } : {}),
    };
    const answer = { title: `Analysis of ${file}`, text: textOf(structured, nowMs), structured };
    const form = { format: args.output, colour: useColour(args.color, io) };
    await write(io.stdout, rendered(answer, form));
    const limit = args.failOn === undefined ? -1 : SEVERITIES.indexOf(args.failOn);
    return incidents.some(({ severity }) => SEVERITIES.indexOf(severity) <= limit) ? 1 : 0;
  },
};

const EVENTS_SHOWN_MAX = 40;

function textOf(found: Found, nowMs: number): string {
  const { incidents, events, coverage, folded } = found;
  const shown = events.slice(-EVENTS_SHOWN_MAX);
  const [worst] = incidents;
  return [
    worst
      ? `${plural(incidents.length, 'incident')} in ${plural(events.length, 'event')}. Worst: ${worst.title}${worst.over ? ', which is over' : ''}, action ${worst.action}.`
      : `No XID or SXid incident found ${searchedText(coverage)}.`,
    ...incidents.flatMap(incident => ['', ...incidentLines(incident, nowMs)]),
    ...textLines(found.texts ?? []),
    ...(shown.length > 0 ? ['', `events, the last ${shown.length} of ${events.length}:`] : []),
    ...shown.map(eventLine),
    ...(folded > 0 ? [`${folded} repeats folded into counts`] : []),
    '',
    ...coverageLines(coverage, nowMs).map(line => `searched ${line}`),
  ].join('\n');
}

type Found = Pick<LogFacts, 'incidents' | 'events' | 'coverage' | 'folded'> & {
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
    throw new UsageError(`"${zone.slice(0, 60)}" is no time zone`, '--time-zone Europe/Berlin');
  }
}
