import { SECOND_LOOK_MS } from '../../contract/limits.ts';
import type { NodeFacts, SecondLook } from '../../findings/facts.ts';
import { type Reason, reasonsToLookAgain } from '../../findings/second-look.ts';
import type { Instruments } from '../tool.ts';
import type { Again, CountersNow } from './again.ts';
import { laterDriver } from './later-driver.ts';

/**
 * Reads counters twice, some moments apart, where the first reading asks for it; a healthy node is
 * not asked again. Read fully, counters are spread over the whole reading: for a rate they are
 * read alone both times, so that all have the same time between them.
 */
export async function lookAgain<Facts extends NodeFacts>(
  facts: Facts,
  instruments: Instruments,
  signal: AbortSignal,
): Promise<Facts> {
  const reasons = reasonsToLookAgain(facts);
  if (reasons.length === 0) return facts;
  const because = reasons.map(({ why }) => why);
  const { replay, clock } = instruments;
  const again = replay ? replay.again : await readAgain(facts, reasons, instruments, signal);
  if (!again) return facts;
  const { before, after } = again;
  const later =
    before.driver &&
    laterDriver(facts.driver, { before: before.driver, after: after.driver ?? before.driver });
  const seconds = (after.hostAtMs - before.hostAtMs) / 1_000;
  const secondLook: SecondLook = {
    because,
    seconds,
    notReadAgain: later?.notReadAgain ?? [],
    ...(before.counters && after.counters
      ? { host: { seconds, before: before.counters, after: after.counters } }
      : {}),
  };
  return {
    ...facts,
    nowMs: clock.nowMs(),
    secondLook,
    ...(later ? { driver: later.driver, earlier: later.earlier } : {}),
  };
}

/** Reads the counters that the reasons ask for, lets some moments pass, and reads them again. */
export async function readAgain(
  facts: NodeFacts,
  reasons: readonly Reason[],
  instruments: Instruments,
  signal: AbortSignal,
): Promise<Again> {
  instruments.progress(`watches counters for ${SECOND_LOOK_MS / 1_000} s: ${reasons[0]?.why}`);
  const asks = (of: Reason['of']) => reasons.some(reason => reason.of === of);
  const { nvml, host, clock } = instruments;
  const countersNow = async (drivers: boolean): Promise<CountersNow> => {
    const hostAtMs = clock.nowMs();
    const [driver, counters] = await Promise.all([
      drivers ? nvml.read(signal, 'counters') : undefined,
      asks('host') ? host.counters(facts.host, signal) : undefined,
    ]);
    return { driver, counters, hostAtMs };
  };
  const before = await countersNow(asks('driver'));
  await instruments.pause(SECOND_LOOK_MS, signal);
  // A driver that hangs now is not asked a third time.
  const after = await countersNow(asks('driver') && !before.driver?.unresponsive);
  return { before, after };
}
