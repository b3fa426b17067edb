import * as z from 'zod';

/**
 * A request of our own between the halves: what time it is on the node. The bridge asks it to put
 * events of several nodes into one order; clients of the bridge have no use for it.
 */
export const CLOCK_METHOD = 'gpu-mcp/clock';
export const ClockRequest = z.looseObject({ method: z.literal(CLOCK_METHOD) });
/** Milliseconds since 1970 by the node's wall clock. */
export const ClockResult = z.looseObject({ nowMs: z.number() });
