import { setTimeout as sleep } from 'node:timers/promises';
import { glanceAt } from '../bridge/ask-apart.ts';
import { askEach, type NodeOutcome } from '../bridge/ask-each.ts';
import { UsageError } from '../contract/errors.ts';
import { NODE_ANSWER_MS_MAX, NODES_AT_ONCE } from '../contract/limits.ts';
import { isoTime } from '../contract/time.ts';
import {
  type Change,
  changeLine,
  changesOf,
  Watched,
  type WatchedNode,
} from '../report/triage-changes.ts';
import type { Session } from '../session/port.ts';
import type { Question } from '../tools/tool.ts';
import { failureWords, type Outcome } from './ask-nodes.ts';
import type { Invocation } from './command.ts';
import type { FleetFlags, OutputFlags, TargetFlags } from './flags.ts';
import { fleetAnswer } from './fleet-answer.ts';
import { Interrupted, write } from './io.ts';
import { formOf, print } from './print.ts';
import type { Targets } from './targets.ts';
import { untilAborted } from './until-aborted.ts';

type Watching = Invocation<TargetFlags & OutputFlags & FleetFlags>;

/**
 * Asks again and again over open sessions: the first answer is a page, and then what changes is a line.
 * Ends by a signal, and gives the last state.
 */
export async function watchNodes(
  invocation: Watching,
  question: Question,
  everyMs: number,
): Promise<Outcome> {
  const { args, progress } = invocation;
  if (args.from !== undefined) {
    throw new UsageError('a bundle does not change', 'leave out --watch or --from');
  }
  if (args.output !== 'text' && args.output !== 'json') {
    throw new UsageError(
      `--watch does not write ${args.output}`,
      '-o text, or -o json: a line for each change',
    );
  }
  let last: Outcome | undefined;
  try {
    return await untilAborted(invocation, targets =>
      watched(targets, { invocation, question, everyMs }, outcome => {
        last = outcome;
      }),
    );
  } catch (error) {
    if (!(error instanceof Interrupted) || !last) throw error;
    // The way in which it ends: no failure.
    progress.tell(error.message);
    return last;
  }
}

interface Watch {
  readonly invocation: Watching;
  readonly question: Question;
  readonly everyMs: number;
}

async function watched(
  targets: Targets,
  { invocation, question, everyMs }: Watch,
  onRound: (outcome: Outcome) => void,
): Promise<never> {
  const { args, io, progress } = invocation;
  const { sessions } = targets;
  const { signal, clock } = io;
  const known = new Map<string, Known>();
  const limitMs = (args.nodeTimeout ?? NODE_ANSWER_MS_MAX / 1_000) * 1_000;
  for (let isFirst = true; ; isFirst = false) {
    const askedMs = clock.nowMs();
    const outcomes = await askEach(sessions, question, {
      ...{ signal, clock, parallel: args.parallel ?? NODES_AT_ONCE },
      limit: () => AbortSignal.timeout(limitMs),
      onProgress: (target, words) => {
        if (isFirst) progress.wait(`${target}: ${words}`);
      },
    });
    signal.throwIfAborted();
    const [only] = outcomes;
    if (isFirst && !targets.isFleet && only && !only.answered) throw only.error;
    if (isFirst) await printFirst(outcomes, targets, invocation, question);
    onRound(outcomeOf(outcomes));
    for (const session of sessions) {
      const outcome = outcomes.find(({ target }) => target === session.target);
      if (!outcome) continue;
      const now = await nodeOf(outcome, session, signal);
      await tell(session.target, changesSince(known.get(session.target), now), invocation);
      known.set(session.target, { last: now.node ?? known.get(session.target)?.last, ...now });
    }
    progress.wait(`asking again every ${everyMs / 1_000} s`);
    const restMs = askedMs + everyMs - clock.nowMs();
    if (restMs > 0) await sleep(restMs, undefined, { signal });
  }
}

async function printFirst(
  outcomes: readonly NodeOutcome[],
  { isFleet }: Targets,
  invocation: Watching,
  { tool }: Question,
): Promise<void> {
  const { args, io } = invocation;
  if (args.output === 'json') {
    for (const { target, answered, error } of outcomes) {
      const time = isoTime(io.clock.nowMs());
      const first = answered
        ? { answer: answered.answer.structured }
        : { error: failureWords(error) };
      await write(
        io.stdout,
        `${JSON.stringify({ time, node: target, change: 'first', ...first })}\n`,
      );
    }
    return;
  }
  const [only] = outcomes;
  if (!isFleet && only?.answered) {
    await print({ ...only.answered.answer, title: `${tool.title}: ${only.target}` }, invocation);
  } else {
    const form = formOf(invocation);
    const answer = await fleetAnswer(outcomes, {
      ...{ tool, nowMs: io.clock.nowMs(), pages: 'sick', form },
    });
    await print({ ...answer, title: `${tool.title}: ${outcomes.length} nodes` }, invocation);
  }
  await write(io.stdout, '\n');
}

/** A node as it was read, or why it was not. */
interface Round {
  readonly node?: WatchedNode | undefined;
  readonly error?: string;
}

/** What is known of a node: the last round, and how it was when it was last read. */
interface Known extends Round {
  readonly last: WatchedNode | undefined;
}

/** After the first round only what the kernel has said since the session began: its page tells all else. */
function changesSince(known: Known | undefined, { node, error }: Round): readonly Change[] {
  if (error !== undefined) {
    return !known || known.error === error ? [] : [{ change: 'unread', error }];
  }
  if (!node) return [];
  const since = changesOf(known?.last ?? { ...node, events: [] }, node);
  return known?.error === undefined
    ? since
    : [{ change: 'read', verdict: node.facts.verdict }, ...since];
}

async function nodeOf(
  { answered, error }: NodeOutcome,
  session: Session,
  signal: AbortSignal,
): Promise<Round> {
  if (!answered) return { error: failureWords(error) };
  try {
    const facts = Watched.parse(answered.answer.structured);
    const { events } = await glanceAt(session, { signal, onProgress: () => undefined });
    return { node: { facts, events } };
  } catch (failure) {
    signal.throwIfAborted();
    return { error: failureWords(failure) };
  }
}

async function tell(
  node: string,
  changes: readonly Change[],
  { args, io }: Watching,
): Promise<void> {
  const time = isoTime(io.clock.nowMs());
  for (const change of changes) {
    const line =
      args.output === 'json'
        ? JSON.stringify({ time, node, ...change })
        : changeLine(time, node, change);
    await write(io.stdout, `${line}\n`);
  }
}

const outcomeOf = (outcomes: readonly NodeOutcome[]): Outcome => ({
  answers: outcomes.flatMap(({ target, answered }) =>
    answered ? [{ target, structured: answered.answer.structured }] : [],
  ),
  failures: outcomes.flatMap(({ target, answered, error }) =>
    answered ? [] : [{ target, error }],
  ),
});
