import { beginsWithComm } from '../contract/comm-first.ts';
import { isoStamp, localStamp, type Stamp } from './stamps.ts';
import { unescapeKmsg } from './unescape.ts';

/** A line of a log file, taken apart into what was put before the kernel's text and the text. */
export interface PrefixedLine {
  readonly form: 'kmsg' | 'dmesg' | 'syslog' | 'talos' | 'tag' | 'raw';
  readonly text: string;
  /** Characters before the text: continuation lines are indented by as many. */
  readonly width: number;
  /** Who speaks: the line says `kernel`, it says another program, or it does not say. */
  readonly origin: 'kernel' | 'other' | 'unsaid';
  readonly level: number | null;
  readonly bootSeconds: number | null;
  readonly stamp: Stamp | null;
}

type Found = Omit<PrefixedLine, 'width' | 'text'> & { readonly rest: string };

/**
 * Takes the prefix off a line, in every form that kernel lines are stored in. The prefix begins at
 * the line's first character; `pasted.ts` looks for one further on.
 */
export function parsePrefix(line: string): PrefixedLine {
  const found = kmsgForm(line) ?? talosForm(line) ?? decodedForm(line) ?? stampedForm(line);
  if (!found) {
    return {
      form: 'raw',
      text: line,
      width: 0,
      origin: 'unsaid',
      level: null,
      bootSeconds: null,
      stamp: null,
    };
  }
  const { rest, ...prefix } = found;
  return { ...prefix, text: rest, width: line.length - rest.length };
}

const UNSAID = { origin: 'unsaid', level: null, bootSeconds: null, stamp: null } as const;

/**
 * `6,3973,227996636,-;text`, as /dev/kmsg shows it; the priority tells who wrote it. The extended
 * netconsole puts the kernel's release before it.
 */
function kmsgForm(line: string): Found | undefined {
  const found =
    /^(?:\d{1,3}\.[\w.+~-]{1,64},)?(\d{1,4}),\d{1,16},(\d{1,16}),[^;]{0,200};(.*)$/s.exec(line);
  if (!found) return undefined;
  const [, priority, timeUs, text = ''] = found;
  return {
    ...ofPriority(Number(priority)),
    form: 'kmsg',
    bootSeconds: Number(timeUs) / 1e6,
    stamp: null,
    rest: text.includes('\\x') ? unescapeKmsg(Buffer.from(text, 'utf8')) : text,
  };
}

/** syslog(3): priority = facility * 8 + level, and facility 0 is the kernel's alone. */
const ofPriority = (priority: number) => ({
  origin: priority < 8 ? ('kernel' as const) : ('other' as const),
  level: priority % 8,
});

/** `192.168.11.119: kern: warning: [2026-04-22T21:27:51.291660856Z]: text` (talosctl dmesg). */
function talosForm(line: string): Found | undefined {
  const found =
    /^(?:\S+: )?(kern|user|daemon|syslog|auth\w*|local\d): +(\w+): \[(\d{4}-\d\d-\d\d)T([\d:.]+)(Z|[+-]\d\d:?\d\d)\]: ?(.*)$/s.exec(
      line,
    );
  if (!found) return undefined;
  const [, facility, level, date = '', time = '', zone, rest = ''] = found;
  return {
    form: 'talos',
    origin: facility === 'kern' ? 'kernel' : 'other',
    level: levelOf(level),
    bootSeconds: null,
    stamp: isoStamp({ date, time, zone }),
    rest,
  };
}

/** `kern  :warn  : [  12.3] text` (dmesg -x) and `<4>[  12.3] text` (dmesg --raw, syslog(2)). */
function decodedForm(line: string): Found | undefined {
  const raw = /^<(\d{1,3})>(1 )?/.exec(line);
  if (raw) {
    const who = ofPriority(Number(raw[1]));
    const rest = line.slice(raw[0].length);
    const inner = raw[2] === undefined ? (dmesgForm(rest) ?? syslogForm(rest)) : rfc5424Form(rest);
    if (inner) return { ...inner, ...who };
    return { ...UNSAID, ...who, form: 'dmesg', rest };
  }
  const decoded = /^([a-z]+\d?) *:([a-z]+) *: /.exec(line);
  if (!decoded || levelOf(decoded[2]) === null) return undefined;
  const rest = line.slice(decoded[0].length);
  const origin = decoded[1] === 'kern' ? 'kernel' : 'other';
  const who = { origin, level: levelOf(decoded[2]) } as const;
  const inner = dmesgForm(rest) ?? isoForm(rest, 'dmesg');
  return inner ? { ...inner, ...who } : { ...UNSAID, ...who, form: 'dmesg', rest };
}

/** What may follow `<PRI>1 ` in RFC 5424: stamp, host, program, process, message id, data. */
function rfc5424Form(rest: string): Found | undefined {
  const found =
    /^(\d{4}-\d\d-\d\d)T([\d:.]+)(Z|[+-]\d\d:\d\d) \S+ (\S+) \S+ \S+ (?:-|(?:\[(?:[^\]\\]|\\.)*\])+) *(.*)$/s.exec(
      rest,
    );
  if (!found) return undefined;
  const [, date = '', time = '', zone, program, text = ''] = found;
  const origin = program === 'kernel' ? 'kernel' : 'other';
  return { ...UNSAID, origin, form: 'syslog', stamp: isoStamp({ date, time, zone }), rest: text };
}

function stampedForm(line: string): Found | undefined {
  return dmesgForm(line) ?? isoForm(line, 'syslog') ?? syslogForm(line) ?? tagOf(line, false);
}

const BRACKET = /^\[([^\]]{1,48})\] ?/;
const CALLER = /^\[ *[TC]\d+\] ?/;
const NEXT_TAG = /^[^\s:]+ (?:kernel: |[^\s:[\]]{1,64}\[\d+\]: )/;

/**
 * `[ 365.969681] `, `[Sun Feb 23 16:24:18 2025] `, `[ +0.02] `, and `[ T1946] ` after it
 * (CONFIG_PRINTK_CALLER). A second time is text: a process may call itself `[    1.000000] `.
 */
function dmesgForm(line: string, tagged = false): Found | undefined {
  if (line[0] !== '[') return undefined;
  const bracket = BRACKET.exec(line);
  const time = bracket?.[1] === undefined ? undefined : bracketTime(bracket[1]);
  if (!bracket || !time) return undefined;
  const { bootSeconds = null, stamp = null } = time;
  const after = line.slice(bracket[0].length);
  const rest = after.slice(CALLER.exec(after)?.[0].length ?? 0);
  const own = stamp === null ? undefined : ownLogLevel(rest);
  if (own) return { ...UNSAID, form: 'dmesg', level: own.level, stamp, rest: own.rest };
  // What keeps a console or runs a command stamps its lines so, which dmesg never does.
  const inner = /^\[\d{4}-/.test(line) ? dmesgForm(rest) : undefined;
  if (inner) return { ...inner, stamp: inner.stamp ?? stamp };
  const base = { form: 'dmesg', level: null, bootSeconds, stamp } as const;
  // journalctl -o short-monotonic puts host and tag after the bracket.
  const tag = !tagged && NEXT_TAG.test(rest) ? tagOf(rest, true) : undefined;
  return tag
    ? { ...base, origin: tag.origin, rest: tag.rest }
    : { ...base, origin: 'unsaid', rest };
}

/** `2025-01-21T04:41:44.283302+00:00 host kernel: text`; dmesg writes a comma and has no tag. */
function isoForm(line: string, form: 'dmesg' | 'syslog'): Found | undefined {
  const found =
    /^(?:\p{L}{2,4}\.? )?(\d{4}(?:-\d\d-|\/\d\d\/)\d\d)[T ](\d\d:\d\d:\d\d(?:([.,])\d{1,9})?) ?(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?|(?!TRACE |DEBUG |INFO |WARN |ERROR |FATAL )[A-Z]{3,5})? /u.exec(
      line,
    );
  if (!found) return undefined;
  const [prefix, date = '', time = '', separator, zone] = found;
  const rest = line.slice(prefix.length);
  const stamp = isoStamp({ date: date.replaceAll('/', '-'), time, zone });
  const virtual = VMKERNEL.exec(rest);
  if (virtual) {
    return {
      ...UNSAID,
      origin: 'kernel',
      form: 'syslog',
      stamp,
      rest: rest.slice(virtual[0].length),
    };
  }
  if (form === 'dmesg' || separator === ',') return { ...UNSAID, form: 'dmesg', stamp, rest };
  // A container runtime's own prefix before what the container printed.
  const stream = /^(?:stdout|stderr) [FP] /.exec(rest);
  const inner = rest.slice(stream?.[0].length ?? 0);
  const nested = dmesgForm(inner) ?? tagOf(inner, stream === null);
  return nested
    ? { ...nested, form: 'syslog', stamp: nested.stamp ?? stamp }
    : { ...UNSAID, form: 'syslog', stamp, rest: inner };
}

/** `cpu12:2097536)`, also after `In(182) vmkernel: `: how the kernel of VMware ESXi begins its lines. */
const VMKERNEL = /^(?:[A-Z][a-z]+\(\d{1,4}\) )?(?:vmkernel: )?cpu\d{1,4}:\d{1,10}(?: opID=\w+)?\)/;

/** `Aug 10 15:36:05 host kernel: text`, with a month of any language and the host missing. */
function syslogForm(line: string): Found | undefined {
  const seconds = /^(\d{9,10})\.(\d{1,9}) (?=\S+ \S+: )/.exec(line);
  const words =
    /^(?:\p{L}{2,4}\.?,? )?(\p{L}{2,9}\.?|\d{1,2}[月월]) +(\d{1,2})\.? (?:(\d{4}) )?(\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(?: [A-Z]{3,5}(?= \d{4} ))?(?: (\d{4}))? /u.exec(
      line,
    );
  const prefix = seconds?.[0] ?? words?.[0];
  if (prefix === undefined) return undefined;
  const rest = line.slice(prefix.length);
  const stamp: Stamp = seconds
    ? { kind: 'exact', timeMs: Math.floor(Number(prefix) * 1_000), precisionMs: 1 }
    : localStamp({
        month: words?.[1] ?? '',
        day: words?.[2] ?? '',
        time: words?.[4] ?? '',
        year: words?.[3] ?? words?.[5],
      });
  const tag = tagOf(rest, true);
  return tag ? { ...tag, form: 'syslog', stamp } : { ...UNSAID, form: 'syslog', stamp, rest };
}

const HOST = String.raw`(?:[0-9a-f]{0,4}:[0-9a-f:.]*:[0-9a-f:.]*|\S*[^\s:]) `;
const FACILITIES = 'kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local[0-7]';
const LEVELS = 'emerg|alert|crit|err|error|warn|warning|notice|info|debug';
/** A relay may put its own name before the host's; without a stamp there is no relay. */
const kernelTag = (hosts: string) =>
  new RegExp(
    String.raw`^(?:${HOST})${hosts}(?:(${FACILITIES})\.(${LEVELS}) )?kernel(?:\[\d{1,8}\])?:[ \t]?`,
  );
const KERNEL_TAG = kernelTag('??');
const STAMPED_KERNEL_TAG = kernelTag('{0,2}?');
const PROGRAM_WITH_PID = new RegExp(
  String.raw`^(?:${HOST})??[^\s:[\]]{1,64}\[\d{1,8}\]: (?!segfault |unhandled |general protection|trap)`,
);
const HOST_AND_DRIVER = new RegExp(String.raw`^${HOST}(?=NVRM: |nvidia-nvswitch\d{1,3}: )`);
const HOST_AND_PROGRAM = new RegExp(
  String.raw`^(?!(?:TRACE|DEBUG|INFO|WARN|ERROR) )${HOST}[^\s:[\]]{1,64}: `,
);

/**
 * `kernel: `, `host kernel: [ 12.3] `, busybox' `host kern.warn kernel: `, or another program's
 * tag. Only after a stamp is `word word: ` a host and a program: `EDAC MC3: ` is kernel text.
 */
function tagOf(line: string, stamped: boolean): Found | undefined {
  const kernel = (stamped ? STAMPED_KERNEL_TAG : KERNEL_TAG).exec(line);
  if (kernel) {
    const rest = withControls(unrepeated(line.slice(kernel[0].length)));
    const time = rest[0] !== '[' || beginsWithComm(rest) ? undefined : dmesgForm(rest, true);
    const forged = kernel[1] !== undefined && kernel[1] !== 'kern';
    return {
      form: 'tag',
      origin: forged ? 'other' : 'kernel',
      level: levelOf(kernel[2]),
      bootSeconds: time?.bootSeconds ?? null,
      stamp: null,
      rest: time?.rest ?? rest,
    };
  }
  // A daemon that takes the message's first word for a tag, and the host before it.
  const driver = stamped ? HOST_AND_DRIVER.exec(line) : null;
  if (driver) return { ...UNSAID, form: 'tag', rest: line.slice(driver[0].length) };
  const other = PROGRAM_WITH_PID.exec(line) ?? (stamped ? HOST_AND_PROGRAM.exec(line) : null);
  if (!other) return undefined;
  return { ...UNSAID, form: 'tag', origin: 'other', rest: line.slice(other[0].length) };
}

/** `message repeated 3 times: [ text]`: rsyslog's word for what the kernel printed again. */
const unrepeated = (text: string): string =>
  /^message repeated \d{1,9} times: \[ ?(.*)\]$/s.exec(text)?.[1] ?? text;

/** rsyslog writes a control character as `#` and three octal digits: `#012` is a line feed. */
const withControls = (text: string): string =>
  text.includes('#0')
    ? text.replaceAll(/#(0[0-3][0-7])/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      )
    : text;

const LEVEL_NAMES = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'];

/** Syslog level of a word such as `warn`, `warning` or `ERROR`; null for other words. */
function levelOf(word: string | undefined): number | null {
  const lower = word?.toLowerCase();
  const level = LEVEL_NAMES.findIndex(name => lower?.startsWith(name));
  return level < 0 ? null : level;
}

/** What stands in square brackets before a message, when it is a time. */
interface BracketTime {
  readonly bootSeconds?: number;
  readonly stamp?: Stamp;
}

/** The text between the brackets as a time; undefined when it is something else. */
function bracketTime(inner: string): BracketTime | undefined {
  const seconds = /^ *(\d{1,10}\.\d{1,9})(?: *< *[\d.]+ ?>)?$/.exec(inner);
  if (seconds) return { bootSeconds: Number(seconds[1]) };
  // dmesg -d and -e show only the distance to the line before.
  if (/^ *\+\d[\d.]*$/.test(inner) || /^ *< *[\d.]+ ?>$/.test(inner)) return {};
  const words = /^\S{1,9} +(\S{1,9}) +(\d{1,2}) (\d\d:\d\d:\d\d) (\d{4})$/.exec(inner);
  if (words) {
    const [, month = '', day = '', time = '', year] = words;
    return { stamp: localStamp({ month, day, time, year }) };
  }
  // Fabric Manager and IMEX: `Feb 27 2025 15:10:02`.
  const own = /^(\S{1,9}) +(\d{1,2}) (\d{4}) (\d\d:\d\d:\d\d(?:\.\d{1,9})?)$/.exec(inner);
  if (own) {
    const [, month = '', day = '', year, time = ''] = own;
    return { stamp: localStamp({ month, day, time, year }) };
  }
  const short = /^([A-Z][a-z]{2})(\d\d) (\d\d:\d\d)$/.exec(inner);
  if (short) {
    const [, month = '', day = '', time = ''] = short;
    return { stamp: localStamp({ month, day, time }) };
  }
  const iso = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(Z|[+-]\d\d:?\d\d)?$/.exec(
    inner,
  );
  if (!iso) return undefined;
  const [, date = '', time = '', zone] = iso;
  return { stamp: isoStamp({ date, time, zone }) };
}

/** `[ERROR] [tid 12727] ` after the time: how Fabric Manager and IMEX write their own logs. */
function ownLogLevel(rest: string): { level: number | null; rest: string } | undefined {
  const found = /^\[([A-Z]{4,9})\] (?:\[tid \d{1,10}\] )?/.exec(rest);
  const level = levelOf(found?.[1]);
  return found && level !== null ? { level, rest: rest.slice(found[0].length) } : undefined;
}
