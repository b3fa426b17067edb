import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { Batch } from '../../src/nvml/child/child-reader.ts';
import type { ChildMessage } from '../../src/nvml/messages.ts';
import { nvmlSession } from '../../src/nvml/reader/read.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { type Effects, openSimulatedLibrary } from '../../src/simulation/nvml.ts';
import { SCENARIOS } from '../scenarios/index.ts';

class Ended extends Error {}
const end = () => {
  throw new Ended();
};
const effects: Effects = { delay: () => {}, hang: end, crash: end, elapsedSeconds: () => 0 };

test('a child’s messages are what JSON makes of them, on whatever machine', async () => {
  const others: string[] = [];
  for (const { name, machine } of SCENARIOS) {
    const told: ChildMessage[] = [];
    const opened = openSimulatedLibrary(machineFrom('scenario', machine), effects);
    const batch = new Batch({ takenAtMs: 0, last: [], depth: 'all', also: ['gpm', 'migProfiles'] });
    await nvmlSession(async () => opened)
      .read(batch.request(1), message => told.push(message))
      .catch(error => {
        if (!(error instanceof Ended)) throw error;
      });
    expect(told.length, name).toBeGreaterThan(1);
    if (!isDeepStrictEqual(JSON.parse(JSON.stringify(told)), told)) others.push(name);
  }
  expect(others).toEqual([]);
});
