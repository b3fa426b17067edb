import { looksLikeXid } from '../contract/census.ts';
import { beginsForeign } from '../contract/comm-first.ts';
import { type Field, fieldsIn, watcherWidth } from './fields.ts';
import { isMessageStart, parsePasted, parseQuoted } from './pasted.ts';
import { type PrefixedLine, parsePrefix } from './prefixes.ts';
import { resolveStamp, type Stamp, writtenStamp, ZONE_UNCERTAINTY_MS } from './stamps.ts';

const DEPTH_MAX = 8;
const LINES_MAX = 4_096;
/** A message is shorter; larger values are looked at as lines. */
const JSON_CHARACTERS_MAX = 1024 * 1024;

/**
 * The kernel messages in one line of any origin, each with the time that stands nearest to it.
 *
 * Layer by layer: what a terminal or a web page added, a log's prefix, then JSON, JSON in a string of
 * JSON, labels, CSV or pairs. No layer is looked for inside what is the kernel's own text: behind the
 * kernel's tag or printk's clock, text is what the kernel printed and may be a user's.
 */
export const unwrap = (line: string): readonly PrefixedLine[] => peeled(line, 0);

function peeled(line: string, depth: number): readonly PrefixedLine[] {
  const found = parsePasted(plainLine(line));
  if (depth >= DEPTH_MAX || !mayHoldMore(found)) return [found];
  const nested = found.form === 'syslog' ? nestedIn(found.text) : undefined;
  const inner = nested === undefined ? layersOf(found.text, depth) : peeled(nested, depth + 1);
  if (inner.length > 0) return inner.map(each => within(found, each));
  const quoted = found.form === 'dmesg' ? undefined : parseQuoted(found.text);
  return [quoted ? within(found, quoted) : found];
}

/** A whole prefix after another one, or after it and one word: an instance, a stream, a pod. */
function nestedIn(text: string): string | undefined {
  const word = /^[\w./[\]-]{1,128} +/.exec(text)?.[0] ?? '';
  return ['', word]
    .map(before => text.slice(before.length))
    .find(rest => ['dmesg', 'syslog', 'talos', 'kmsg'].includes(parsePrefix(rest).form));
}

/** Where nobody says who speaks, or only when: a container's prefix, a file's, a shipper's. */
const mayHoldMore = ({ form, origin, bootSeconds, text }: PrefixedLine): boolean =>
  origin === 'unsaid' &&
  bootSeconds === null &&
  (form === 'raw' || form === 'syslog' || watcherWidth(text) > 0) &&
  !isMessageStart(text) &&
  !beginsForeign(text);

/** The messages that one entry of a structured log holds; none where it holds nothing of the kernel. */
export const unwrapValue = (value: unknown): readonly PrefixedLine[] =>
  messagesOf(candidatesIn(value), 0);

function layersOf(text: string, depth: number): readonly PrefixedLine[] {
  const width = watcherWidth(text);
  if (width > 0) return peeled(text.slice(width), depth + 1);
  const json = jsonIn(text);
  return messagesOf(json === undefined ? candidatesOf(fieldsIn(text)) : candidatesIn(json), depth);
}

/** `kernel.log: `, a tab, `data: `, a record separator: what streams of JSON put before a value. */
const BEFORE_JSON = /^(?:\x1e|(?:\[\d{1,6}\] )?[\w.-]{1,64}(?:: |\t))(?=[{[])/;

function jsonIn(text: string): unknown {
  const trimmed = text.trim().replace(BEFORE_JSON, '').replace(/,$/, '');
  if (!/^[{["]/.test(trimmed) || trimmed.length > JSON_CHARACTERS_MAX) return undefined;
  // Fluent Bit prints its records as Ruby does.
  return parsed(trimmed) ?? parsed(trimmed.replaceAll('"=>', '":'));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Keys under which loggers keep the message itself. */
const MESSAGE_KEY =
  /^(?:message|msg|log|line|text\w*|textpayload|syslogmessage|body|event|content|raw|_raw|output|data|details?|reason)$/i;

/** Of the texts of an entry those that begin as the kernel's messages do, else what is its message. */
function messagesOf(candidates: readonly Candidate[], depth: number): readonly PrefixedLine[] {
  // The same message under two keys is one.
  const distinct = new Map(candidates.map(each => [each.text, each]));
  const concerning = [...distinct.values()]
    .filter(({ text }) => CONCERNING.test(text) || looksLikeXid(text))
    .map(candidate => ({ key: candidate.key, lines: opened(candidate, depth + 1) }));
  const begin = concerning.filter(({ lines }) => lines.some(({ text }) => isMessageStart(text)));
  const taken =
    begin.length > 0
      ? begin
      : concerning.filter(({ key }) => key !== null && MESSAGE_KEY.test(key));
  return taken.flatMap(({ lines }) => lines).slice(0, LINES_MAX);
}

const CONCERNING =
  /NVRM|nvidia|NVSwitch|SXid|fallen off|nouveau|nv_peer_mem|AER|PCIe|pcieport|DMAR|AMD-Vi|Hardware Error|EDAC|mce:|oom-kill|ut of memory|segfault|blocked for|lockup|mlx5_core|NIC Link|NETDEV/;

/** What a candidate's text holds. Text that an entry calls the kernel's is read as it stands. */
function opened(candidate: Candidate, depth: number): readonly PrefixedLine[] {
  const { text, stamp, origin } = candidate;
  const lines =
    origin === 'kernel'
      ? [parsePrefix(text.trimStart())]
      : linesOf(text).flatMap(line => peeled(line, depth));
  return lines.map(line => ({
    ...line,
    origin: origin === 'unsaid' ? line.origin : origin,
    stamp: nearest(line.stamp, stamp),
  }));
}

/**
 * A whole log in one string is as many records as it has lines with a prefix of their own. Else only
 * its first line is the message's beginning.
 */
function linesOf(text: string): readonly string[] {
  const trimmed = text.replace(/\s+$/, '');
  if (!trimmed.includes('\n')) return [trimmed];
  const lines = trimmed.split('\n', LINES_MAX);
  const dated = lines.filter(line => isDated(parsePasted(plainLine(line))));
  return isDated(parsePasted(plainLine(lines[0] ?? ''))) ? dated : [trimmed];
}

const isDated = ({ stamp, bootSeconds }: PrefixedLine): boolean =>
  stamp !== null || bootSeconds !== null;

const within = (outer: PrefixedLine, inner: PrefixedLine): PrefixedLine => ({
  ...inner,
  width: 0,
  level: inner.level ?? outer.level,
  stamp: nearest(inner.stamp, outer.stamp),
});

/**
 * The message's own time before the time of who passed it on. A local time without its zone gives way
 * to an exact one that it can be the same moment as.
 */
function nearest(inner: Stamp | null, outer: Stamp | null): Stamp | null {
  if (inner === null || inner.kind === 'unreadable') return outer ?? inner;
  if (inner.kind !== 'local' || outer?.kind !== 'exact') return inner;
  const time = resolveStamp(inner, { referenceMs: outer.timeMs, zone: null });
  const isSame = time !== null && Math.abs(time.timeMs - outer.timeMs) <= ZONE_UNCERTAINTY_MS;
  return isSame ? outer : inner;
}

/** An envelope that stands whole, and the message that follows it. */
const WHOLE_ENVELOPE =
  /^(?:NVRM:? Xid \([^()]{1,64}\) ?: ?\d{1,5}|nvidia-nvswitch\d+: SXid \([^()]{1,64}\): ?\d{5}), /i;

/** True where a message of the driver ends inside its envelope, or in the middle of a list. */
export const isCut = (text: string): boolean =>
  WHOLE_ENVELOPE.test(text)
    ? endsInList(text)
    : /^NVRM:?\s*(?:X(?:id?)?)?\s*$|^NVRM:?\s*Xid(?!.*\) ?: ?\d{1,5},)/i.test(text) ||
      /^nvidia-nvswitch\d+:\s*(?:S(?:Xi?d?)?)?\s*$|^nvidia-nvswitch\d+: SXid(?!.*\): ?\d{5},)/i.test(
        text,
      ) ||
      (/^(?:NVRM:? Xid|nvidia-nvswitch\d+: SXid)/i.test(text) && endsInList(text));

function endsInList(text: string): boolean {
  if (/(?:,|name=|pid=)\s*$/.test(text.slice(-16))) return true;
  let open = 0;
  for (const character of text) open += Number(character === '(') - Number(character === ')');
  return open > 0;
}

/** A text in a structured entry that may be a kernel message, and what the entry says of it. */
interface Candidate {
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

const JSON_DEPTH_MAX = 16;
const CANDIDATES_MAX = 4_096;
const TEXT_MIN = 8;

/** Every text in a JSON value that is not a name, with the nearest time and identity around it. */
function candidatesIn(value: unknown): readonly Candidate[] {
  const found: Candidate[] = [];
  collect(value, { key: null, stamp: null, origin: 'unsaid' }, 0, found);
  return found;
}

type Around = Omit<Candidate, 'text'>;

function collect(value: unknown, around: Around, depth: number, found: Candidate[]): void {
  if (found.length >= CANDIDATES_MAX || depth > JSON_DEPTH_MAX) return;
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
    const pairs = pairsOf(value);
    if (pairs) {
      collect(pairs, around, depth, found);
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
const candidatesOf = (fields: readonly Field[]): readonly Candidate[] =>
  fields.every(({ key }) => key === null)
    ? candidatesIn(fields.map(({ value }) => value))
    : candidatesIn(Object.fromEntries(fields.map(({ key, value }) => [key ?? '', value])));

function identityOf(entries: readonly (readonly [string, unknown])[]) {
  const names = entries.flatMap(([key, listed]) => {
    const value = onlyOf(listed);
    return IDENTITY.test(key) && (typeof value === 'string' || typeof value === 'number')
      ? [String(value)]
      : [];
  });
  if (names.length === 0) return undefined;
  return names.every(name => KERNEL.test(name)) ? ('kernel' as const) : ('other' as const);
}

function timeOf(entries: readonly (readonly [string, unknown])[]): Stamp | undefined {
  const times = entries.flatMap(([key, value]) => {
    const stamp = TIME.test(key) && !LATER.test(key) ? writtenStamp(onlyOf(value)) : undefined;
    return stamp ? [{ key, stamp }] : [];
  });
  return (times.find(({ key }) => BEST.test(key)) ?? times[0])?.stamp;
}

/** Elasticsearch gives each field as a list. */
const onlyOf = (value: unknown): unknown =>
  Array.isArray(value) && value.length === 1 ? value[0] : value;

/** The name and the value of `{ "field": "@timestamp", "value": "..." }`; undefined for all else. */
export function pairOf(value: unknown): readonly [name: string, value: unknown] | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const entries: readonly (readonly [string, unknown])[] = Object.entries(value);
  const name = entries.find(([key]) => /^(?:field|name|key)$/.test(key))?.[1];
  const named = entries.find(([key]) => key === 'value');
  return entries.length === 2 && named && typeof name === 'string' ? [name, named[1]] : undefined;
}

/** An entry whose names are values, as a list of pairs. */
function pairsOf(list: readonly unknown[]): Readonly<Record<string, unknown>> | undefined {
  const pairs = list.map(pairOf).filter(pair => pair !== undefined);
  return pairs.length > 0 && pairs.length === list.length ? Object.fromEntries(pairs) : undefined;
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

/** Colours and other controls of terminals (ECMA-48), also as rsyslog and `cat -v` write ESC. */
const CONTROLS = /(?:\x1b|#033|\^\[)(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))/g;
const SPACES = /[\u00a0\u2000-\u200a\u202f]/g;
const INVISIBLE = /[\0\ufeff\u200b\u2060]/g;
const BLOCKS = /<\/?(?:br|div|li|p|pre|td|tr)(?:\s[^<>]{0,256})?\/?>/gi;
const TAGS = /<\/?(?:a|b|code|em|i|mark|span|strong)(?:\s[^<>]{0,256})?\/?>/gi;
const ENTITY = /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,6}));/gi;
const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  lpar: '(',
  rpar: ')',
  colon: ':',
  comma: ',',
};

/** A line without what a terminal, an editor or a web page put into it. */
function plainLine(line: string): string {
  let plain = line;
  if (/[\x1b\0\ufeff\u200b\u2060\u00a0\u2000-\u200a\u202f]|#033|\^\[/.test(plain)) {
    plain = plain.replaceAll(CONTROLS, '').replaceAll(INVISIBLE, '').replaceAll(SPACES, ' ');
  }
  if (plain.includes('=3D')) plain = plain.replaceAll('=3D', '=');
  if (plain.includes('&')) plain = plain.replaceAll(ENTITY, decoded);
  if (plain.includes('>')) plain = plain.replaceAll(TAGS, '').replaceAll(BLOCKS, ' ').trimEnd();
  return plain.endsWith('\r') ? plain.slice(0, -1) : plain;
}

function decoded(whole: string, decimal?: string, hex?: string, name?: string): string {
  if (name !== undefined) return NAMED[name.toLowerCase()] ?? whole;
  const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
  return code >= 0x20 && code <= 0x10_ffff ? String.fromCodePoint(code) : ' ';
}
