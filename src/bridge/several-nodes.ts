import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { type Line, linesOf, textOf } from '../contract/answer.ts';
import { NODES_AT_ONCE, PARTIAL_ANSWER_MS } from '../contract/limits.ts';
import type { Clock } from '../contract/time.ts';
import { failureText } from '../mcp/results.ts';
import type { Session, ToolRequest } from '../session/port.ts';
import {
  firstFaultLine,
  type MergedEntry,
  mergedOrder,
  orderLines,
} from '../tools/support/merged-order.ts';
import {
  type NodeOutlier,
  nodeOutlierLines,
  nodeOutliers,
} from '../tools/support/node-outliers.ts';
import { domainLines, type SharedDomain, sharedDomains } from '../tools/support/nvlink-domains.ts';
import type { Question } from '../tools/tool.ts';
import { askEach, NoAnswerYet, type NodeAnswer, type NodeOutcome } from './ask-each.ts';

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
  const over = AbortSignal.timeout(PARTIAL_ANSWER_MS);
  const outcomes = await askEach(sessions, question, {
    ...{ signal, clock, parallel: NODES_AT_ONCE },
    // All of them have the time of the one call, and go on starting for the next one.
    limit: () => over,
    onProgress: (node, words) => onProgress(`${node}: ${words}`),
  });
  const nodes = outcomes.map(({ target: node, answered, error }) =>
    answered ? { node, answered } : { node, error: failureText(error) },
  );
  const answered = nodes.filter(node => node.answered);
  const isAwaited = ({ error }: NodeOutcome) => error instanceof NoAnswerYet;
  const summary = `${[
    `${answered.length} of ${nodes.length} nodes answered`,
    ...named(
      'no answer from',
      outcomes.filter(one => !one.answered && !isAwaited(one)),
    ),
    ...named('still awaited, ask again:', outcomes.filter(isAwaited)),
  ].join('; ')}.`;
  const order = orderOver(nodes.flatMap(({ answered }) => answered ?? []));
  const texts = nodes.map(
    ({ node, answered, error }) =>
      `== ${node}\n${answered ? textOf(answered.answer.lines) : error}`,
  );
  const text = [summary, ...(order ? [textOf(order.lines)] : []), ...texts].join('\n\n');
  return {
    isError: answered.length === 0,
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

const named = (words: string, of: readonly NodeOutcome[]): string[] =>
  of.length === 0 ? [] : [`${words} ${of.map(({ target }) => target).join(', ')}`];

/** What the answers of several nodes begin with. */
interface OrderOverNodes {
  readonly lines: readonly Line[];
  /** The same in a few: who stands out, and the first fault. */
  readonly brief: readonly Line[];
  readonly structured: {
    /** Nodes whose GPUs are worse off than those of the others. */
    readonly nodeOutliers?: readonly NodeOutlier[];
    /** NVLink domains that several of the nodes are in, and who of them has a fault of it. */
    readonly nvlinkDomains?: readonly SharedDomain[];
    readonly merged: readonly MergedEntry[];
    readonly mergedLeftOut: number;
    /** Nodes whose answer was cut: earlier events of theirs may be missing. */
    readonly mergedIncomplete: readonly string[];
    /** How far each node's clock is ahead of ours, where it could be measured. */
    readonly clocks: readonly { readonly node: string; readonly offsetMs: number }[];
  };
}

const OUTLIERS_TOLD_MAX = 2;

/** The order of events over nodes, and the nodes that stand out; undefined where there is neither. */
export function orderOver(nodes: readonly NodeAnswer[]): OrderOverNodes | undefined {
  const answers = nodes.map(({ node, answer }) => ({ node, structured: answer.structured }));
  const outliers = nodeOutliers(answers);
  const order = mergedOrder(nodes);
  const domains = sharedDomains(answers, order.merged);
  const isEventless = nodes.every(({ events }) => events.length === 0);
  if (nodes.length < 2 || (isEventless && outliers.length + domains.length === 0)) return undefined;
  const clocks = nodes.flatMap(({ node, clock }) => (clock ? [{ node, ...clock }] : []));
  return {
    lines: linesOf([
      ...domainLines(domains),
      ...nodeOutlierLines(outliers),
      ...(isEventless ? [] : orderLines(order, nodes)),
    ]),
    brief: linesOf([
      ...domainLines(domains),
      ...nodeOutlierLines(outliers).slice(0, OUTLIERS_TOLD_MAX),
      ...firstFaultLine(order, nodes),
    ]),
    structured: {
      ...(outliers.length === 0 ? {} : { nodeOutliers: outliers }),
      ...(domains.length === 0 ? {} : { nvlinkDomains: domains }),
      ...order,
      mergedIncomplete: nodes.flatMap(({ node, fromFirst }) => (fromFirst ? [] : [node])),
      clocks,
    },
  };
}
