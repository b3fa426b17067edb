import { askSession } from '../bridge/ask-session.ts';
import { askOneOfSeveral, type NodeAnswer, orderOver } from '../bridge/several-nodes.ts';
import { GpuMcpError, SessionError, UsageError } from '../contract/errors.ts';
import { textOf } from '../mcp/results.ts';
import { type Answered, rendered } from '../report/answer.ts';
import type { Session } from '../session/port.ts';
import { TOOLS } from '../tools/index.ts';
import { checkInput } from '../tools/listing.ts';
import type { AnyTool } from '../tools/tool.ts';
import { aborted } from './aborted.ts';
import type { Invocation } from './command.ts';
import { type ExitCode, type Io, write } from './io.ts';
import { openTargets } from './targets.ts';

export interface Asked {
  /** The facts of every answer, by target. */
  readonly answers: readonly { target: string; structured: unknown }[];
  readonly failures: readonly { target: string; error: unknown }[];
}

interface Question {
  readonly invocation: Invocation;
  readonly targets: readonly string[];
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/**
 * Opens the targets and asks them all; the sessions are closed before this returns.
 *
 * @throws what the only target's session threw; several targets' errors are printed.
 */
export async function askAll(question: Question): Promise<Asked> {
  const { invocation, tool, input } = question;
  const { args, io } = invocation;
  const known = TOOLS.find(other => other.name === tool);
  if (!known) throw new UsageError(`there is no tool "${tool.slice(0, 64)}"`);
  checkInput(known, input);
  const targets = await openTargets({
    ...invocation,
    args: { ...args, target: [...question.targets] },
  });
  let asked: Asked | undefined;
  try {
    const asking = askSessions(targets.sessions, { invocation, tool: known, input });
    asked = (await Promise.race([asking, aborted(io.signal)])) ?? undefined;
  } finally {
    await targets.close();
  }
  io.signal.throwIfAborted();
  const { answers, failures } = asked ?? { answers: [], failures: [] };
  await printFailures({ answers, failures }, io);
  return { answers, failures };
}

/**
 * Asks every session the same, side by side, and prints each answer as it comes: who waits for a
 * page does not wait for another's. What several tell happened is printed in one order at the end.
 */
export async function askSessions(
  sessions: readonly Session[],
  question: Pick<Question, 'invocation' | 'input'> & { readonly tool: AnyTool },
): Promise<Asked> {
  const { invocation, tool, input } = question;
  const { args, io, progress } = invocation;
  const several = sessions.length > 1;
  const told: NodeAnswer[] = [];
  const answers: Asked['answers'][number][] = [];
  const failures: Asked['failures'][number][] = [];
  const form = { format: args.output, colour: useColour(args.color, io) };
  const print = (answer: Answered) => write(io.stdout, rendered(answer, form));
  const asking = sessions.map(async session => {
    const { target } = session;
    const onProgress = (message: string) =>
      progress.say(several ? `${target}: ${message}` : message);
    const request = { input, signal: io.signal, onProgress };
    try {
      const timed = several
        ? await askOneOfSeveral(session, { tool, request, clock: io.clock })
        : undefined;
      const result = timed?.result ?? (await askSession(session, tool, request));
      const text = textOf(result);
      if (result.isError === true) throw new SessionError(text.replace(/\.$/, ''));
      const structured = result.structuredContent;
      answers.push({ target, structured });
      if (timed) told.push(timed);
      await print({ title: `${tool.title}: ${target}`, text, structured });
    } catch (error) {
      failures.push({ target, error });
    }
  });
  await Promise.all(asking);
  const order = orderOver(told);
  if (order) await print({ title: `${tool.title}: order over nodes`, ...order });
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
