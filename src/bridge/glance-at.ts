import { SessionError } from '../contract/errors.ts';
import { errorText, SentFacts } from '../mcp/results.ts';
import type { Session, ToolRequest } from '../session/port.ts';
import { GLANCE_TOOL, Glance } from '../tools/glance.ts';
import { explained } from './ask-session.ts';

/**
 * A node as it is at this moment, through its open session.
 *
 * @throws what the session throws, its hint with the user's own connection.
 */
export async function glanceAt(
  session: Session,
  beside: Pick<ToolRequest, 'signal' | 'onProgress'>,
): Promise<Glance> {
  const request = { ...beside, tool: GLANCE_TOOL, input: {}, isLive: true };
  const result = await session
    .call(request)
    .catch(error => explained(session, error, beside.signal));
  if (result.isError === true) throw new SessionError(errorText(result));
  const sent = SentFacts.safeParse(result);
  const glance = Glance.safeParse(sent.data?.facts);
  if (glance.success) return glance.data;
  throw new SessionError(`the agent on ${session.target} sent a look that does not fit`, {
    cause: sent.error ?? glance.error,
  });
}
