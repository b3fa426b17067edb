import type { Machine } from './machine.ts';
import { isRecord } from './merged.ts';
import type { Move, Part } from './part.ts';

/**
 * The machine as a live view expects one: what GPUs draw and how warm they are goes up and down a little,
 * each GPU in a rhythm of its own, by nothing but its index and the time. It moves so little, and away
 * from limits, that no finding comes or goes with it; what the file says of a number's moves goes before.
 */
export const atWork = (machine: Machine): Machine => ({
  ...machine,
  gpus: machine.gpus.map((gpu, index) => ({
    ...gpu,
    moves: { ...movesOf(gpu, index), ...gpu.moves },
  })),
});

const POWER = ['deviceGetPowerUsage', ...power('powerInstant', 'powerAverage')];
const CLOCKS = ['deviceGetClockInfo sm', 'deviceGetClockInfo graphics'];

function power(...names: readonly string[]): readonly string[] {
  return names.map(name => `deviceGetFieldValue ${name}`);
}

const TRAFFIC = ['deviceGetFieldValue nvlinkDataTx', 'deviceGetFieldValue nvlinkDataRx'];
/** Of what its NVLinks can carry one way. */
const LINK_SHARE = 0.25;

function linkKibPerSecond(answers: Part['answers']): number {
  const [links, mbPerSecond] = ['nvlinkCount', 'nvlinkSpeed'].map(field =>
    Number(answers[`deviceGetFieldValue ${field}`] ?? 0),
  );
  return Math.round(((links ?? 0) * (mbPerSecond ?? 0) * LINK_SHARE * 1e6) / 1_024);
}

/** Shares of the value, for a GPU that works and for one that rests. */
const POWER_SHARES = { work: -0.05, rest: 0.02 };
const CLOCK_SHARE = -0.01;
/** Below this much of a percent nothing can go down. */
const LEAST_PERCENT = 15;
const PERCENT_SWING = -3;
const DEGREES_SWING = -3;

function movesOf({ answers }: Part, index: number): Part['moves'] {
  // Seconds: heat follows the load slowly.
  const load = 7 + ((index * 5) % 8);
  const heat = 31 + ((index * 11) % 17);
  const utilization = answers['deviceGetUtilizationRates'];
  const busy = isRecord(utilization) ? utilization : {};
  const isAtWork = Number(busy['gpu'] ?? 0) >= LEAST_PERCENT;
  const drawnMw = Number(answers['deviceGetPowerUsage'] ?? 0);
  const drawn = drawnMw * (isAtWork ? POWER_SHARES.work : POWER_SHARES.rest);
  const swing = (keys: readonly string[], by: (value: number) => number, periodSeconds: number) =>
    keys.map(key => [key, moveOf(by(Number(answers[key] ?? 0)), periodSeconds)] as const);
  return Object.fromEntries([
    ...swing(POWER, () => drawn, load),
    ['deviceGetFieldValue totalEnergy', { ...moveOf(0, load), perSecond: drawnMw }],
    ...(isAtWork
      ? [
          ...TRAFFIC.filter(key => Number(answers[key] ?? 0) > 0).map(
            key => [key, { ...moveOf(0, load), perSecond: linkKibPerSecond(answers) }] as const,
          ),
          ...swing(CLOCKS, mhz => mhz * CLOCK_SHARE, load),
          ...swing(['deviceGetTemperature'], () => DEGREES_SWING, heat),
          ...['gpu', 'memory']
            .filter(engine => Number(busy[engine] ?? 0) >= LEAST_PERCENT)
            .map(
              engine =>
                [`deviceGetUtilizationRates.${engine}`, moveOf(PERCENT_SWING, load)] as const,
            ),
        ]
      : []),
  ]);
}

const moveOf = (swing: number, periodSeconds: number): Move => ({
  ...{ perSecond: 0, swing, periodSeconds },
});
