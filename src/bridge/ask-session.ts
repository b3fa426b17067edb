import * as z from 'zod';
import { SessionError } from '../contract/errors.ts';
import { errorText, SentFacts } from '../mcp/results.ts';
import type { Session, ToolRequest } from '../session/port.ts';
import type { Question, ToolAnswer } from '../tools/tool.ts';

/**
 * One question to one node, the one way for MCP and the command line: the agent's facts, joined
 * with what the cluster knows where the tool wants that and there is a cluster. Both are read side
 * by side; a cluster that says nothing costs the answer only its part.
 *
 * @throws SessionError where the agent gives no answer, and what the session throws.
 */
export async function askSession(
  session: Session,
  question: Question,
  beside: Pick<ToolRequest, 'signal' | 'onProgress'>,
): Promise<ToolAnswer> {
  const { tool, input, ofCluster, answer } = session.concealInput
    ? question.tool.question(session.concealInput(question.input))
    : question;
  const calling = session.call({ ...beside, tool: tool.name, input });
  const viewing = ofCluster && session.clusterView?.(ofCluster, beside.signal);
  const [result, view] = await Promise.all([calling, viewing]);
  if (result.isError === true) throw new SessionError(errorText(result));
  try {
    const { facts, provenance } = SentFacts.parse(result);
    return answer(facts, { provenance, view });
  } catch (cause) {
    if (!(cause instanceof z.ZodError)) throw cause;
    const what = `the agent on ${session.target} sent an answer to ${tool.name} that does not fit`;
    throw new SessionError(what, { cause });
  }
}
