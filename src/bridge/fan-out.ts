import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { Clock } from '../contract/time.ts';
import { failure, textOf } from '../mcp/results.ts';
import type { Session, ToolRequest } from '../session/port.ts';
import type { AnyTool } from '../tools/tool.ts';
import { askOneOfSeveral, NO_EVENTS, type NodeAnswer, orderOver } from './several-nodes.ts';

/** How many sessions are asked at the same time. */
const CALLS_AT_ONCE_MAX = 16;

/**
 * One call to several nodes. Every node is in the answer, also one that failed, with its reason;
 * it is an error as a whole only when every node failed. Where answers tell what happened when, all
 * of it in one order comes first.
 */
export async function callNodes(
  sessions: readonly Session[],
  tool: AnyTool,
  request: Omit<ToolRequest, 'tool'>,
  clock: Clock,
): Promise<CallToolResult> {
  const results = await atMost(CALLS_AT_ONCE_MAX, sessions, async session => {
    const onProgress = (message: string) => request.onProgress(`${session.target}: ${message}`);
    const question = { tool, request: { ...request, onProgress }, clock };
    return askOneOfSeveral(session, question).catch(
      (error): NodeAnswer => ({
        ...NO_EVENTS,
        node: session.target,
        clock: undefined,
        result: failure(error),
      }),
    );
  });
  const failed = results.filter(({ result }) => result.isError === true);
  const summary = `${results.length - failed.length} of ${results.length} nodes answered${
    failed.length > 0 ? `; no answer from ${failed.map(({ node }) => node).join(', ')}` : ''
  }.`;
  const order = orderOver(results.filter(({ result }) => result.isError !== true));
  const texts = results.map(({ node, result }) => `== ${node}\n${textOf(result)}`);
  return {
    isError: failed.length === results.length,
    content: [
      { type: 'text', text: [summary, ...(order ? [order.text] : []), ...texts].join('\n\n') },
    ],
    structuredContent: {
      summary,
      ...order?.structured,
      nodes: results.map(({ node, result }) =>
        result.isError === true
          ? { node, ok: false, error: textOf(result) }
          : { node, ok: true, answer: result.structuredContent ?? {} },
      ),
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
