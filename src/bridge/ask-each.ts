import { SessionError } from '../contract/errors.ts';
import { CLOCK_ROUNDS_MAX } from '../contract/limits.ts';
import type { Clock } from '../contract/time.ts';
import type { Progress } from '../mcp/tool-call.ts';
import type { Session, ToolRequest } from '../session/port.ts';
import type { ClockOffset, NodeEvents } from '../tools/support/merged-order.ts';
import type { Question, ToolAnswer } from '../tools/tool.ts';
import { askSession, explained } from './ask-session.ts';

type Beside = Pick<ToolRequest, 'signal' | 'onProgress'>;

/** What came of one node: its answer, or why there is none. */
export type NodeOutcome =
  | { readonly target: string; readonly answered: NodeAnswer; readonly error?: never }
  | { readonly target: string; readonly error: unknown; readonly answered?: never };

/** A node that did not answer in time: it may yet, but nobody waits for it any more. */
export class NoAnswerYet extends SessionError {}

export interface Asking {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** How many are asked at the same time; a node's turn is over when it has answered and `ended` is done. */
  readonly parallel: number;
  /** Made when a node's turn begins; aborts when that node is waited for no longer. */
  readonly limit: () => AbortSignal;
  readonly onProgress: (target: string, ...told: Parameters<Progress>) => void;
  /** What else is asked of a node that has answered, within the same limit. */
  readonly more?: (session: Session, answer: ToolAnswer, beside: Beside) => Promise<ToolAnswer>;
  /** As each comes, in the order in which they come. */
  readonly onOutcome?: (outcome: NodeOutcome) => void;
  /** Ends a session that has answered; the next node's turn waits for it, its answer does not. */
  readonly end?: (session: Session) => Promise<unknown>;
}

/**
 * Every node asked the same, so many at a time; the outcomes stand in the order of the sessions. A
 * node that does not answer within its limit is an outcome that says what it was last heard doing.
 */
export function askEach(
  sessions: readonly Session[],
  question: Question,
  asking: Asking,
): Promise<readonly NodeOutcome[]> {
  const outcomes: NodeOutcome[] = [];
  const waiting = sessions.entries();
  let missing = sessions.length;
  return new Promise(resolve => {
    const turns = async () => {
      for (const [index, session] of waiting) {
        const outcome = await outcomeOf(session, question, asking);
        outcomes[index] = outcome;
        asking.onOutcome?.(outcome);
        missing -= 1;
        if (missing === 0) resolve(outcomes);
        await asking.end?.(session);
      }
    };
    for (let turn = 0; turn < asking.parallel; turn += 1) void turns();
    if (missing === 0) resolve(outcomes);
  });
}

async function outcomeOf(
  session: Session,
  question: Question,
  { signal, clock, limit, onProgress, more }: Asking,
): Promise<NodeOutcome> {
  const { target } = session;
  const over = limit();
  let last = '';
  const beside = {
    signal: AbortSignal.any([signal, over]),
    onProgress(...told: Parameters<Progress>) {
      [last] = told;
      onProgress(target, ...told);
    },
  };
  try {
    beside.signal.throwIfAborted();
    const answered = await askOneOfSeveral(session, question, beside, clock);
    const answer = await more?.(session, answered.answer, beside);
    return { target, answered: answer ? { ...answered, answer } : answered };
  } catch (error) {
    if (signal.aborted || !over.aborted) return { target, error };
    const words = last === '' ? 'its turn had not come' : `last heard: ${last}`;
    return { target, error: new NoAnswerYet(`no answer in time; ${words}`) };
  }
}

/** One node's answer, and what of it can be put into an order with other nodes'. */
export interface NodeAnswer extends NodeEvents {
  readonly answer: ToolAnswer;
}

/**
 * One of several nodes asked: where answers tell what happened when, its clock is compared with
 * ours first, while nothing else keeps the agent busy.
 *
 * @throws what the session throws.
 */
async function askOneOfSeveral(
  session: Session,
  question: Question,
  beside: Beside,
  clock: Clock,
): Promise<NodeAnswer> {
  const { signal, onProgress } = beside;
  const isTimed = question.tool.isTimed && session.nodeNowMs !== undefined;
  if (isTimed) {
    await session.start(signal, onProgress).catch(error => explained(session, error, signal));
  }
  const offset = isTimed ? await measuredClock(session, clock, signal) : undefined;
  const answer = await askSession(session, question, beside);
  const { events, fromFirst } = answer.timed ?? { events: [], fromFirst: true };
  return { node: session.target, answer, clock: offset, events, fromFirst };
}

/** One question for a node's clock, all in milliseconds since 1970. */
interface ClockRound {
  readonly sentMs: number;
  /** By the node's clock, somewhere between the two others. */
  readonly nodeMs: number;
  readonly receivedMs: number;
}

/** Clocks are read in whole milliseconds: each reading may be this much too small. */
const RESOLUTION_MS = 1;

/**
 * How far the node's clock is ahead of ours by the round that took least: the node read its clock at
 * some moment of the round, so it cannot be wrong by more than half of it. Pure.
 */
export function clockOffset(rounds: readonly ClockRound[]): ClockOffset | undefined {
  const offsets = rounds
    // Our own clock was set back meanwhile: such a round tells nothing.
    .filter(({ sentMs, receivedMs }) => receivedMs >= sentMs)
    .map(({ sentMs, nodeMs, receivedMs }) => ({
      offsetMs: nodeMs - (sentMs + receivedMs) / 2,
      uncertaintyMs: (receivedMs - sentMs) / 2 + RESOLUTION_MS,
    }));
  return offsets.toSorted((a, b) => a.uncertaintyMs - b.uncertaintyMs)[0];
}

/** Asks a node for its time, several times; undefined where it does not tell. */
async function measuredClock(
  session: Session,
  clock: Clock,
  signal: AbortSignal,
): Promise<ClockOffset | undefined> {
  if (!session.nodeNowMs) return undefined;
  const rounds: ClockRound[] = [];
  while (rounds.length < CLOCK_ROUNDS_MAX) {
    const sentMs = clock.nowMs();
    try {
      const nodeMs = await session.nodeNowMs(signal);
      rounds.push({ sentMs, nodeMs, receivedMs: clock.nowMs() });
    } catch {
      signal.throwIfAborted();
      // What came before stands; a session that is broken tells so at the call itself.
      break;
    }
  }
  return clockOffset(rounds);
}
