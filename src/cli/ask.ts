import { askSession } from '../bridge/ask-session.ts';
import { GpuMcpError, SessionError, UsageError } from '../contract/errors.ts';
import { textOf } from '../mcp/results.ts';
import { rendered } from '../report/answer.ts';
import { TOOLS } from '../tools/index.ts';
import { checkInput } from '../tools/listing.ts';
import { aborted } from './aborted.ts';
import type { Invocation } from './command.ts';
import { type ExitCode, type Io, write } from './io.ts';
import { openTargets } from './targets.ts';

export interface Asked {
  /** The facts of every answer, by target. */
  readonly answers: readonly { target: string; structured: unknown }[];
  readonly failures: readonly { target: string; error: unknown }[];
}

/**
 * Asks every target the same, side by side, and prints each answer as it comes: who waits for a
 * page does not wait for the pod's removal. All sessions are closed before this returns.
 *
 * @throws what the only target's session threw; several targets' errors are printed.
 */
export async function askAll(question: {
  readonly invocation: Invocation;
  readonly targets: readonly string[];
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
}): Promise<Asked> {
  const { invocation, tool, input } = question;
  const { args, io, progress } = invocation;
  const known = TOOLS.find(other => other.name === tool);
  if (!known) throw new UsageError(`there is no tool "${tool.slice(0, 64)}"`);
  checkInput(known, input);
  const targets = await openTargets({
    ...invocation,
    args: { ...args, target: [...question.targets] },
  });
  const several = targets.sessions.length > 1;
  const answers: Asked['answers'][number][] = [];
  const failures: Asked['failures'][number][] = [];
  const form = { format: args.output, colour: useColour(args.color, io) };
  const asking = targets.sessions.map(async session => {
    const { target } = session;
    const onProgress = (message: string) =>
      progress.say(several ? `${target}: ${message}` : message);
    try {
      const result = await askSession(session, known, { input, signal: io.signal, onProgress });
      const text = textOf(result);
      if (result.isError === true) throw new SessionError(text.replace(/\.$/, ''));
      const structured = result.structuredContent;
      answers.push({ target, structured });
      const title = `${known.title}: ${target}`;
      await write(io.stdout, rendered({ title, text, structured }, form));
    } catch (error) {
      failures.push({ target, error });
    }
  });
  try {
    await Promise.race([Promise.all(asking), aborted(io.signal)]);
  } finally {
    await targets.close();
  }
  io.signal.throwIfAborted();
  await printFailures({ answers, failures }, io);
  return { answers, failures };
}

/** One sentence a failed target, on stderr; a single target's error is left to the one place. */
async function printFailures(asked: Asked, io: Io): Promise<void> {
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

/** Colours only on a terminal, never with --no-color or NO_COLOR. */
export const useColour = (
  wanted: boolean,
  io: Pick<Io, 'stdoutIsTerminal' | 'environment'>,
): boolean => wanted && io.stdoutIsTerminal && (io.environment['NO_COLOR'] ?? '') === '';
