import { describe, expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import { askerOf, LastingAnswers } from '../../src/nvml/reader/ask.ts';
import { readGpuField } from '../../src/nvml/reader/gpu.ts';
import type { GpuField } from '../../src/nvml/readings.ts';
import { siliconLibrary } from './silicon.ts';

const library = siliconLibrary('h200-580');
const handle = library.call('deviceGetHandleByIndex', 0);
if (!handle.ok) throw new Error('no handle');
const gpu = handle.value;

function read(field: GpuField) {
  const calls: string[] = [];
  const ask = askerOf({
    lasting: new LastingAnswers(),
    library,
    skip: [],
    send: message => message.kind === 'call' && calls.push(message.call),
  });
  return { reading: readGpuField(field, ask, gpu), calls };
}

const none = missing('not_supported');

// nvidia-smi -q of the same minute prints the same, and N/A for what is not supported here.
test.each<[GpuField, unknown]>([
  [
    'thermal',
    {
      marginC: present(50),
      shutdownTlimitC: present(-8),
      slowdownTlimitC: present(-2),
      memoryMaxTlimitC: present(0),
      gpuMaxTlimitC: present(0),
      memoryMaxC: present(95),
      gpuMaxC: present(87),
    },
  ],
  [
    'power',
    {
      minLimitMw: present(200_000),
      maxLimitMw: present(700_000),
      requestedLimitMw: present(700_000),
      instantMw: present(81_146),
      averageMw: present(81_133),
      memoryInstantMw: none,
      moduleInstantMw: none,
      moduleLimitMw: none,
    },
  ],
  [
    'violations',
    {
      powerNs: present(0),
      thermalNs: present(0),
      syncBoostNs: present(0),
      boardLimitNs: present(0),
      lowUtilizationNs: present(28_777_408_256),
      reliabilityNs: present(0),
      swThermalNs: present(0),
      hwThermalNs: present(0),
      hwPowerBrakeNs: present(0),
    },
  ],
  [
    'pcieCounters',
    {
      replays: present(0),
      replayRollovers: present(0),
      l0ToRecovery: present(494),
      correctable: present(0),
      naksReceived: present(0),
      naksSent: present(53),
      receiverErrors: present(55),
      badTlp: present(80),
      badDllp: present(2),
      nonFatal: present(0),
      fatal: present(0),
      unsupportedRequests: present(0),
      lcrcErrors: present(0),
      laneErrors: present(29),
      txBytes: present(378_242_240),
      rxBytes: present(260_999_176),
    },
  ],
  ['slowdownTemperatureC', present(89)],
  ['shutdownTemperatureC', present(95)],
  ['memoryTemperatureC', present(37)],
  ['energyMj', present(3_143_756)],
  ['recoveryAction', present(0)],
  ['resetRequired', present(false)],
  ['drainAndResetRecommended', present(false)],
  ['clocksEventReasons', present(['gpu_idle'])],
  ['remapHistogram', present({ max: 3072, high: 0, partial: 0, low: 0, none: 0 })],
  ['repairPending', present({ channel: false, tpc: false })],
  ['unrepairableMemory', present(false)],
  ['platform', missing('not_supported', 'not in a rack: no chassis, slot 0, tray 0')],
  ['fabric', present({ state: 'not_supported' })],
  ['nvlinks', none],
  ['c2c', none],
  ['lastBlackBoxFlushMs', missing('not_ready')],
])('an H200 on R580: %s', (field, expected) => {
  expect(read(field).reading).toEqual(expected);
});

test('an H200 on R580: ECC by place', () => {
  const { reading } = read('eccByLocation');
  expect(Object.values(Object(reading))).toEqual(Array.from({ length: 8 }, () => present(0)));
});

describe('the number of C2C links, which this GPU does not support', () => {
  const limit = { field: 'powerMinLimit', scope: 0 } as const;
  const links = { field: 'c2cCount', scope: 0 } as const;

  test.each([
    ['alone', [limit], [present(200_000)]],
    ['before it', [limit, links], [{ ok: false, reason: 'not_supported' }, none]],
    ['behind it', [links, limit], [none, { ok: false, reason: 'not_supported' }]],
  ])('a limit of power that is asked for %s', (_, fields, expected) => {
    expect(library.call('deviceGetFieldValues', gpu, fields)).toMatchObject(present(expected));
  });

  test('is asked for in a call of its own', () => {
    expect(read('c2c').calls).toEqual(['nvmlDeviceGetFieldValues']);
  });
});
