import { describe, expect, test } from 'vitest';
import { captureNode } from '../../src/agent/capture-node.ts';
import { bundleFrom, documentOf } from '../../src/bundle/document.ts';
import { type MissingReason, missing } from '../../src/contract/reading.ts';
import type { DriverState } from '../../src/nvml/port.ts';
import type { RowCaller } from '../../src/nvml/table/calls.ts';
import { RETURN_CODES } from '../../src/nvml/table/return-codes.ts';
import { loadMachine, type Machine, machineFrom } from '../../src/simulation/machine.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsFor } from '../fakes/instruments.ts';
import { falsehoods } from './falsehoods.ts';

const isReason = (word: string): word is MissingReason => word in RETURN_CODES;
const REASONS = Object.keys(RETURN_CODES).filter(isReason);

/** An older driver's function counts what is reserved as used, and is asked where the newer is not there. */
const MAY_DIFFER = /memory\.value\.usedBytes$/;

/** What was told otherwise; of GPUs that could not be counted nothing is. */
const changed = (whole: DriverState, told: DriverState) =>
  told.count.ok
    ? falsehoods(whole, told, MAY_DIFFER)
    : falsehoods({ ...whole, gpus: [] }, told, MAY_DIFFER);

const never = new AbortController().signal;

/** The machine's instruments with the n-th call to the driver failing so; how many there were. */
function failing(machine: Machine, nth: number, reason: MissingReason) {
  const calls = { count: 0, failed: '' };
  const disturb =
    (call: RowCaller): RowCaller =>
    (name, row, given) => {
      calls.count += 1;
      if (calls.count !== nth) return call(name, row, given);
      calls.failed = name;
      return missing(reason);
    };
  return { calls, instruments: instrumentsFor(machine, 0, { disturb }) };
}

const well = loadMachine('healthy-t4');
const sick = machineFrom('sick-t4', {
  like: 'healthy-t4',
  gpus: { 0: { answers: { deviceGetTemperature: 99 } } },
});

describe.each(REASONS)('a call that returns %s', reason => {
  test('makes no reading another, and no row go', async () => {
    const read = async (nth: number) => {
      const { calls, instruments } = failing(well, nth, reason);
      return { state: await instruments.nvml.read(never, 'all', ['gpm', 'migProfiles']), calls };
    };
    const whole = await read(0);
    const found: string[] = [];
    for (let nth = 1; nth <= whole.calls.count; nth += 1) {
      const { state, calls } = await read(nth);
      found.push(...changed(whole.state, state).map(what => `${calls.failed}: ${what}`));
    }
    expect(whole.calls.count).toBeGreaterThan(80);
    expect(found).toEqual([]);
  });

  test('hides no fault from a triage, and shows no stack', async () => {
    const triaged = async (nth: number) => {
      const { calls, instruments } = failing(sick, nth, reason);
      return { ...(await answered(triageGpuNode, {}, instruments)), calls };
    };
    const whole = await triaged(0);
    expect(whole.structured['verdict']).not.toBe('healthy');
    const found: string[] = [];
    for (let nth = 1; nth <= whole.calls.count; nth += 1) {
      const { text, structured, calls } = await triaged(nth);
      if (structured['verdict'] === 'healthy') found.push(`${calls.failed}: healthy`);
      if (/^\s+at |undefined|\[object/m.test(text)) found.push(`${calls.failed}: ${text}`);
    }
    expect(found).toEqual([]);
  });

  test('leaves a bundle that can be read, with the same gaps', async () => {
    const captured = async (nth: number) => {
      const { calls, instruments } = failing(well, nth, reason);
      const taken = await captureNode(instruments, { sinceMs: 0, seconds: 0 }, never);
      const bundle = bundleFrom(
        JSON.parse(JSON.stringify(documentOf({ ...taken, cluster: undefined }))),
      );
      return { taken, bundle, calls };
    };
    const whole = await captured(0);
    const found: string[] = [];
    for (let nth = 1; nth <= whole.calls.count; nth += 1) {
      const { taken, bundle, calls } = await captured(nth);
      const [first, now] = [whole.bundle.drivers[0], bundle.drivers[0]];
      const told = first && now ? changed(first, now) : ['no driver'];
      const kept = falsehoods(taken.drivers, bundle.drivers);
      found.push(...[...told, ...kept].map(what => `${calls.failed}: ${what}`));
    }
    expect(found).toEqual([]);
  });
});
