import type { Coverage } from '../contract/coverage.ts';
import type { KernelRecord } from '../contract/kernel-record.ts';
import { driftMs } from './kmsg.ts';
import { parsePrefix } from './prefixes.ts';
import { inWindow, type KernelClock, type ScanRequest, type Source, Tally } from './source.ts';

/** klogctl(3): a type, a buffer, its length; gives a number of bytes or throws with an errno. */
export type Klogctl = (type: number, buffer: Buffer) => number;

export interface SyslogCallOptions {
  readonly clock: KernelClock;
  /** Boot id, 32 hex digits, or null where it is not known. */
  readonly boot: () => string | null;
  /** Default: the C library's klogctl. */
  readonly load?: () => Promise<Klogctl>;
}

/** SYSLOG_ACTION_READ_ALL and SYSLOG_ACTION_SIZE_BUFFER; syslog(2). Neither changes anything. */
const READ_ALL = 3;
const SIZE_BUFFER = 10;
/** CONFIG_LOG_BUF_SHIFT allows 32 MiB. */
const BUFFER_BYTES_MAX = 32 * 1024 * 1024;

/**
 * The ring buffer through syslog(2): for a container that has CAP_SYSLOG while its device cgroup
 * keeps /dev/kmsg closed. Without sequence numbers losses cannot be counted.
 */
export function syslogCallSource(options: SyslogCallOptions): Source {
  return { kind: 'syslog', scan: async request => [await scanSyslog(options, request)] };
}

async function scanSyslog(options: SyslogCallOptions, request: ScanRequest): Promise<Coverage> {
  const tally = new Tally('syslog(2)');
  try {
    const klogctl = await (options.load ?? loadKlogctl)();
    const size = klogctl(SIZE_BUFFER, Buffer.alloc(0));
    const buffer = Buffer.alloc(Math.min(Math.max(size, 0), BUFFER_BYTES_MAX));
    const length = klogctl(READ_ALL, buffer);
    const lines = buffer.toString('utf8', 0, length).split('\n');
    showLines(lines, options, request, tally);
    tally.note('this form has no sequence numbers: lost records cannot be counted');
  } catch (error) {
    tally.failed(error);
  }
  return tally.coverage();
}

function showLines(
  lines: readonly string[],
  { clock, boot }: SyslogCallOptions,
  { window, visit }: ScanRequest,
  tally: Tally,
): void {
  const bootId = boot();
  const nowMs = clock.nowMs();
  const zeroMs = nowMs - clock.monotonicMs();
  for (const line of lines) {
    if (line === '') continue;
    tally.records++;
    const parsed = parsePrefix(line);
    if (parsed.level === null) {
      // The ring's oldest record may be cut at its beginning.
      tally.malformed++;
      tally.passedOver(line, 'it is cut off or of a form that is not known', tally.records);
      continue;
    }
    if (parsed.origin !== 'kernel') {
      tally.untrusted++;
      tally.passedOver(line, 'another program wrote it, not the kernel', tally.records);
      continue;
    }
    const { bootSeconds } = parsed;
    const timeMs = bootSeconds === null ? null : Math.round(zeroMs + bootSeconds * 1_000);
    const record: KernelRecord = {
      source: 'syslog(2)',
      line: tally.records,
      text: parsed.text,
      level: parsed.level,
      boot: bootId,
      bootSeconds,
      timeMs,
      timeUncertaintyMs: timeMs === null ? null : driftMs(nowMs - timeMs),
    };
    tally.covers(timeMs);
    if (inWindow(record, window)) visit(record);
  }
}

/** Loads koffi only now: most nodes never need it. */
async function loadKlogctl(): Promise<Klogctl> {
  const { default: koffi } = await import('koffi');
  const klogctl = koffi
    .load('libc.so.6')
    .func('klogctl', 'int', ['int', koffi.pointer('uint8_t'), 'int']);
  return (type, buffer) => {
    const result: unknown = klogctl(type, buffer, buffer.length);
    if (typeof result === 'number' && result >= 0) return result;
    const number = koffi.errno();
    const name = Object.entries(koffi.os.errno).find(([, value]) => value === number)?.[0];
    throw Object.assign(new Error('klogctl failed'), { code: name ?? 'EIO' });
  };
}
