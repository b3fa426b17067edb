import { describe, expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import type { DriverState, GpuState } from '../../src/nvml/port.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { sampleGpuTelemetry } from '../../src/tools/catalog/sample-gpu-telemetry.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import { seriesOf, sparkline } from '../../src/tools/support/gpu-counters.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsFor, instrumentsOf } from '../fakes/instruments.ts';

/** The instruments of a machine whose GPU 2 changes from one reading to the next. */
function changing(machine: string, changes: readonly Partial<GpuState>[]): Instruments {
  const real = instrumentsOf(machine);
  let reads = 0;
  const read: Instruments['nvml']['read'] = async (...asked): Promise<DriverState> => {
    const state = await real.nvml.read(...asked);
    const change = changes[Math.min(reads, changes.length - 1)];
    reads += 1;
    const gpus = state.gpus.map(gpu => (gpu.index === 2 ? { ...gpu, ...change } : gpu));
    return { ...state, takenAtMs: real.clock.nowMs(), gpus };
  };
  return { ...real, nvml: { read, warm: () => real.nvml.warm(), close: () => real.nvml.close() } };
}

const ask = async (instruments: Instruments, input: object = {}) => {
  const answer = await answered(sampleGpuTelemetry, input, instruments);
  expect(sampleGpuTelemetry.output.parse(answer.structured)).toEqual(answer.structured);
  expect(answer.text).not.toMatch(/undefined|null|NaN|\[object/);
  return answer;
};

const unread = missing('not_read');
const NO_GPM: GpuState['gpm'] = {
  smActivePercent: unread,
  smOccupancyPercent: unread,
  tensorActivePercent: unread,
  dramBandwidthPercent: unread,
  fp64ActivePercent: unread,
  fp32ActivePercent: unread,
  fp16ActivePercent: unread,
  pcieTxMibPerSecond: unread,
  pcieRxMibPerSecond: unread,
  nvlinkTxMibPerSecond: unread,
  nvlinkRxMibPerSecond: unread,
};

describe('sample_gpu_telemetry', () => {
  test('says which sample it takes, and takes no more once the call is cancelled', async () => {
    const real = instrumentsOf('healthy-t4');
    const cancel = new AbortController();
    const said: string[] = [];
    let reads = 0;
    const instruments: Instruments = {
      ...real,
      nvml: {
        async read(...asked) {
          reads += 1;
          return real.nvml.read(...asked);
        },
        warm: () => real.nvml.warm(),
        close: () => real.nvml.close(),
      },
      progress: message => void said.push(message),
      async pause(_ms, signal) {
        if (reads === 2) cancel.abort(new Error('cancelled'));
        signal.throwIfAborted();
      },
    };
    const question = sampleGpuTelemetry.question({ samples: 20 });
    await expect(question.observe(instruments, cancel.signal)).rejects.toThrow('cancelled');
    expect(reads).toBe(2);
    expect(said).toEqual(['sample 1 of 20', 'sample 2 of 20']);
  });

  test('gives min, mean, max of what changes and how much counters grew', async () => {
    const temperatures = [60, 70, 80, 90];
    const instruments = changing(
      'dgx-h100',
      temperatures.map((celsius, at) => ({
        temperatureC: present(celsius),
        pcieReplayCounter: present(100 + at),
        eccCorrectedVolatile: present(7),
      })),
    );
    const { structured, text } = await ask(instruments, { gpu: '2' });
    expect(structured).toMatchObject({
      window: { samples: 4 },
      gpus: [
        {
          index: 2,
          metrics: { temperatureC: { min: 60, mean: 75, max: 90, samples: temperatures } },
          deltas: { pcieReplays: 3 },
        },
      ],
    });
    expect(structured['summary']).toContain('counters grew');
    expect(text).toContain('▁▃▆█');
  });

  test('a counter that fell was reset, and its fall is no growth', async () => {
    const instruments = changing('dgx-h100', [
      { eccCorrectedVolatile: present(7) },
      { eccCorrectedVolatile: present(0) },
    ]);
    const { structured } = await ask(instruments, { gpu: '2', samples: 2 });
    expect(structured).toMatchObject({ gpus: [{ deltas: {}, restarted: ['eccCorrected'] }] });
  });

  test('takes so long as it was asked to, by the clock', async () => {
    const { structured } = await ask(instrumentsOf('dgx-h100'), { seconds: 10, samples: 3 });
    expect(structured).toMatchObject({
      window: { from: '2026-03-01T12:00:00Z', to: '2026-03-01T12:00:10Z', samples: 3 },
    });
  });

  test('a driver that hangs is read once and not again', async () => {
    const { structured } = await ask(instrumentsOf('hung-driver'), { samples: 20 });
    expect(structured).toMatchObject({ window: { samples: 1 } });
  });

  test('a lost GPU is a row with its error', async () => {
    const { structured } = await ask(instrumentsOf('lost-gpu'), { gpu: '3' });
    expect(structured).toMatchObject({ gpus: [{ index: 3, error: 'gpu_is_lost', metrics: {} }] });
  });

  test('tells how much of a busy GPU works, of the time within the window', async () => {
    const machine = machineFrom('idle-sms', {
      like: 'dgx-h100',
      gpus: {
        2: { answers: { 'gpmMetric smActivePercent': 3, 'gpmMetric tensorActivePercent': 0 } },
      },
    });
    const { structured, text } = await ask(instrumentsFor(machine), { gpu: '2' });
    expect(structured).toMatchObject({
      gpus: [
        {
          metrics: { gpuUtilizationPercent: { mean: 100 } },
          gpm: { smActivePercent: 3, tensorActivePercent: 0, nvlinkTxMibPerSecond: 118_342.5 },
        },
      ],
    });
    expect(text).toContain(
      'works: a kernel ran 100 %, SMs active 3 %, tensor cores 0 %, memory bandwidth 57.5 %',
    );
  });

  test('what GPM tells of the time before the window is left out', async () => {
    const working = (percent: number) => ({
      gpm: { ...NO_GPM, smActivePercent: present(percent) },
    });
    const instruments = changing('dgx-h100', [working(99), working(10), working(20)]);
    const { structured } = await ask(instruments, { gpu: '2', samples: 3 });
    expect(structured).toMatchObject({ gpus: [{ gpm: { smActivePercent: 15 } }] });
  });

  test('says why there is no GPM', async () => {
    const { structured, text } = await ask(instrumentsOf('healthy-t4'), { gpu: '0' });
    expect(structured).toMatchObject({
      gpus: [{ notRead: expect.arrayContaining(['GPM (not_supported)']) }],
    });
    expect(text).not.toContain('works:');
  });

  test('samples of GPM are more than 100 ms apart, however dense the others', async () => {
    const real = instrumentsOf('dgx-h100');
    const asked: (readonly [number, readonly string[]])[] = [];
    const read: Instruments['nvml']['read'] = (abort, depth, also = []) => {
      asked.push([real.clock.nowMs(), also]);
      return real.nvml.read(abort, depth, also);
    };
    const nvml = { read, warm: () => {}, close: () => real.nvml.close() };
    await ask({ ...real, nvml }, { seconds: 1, samples: 20 });
    const times = asked.flatMap(([ms, also]) => (also.includes('gpm') ? [ms] : []));
    const apart = times.slice(1).map((ms, place) => ms - (times[place] ?? 0));
    expect(asked).toHaveLength(20);
    expect(Math.min(...apart)).toBeGreaterThan(100);
    expect(times.length).toBeGreaterThan(6);
  });

  test('the reasons that held clocks down are counted by sample', async () => {
    const instruments = changing('dgx-h100', [
      { clocksEventReasons: present(['hw_thermal_slowdown']) },
      { clocksEventReasons: present([]) },
    ]);
    const { structured } = await ask(instruments, { gpu: '2' });
    expect(structured).toMatchObject({
      gpus: [{ clocksEventReasons: { hw_thermal_slowdown: 1 } }],
    });
  });
});

test('a series of nothing is none, a level one is drawn level', () => {
  expect(seriesOf([])).toBeUndefined();
  const level = seriesOf([5, 5, 5]);
  expect(level).toEqual({ min: 5, mean: 5, max: 5, samples: [5, 5, 5] });
  expect(level && sparkline(level)).toBe('▄▄▄');
});
