import { beginsWithComm } from '../contract/comm-first.ts';
import { fieldsIn, watcherWidth } from './fields.ts';
import { type Candidate, candidatesIn, candidatesOf } from './json-value.ts';
import { isMessageStart, parsePasted } from './pasted.ts';
import { plainLine } from './plain-line.ts';
import { type PrefixedLine, parsePrefix } from './prefixes.ts';
import { resolveStamp, type Stamp, ZONE_UNCERTAINTY_MS } from './stamps.ts';

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
  return inner.length === 0 ? [found] : inner.map(each => within(found, each));
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
  !beginsWithComm(text);

/** The messages that one entry of a structured log holds; none where it holds nothing of the kernel. */
export const unwrapValue = (value: unknown): readonly PrefixedLine[] =>
  messagesOf(candidatesIn(value), 0);

function layersOf(text: string, depth: number): readonly PrefixedLine[] {
  const width = watcherWidth(text);
  if (width > 0) return peeled(text.slice(width), depth + 1);
  const json = jsonIn(text);
  return messagesOf(json === undefined ? candidatesOf(fieldsIn(text)) : candidatesIn(json), depth);
}

function jsonIn(text: string): unknown {
  const trimmed = text.trim().replace(/,$/, '');
  if (!/^[{["]/.test(trimmed) || trimmed.length > JSON_CHARACTERS_MAX) return undefined;
  try {
    return JSON.parse(trimmed);
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
    .filter(({ text }) => CONCERNING.test(text))
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
    origin === 'kernel' ? [parsePrefix(text)] : linesOf(text).flatMap(line => peeled(line, depth));
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

/** True where a message of the driver ends inside its envelope, or in the middle of a list. */
export const isCut = (text: string): boolean =>
  /^NVRM:?\s*(?:Xid?)?\s*$|^NVRM:?\s*Xid(?!.*\) ?: ?\d{1,5}(?:,|\s*$))/.test(text) ||
  /^nvidia-nvswitch\d+:\s*(?:SXid)?\s*$|^nvidia-nvswitch\d+: SXid(?!.*\): ?\d{5},)/.test(text) ||
  (/^(?:NVRM:? Xid|nvidia-nvswitch\d+: SXid)/.test(text) &&
    (/(?:,|name=|pid=)\s*$/.test(text) || text.split('(').length > text.split(')').length));
