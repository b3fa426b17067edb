import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { type Line, linesOf, textOf } from '../contract/answer.ts';
import { CLOCK_ROUNDS_MAX } from '../contract/limits.ts';
import type { Clock } from '../contract/time.ts';
import { failureText } from '../mcp/results.ts';
import type { Session, ToolRequest } from '../session/port.ts';
import {
  type ClockOffset,
  type MergedEntry,
  mergedOrder,
  type NodeEvents,
  orderLines,
} from '../tools/support/merged-order.ts';
import {
  type NodeOutlier,
  nodeOutlierLines,
  nodeOutliers,
} from '../tools/support/node-outliers.ts';
import type { Question, ToolAnswer } from '../tools/tool.ts';
import { askSession, explained } from './ask-session.ts';

/** How many sessions are asked at the same time. */
const CALLS_AT_ONCE_MAX = 16;

type Beside = Pick<ToolRequest, 'signal' | 'onProgress'>;

/**
 * One call to several nodes. Every node is in the answer, also one that failed, with its reason;
 * it is an error as a whole only when every node failed. Where answers tell what happened when, all
 * of it in one order comes first.
 */
export async function callNodes(
  sessions: readonly Session[],
  question: Question,
  { signal, onProgress }: Beside,
  clock: Clock,
): Promise<CallToolResult> {
  const nodes = await atMost(CALLS_AT_ONCE_MAX, sessions, async session => {
    const { target: node } = session;
    const beside = { signal, onProgress: (words: string) => onProgress(`${node}: ${words}`) };
    try {
      return { node, answered: await askOneOfSeveral(session, question, beside, clock) };
    } catch (error) {
      return { node, error: failureText(error) };
    }
  });
  const failed = nodes.flatMap(({ node, error }) => (error === undefined ? [] : [node]));
  const summary = `${nodes.length - failed.length} of ${nodes.length} nodes answered${
    failed.length > 0 ? `; no answer from ${failed.join(', ')}` : ''
  }.`;
  const order = orderOver(nodes.flatMap(({ answered }) => answered ?? []));
  const texts = nodes.map(
    ({ node, answered, error }) =>
      `== ${node}\n${answered ? textOf(answered.answer.lines) : error}`,
  );
  const text = [summary, ...(order ? [textOf(order.lines)] : []), ...texts].join('\n\n');
  return {
    isError: failed.length === nodes.length,
    content: [{ type: 'text', text }],
    structuredContent: {
      summary,
      ...order?.structured,
      nodes: nodes.map(({ node, answered, error }) =>
        answered
          ? { node, ok: true, answer: answered.answer.structured }
          : { node, ok: false, error },
      ),
    },
  };
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
export async function askOneOfSeveral(
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

/** What the answers of several nodes begin with. */
interface OrderOverNodes {
  readonly lines: readonly Line[];
  readonly structured: {
    /** Nodes whose GPUs are worse off than those of the others. */
    readonly nodeOutliers?: readonly NodeOutlier[];
    readonly merged: readonly MergedEntry[];
    readonly mergedLeftOut: number;
    /** Nodes whose answer was cut: earlier events of theirs may be missing. */
    readonly mergedIncomplete: readonly string[];
    /** How far each node's clock is ahead of ours, where it could be measured. */
    readonly clocks: readonly { readonly node: string; readonly offsetMs: number }[];
  };
}

/** The order of events over nodes, and the nodes that stand out; undefined where there is neither. */
export function orderOver(nodes: readonly NodeAnswer[]): OrderOverNodes | undefined {
  const outliers = nodeOutliers(
    nodes.map(({ node, answer }) => ({ node, structured: answer.structured })),
  );
  const isEventless = nodes.every(({ events }) => events.length === 0);
  if (nodes.length < 2 || (isEventless && outliers.length === 0)) return undefined;
  const order = mergedOrder(nodes);
  const clocks = nodes.flatMap(({ node, clock }) => (clock ? [{ node, ...clock }] : []));
  return {
    lines: linesOf([
      ...nodeOutlierLines(outliers),
      ...(isEventless ? [] : orderLines(order, nodes)),
    ]),
    structured: {
      ...(outliers.length === 0 ? {} : { nodeOutliers: outliers }),
      ...order,
      mergedIncomplete: nodes.flatMap(({ node, fromFirst }) => (fromFirst ? [] : [node])),
      clocks,
    },
  };
}

/** Maps with a bound on how many run at once; the order of the results is that of the items. */
async function atMost<A, B>(
  max: number,
  items: readonly A[],
  work: (item: A) => Promise<B>,
): Promise<B[]> {
  const results: B[] = [];
  const waiting = items.entries();
  const run = async () => {
    for (const [index, item] of waiting) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(max, items.length) }, run));
  return results;
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
