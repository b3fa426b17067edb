import { PACE_WAIT_MS_MAX } from '../contract/limits.ts';
import type { Session, ToolRequest } from '../session/port.ts';
import { CONTAINERS_TOOL, ContainerFaults } from '../tools/container-view.ts';
import { PACE_TOOL, Pace } from '../tools/pace.ts';
import { unlistedFacts } from './ask-session.ts';

type Beside = Pick<ToolRequest, 'signal' | 'onProgress'>;

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

/** Where nodes wait for each other, to be looked at together. */
export interface Meeting {
  /** True when all are there; false for whoever comes after it has begun. */
  come(node: string): Promise<boolean>;
  /** This node does not come. */
  leave(node: string): void;
}

/** It begins when all have come or left, and no later than so long after the first came. */
export function meetingOf(nodes: readonly string[], waitMs: number = PACE_WAIT_MS_MAX): Meeting {
  const awaited = new Set(nodes);
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  let late: NodeJS.Timeout | undefined;
  let isOver = false;
  const begin = () => {
    isOver = true;
    clearTimeout(late);
    resolve();
  };
  const leave = (node: string) => {
    awaited.delete(node);
    if (awaited.size === 0) begin();
  };
  return {
    async come(node) {
      if (isOver) return false;
      late ??= setTimeout(begin, waitMs);
      leave(node);
      await begun;
      return true;
    },
    leave,
  };
}
