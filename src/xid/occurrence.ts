import type { Conceal, KernelRecord } from '../contract/kernel-record.ts';
import { plainText } from '../contract/untrusted.ts';
import type { KernelEvent } from './events.ts';
import { isoOf, type Moment, secondsBetween } from './moment.ts';
import type { Line } from './verdict.ts';

/** One thing that the log says, with all its repeats folded into it. */
export interface Occurrence {
  readonly line: Line;
  readonly event: KernelEvent;
  first: Moment;
  last: Moment;
  /** Orders occurrences; from the wall clock, else from the boot clock, else from the order seen. */
  at: number;
  lastAt: number;
  readonly order: number;
  count: number;
  /** The first lines and the last one. */
  readonly lines: number[];
  readonly pids: Set<number>;
  /** Nothing proves that the kernel wrote its line. */
  readonly isUnproven: boolean;
}

const LINES_MAX = 64;
/** Processes kept of one occurrence. */
export const PIDS_MAX = 16;
/** NVIDIA's own bursts close after three minutes of silence. */
export const BURST_SECONDS = 180;
/** What follows this soon on the same GPU has the same cause. */
export const CAUSE_SECONDS = 10;

export function occurrenceOf(
  line: Line,
  event: KernelEvent,
  {
    moment,
    at,
    order,
    isUnproven = false,
  }: Pick<Occurrence, 'at' | 'order'> & {
    readonly moment: Moment;
    readonly isUnproven?: boolean;
  },
): Occurrence {
  return {
    line,
    event,
    first: moment,
    last: moment,
    at,
    lastAt: at,
    order,
    count: 1,
    lines: [moment.line],
    pids: new Set(line.pid === null ? [] : [line.pid]),
    isUnproven,
  };
}

/** True where a line repeats an occurrence so soon that it is one flood. */
export const repeats = (known: Occurrence, moment: Moment): boolean =>
  secondsBetween(known.last, moment) <= BURST_SECONDS;

export function addRepeat(
  known: Occurrence,
  line: Line,
  { moment, at }: { readonly moment: Moment; readonly at: number },
): void {
  known.last = moment;
  known.lastAt = at;
  known.count += 1;
  if (known.lines.length < LINES_MAX) known.lines.push(moment.line);
  else known.lines[LINES_MAX - 1] = moment.line;
  if (line.pid !== null && known.pids.size < PIDS_MAX) known.pids.add(line.pid);
}

/**
 * What makes two lines the same thing. A program's own faults stay apart by process; what follows
 * from them (43, 45) does not.
 */
export function foldKey(line: Line, moment: Moment): string {
  const own = line.verdict.blame === 'application' && line.xid !== 45 && line.xid !== 43;
  return [
    moment.source,
    moment.boot,
    line.kind,
    line.pci,
    line.xid,
    line.sxid,
    line.role,
    line.verdict.action,
    line.rank,
    line.mig?.gpuInstance,
    line.xid === 154 ? line.details['to_code'] : line.details['caused_by_xid'],
    typeof line.details['link'] === 'number' ? line.details['link'] : '',
    own ? line.pid : '',
    line.kind === 'nvrm_other' ? shapeOf(line.details['detail']) : '',
  ].join('|');
}

/** The function that printed a message: what is left when its numbers are taken out. */
const shapeOf = (detail: unknown): string =>
  typeof detail === 'string'
    ? (detail.split(':', 1)[0] ?? '').replaceAll(/\d+/g, '#').slice(0, 48)
    : '';

const TEXT_CHARACTERS_MAX = 512;

/** The event of a line, with all foreign text made plain. */
export function eventOf(
  record: KernelRecord,
  line: Line,
  conceal?: Conceal | undefined,
): KernelEvent {
  const { verdict, kind } = line;
  const said = { process: line.process, text: record.text, details: line.details };
  const { process, text, details } = conceal?.({ kind, ...said }) ?? said;
  return {
    source: record.source,
    line: record.line,
    kind,
    pci: line.pci,
    xid: line.xid,
    sxid: line.sxid,
    pid: line.pid,
    process,
    mig: line.mig,
    time: isoOf(record.timeMs),
    timeUncertaintyMs: record.timeUncertaintyMs,
    bootSeconds: record.bootSeconds,
    boot: record.boot,
    severity: verdict.severity,
    blame: verdict.blame,
    action: verdict.action,
    text: plainText(text, TEXT_CHARACTERS_MAX),
    details: plainFacts(details),
  };
}

export function plainFacts(facts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, plain(value)]));
}

function plain(value: unknown): unknown {
  if (typeof value === 'string') return plainText(value, TEXT_CHARACTERS_MAX);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) return plainFacts({ ...value });
  return value;
}

/** What is derived from all occurrences is derived once, however many incidents look at it. */
export function once<T>(derive: (occurrences: readonly Occurrence[]) => T) {
  const known = new WeakMap<readonly Occurrence[], { readonly value: T }>();
  return (occurrences: readonly Occurrence[]): T => {
    const found = known.get(occurrences) ?? { value: derive(occurrences) };
    known.set(occurrences, found);
    return found.value;
  };
}
