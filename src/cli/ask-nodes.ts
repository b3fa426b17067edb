import { askSession } from '../bridge/ask-session.ts';
import { askOneOfSeveral, type NodeAnswer, orderOver } from '../bridge/several-nodes.ts';
import { GpuMcpError, UsageError } from '../contract/errors.ts';
import type { Session } from '../session/port.ts';
import { TOOLS } from '../tools/index.ts';
import type { Question } from '../tools/tool.ts';
import type { Invocation } from './command.ts';
import type { OutputFlags, TargetFlags } from './flags.ts';
import { type ExitCode, type Io, write } from './io.ts';
import { print } from './print.ts';
import { untilAborted } from './until-aborted.ts';

export interface Outcome {
  /** The facts of every answer, by target. */
  readonly answers: readonly { target: string; structured: unknown }[];
  readonly failures: readonly { target: string; error: unknown }[];
}

/**
 * Opens the targets and asks them all; the sessions are closed before this returns.
 *
 * @throws what the only target's session threw; several targets' errors are printed.
 */
export async function askAll(
  invocation: Invocation<TargetFlags & OutputFlags>,
  name: string,
  input: Readonly<Record<string, unknown>>,
): Promise<Outcome> {
  const tool = TOOLS.find(other => other.name === name);
  if (!tool) throw new UsageError(`there is no tool "${name.slice(0, 64)}"`);
  const question = tool.question(input);
  const outcome = await untilAborted(invocation, ({ sessions }) =>
    askSessions(sessions, question, invocation),
  );
  invocation.io.signal.throwIfAborted();
  await printFailures(outcome, invocation.io);
  return outcome;
}

/**
 * Asks every session the same, side by side, and prints each answer as it comes: who waits for a
 * page does not wait for another's. What several tell happened is printed in one order at the end.
 */
export async function askSessions(
  sessions: readonly Session[],
  question: Question,
  invocation: Invocation<OutputFlags>,
): Promise<Outcome> {
  const { io, progress } = invocation;
  const { title } = question.tool;
  const several = sessions.length > 1;
  const timed: NodeAnswer[] = [];
  const answers: Outcome['answers'][number][] = [];
  const failures: Outcome['failures'][number][] = [];
  const asking = sessions.map(async session => {
    const { target } = session;
    const onProgress = (message: string) =>
      progress.say(several ? `${target}: ${message}` : message);
    const beside = { signal: io.signal, onProgress };
    try {
      const node = several ? await askOneOfSeveral(session, question, beside, io.clock) : undefined;
      const answer = node?.answer ?? (await askSession(session, question, beside));
      answers.push({ target, structured: answer.structured });
      if (node) timed.push(node);
      await print({ ...answer, title: `${title}: ${target}` }, invocation);
    } catch (error) {
      failures.push({ target, error });
      const page = error instanceof GpuMcpError ? error.answer : undefined;
      if (page) await print({ ...page, title: `${title}: ${target}` }, invocation);
    }
  });
  await Promise.all(asking);
  const order = orderOver(timed);
  if (order) await print({ ...order, title: `${title}: order over nodes` }, invocation);
  return { answers, failures };
}

/** One sentence a failed target, on stderr; a single target's error is left to the one place. */
async function printFailures({ answers, failures }: Outcome, io: Io): Promise<void> {
  const [only] = failures;
  if (only && failures.length === 1 && answers.length === 0) throw only.error;
  for (const { target, error } of failures) {
    const hint = error instanceof GpuMcpError && error.hint ? ` (try: ${error.hint})` : '';
    const message = error instanceof Error ? error.message : String(error);
    await write(io.stderr, `error: ${target}: ${message}${hint}\n`);
  }
}

/** 5 when some targets failed, else what the answers say. */
export const exitOf = ({ failures }: Outcome, answered: ExitCode): ExitCode =>
  failures.length > 0 ? 5 : answered;
