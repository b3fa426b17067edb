import { present, type Reading } from '../contract/reading.ts';
import { missingOf } from './files.ts';
import type { KernelClock } from './port.ts';

/** adjtimex(2): fills a struct timex, gives the state of the clock or throws with an errno. */
export type Adjtimex = (timex: Buffer) => number;

/** struct timex of linux/timex.h where a long has 64 bits: its size, and offsets of what we use. */
export const TIMEX = { byteSize: 208, modes: 0, maxerror: 24 } as const;

/** NTP_PHASE_LIMIT of the kernel: what it takes for the error when nobody keeps the clock. */
const ERROR_MICROSECONDS_MAX = 16_000_000;

/**
 * How well the node's clock is kept, from the kernel. With `modes` 0 nothing is changed. The flag
 * STA_UNSYNC does not count, as in systemd's timedated: chrony without `rtcsync` leaves it set to keep
 * the kernel from the hardware clock, and bounds the error all the same. Never throws.
 */
export async function readKernelClock(
  load: () => Promise<Adjtimex> = loadAdjtimex,
): Promise<Reading<KernelClock>> {
  const timex = Buffer.alloc(TIMEX.byteSize);
  try {
    const adjtimex = await load();
    adjtimex(timex);
  } catch (error) {
    return missingOf(error);
  }
  const maximumErrorMicroseconds = Number(timex.readBigInt64LE(TIMEX.maxerror));
  return present({
    synchronized: maximumErrorMicroseconds < ERROR_MICROSECONDS_MAX,
    maximumErrorMicroseconds,
  });
}

/** Loads koffi only now: a shallow reading never needs it. */
async function loadAdjtimex(): Promise<Adjtimex> {
  const { default: koffi } = await import('koffi');
  const adjtimex = koffi.load('libc.so.6').func('adjtimex', 'int', [koffi.pointer('uint8_t')]);
  return timex => {
    const state: unknown = adjtimex(timex);
    if (typeof state === 'number' && state >= 0) return state;
    const number = koffi.errno();
    const name = Object.entries(koffi.os.errno).find(([, value]) => value === number)?.[0];
    throw Object.assign(new Error('adjtimex failed'), { code: name ?? 'EIO' });
  };
}
