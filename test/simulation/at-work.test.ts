import { expect, test } from 'vitest';
import { nvmlSession } from '../../src/nvml/reader/read.ts';
import { atWork } from '../../src/simulation/at-work.ts';
import { loadMachine, machineFrom } from '../../src/simulation/machine.ts';
import { openSimulatedLibrary } from '../../src/simulation/nvml.ts';
import { movesNoFinding } from './own-moves.ts';

/** What a live view reads of each GPU so many seconds after the first look. */
async function seen(machine: ReturnType<typeof loadMachine>, seconds: number) {
  const stop = () => {
    throw new Error('this machine does not stop');
  };
  const effects = { delay: () => {}, hang: stop, crash: stop, elapsedSeconds: () => seconds };
  const session = nvmlSession(async () => openSimulatedLibrary(machine, effects));
  const readings = new Map<string, unknown>();
  const request = { had: { driver: [], gpus: {} }, skip: [], last: [], depth: 'now' as const };
  await session.read({ id: 1, takenAtMs: 0, ...request }, message => {
    if (message.kind === 'gpu') readings.set(`${message.gpu} ${message.field}`, message.reading);
  });
  return readings;
}

const MOVING = ['temperatureC', 'powerUsageMw', 'smClockMhz', 'gpuUtilizationPercent'];

test('eight H100 at work: each of them moves, in its own rhythm, and the same in every run', async () => {
  const machine = atWork(loadMachine('dgx-h100'));
  const looks = await Promise.all([0, 5, 10, 15, 20].map(seconds => seen(machine, seconds)));
  expect(await seen(machine, 5)).toEqual(looks[1]);
  for (const field of MOVING) {
    for (const gpu of [0, 1, 2, 3, 4, 5, 6, 7]) {
      const values = looks.map(readings => JSON.stringify(readings.get(`${gpu} ${field}`)));
      expect(new Set(values).size, `${gpu} ${field}`).toBeGreaterThan(1);
    }
  }
  const power = [0, 1, 2, 3].map(gpu => JSON.stringify(looks[1]?.get(`${gpu} powerUsageMw`)));
  expect(new Set(power).size).toBe(4);
});

test('what a file says of a number goes before, also that it stands still', () => {
  const still = { swing: 0, perSecond: 0, periodSeconds: 10 };
  const { gpus } = atWork(
    machineFrom('own', {
      like: 'h100-sxm',
      gpus: {
        2: {
          moves: { deviceGetTemperature: { perSecond: 0.2 }, deviceGetPowerUsage: { swing: 0 } },
        },
      },
    }),
  );
  expect(gpus[2]?.moves['deviceGetTemperature']).toMatchObject({ perSecond: 0.2 });
  expect(gpus[2]?.moves['deviceGetPowerUsage']).toEqual(still);
  expect(gpus[2]?.moves['deviceGetFieldValue powerInstant']).toEqual(still);
  expect(gpus[1]?.moves['deviceGetPowerUsage']).not.toEqual(still);
});

test('a GPU that rests stays cold and idle', async () => {
  const machine = atWork(
    machineFrom('rest', {
      like: 'h100-sxm',
      everyGpu: {
        answers: { deviceGetUtilizationRates: { gpu: 0, memory: 0 }, deviceGetPowerUsage: 70_000 },
      },
    }),
  );
  const [first, later] = [await seen(machine, 0), await seen(machine, 4)];
  for (const field of ['temperatureC', 'gpuUtilizationPercent', 'smClockMhz']) {
    expect(later.get(`3 ${field}`)).toEqual(first.get(`3 ${field}`));
  }
  expect(later.get('3 powerUsageMw')).not.toEqual(first.get('3 powerUsageMw'));
});

// test/simulation/every-machine.slow.ts takes the others.
test.each(['dgx-h100', 'slow-pcie', 'overheating', 'mig-a100'])(
  '%s: no finding comes or goes with what moves by itself',
  movesNoFinding,
);
