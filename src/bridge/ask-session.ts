import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { Session, ToolRequest } from '../session/port.ts';
import type { AnyTool } from '../tools/tool.ts';

/**
 * One tool asked of one node, the one way for MCP and the command line: the agent's answer, joined
 * with what the cluster knows where the tool wants that and there is a cluster. Both are read side
 * by side; a cluster that says nothing costs the answer only its part.
 *
 * @throws what the session throws.
 */
export async function askSession(
  session: Session,
  tool: AnyTool,
  asked: Omit<ToolRequest, 'tool'>,
): Promise<CallToolResult> {
  const request = { ...asked, input: session.concealInput?.(asked.input) ?? asked.input };
  const calling = session.call({ ...request, tool: tool.name });
  if (!tool.clusterView || !session.clusterView) return calling;
  const viewing = session.clusterView(tool.clusterView.question(request.input), request.signal);
  const [result, view] = await Promise.all([calling, viewing]);
  if (result.isError === true) return result;
  const { text, structured } = tool.clusterView.join(result.structuredContent, view, request.input);
  return { ...result, content: [{ type: 'text', text }], structuredContent: structured };
}
