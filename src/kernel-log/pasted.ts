import { type PrefixedLine, parsePrefix } from './prefixes.ts';

/** How a message of the NVIDIA drivers or of what fails around a GPU begins. */
const MESSAGE_START =
  /^(?:NVRM:? |nvidia-nvswitch\d{0,3}: |nvidia-modeset: |nvidia-peermem |nvidia-uvm: |(?:nvidia|pcieport|mlx5_core|nouveau) [0-9a-f]{4}:[0-9a-f]{2}:)/i;
/** Line numbers, host names of a parallel shell, list marks: longer junk is another line's text. */
const JUNK_CHARACTERS_MAX = 160;

export const isMessageStart = (text: string): boolean => MESSAGE_START.test(text);

/**
 * Takes the prefix off a line that a person pasted: list marks, quote marks, line numbers,
 * `diff:371;` or `node-7: ` may stand before it. What another program logged stays another program's.
 */
export function parsePasted(line: string): PrefixedLine {
  const whole = parsePrefix(line);
  if (whole.form !== 'raw' || isMessageStart(line)) return whole;
  return furtherOn(line, LEADS) ?? whole;
}

/** The same where quotation marks or elements of XML are around it, as no table of values has them. */
export const parseQuoted = (text: string): PrefixedLine | undefined =>
  furtherOn(text, [...LEADS, ...QUOTES]);

/** The same prefix forms, or the message itself, after marks, numbers and one name. */
function furtherOn(line: string, leads: readonly RegExp[]): PrefixedLine | undefined {
  let mayNameNext = true;
  let mayBegin = true;
  for (let from = 0; from <= JUNK_CHARACTERS_MAX; ) {
    const junk = junkAt(line.slice(from, from + JUNK_CHARACTERS_MAX), leads, mayNameNext);
    if (!junk) return undefined;
    from += junk.width;
    mayNameNext &&= junk.kind === 'mark';
    // `eth0: ` is how the kernel names a device; `node-7: ` and `kern.log: ` it does not.
    if (junk.kind === 'device') mayBegin = false;
    const rest = line.slice(from);
    const found = parsePrefix(rest);
    if (found.form !== 'raw') return { ...found, width: found.width + from };
    if (mayBegin && isMessageStart(rest)) return { ...found, width: from };
  }
  return undefined;
}

/** `> `, `| `, `- `, `* `, `` ` ``, `$ `: quotes of mails and chats, lists, tables, code. */
const MARK =
  /^(?:\s+|[>|*+•#$%`~│┃]+\s*|-+\s+|[-=]{1,3}>\s*|[→⇒»]\s*|\p{Extended_Pictographic}\ufe0f?\s*|bq\. |E {2,})/u;
/** ` 24 `, `12: `, `12- `: line numbers of editors and grep. */
const NUMBER = /^\d{1,7}[.):;|-]?(?:\s+|(?=[A-Z[<]))/;
/** `[...] `, as NVIDIA's documents write for the time. */
const ELLIPSIS = /^\[(?:\.{3}|…)\]\s+/;
/** Times that do not tell their day, or not for certain, and those of web servers. */
const TIME =
  /^(?:\d\d:\d\d:\d\d(?:[.,]\d{1,9})?|\d{1,2}[./]\d{1,2}[./]\d{4},? \d{1,2}:\d\d:\d\d(?: [AP]M)?|(?:[A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d(?: (?:[+-]\d{4}|[A-Z]{3}))?|\d{13}(?:\d{3}){0,2}|\d{1,10}\.\d{6}|\[\d{1,2}\/[A-Z][a-z]{2}\/\d{4}:[\d:]{8} [+-]\d{4}\])\s+/;
/** `ERROR [main] c.e.Watch: `, `| ERROR    | gpu.watch:poll:12 - `, `WARN[0012] `: level and logger. */
const LEVEL =
  /^(?:\| *)?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRIT|CRITICAL|FATAL)(?:\[\d{1,6}\])?:?\s+(?:\| +)?(?:\[[\w.-]{1,64}\] +)?(?:(?!NVRM|nvidia)[\w.$/-]{1,64}(?::[\w<>]{1,64}){0,3}(?: - |: ))?/;
/** `E20260914 12:34:56.123456 12345 watch.cc:12] `, as programs with glog begin their lines. */
const GLOG = /^[IWEF]\d{8} \d\d:\d\d:\d\d\.\d{1,9} +\d+ [\w.-]{1,64}:\d+\] /;
/** `line `, `message=`, `Error: `: what calls the rest a message; none is a subsystem of the kernel. */
const LABEL =
  /^(?:line |(?:line|log|LOG|[Mm]essage|msg|[Ee]rror|dmesg|syslog)(?:: |=)|Body: Str\()/;
/** `[code]`, `{noformat}`: how forums and trackers mark a log. */
const MARKUP =
  /^(?:\[(?:code|quote|color|pre|b|i)\b[^\]]{0,64}\]|\{(?:code|noformat)[^}]{0,64}\})\s*/i;
/** `[1,3]<stdout>:`, as MPI marks who printed. */
const RANK = /^\[\d{1,6},\d{1,6}\]<\w{1,16}>:/;
/** `node-7 login: `: what a serial console shows before the kernel's line. */
const LOGIN = /^[\w.-]{1,64} login: /;
/** `:warning: `: how a chat stores a small picture. */
const EMOJI = /^:[a-z\d_+-]{2,40}:\s+/;
/** `32.118203] `, `:26 node-7 `: the rest of a stamp, where a log was cut at a byte. */
const CUT_STAMP = /^(?:\d{0,10}\.?\d{1,9}\] |:?\d{0,2}(?::\d\d){1,2}(?:[.,]\d{1,9})? )/;
const LEADS: readonly RegExp[] = [
  MARK,
  ELLIPSIS,
  TIME,
  NUMBER,
  LEVEL,
  GLOG,
  LABEL,
  MARKUP,
  RANK,
  LOGIN,
  EMOJI,
  CUT_STAMP,
];
const QUOTES: readonly RegExp[] = [
  /^\[?\\?[bru]?["'“”„«‘]/,
  /^<\/?[a-z][\w:.-]{0,40}(?:\s[^<>]{0,256})?>\s*/i,
  /^<!\[CDATA\[/,
];

/** `diff:371;`, `/var/log/kern.log:12:`, `kern.log-12-`, `node-7: `, `gpu1.local: `. */
const NAME =
  /^(?!\d{4}-\d\d-\d\d)[\w./~@+-]*[a-z][\w./~@+-]*?(?:[:;-]\d{1,7}[:;-]|(?<=[\d./-][\w./~@+-]*)[:;]|(?<=\.(?:log|txt|\d{1,3}))-)\s*/i;
/** `gpu-dmesg-x7k2p dmesg ` or `worker-3 ` before a time: a pod and its container, or a node. */
const POD =
  /^(?=\S*\d)(?!\d{4}-\d\d)[\w.-]{1,64} (?:[\w.-]{1,64} )?(?=\[ *\d{1,10}\.\d{3,9}\] |[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT)/;
/** `node-7 | `, `worker-1  | `: ansible, docker compose. */
const COLUMN = /^[\w.-]{1,64} +[|│] +/;
/** `[node-7] `, `(Watcher pid=1234) `, as parallel shells and pod logs begin a line. */
const GROUP =
  /^\[(?!\s*[\d.]+\])[\w./-]{1,64}\](?: (?:out|err))?:?\s+|^\(\w[\w., =:-]{1,64}\) |^\[ *\d{1,10}\] (?=NVRM: |nvidia-nvswitch\d)/;

/** What is left of a line where marks of quotes and lists are taken off. */
export const withoutMarks = (line: string): string => line.replace(/^[\s>|*]+/, '');

/** `eth0: `, `dm-0: `, `usb-audio: `: no path, no dots and no number of a line. */
const DEVICE = /^(?:[a-z\d]+|[a-z]{1,4}-\d+|[a-z-]+):\s*$/i;

function junkAt(
  rest: string,
  leads: readonly RegExp[],
  mayName: boolean,
): { readonly width: number; readonly kind: 'mark' | 'name' | 'device' } | undefined {
  for (const lead of leads) {
    const width = lead.exec(rest)?.[0].length ?? 0;
    if (width > 0) return { width, kind: 'mark' };
  }
  const name = mayName
    ? (NAME.exec(rest) ?? COLUMN.exec(rest) ?? GROUP.exec(rest) ?? POD.exec(rest))
    : null;
  if (!name) return undefined;
  return { width: name[0].length, kind: DEVICE.test(name[0]) ? 'device' : 'name' };
}
