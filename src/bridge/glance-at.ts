import type { Session, ToolRequest } from '../session/port.ts';
import { GLANCE_TOOL, Glance } from '../tools/glance.ts';
import { unlistedFacts } from './ask-session.ts';

/**
 * A node as it is at this moment, through its open session.
 *
 * @throws what the session throws, its hint with the user's own connection.
 */
export const glanceAt = (
  session: Session,
  beside: Pick<ToolRequest, 'signal' | 'onProgress'>,
): Promise<Glance> =>
  unlistedFacts(session, { ...beside, tool: GLANCE_TOOL, input: {}, isLive: true }, Glance);
