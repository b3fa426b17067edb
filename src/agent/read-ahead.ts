import { isDeepStrictEqual } from 'node:util';
import type { FirstQuestion } from '../contract/first-question.ts';
import { READ_AHEAD_MS_MAX } from '../contract/limits.ts';
import { TOOLS } from '../tools/index.ts';
import type { Question } from '../tools/tool.ts';
import type { AgentInstruments } from './open-instruments.ts';

type Facts = Awaited<ReturnType<Question['observe']>>;

export interface ReadAhead {
  /** What was read for this very question, once; undefined for another, or where it is too old. */
  take(
    question: FirstQuestion,
    signal: AbortSignal,
    progress: (message: string) => void,
  ): Promise<Facts> | undefined;
}

/**
 * Reads for the question that an agent was started for while the stream to it is still being opened.
 * What it finds is as if it was asked at once: it is given to that question alone, and not when it is old.
 */
export function readAhead(first: FirstQuestion, instruments: AgentInstruments): ReadAhead {
  const stop = new AbortController();
  const startedMs = instruments.clock.nowMs();
  let last: string | undefined;
  let say = (message: string) => {
    last = message;
  };
  const reading = observe(
    first,
    { ...instruments, progress: message => say(message) },
    stop.signal,
  );
  // Its failure is told to whoever asks.
  reading.catch(() => undefined);
  let waiting: typeof reading | undefined = reading;
  return {
    take(question, signal, progress) {
      const found = waiting;
      waiting = undefined;
      const ageMs = instruments.clock.nowMs() - startedMs;
      const isOld = ageMs < 0 || ageMs > READ_AHEAD_MS_MAX;
      if (isOld || !isDeepStrictEqual(question, first)) {
        stop.abort();
        return undefined;
      }
      signal.addEventListener('abort', () => stop.abort(signal.reason), { once: true });
      if (last !== undefined) progress(last);
      say = progress;
      return found;
    },
  };
}

async function observe(
  { tool: name, input }: FirstQuestion,
  instruments: Parameters<Question['observe']>[0],
  signal: AbortSignal,
): Promise<Facts> {
  const tool = TOOLS.find(other => other.name === name);
  if (!tool) throw new Error(`there is no tool "${name}"`);
  return tool.question(input).observe(instruments, signal);
}
