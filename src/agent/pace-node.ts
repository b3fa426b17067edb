import { UsageError } from '../contract/errors.ts';
import { PACE_LOOKS, PACE_MS } from '../contract/limits.ts';
import type { DriverState } from '../nvml/port.ts';
import { type Pace, paceOf } from '../tools/pace.ts';
import type { AgentInstruments } from './open-instruments.ts';
import type { HostLately } from './read-lately.ts';

const WITH_GPM = ['nvlinkTraffic', 'gpm'] as const;

/** Looks at the driver and at the adapters' traffic for some seconds: the first and the last look with counters. */
export async function paceNode(
  instruments: AgentInstruments & HostLately,
  signal: AbortSignal,
): Promise<Pace> {
  const { nvml, host, hostLately, clock, pause, replay } = instruments;
  if (replay) {
    throw new UsageError(
      'a replay cannot be watched beside other nodes',
      'ask the nodes while the job runs',
    );
  }
  // Which adapters there are: triage has read that, moments ago.
  const found = await hostLately(signal);
  const before = await host.counters(found, signal);
  const startMs = clock.nowMs();
  const states: DriverState[] = [await nvml.read(signal, 'all', WITH_GPM)];
  for (let look = 1; look < PACE_LOOKS; look++) {
    // A driver that hangs is not asked for more.
    const last = states.at(-1);
    if (last?.unresponsive || last?.initialized.ok === false) break;
    const waitMs = startMs + (look * PACE_MS) / (PACE_LOOKS - 1) - clock.nowMs();
    if (waitMs > 0) await pause(waitMs, signal);
    const isLast = look === PACE_LOOKS - 1;
    states.push(
      await nvml.read(signal, isLast ? 'counters' : 'now', isLast ? WITH_GPM : ['nvlinkTraffic']),
    );
  }
  const after = await host.counters(found, signal);
  return paceOf({ states, host: found, ports: { before, after } });
}
