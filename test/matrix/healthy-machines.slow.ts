import { expect, test } from 'vitest';
import { diagnose } from '../../src/findings/diagnosis.ts';
import { gpuType } from '../../src/simulation/gpu-types.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { factsFor } from '../fakes/facts.ts';
import type { Answers } from '../scenarios/machines.ts';
import { isSerious } from '../scenarios/scenario.ts';
import { KINDS, type Kind } from './kinds.ts';

const FIELD = 'deviceGetFieldValue';

const OF_EACH_KIND = 15;

test('no healthy machine is accused, whatever its kind, its age and its load', async () => {
  const machines = Object.entries(KINDS).flatMap(([name, kind]) =>
    Array.from({ length: OF_EACH_KIND }, (_, seed) => healthyMachine(name, kind, seed)),
  );
  const accused: string[] = [];
  const unknown: string[] = [];
  for (const { name, machine, mayBeUnknown } of machines) {
    const { verdict, findings, gaps } = diagnose(await factsFor(machineFrom(name, machine)));
    const ids = findings.filter(isSerious).map(({ id }) => id);
    if (ids.length > 0) accused.push(`${name}: ${ids.join(', ')}`);
    if (verdict === 'unknown' && !mayBeUnknown) unknown.push(`${name}: ${gaps.join('; ')}`);
  }
  process.stdout.write(`${machines.length} healthy machines: ${accused.length} accused\n`);
  expect({ accused, unknown }).toEqual({ accused: [], unknown: [] });
  expect(machines.length).toBeGreaterThanOrEqual(500);
});

/** Numbers that look like chance and are the same in every run. */
type Chance = (low: number, high: number) => number;
function chanceFrom(seed: number): Chance {
  let state = seed >>> 0;
  return (low, high) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return low + Math.floor((state / 2 ** 32) * (high - low + 1));
  };
}

/** The same kind at another age and under another load. */
function healthyMachine(kindName: string, kind: Kind, seed: number) {
  const chance = chanceFrom(seed * 7_919 + kindName.length);
  const busyShare = [0, 1, 1, 0.5][chance(0, 3)] ?? 1;
  const isOld = chance(0, 1) === 1;
  const isCapped = chance(0, 2) === 0;
  const { pci, switches } = gpuType(kind.like);
  const gpus = Array.from({ length: kind.gpus }, (_, index) => {
    const isBusy = index < kind.gpus * busyShare;
    const load = isBusy ? underLoad(kind, chance, isCapped) : idle(kind, chance);
    return { answers: { ...load, ...aged(chance, isOld, kind.answers) } };
  });
  return {
    name: `${kindName}, number ${seed}`,
    mayBeUnknown: kind.mayBeUnknown === true,
    machine: {
      like: kind.like,
      everyGpu: {
        answers: kind.answers ?? {},
        faults: Object.fromEntries(
          (kind.refused ?? []).map(key => [key, { return: 'not_supported' }]),
        ),
      },
      gpus,
      host: {
        deviceNodes: [...gpus.map((_, index) => `nvidia${index}`), 'nvidiactl', 'nvidia-uvm'],
        pci: [
          ...pci
            .slice(0, kind.gpus)
            .map(address => ({ pci: address, aerCorrectable: chance(0, 60) })),
          // A virtual machine with one module of a board is shown none of its switches.
          ...(kind.gpus === 1 ? [] : switches).map(address => ({ pci: address, kind: 'nvswitch' })),
        ],
      },
    },
  };
}

/** A job: near the power limit, where clocks give way, or at full clocks below it. */
function underLoad(kind: Kind, chance: Chance, isCapped: boolean): Answers {
  const share = isCapped ? chance(97, 102) : chance(45, 96);
  const clock = Math.round(
    (kind.maxClockMhz * (isCapped ? chance(76, 92) : chance(94, 100))) / 100,
  );
  const power = Math.round((kind.powerMw * share) / 100);
  const temperature = chance(50, kind.hottestC);
  return {
    deviceGetUtilizationRates: { gpu: chance(85, 100), memory: chance(5, 90) },
    deviceGetCurrentClocksEventReasons: isCapped ? 4 : 0,
    'deviceGetClockInfo sm': clock,
    'deviceGetClockInfo graphics': clock,
    deviceGetPowerUsage: power,
    [`${FIELD} powerInstant`]: Math.round(power * 0.99),
    ...heat(temperature, kind),
    deviceGetFanSpeed: chance(40, 95),
  };
}

function idle(kind: Kind, chance: Chance): Answers {
  const { totalBytes: total, reservedBytes: reserved } = gpuType(kind.like);
  const used = chance(0, 4) * 1_048_576;
  const clock = chance(0, 1) === 0 ? 345 : 210;
  return {
    deviceGetUtilizationRates: { gpu: 0, memory: 0 },
    deviceGetCurrentClocksEventReasons: 1,
    'deviceGetClockInfo sm': clock,
    'deviceGetClockInfo graphics': clock,
    deviceGetPowerUsage: Math.round((kind.powerMw * chance(8, 20)) / 100),
    deviceGetPerformanceState: chance(0, 1) * 8,
    deviceGetCurrPcieLinkGeneration: chance(1, 3),
    deviceGetComputeRunningProcesses: [],
    deviceGetMemoryInfo: { total, reserved, used, free: total - reserved - used },
    deviceGetMemoryInfoV1: { total, used: used + reserved, free: total - reserved - used },
    ...heat(chance(24, 45), kind),
    deviceGetFanSpeed: chance(0, 1) * 30,
  };
}

/** Its own temperature, its memory's where it tells it, and how far both are from their limits. */
const heat = (temperature: number, { hottestC }: Kind): Answers => ({
  deviceGetTemperature: temperature,
  deviceGetMarginTemperature: { marginTemperature: hottestC + 3 - temperature },
});

/** What months of work leave behind: corrected errors, replays, rows that were remapped long ago. */
function aged(chance: Chance, isOld: boolean, own: Answers = {}): Answers {
  const upTo = (high: number) => (isOld ? chance(0, high) : 0);
  return {
    deviceGetPcieReplayCounter: upTo(300),
    [`${FIELD} pcieReplay`]: upTo(300),
    [`${FIELD} pcieL0ToRecovery`]: chance(0, 900),
    [`${FIELD} pcieNaksSent`]: chance(0, 120),
    [`${FIELD} pcieReceiverErrors`]: chance(0, 120),
    [`${FIELD} pcieBadTlp`]: chance(0, 160),
    [`${FIELD} pcieBadDllp`]: chance(0, 6),
    [`${FIELD} pcieLaneErrors`]: chance(0, 70),
    [`${FIELD} performancePower`]: upTo(900_000) * 1_000_000_000,
    [`${FIELD} swThermalSlowdown`]: upTo(1_200) * 1_000_000_000,
    ...('deviceGetEccMode' in own
      ? {}
      : {
          'deviceGetTotalEccErrors corrected volatile': upTo(2_000),
          'deviceGetTotalEccErrors corrected aggregate': upTo(200_000),
          'deviceGetTotalEccErrors uncorrected aggregate': upTo(4),
          deviceGetRemappedRows: {
            corrected: upTo(3),
            uncorrected: upTo(5),
            pending: 0,
            failureOccurred: 0,
          },
        }),
  };
}
