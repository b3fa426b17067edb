import { expect, test } from 'vitest';
import { paceNode } from '../../src/agent/pace-node.ts';
import { keepingReadings } from '../../src/agent/read-lately.ts';
import { viewedContainers } from '../../src/agent/view-containers.ts';
import { atWork } from '../../src/simulation/at-work.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { judgePace } from '../../src/tools/support/stragglers.ts';
import { instrumentsFor } from '../fakes/instruments.ts';

const never = new AbortController().signal;

/** Eight GPUs at work, one of which moves less over NVLink, as their counters tell it. */
const pacedOf = (like: string, over: object = {}) =>
  paceNode(keepingReadings(instrumentsFor(atWork(machineFrom('m', { like, ...over })))), never);

test('of A100 the counters of NVLink tell the rate, of H100 the performance monitor', async () => {
  const a100 = await pacedOf('a100-sxm4-80gb');
  // A quarter of 12 links of 25,000 MB/s each.
  const mibPerSecond = (12 * 25_000 * 0.25 * 1e6) / 1_024 ** 2;
  expect(a100.gpus.map(({ nvlinkBy }) => nvlinkBy)).toEqual(Array(8).fill('counters'));
  for (const { nvlinkMibPerSecond } of a100.gpus) {
    expect(nvlinkMibPerSecond).toBeCloseTo(mibPerSecond, 0);
  }
  const h100 = await pacedOf('h100-sxm');
  expect(h100.gpus.map(({ nvlinkBy }) => nvlinkBy)).toEqual(Array(8).fill('GPM'));
});

test('triage, what containers see and the looks of a job read the host of a node once', async () => {
  const given = instrumentsFor(machineFrom('m', { like: 'h100-sxm' }));
  let reads = 0;
  const read: typeof given.host.read = (...asked) => {
    reads += 1;
    return given.host.read(...asked);
  };
  const kept = keepingReadings({ ...given, host: { ...given.host, read } });
  await kept.host.read(never);
  await viewedContainers(kept, { pods: ['6f0c3f2e-7d1a-4a57-9c53-0b8f0d6f4c11'] }, never);
  await paceNode(kept, never);
  expect(reads).toBe(1);
});

test('a slow NVLink of an A100 is named where it is used, and not where nothing moves over it', async () => {
  const slow = { answers: { 'deviceGetFieldValue nvlinkSpeed': 12_500 } };
  const waiting = {
    answers: {
      deviceGetUtilizationRates: { gpu: 100, memory: 5 },
      deviceGetPowerUsage: 130_000,
    },
  };
  const still = Object.fromEntries(
    ['nvlinkDataTx', 'nvlinkDataRx'].map(field => [
      `deviceGetFieldValue ${field}`,
      { perSecond: 0 },
    ]),
  );
  const judged = async (moves: object) => {
    const machine = { everyGpu: { ...waiting, moves }, gpus: { 3: slow } };
    const pace = await pacedOf('a100-sxm4-80gb', machine);
    return judgePace([{ node: 'gpu-1', pace, gpus: [] }]);
  };
  expect(await judged({})).toMatchObject({
    kind: 'straggler',
    stragglers: [{ gpus: [3], cause: 'NVLink', reading: expect.stringContaining('12500 MB/s') }],
  });
  expect(await judged(still)).toMatchObject({ kind: 'waits', stragglers: [] });
  expect((await judged(still)).text).toContain('NVLink 0 MiB/s by counters');
});
