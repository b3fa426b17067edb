import { CLOCK_ROUNDS_MAX } from '../contract/limits.ts';
import type { Clock } from '../contract/time.ts';
import type { Session } from '../session/port.ts';
import type { ClockOffset } from '../tools/support/merged-order.ts';

/** One question for a node's clock, all in milliseconds since 1970. */
interface ClockRound {
  readonly sentMs: number;
  /** By the node's clock, somewhere between the two others. */
  readonly nodeMs: number;
  readonly receivedMs: number;
}

/** Clocks are read in whole milliseconds: each reading may be this much too small. */
const RESOLUTION_MS = 1;

/**
 * How far the node's clock is ahead of ours by the round that took least: the node read its clock at
 * some moment of the round, so it cannot be wrong by more than half of it. Pure.
 */
export function clockOffset(rounds: readonly ClockRound[]): ClockOffset | undefined {
  const offsets = rounds
    // Our own clock was set back meanwhile: such a round tells nothing.
    .filter(({ sentMs, receivedMs }) => receivedMs >= sentMs)
    .map(({ sentMs, nodeMs, receivedMs }) => ({
      offsetMs: nodeMs - (sentMs + receivedMs) / 2,
      uncertaintyMs: (receivedMs - sentMs) / 2 + RESOLUTION_MS,
    }));
  return offsets.toSorted((a, b) => a.uncertaintyMs - b.uncertaintyMs)[0];
}

/** Asks a node for its time, several times; undefined where it does not tell. */
export async function measuredClock(
  session: Session,
  clock: Clock,
  signal: AbortSignal,
): Promise<ClockOffset | undefined> {
  if (!session.nodeNowMs) return undefined;
  const rounds: ClockRound[] = [];
  while (rounds.length < CLOCK_ROUNDS_MAX) {
    const sentMs = clock.nowMs();
    try {
      const nodeMs = await session.nodeNowMs(signal);
      rounds.push({ sentMs, nodeMs, receivedMs: clock.nowMs() });
    } catch {
      signal.throwIfAborted();
      // What came before stands; a session that is broken tells so at the call itself.
      break;
    }
  }
  return clockOffset(rounds);
}
