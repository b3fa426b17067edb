import { SessionError } from '../contract/errors.ts';
import { PACE_WAIT_MS_MAX } from '../contract/limits.ts';
import { errorText, SentFacts } from '../mcp/results.ts';
import type { Session, ToolRequest } from '../session/port.ts';
import { PACE_TOOL, Pace } from '../tools/pace.ts';
import { explained } from './ask-session.ts';

/**
 * A node as it works over some seconds, through its open session.
 *
 * @throws what the session throws.
 */
export async function paceAt(
  session: Session,
  beside: Pick<ToolRequest, 'signal' | 'onProgress'>,
): Promise<Pace> {
  const request = { ...beside, tool: PACE_TOOL, input: {} };
  const result = await session
    .call(request)
    .catch(error => explained(session, error, beside.signal));
  if (result.isError === true) throw new SessionError(errorText(result));
  const sent = SentFacts.safeParse(result);
  const pace = Pace.safeParse(sent.data?.facts);
  if (pace.success) return pace.data;
  throw new SessionError(`the agent on ${session.target} sent a look that does not fit`, {
    cause: sent.error ?? pace.error,
  });
}

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
