import type { Coverage } from '../contract/coverage.ts';
import { type Clock, isoTime } from '../contract/time.ts';
import type { KernelLog } from '../kernel-log/port.ts';
import type { Machine } from './machine.ts';

/** As wrong as the time of a record of /dev/kmsg that is some minutes old. */
const UNCERTAINTY_MS = 20;

/**
 * The kernel log of a machine made of data. Ages in the data count from the moment when the session
 * began, so that its lines grow older as real ones do.
 */
export function simulatedKernelLog(machine: Machine, clock: Clock): KernelLog {
  const { kernelLog, host } = machine;
  const startedMs = clock.nowMs();
  const timeOf = (secondsAgo: number) => startedMs - secondsAgo * 1_000;
  return {
    async scan(window, visit, signal): Promise<readonly Coverage[]> {
      signal.throwIfAborted();
      const { sinceMs = Number.NEGATIVE_INFINITY, untilMs = Number.POSITIVE_INFINITY } = window;
      if (window.sources && !window.sources.includes('kmsg')) return [];
      for (const [index, line] of kernelLog.lines.entries()) {
        const timeMs = timeOf(line.secondsAgo);
        if (timeMs < sinceMs || timeMs > untilMs) continue;
        const bootSeconds = host.uptimeSeconds - line.secondsAgo;
        visit({
          source: kernelLog.source,
          line: kernelLog.records - kernelLog.lines.length + index + 1,
          text: line.text,
          level: line.level,
          boot: host.bootId,
          bootSeconds: bootSeconds >= 0 ? bootSeconds : null,
          timeMs,
          timeUncertaintyMs: UNCERTAINTY_MS,
        });
      }
      return [
        {
          source: kernelLog.source,
          available: true,
          from: isoTime(Math.max(timeOf(kernelLog.reachSeconds), sinceMs)),
          to: isoTime(Math.min(clock.nowMs(), untilMs)),
          records: kernelLog.records,
          lost: kernelLog.lost,
          untrusted: 0,
          malformed: 0,
          notes: [],
        },
      ];
    },
  };
}
