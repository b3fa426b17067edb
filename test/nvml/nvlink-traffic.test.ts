import { expect, test } from 'vitest';
import { realEffects } from '../../src/agent/simulated.ts';
import { present } from '../../src/contract/reading.ts';
import { nvmlSession } from '../../src/nvml/reader/read.ts';
import { typedLibrary } from '../../src/nvml/table/calls.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { rowCaller } from '../../src/simulation/nvml.ts';
import { gpu } from './gpus.ts';

const ALSO = { also: ['nvlinkTraffic' as const] };

test('an A100 without GPM counts what all its links have moved', async () => {
  const { nvlinkTraffic } = await gpu('a100-sxm4-80gb', {}, ALSO);
  expect(nvlinkTraffic).toEqual({
    sentKib: present(41_201_554_432),
    receivedKib: present(41_188_302_104),
  });
});

test('it is read only where it is asked for, and is no word of what has no NVLink', async () => {
  const reasons = async (like: string, asked: object) =>
    Object.values((await gpu(like, {}, asked)).nvlinkTraffic).map(each => !each.ok && each.reason);
  expect(await reasons('a100-sxm4-80gb', {})).toEqual(['not_read', 'not_read']);
  expect(await reasons('t4', ALSO)).toEqual(['not_supported', 'not_supported']);
});

test('a field that fails costs itself', async () => {
  const faults = { 'deviceGetFieldValue nvlinkDataRx': { return: 'gpu_is_lost' } };
  const { nvlinkTraffic } = await gpu('a100-sxm4-80gb', { faults }, ALSO);
  expect(nvlinkTraffic.sentKib.ok).toBe(true);
  expect(nvlinkTraffic.receivedKib).toEqual({ ok: false, reason: 'gpu_is_lost' });
});

test('it is asked for in a call of its own, for all links: of scope 0 a driver tells link 0', async () => {
  const asked: string[] = [];
  const machine = machineFrom('test', { like: 'a100-sxm4-80gb' });
  const answer = rowCaller(machine, effects);
  const library = typedLibrary((name, row, inputs) => {
    if (name === 'deviceGetFieldValues') asked.push(JSON.stringify(inputs[1]));
    return answer(name, row, inputs);
  });
  const session = nvmlSession(async () => ({ path: present('/lib'), library }));
  await session.read(
    {
      ...{ id: 1, takenAtMs: 0, had: { driver: [], gpus: {} }, skip: [], last: [] },
      ...{ depth: 'now', also: ['nvlinkTraffic'] },
    },
    () => {},
  );
  const own = asked.filter(fields => fields.includes('nvlinkData'));
  expect(new Set(own)).toEqual(
    new Set([
      JSON.stringify([
        { field: 'nvlinkDataTx', scope: 4_294_967_295 },
        { field: 'nvlinkDataRx', scope: 4_294_967_295 },
      ]),
    ]),
  );
});

const effects = realEffects({ pid: 0, ppid: 0, uptime: () => 0, kill: () => {} });
