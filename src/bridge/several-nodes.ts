import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { Clock } from '../contract/time.ts';
import type { Session, ToolRequest } from '../session/port.ts';
import {
  type MergedEntry,
  mergedOrder,
  type NodeEvents,
  orderLines,
  type TimedEvents,
} from '../tools/support/merged-order.ts';
import type { AnyTool } from '../tools/tool.ts';
import { askSession } from './ask-session.ts';
import { measuredClock } from './node-clock.ts';

/** One node's answer, and what of it can be put into an order with other nodes'. */
export interface NodeAnswer extends NodeEvents {
  readonly result: CallToolResult;
}

/**
 * One of several nodes asked: where answers tell what happened when, its clock is compared with
 * ours first, while nothing else keeps the agent busy.
 *
 * @throws what the session throws.
 */
export async function askOneOfSeveral(
  session: Session,
  question: {
    readonly tool: AnyTool;
    readonly request: Omit<ToolRequest, 'tool'>;
    readonly clock: Clock;
  },
): Promise<NodeAnswer> {
  const { tool, request, clock } = question;
  const { signal, onProgress } = request;
  const isTimed = tool.timed !== undefined && session.nodeNowMs !== undefined;
  if (isTimed) await session.start(signal, onProgress);
  const offset = isTimed ? await measuredClock(session, clock, signal) : undefined;
  const result = await askSession(session, tool, request);
  const timed = result.isError === true ? undefined : tool.timed?.(result.structuredContent);
  return { node: session.target, result, clock: offset, ...(timed ?? NO_EVENTS) };
}

/** Of an answer that tells of nothing in time, or of no answer. */
export const NO_EVENTS: TimedEvents = { events: [], fromFirst: true };

/** What the answers of several nodes begin with. */
export interface OrderOverNodes {
  readonly text: string;
  readonly structured: {
    readonly merged: readonly MergedEntry[];
    readonly mergedLeftOut: number;
    /** Nodes whose answer was cut: earlier events of theirs may be missing. */
    readonly mergedIncomplete: readonly string[];
    /** How far each node's clock is ahead of ours, where it could be measured. */
    readonly clocks: readonly { readonly node: string; readonly offsetMs: number }[];
  };
}

/** The order of events over nodes; undefined where one node alone, or none, tells of any. */
export function orderOver(nodes: readonly NodeEvents[]): OrderOverNodes | undefined {
  if (nodes.length < 2 || nodes.every(({ events }) => events.length === 0)) return undefined;
  const order = mergedOrder(nodes);
  const clocks = nodes.flatMap(({ node, clock }) => (clock ? [{ node, ...clock }] : []));
  return {
    text: orderLines(order, nodes).join('\n'),
    structured: {
      ...order,
      mergedIncomplete: nodes.flatMap(({ node, fromFirst }) => (fromFirst ? [] : [node])),
      clocks,
    },
  };
}
