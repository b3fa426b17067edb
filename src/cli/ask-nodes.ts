import { askEach, type NodeOutcome } from '../bridge/ask-each.ts';
import type { JobSource } from '../bridge/ask-job.ts';
import { withReport } from '../bridge/ask-report.ts';
import { askSession } from '../bridge/ask-session.ts';
import { printedConnection } from '../cluster/connection-flags.ts';
import { GpuMcpError, UsageError } from '../contract/errors.ts';
import {
  JOB_NODES_MAX,
  NODE_ANSWER_MS_MAX,
  NODES_AT_ONCE,
  PARTIAL_ANSWER_MS,
  POD_START_MS_MAX,
  ROWS_AT_ONCE,
  SHUTDOWN_MS_MAX,
} from '../contract/limits.ts';
import { plainLines } from '../contract/untrusted.ts';
import type { Session } from '../session/port.ts';
import { fleetRow } from '../tools/support/fleet-row.ts';
import type { Question } from '../tools/tool.ts';
import type { Invocation } from './command.ts';
import type { FleetFlags, OutputFlags, TargetFlags } from './flags.ts';
import { type FleetPages, fleetAnswer } from './fleet-answer.ts';
import { type ExitCode, write } from './io.ts';
import { formOf, print } from './print.ts';
import { untilAborted } from './until-aborted.ts';

export interface Outcome {
  /** The facts of every answer, by target. */
  readonly answers: readonly { target: string; structured: unknown }[];
  readonly failures: readonly { target: string; error: unknown }[];
}

type NodesInvocation = Invocation<OutputFlags & Partial<FleetFlags & TargetFlags>>;

/**
 * Opens the targets and asks them all; the sessions are closed before this returns.
 *
 * @throws what the only target's session threw; several targets' errors are printed.
 */
export async function askAll(
  invocation: Invocation<TargetFlags & OutputFlags & FleetFlags>,
  question: Question,
  pages: FleetPages = 'all',
): Promise<Outcome> {
  // A judgement of its nodes is what a job is judged by.
  const outcome = await untilAborted(
    invocation,
    ({ sessions, isFleet, job }) =>
      isFleet
        ? askFleet(sessions, question, invocation, { pages, job })
        : askOnly(sessions, question, invocation),
    { jobs: pages === 'sick' },
  );
  invocation.io.signal.throwIfAborted();
  return outcome;
}

/** The one target of a command line; its error is left to the one place that prints them. */
async function askOnly(
  [session]: readonly Session[],
  question: Question,
  invocation: NodesInvocation,
): Promise<Outcome> {
  if (!session) throw new UsageError('name a node', 'kubectl gpu-mcp nodes lists those with GPUs');
  const { io, progress } = invocation;
  const { target } = session;
  const title = `${question.tool.title}: ${target}`;
  const beside = { signal: io.signal, onProgress: (message: string) => progress.say(message) };
  const asking = askSession(session, question, beside);
  // Shares the start of the call, which goes first because a start may carry its question; what
  // fails here is told by the call.
  session
    .start(io.signal, message => progress.wait(message, POD_START_MS_MAX))
    .then(
      () => progress.wait(`asking ${target}`),
      () => undefined,
    );
  try {
    const own = await asking;
    const isReport = invocation.args.output === 'html';
    const answer = isReport ? await withReport(session, question, own, beside) : own;
    io.signal.throwIfAborted();
    await print({ ...answer, title }, invocation);
    return { answers: [{ target, structured: answer.structured }], failures: [] };
  } catch (error) {
    const page = error instanceof GpuMcpError ? error.answer : undefined;
    if (page) await print({ ...page, title }, invocation);
    throw error;
  }
}

/** Of so few nodes every step of a start is told; of more only what came of them. */
const STEPS_TOLD_NODES_MAX = 4;

/**
 * Asks every session the same, so many at a time, and ends each as soon as it has answered. What
 * comes of a node is told on stderr as it comes; the one answer over all of them stands at the end.
 */
export async function askFleet(
  sessions: readonly Session[],
  question: Question,
  invocation: NodesInvocation,
  { pages, job }: { readonly pages: FleetPages; readonly job?: JobSource | undefined },
): Promise<Outcome> {
  const { args, io, progress } = invocation;
  const limitMs = (args.nodeTimeout ?? NODE_ANSWER_MS_MAX / 1_000) * 1_000;
  // The nodes of a job are looked at together.
  const atOnce = job ? JOB_NODES_MAX : args.fleet ? ROWS_AT_ONCE : NODES_AT_ONCE;
  const parallel = args.parallel ?? atOnce;
  const few = sessions.length <= STEPS_TOLD_NODES_MAX;
  let heard = 0;
  const awaited = new Map(sessions.map(({ target }) => [target, '']));
  const stop = new AbortController();
  void passed(PARTIAL_ANSWER_MS, stop.signal).then(() =>
    progress.say(awaitedWords(awaited, heard)),
  );
  progress.wait(`asking ${sessions.length} nodes`);
  const ofJob =
    job &&
    (await import('../bridge/ask-job.ts')).askingJob(
      job,
      { nodes: [...awaited.keys()], together: parallel >= sessions.length },
      io.signal,
    );
  const isReport = args.output === 'html';
  const outcomes = await askEach(ofJob ? sessions.map(ofJob.session) : sessions, question, {
    ...{ signal: io.signal, clock: io.clock, parallel },
    limit: () => AbortSignal.timeout(limitMs),
    onProgress(target, words) {
      awaited.set(target, words);
      if (few) progress.say(`${target}: ${words}`);
    },
    onOutcome(outcome) {
      heard += 1;
      ofJob?.onOutcome(outcome);
      awaited.delete(outcome.target);
      if (outcome.answered) progress.say(`${heard} of ${sessions.length}: ${wordsOf(outcome)}`);
      else if (!io.signal.aborted)
        void write(
          io.stderr,
          `error: ${outcome.target}: ${plainLines(failureWords(outcome.error))}\n`,
        );
    },
    more: async (session, answer, beside) => {
      await ofJob?.more(session, answer.structured, beside);
      // A node that is well has no course to draw.
      const isDrawn = isReport && answer.structured['verdict'] !== 'healthy';
      return isDrawn ? withReport(session, question, answer, beside) : answer;
    },
    end: session => Promise.race([session.close(), passed(SHUTDOWN_MS_MAX)]),
  });
  stop.abort();
  io.signal.throwIfAborted();
  const form = formOf(invocation);
  const answer = await fleetAnswer(outcomes, {
    ...{ tool: question.tool, nowMs: io.clock.nowMs(), pages, form },
    job: await ofJob?.answer(outcomes),
    connection: sessions[0]?.commandWords ?? printedConnection(args),
  });
  const about = job?.found.name ?? `${sessions.length} nodes`;
  await print({ ...answer, title: `${question.tool.title}: ${about}` }, invocation);
  return sorted(outcomes);
}

function sorted(outcomes: readonly NodeOutcome[]): Outcome {
  return {
    answers: outcomes.flatMap(({ target, answered }) =>
      answered ? [{ target, structured: answered.answer.structured }] : [],
    ),
    failures: outcomes.flatMap(({ target, answered, error }) =>
      answered ? [] : [{ target, error }],
    ),
  };
}

function wordsOf({ target, answered }: NodeOutcome): string {
  const { verdict, what } = fleetRow(target, answered?.answer.structured);
  return [target, verdict, what].filter(Boolean).join(' ');
}

/** What a node's error says, and what to try. */
export function failureWords(error: unknown): string {
  const hint = error instanceof GpuMcpError && error.hint ? ` (try: ${error.hint})` : '';
  return `${error instanceof Error ? error.message : String(error)}${hint}`;
}

const AWAITED_TOLD_MAX = 8;

/** Who is still awaited, and what each was last heard doing; those without a turn so far are counted. */
function awaitedWords(awaited: ReadonlyMap<string, string>, heard: number): string {
  const begun = [...awaited].filter(([, words]) => words !== '');
  const named = begun.slice(0, AWAITED_TOLD_MAX).map(([target, words]) => `${target} (${words})`);
  const more = awaited.size - named.length;
  return `${heard} of ${heard + awaited.size} so far; awaited: ${[
    ...named,
    ...(more > 0 ? [`${more} more`] : []),
  ].join(', ')}`;
}

/** Resolves when so much time has passed; never where the signal comes first. */
const passed = (ms: number, unless?: AbortSignal) =>
  new Promise<void>(resolve => {
    const over = () => {
      if (unless?.aborted !== true) resolve();
    };
    AbortSignal.timeout(ms).addEventListener('abort', over, { once: true });
  });

/** One context stands where every command has it; several stand beside. */
export function inContexts<Args extends { readonly context?: readonly string[] | undefined }>(
  invocation: Invocation<Args>,
) {
  const { context: contexts, ...args } = invocation.args;
  return { ...invocation, args: { ...args, contexts, context: contexts?.[0] } };
}

/** 5 when some targets failed, else what the answers say. */
export const exitOf = ({ failures }: Outcome, answered: ExitCode): ExitCode =>
  failures.length > 0 ? 5 : answered;
