import { expect, test } from 'vitest';
import { NVML_REQUEST_MS_MAX } from '../../src/contract/limits.ts';
import { NVML_FUNCTIONS } from '../../src/nvml/table/functions.ts';
import { loadMachine, machineFrom } from '../../src/simulation/machine.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsFor } from '../fakes/instruments.ts';
import { inProcessNvml } from '../simulation/in-process.ts';

const LIKE = 'dgx-h100';
const never = new AbortController().signal;

const whole = inProcessNvml(loadMachine(LIKE));
const healthy = await whole.nvml.read(never);
const SYMBOLS = new Map<string, string>(
  Object.entries(NVML_FUNCTIONS)
    .flatMap(([name, { symbols }]) => symbols.map(symbol => [symbol, name] as const))
    // A symbol that is called with structs of several versions has its newest first.
    .toReversed(),
);

/** Every function that a reading of the machine calls. */
const CALLED = [
  ...new Set(whole.children.calls.flatMap(call => SYMBOLS.get(call.split(' ').at(-1) ?? '') ?? [])),
];
/** What may take long because it starts a GPU that nobody holds open. */
const OPENING = ['init', 'deviceGetHandleByIndex'];

test('a reading calls nearly all of the table', () => {
  expect(CALLED.length).toBeGreaterThan(80);
});

test.each(CALLED)(
  '%s hangs: it is named, all else is read in time, and nothing is well',
  async name => {
    const isOfGpu = name.startsWith('device') && name !== 'deviceGetCount';
    const faults = { [name]: { hang: true } };
    const machine = machineFrom('hangs', {
      like: LIKE,
      ...(isOfGpu ? { gpus: { 2: { faults } } } : { driver: { faults } }),
    });
    const { nvml, time } = inProcessNvml(machine);
    const startedMs = time.nowMs();
    const state = await nvml.read(never);
    expect(time.nowMs() - startedMs).toBeLessThanOrEqual(NVML_REQUEST_MS_MAX);
    expect(SYMBOLS.get(state.unresponsive?.call ?? '')).toBe(name);
    const others = (gpus: typeof state.gpus) => gpus.filter(({ index }) => index !== 2);
    if (isOfGpu) expect(others(state.gpus)).toEqual(others(healthy.gpus));
    const { structured } = await answered(triageGpuNode, {}, instrumentsFor(machine));
    expect(structured).toMatchObject({ verdict: OPENING.includes(name) ? 'warning' : 'critical' });
  },
);
