import type { Field } from './fields.ts';
import { type Stamp, writtenStamp } from './stamps.ts';

/** A text in a structured entry that may be a kernel message, and what the entry says of it. */
export interface Candidate {
  readonly key: string | null;
  readonly text: string;
  readonly stamp: Stamp | null;
  /** Who wrote it: the entry names the kernel, another program, or nobody. */
  readonly origin: 'kernel' | 'other' | 'unsaid';
}

/** Keys whose values are what a message tells about itself, under the names that loggers use. */
const IDENTITY =
  /^(?:syslog_?identifier|_?transport|ident|identifier|program(?:_?name)?|app[_-]?name|application|process_?name|(?:syslog_?)?facility(?:_?label|_?name)?)$/i;
const KERNEL = /^(?:kernel|kern|0|)$/i;
/** Keys of names: what a process, a file or a person is called is no message. */
const NAME =
  /(?:^|[._-])(?:comm|exe|cmd\w*|command\w*|cwd|path|file\w*|name|title|device|label|user\w*|id|unit|tag|subject|argv?|args|process\w*|source)$/i;
/** Keys of a time, and which of several says when the message was written. */
const TIME =
  /^(?:@|_+)?(?:source_?realtime_?timestamp|timestamp|time|ts|t|date|datetime|eventtime|timegenerated|time_?stamp|\w*_at|\w*time\w*)$/i;
const LATER =
  /receive|ingest|observed|insert|collect|index|monotonic|uptime|runtime|timeout|duration|zone/i;
const BEST = /^(?:@|_+)?(?:timestamp|time|ts|timegenerated)$/i;

const DEPTH_MAX = 16;
const CANDIDATES_MAX = 4_096;
const TEXT_MIN = 8;

/** Every text in a JSON value that is not a name, with the nearest time and identity around it. */
export function candidatesIn(value: unknown): readonly Candidate[] {
  const found: Candidate[] = [];
  collect(value, { key: null, stamp: null, origin: 'unsaid' }, 0, found);
  return found;
}

type Around = Omit<Candidate, 'text'>;

function collect(value: unknown, around: Around, depth: number, found: Candidate[]): void {
  if (found.length >= CANDIDATES_MAX || depth > DEPTH_MAX) return;
  if (typeof value === 'string') {
    const isName = around.key !== null && (NAME.test(around.key) || IDENTITY.test(around.key));
    if (value.length >= TEXT_MIN && !isName) found.push({ ...around, text: value });
    return;
  }
  if (Array.isArray(value)) {
    const text = bytesOf(value);
    if (text !== undefined) {
      collect(text, around, depth, found);
      return;
    }
    const inner = { ...around, stamp: rowStamp(value) ?? around.stamp };
    for (const each of value) collect(each, inner, depth + 1, found);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const entries: readonly (readonly [string, unknown])[] = Object.entries(value);
  const origin = identityOf(entries) ?? around.origin;
  const stamp = timeOf(entries) ?? around.stamp;
  for (const [key, each] of entries) collect(each, { key, stamp, origin }, depth + 1, found);
}

/** The candidates of a flat line of fields: a row of CSV, pairs of logfmt. */
export const candidatesOf = (fields: readonly Field[]): readonly Candidate[] =>
  fields.every(({ key }) => key === null)
    ? candidatesIn(fields.map(({ value }) => value))
    : candidatesIn(Object.fromEntries(fields.map(({ key, value }) => [key ?? '', value])));

function identityOf(entries: readonly (readonly [string, unknown])[]) {
  const names = entries.flatMap(([key, value]) =>
    IDENTITY.test(key) && (typeof value === 'string' || typeof value === 'number')
      ? [String(value)]
      : [],
  );
  if (names.length === 0) return undefined;
  return names.every(name => KERNEL.test(name)) ? ('kernel' as const) : ('other' as const);
}

function timeOf(entries: readonly (readonly [string, unknown])[]): Stamp | undefined {
  const times = entries.flatMap(([key, value]) => {
    const stamp = TIME.test(key) && !LATER.test(key) ? writtenStamp(value) : undefined;
    return stamp ? [{ key, stamp }] : [];
  });
  return (times.find(({ key }) => BEST.test(key)) ?? times[0])?.stamp;
}

/** The one time in a row: `["1777245146123456000", "line"]`, a row of a table. */
function rowStamp(row: readonly unknown[]): Stamp | undefined {
  if (row.length < 2 || row.length > 64) return undefined;
  const stamps = row.flatMap(value =>
    typeof value === 'string' && value.length > 48 ? [] : (writtenStamp(value) ?? []),
  );
  return stamps.length === 1 ? stamps[0] : undefined;
}

/** journald writes a message that is no UTF-8 as an array of its bytes. */
function bytesOf(value: readonly unknown[]): string | undefined {
  const bytes = value.filter(
    (each): each is number =>
      typeof each === 'number' && Number.isInteger(each) && each >= 0 && each < 256,
  );
  return value.length >= TEXT_MIN && bytes.length === value.length
    ? Buffer.from(bytes).toString('utf8')
    : undefined;
}
