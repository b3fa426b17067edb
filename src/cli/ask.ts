import { textOf } from '../bridge/fan-out.ts';
import { GpuMcpError, SessionError } from '../contract/errors.ts';
import { TOOLS } from '../tools/index.ts';
import { checkInput } from '../tools/listing.ts';
import { aborted } from './aborted.ts';
import { type ExitCode, type Io, type Progress, write } from './io.ts';
import type { Targets } from './targets.ts';

export interface Asked {
  readonly answers: readonly { target: string; text: string; structured: unknown }[];
  readonly failures: readonly { target: string; error: unknown }[];
}

/** Asks every target the same, side by side; all sessions are closed before this returns. */
export async function askAll(question: {
  readonly targets: Targets;
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly io: Io;
  readonly progress: Progress;
}): Promise<Asked> {
  const { targets, tool, input, io, progress } = question;
  const known = TOOLS.find(other => other.name === tool);
  if (known) checkInput(known, input);
  const several = targets.sessions.length > 1;
  const answers: Asked['answers'][number][] = [];
  const failures: Asked['failures'][number][] = [];
  const asking = targets.sessions.map(async session => {
    const onProgress = (message: string) =>
      progress.say(several ? `${session.target}: ${message}` : message);
    try {
      const result = await session.call({ tool, input, signal: io.signal, onProgress });
      if (result.isError === true) throw new SessionError(textOf(result).replace(/\.$/, ''));
      answers.push({
        target: session.target,
        text: textOf(result),
        structured: result.structuredContent,
      });
    } catch (error) {
      failures.push({ target: session.target, error });
    }
  });
  try {
    await Promise.race([Promise.all(asking), aborted(io.signal)]);
  } finally {
    await targets.close();
  }
  io.signal.throwIfAborted();
  const order = targets.sessions.map(session => session.target);
  const byOrder = (a: { target: string }, b: { target: string }) =>
    order.indexOf(a.target) - order.indexOf(b.target);
  return { answers: answers.toSorted(byOrder), failures: failures.toSorted(byOrder) };
}

/** One sentence a failed target, on stderr; a single target's error is left to the one place. */
export async function printFailures(asked: Asked, io: Io): Promise<void> {
  const [only] = asked.failures;
  if (only && asked.failures.length === 1 && asked.answers.length === 0) throw only.error;
  for (const { target, error } of asked.failures) {
    const hint = error instanceof GpuMcpError && error.hint ? ` (try: ${error.hint})` : '';
    const message = error instanceof Error ? error.message : String(error);
    await write(io.stderr, `error: ${target}: ${message}${hint}\n`);
  }
}

/** 5 when some targets failed, else what the answers say. */
export const exitOf = (asked: Asked, answered: ExitCode): ExitCode =>
  asked.failures.length > 0 ? 5 : answered;
