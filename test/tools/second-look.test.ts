import { describe, expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import { diagnose } from '../../src/findings/diagnosis.ts';
import type { HostCounters } from '../../src/host/port.ts';
import type { DriverState, GpuState } from '../../src/nvml/port.ts';
import { GPU_TYPES } from '../../src/simulation/gpu-types.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import { readNodeTwice } from '../../src/tools/support/read-node.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsFor } from '../fakes/instruments.ts';
import { H100, h100 } from '../scenarios/machines.ts';

const never = new AbortController().signal;

/** Instruments that tell what was asked, and change what the driver or the host says. */
function watching(
  machine: object,
  change: {
    /** For each reading of counters alone, the first being 0. */
    readonly driver?: (state: DriverState, reading: number) => DriverState;
    readonly host?: (counters: HostCounters, reading: number) => HostCounters;
  } = {},
) {
  const real = instrumentsFor(machineFrom('watched', machine));
  const asked: string[] = [];
  const said: string[] = [];
  let [drivers, hosts] = [0, 0];
  const instruments: Instruments = {
    ...real,
    progress: message => said.push(message),
    pause: (ms, signal) => {
      asked.push(`pause ${ms}`);
      return real.pause(ms, signal);
    },
    nvml: {
      warm: () => real.nvml.warm(),
      close: () => real.nvml.close(),
      async read(signal, depth = 'all') {
        asked.push(`driver ${depth}`);
        const state = await real.nvml.read(signal, depth);
        return depth === 'counters' ? (change.driver?.(state, drivers++) ?? state) : state;
      },
    },
    host: {
      ...real.host,
      async counters(of, signal) {
        asked.push('host counters');
        const counters = await real.host.counters(of, signal);
        return change.host?.(counters, hosts++) ?? counters;
      },
    },
  };
  return { instruments, asked, said };
}

const onGpu =
  (index: number, changed: (gpu: GpuState, reading: number) => Partial<GpuState>) =>
  (state: DriverState, reading: number): DriverState => ({
    ...state,
    gpus: state.gpus.map(gpu => (gpu.index === index ? { ...gpu, ...changed(gpu, reading) } : gpu)),
  });

const HOT = 0x48;
const slowed = h100({ gpus: { 6: { deviceGetCurrentClocksEventReasons: HOT } } });
const replaying = h100({ gpus: { 5: { deviceGetPcieReplayCounter: 400 } } });

const findingsOf = async (instruments: Instruments) => {
  const facts = await readNodeTwice(instruments, {}, never);
  return { facts, findings: diagnose(facts).findings };
};

describe('a healthy node is read once', () => {
  test.each(GPU_TYPES)('%s', async type => {
    const { instruments, asked, said } = watching({ like: type });
    const facts = await readNodeTwice(instruments, {}, never);
    expect({ asked, said, secondLook: facts.secondLook }).toEqual({
      asked: ['driver all'],
      said: [],
      secondLook: undefined,
    });
  });

  test('also with busy adapters and counters of a long life, alike on all', async () => {
    const counters = { symbol_error: 90, roce_slow_restart: 52_000, rnr_nak_retry_err: 800 };
    const nics = [0, 1, 2, 3].map(at => ({
      name: `mlx5_${at}`,
      pci: `0000:${20 + at}:00`,
      gpuPaths: [{ gpuPci: H100[at], path: 'PIX' }],
      ports: [{ counters: { ...counters, symbol_error: 90 + at, link_downed: 1 } }],
    }));
    const { instruments, asked } = watching(
      h100({
        every: { 'deviceGetFieldValue nvlinkCrc': 120, deviceGetPcieReplayCounter: 14 },
        host: { nics },
      }),
    );
    const { findings } = await findingsOf(instruments);
    expect({ asked, findings }).toEqual({ asked: ['driver all'], findings: [] });
  });
});

describe('a bit or a counter that asks for it', () => {
  test('has counters alone read twice more, with the time between them', async () => {
    const { instruments, asked, said } = watching(slowed);
    const { facts } = await findingsOf(instruments);
    expect({ asked, said, secondLook: facts.secondLook }).toEqual({
      asked: ['driver all', 'driver counters', 'pause 1500', 'driver counters'],
      said: ['watches counters for 1.5 s: GPU 6: hw_slowdown, hw_thermal_slowdown'],
      secondLook: {
        because: ['GPU 6: hw_slowdown, hw_thermal_slowdown'],
        seconds: 1.5,
        notReadAgain: [],
      },
    });
    expect(facts.driver.gpus[6]?.uuid.ok).toBe(true);
    expect(facts.driver.takenAtMs - (facts.earlier?.takenAtMs ?? 0)).toBe(1_500);
  });

  test('tells for what part of the time clocks were held down, in one finding', async () => {
    const run = onGpu(6, ({ violations }, reading) => ({
      violations: { ...violations, hwThermalNs: present(7e9 + reading * 0.61 * 1.5e9) },
    }));
    const { instruments } = watching(slowed, { driver: run });
    const { structured, text } = await answered(triageGpuNode, { since: '24h' }, instruments);
    expect(structured['findings']).toMatchObject([
      {
        id: 'hardware-slowdown:0000:d1:00',
        severity: 'warning',
        title: 'GPU 6 (0000:d1:00) is slowed down by hardware for heat, 61 % of the last 1.5 s',
        confidence: 'high',
      },
    ]);
    expect(text).toContain('watched counters for 1.5 s because of GPU 6: hw_slowdown');
  });

  test('that is gone again and whose counter hardly ran is a remark', async () => {
    const run = onGpu(6, ({ violations }, reading) => ({
      clocksEventReasons: present([]),
      violations: { ...violations, hwThermalNs: present(reading * 30_000_000) },
    }));
    const { instruments } = watching(slowed, { driver: run });
    const { findings } = await findingsOf(instruments);
    expect(findings).toMatchObject([
      {
        id: 'hardware-slowdown:0000:d1:00',
        severity: 'info',
        title: 'GPU 6 (0000:d1:00) was slowed down by hardware for heat for a moment',
        counterEvidence: [
          'temperature is 25 °C below the slowdown limit',
          'its counter ran for 2 % of the last 1.5 s',
        ],
      },
    ]);
  });

  test('PCIe replays that go on are told by their rate', async () => {
    const run = onGpu(5, (_, reading) => ({ pcieReplayCounter: present(400 + reading * 600) }));
    const { instruments } = watching(replaying, { driver: run });
    const { findings } = await findingsOf(instruments);
    expect(findings).toMatchObject([
      {
        id: 'pcie-replays:0000:c3:00',
        title: 'GPU 5 (0000:c3:00) repeats PCIe packets 400 times a second',
      },
    ]);
  });

  test('corrected PCIe errors ask the host alone', async () => {
    const { instruments, asked } = watching(
      h100({ host: { pci: { 5: { aerCorrectable: 90_000 } } } }),
    );
    const { findings } = await findingsOf(instruments);
    expect(asked).toEqual(['driver all', 'host counters', 'pause 1500', 'host counters']);
    expect(findings[0]?.counterEvidence).toContain('the counter does not move now');
  });
});

describe('no first reading is lost', () => {
  test('a GPU that could not be read again keeps its readings, gives no rate, and is named', async () => {
    const run = onGpu(6, (_, reading) =>
      reading === 0 ? {} : { clocksEventReasons: missing('timeout') },
    );
    const { instruments } = watching(slowed, { driver: run });
    const { facts, findings } = await findingsOf(instruments);
    expect(facts.secondLook?.notReadAgain).toEqual(['GPU 6 (timeout)']);
    expect(facts.driver.gpus[6]?.clocksEventReasons).toEqual(
      present(['hw_slowdown', 'hw_thermal_slowdown']),
    );
    expect(facts.earlier?.gpus.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 7]);
    expect(findings.map(({ id }) => id)).toEqual(['hardware-slowdown:0000:d1:00']);
  });

  test('a GPU that the driver loses meanwhile is lost, with the names it had', async () => {
    const lost = missing('gpu_is_lost');
    const run = onGpu(6, (_, reading) =>
      reading === 0 ? {} : { handle: lost, clocksEventReasons: lost },
    );
    const { instruments } = watching(slowed, { driver: run });
    const { findings } = await findingsOf(instruments);
    expect(findings[0]).toMatchObject({
      id: 'lost-gpu:0000:d1:00',
      severity: 'critical',
      gpu: { index: 6, pci: '0000:d1:00' },
    });
  });

  test('a driver that hangs meanwhile is told and not asked a third time', async () => {
    const unresponsive = { call: 'nvmlDeviceGetFieldValues', gpu: 6, waitedMs: 2_000 };
    const { instruments, asked } = watching(slowed, {
      driver: state => ({ ...state, unresponsive, gpus: [] }),
    });
    const { facts, findings } = await findingsOf(instruments);
    expect(asked).toEqual(['driver all', 'driver counters', 'pause 1500']);
    expect(findings[0]).toMatchObject({ id: 'driver-unresponsive', severity: 'critical' });
    expect(facts.secondLook?.notReadAgain).toHaveLength(8);
  });

  test('a driver that hung at first is not watched', async () => {
    const { instruments, asked } = watching({ like: 'hung-driver' });
    await readNodeTwice(instruments, {}, never);
    expect(asked).toEqual(['driver all']);
  });
});

test('who cancels while counters are watched is answered at once', async () => {
  const { instruments } = watching(slowed);
  const cancel = new AbortController();
  const pause = (_: number, signal: AbortSignal) =>
    new Promise<void>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      cancel.abort(new Error('cancelled'));
    });
  await expect(readNodeTwice({ ...instruments, pause }, {}, cancel.signal)).rejects.toThrow(
    'cancelled',
  );
});
