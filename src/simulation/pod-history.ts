import { type Clock, isoTime } from '../contract/time.ts';
import type { PodHistory } from '../kernel-log/port.ts';
import type { Machine } from './machine.ts';

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
