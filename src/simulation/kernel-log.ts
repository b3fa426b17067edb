import type { Coverage } from '../contract/coverage.ts';
import { type Clock, isoTime } from '../contract/time.ts';
import type { KernelLog, PodHistory } from '../kernel-log/port.ts';
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
        if (timeMs < sinceMs || timeMs > Math.min(untilMs, clock.nowMs())) continue;
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

/** The lives of containers of a machine made of data; ages count from the start of the session. */
export function simulatedPodHistory({ host }: Machine, clock: Clock): PodHistory {
  const startedAtMs = clock.nowMs();
  const ms = (secondsAgo: number) => startedAtMs - secondsAgo * 1_000;
  return {
    async read(spans, signal) {
      signal.throwIfAborted();
      const lives = host.pods.lives.map(
        ({
          startedSecondsAgo: started,
          endedSecondsAgo: ended,
          seenSecondsAgo: seen,
          ...life
        }) => ({
          ...life,
          ...(started === undefined ? {} : { startedMs: ms(started) }),
          ...(ended === undefined ? {} : { endedMs: ms(ended) }),
          ...(seen === undefined ? {} : { seenMs: ms(seen) }),
        }),
      );
      const from = isoTime(Math.min(...spans.map(({ sinceMs }) => sinceMs)));
      return {
        lives,
        coverage: [
          {
            source: 'journal (kubelet and container runtime)',
            available: true,
            ...{ from, to: isoTime(clock.nowMs()), records: lives.length },
            ...{ lost: 0, untrusted: 0, malformed: 0, notes: [] },
          },
        ],
      };
    },
  };
}
