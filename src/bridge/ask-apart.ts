import type { Session, ToolRequest } from '../session/port.ts';
import { CONTAINERS_TOOL, ContainerFaults } from '../tools/container-view.ts';
import { GLANCE_TOOL, Glance } from '../tools/glance.ts';
import { PACE_TOOL, Pace } from '../tools/pace.ts';
import { unlistedFacts } from './ask-session.ts';

type Beside = Pick<ToolRequest, 'signal' | 'onProgress'>;

/**
 * A node as it is at this moment, through its open session.
 *
 * @throws what the session throws, its hint with the user's own connection.
 */
export const glanceAt = (session: Session, beside: Beside): Promise<Glance> =>
  unlistedFacts(session, { ...beside, tool: GLANCE_TOOL, input: {}, isLive: true }, Glance);

/** A node as it works over some seconds, through its open session. @throws what the session throws. */
export const paceAt = (session: Session, beside: Beside): Promise<Pace> =>
  unlistedFacts(session, { ...beside, tool: PACE_TOOL, input: {} }, Pace);

/** What is wrong with what the containers of these pods see. @throws what the session throws. */
export const containersAt = (
  session: Session,
  pods: readonly string[],
  beside: Beside,
): Promise<ContainerFaults> =>
  unlistedFacts(session, { ...beside, tool: CONTAINERS_TOOL, input: { pods } }, ContainerFaults);
