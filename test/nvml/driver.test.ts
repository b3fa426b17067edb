import { describe, expect, test } from 'vitest';
import { INFOROM_KEPT_MS, NVML_CLOSE_MS_MAX } from '../../src/contract/limits.ts';
import type { DriverState, GpuState } from '../../src/nvml/port.ts';
import { fieldsAt } from '../../src/nvml/readings.ts';
import { loadMachine, machineFrom } from '../../src/simulation/machine.ts';
import { h100 } from '../scenarios/machines.ts';
import { inProcessNvml } from '../simulation/in-process.ts';

const never = new AbortController().signal;
/** DGX H100 with faults on some GPUs or in the driver. */
const broken = (
  gpus: Record<number, Record<string, unknown>>,
  driver: Record<string, unknown> = {},
) =>
  machineFrom('broken', {
    like: 'dgx-h100',
    driver: { faults: driver },
    gpus: Object.fromEntries(Object.entries(gpus).map(([index, faults]) => [index, { faults }])),
  });
const healthy = async () => inProcessNvml(loadMachine('dgx-h100')).nvml.read(never);
const gpusOf = (state: DriverState, ...without: number[]) =>
  state.gpus.filter(({ index }) => !without.includes(index));
/** Fields that are missing for the reason; a group when all of its members are. */
const missingFields = (gpu: GpuState | undefined, reason: string) =>
  Object.entries(gpu ?? {}).flatMap(([field, reading]) =>
    isMissing(reading, reason) ? [field] : [],
  );

function isMissing(reading: unknown, reason: string): boolean {
  if (typeof reading !== 'object' || reading === null) return false;
  if ('ok' in reading) return 'reason' in reading && reading.reason === reason;
  const members: unknown[] = Object.values(reading);
  return members.length > 0 && members.every(member => isMissing(member, reason));
}

describe('a healthy machine', () => {
  test('is read whole, by one child and one request', async () => {
    const { nvml, children } = inProcessNvml(loadMachine('dgx-h100'));
    const state = await nvml.read(never);
    expect(state.gpus.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(state).not.toHaveProperty('unresponsive');
    expect(children).toMatchObject({ started: 1, requests: 1, killed: 0 });
  });

  test('is read by the child that was started ahead', async () => {
    const { nvml, children } = inProcessNvml(loadMachine('dgx-h100'));
    nvml.warm();
    nvml.warm();
    expect(children).toMatchObject({ started: 1, requests: 0 });
    await nvml.read(never);
    expect(children).toMatchObject({ started: 1, requests: 1 });
  });

  test('a deep question is not answered by a shallow batch under way, a shallow one by a deep', async () => {
    const { nvml, children } = inProcessNvml(loadMachine('dgx-h100'));
    const [shallow, deep] = await Promise.all([nvml.read(never, 'first'), nvml.read(never)]);
    expect(shallow.gpus[0]?.uuid.ok).toBe(true);
    expect(shallow.gpus[0]?.nvlinks).toEqual({ ok: false, reason: 'not_read' });
    expect(deep.gpus[0]?.nvlinks.ok).toBe(true);
    expect(children.requests).toBe(2);
    const fresh = inProcessNvml(loadMachine('dgx-h100'));
    await Promise.all([fresh.nvml.read(never), fresh.nvml.read(never, 'first')]);
    expect(fresh.children.requests).toBe(1);
  });

  test('its counters alone cost a few calls for each GPU, and nothing else is read', async () => {
    const { nvml, children } = inProcessNvml(machineFrom('links', h100()));
    await nvml.read(never);
    const before = children.calls.length;
    const state = await nvml.read(never, 'counters');
    const calls = children.calls.slice(before).filter(call => /^[07] /.test(call));
    expect(calls).toEqual(
      [0, 7].flatMap(gpu => [
        `${gpu} nvmlDeviceGetHandleByIndex_v2`,
        `${gpu} nvmlDeviceGetCurrentClocksEventReasons`,
        `${gpu} nvmlDeviceGetTotalEccErrors`,
        `${gpu} nvmlDeviceGetPcieReplayCounter`,
        // What all have, the states of the links, their errors, and whether there are C2C links.
        ...Array.from({ length: 4 }, () => `${gpu} nvmlDeviceGetFieldValues`),
      ]),
    );
    expect(state.gpus[0]).toMatchObject({
      handle: { ok: true },
      uuid: { ok: false, reason: 'not_read' },
      violations: { hwThermalNs: { ok: true } },
      nvlinks: { ok: true },
    });
    expect(state.topology).toEqual({ ok: false, reason: 'not_read' });
  });

  test('a live view costs a dozen calls for each GPU', async () => {
    const { nvml, children } = inProcessNvml(loadMachine('dgx-h100'));
    await nvml.read(never, 'first');
    const before = children.calls.length;
    await nvml.read(never, 'now');
    expect(children.calls.slice(before).filter(call => /^7 /.test(call))).toEqual(
      [
        ...['HandleByIndex_v2', 'MemoryInfo_v2', 'Temperature', 'PowerUsage', 'ClockInfo'],
        ...['ClockInfo', 'UtilizationRates', 'CurrentClocksEventReasons'],
        ...['Compute', 'MPSCompute', 'Graphics'].map(kind => `${kind}RunningProcesses_v3`),
      ].map(name => `7 nvmlDeviceGet${name}`),
    );
  });

  test('while it is read, how many GPUs are done and which call is awaited can be asked', async () => {
    const slow = { gpus: { 5: { faults: { deviceGetTemperature: { delayMs: 1_000 } } } } };
    const { nvml, time } = inProcessNvml(machineFrom('slow', { like: 'dgx-h100', ...slow }));
    expect(nvml.reached?.()).toBeUndefined();
    const seen: unknown[] = [];
    time.after(500, () => seen.push(nvml.reached?.()));
    await nvml.read(never, 'now');
    const call = { name: 'nvmlDeviceGetTemperature', gpu: 5 };
    expect(seen).toEqual([{ gpus: { read: 5, all: 8 }, call }]);
    expect(nvml.reached?.()).toBeUndefined();
  });

  test('who asks for counters gets them as they are from then on', async () => {
    const { nvml, children } = inProcessNvml(loadMachine('dgx-h100'));
    await Promise.all([nvml.read(never), nvml.read(never, 'counters')]);
    expect(children.requests).toBe(2);
  });

  test('what is read on demand only is not answered by a batch that leaves it out', async () => {
    const { nvml, children } = inProcessNvml(loadMachine('mig-a100'));
    const [plain, asked, less] = await Promise.all([
      nvml.read(never),
      nvml.read(never, 'all', ['migProfiles']),
      nvml.read(never, 'first'),
    ]);
    expect(plain.gpus[0]?.migProfiles).toEqual({ ok: false, reason: 'not_read' });
    expect(asked.gpus[0]?.migProfiles.ok).toBe(true);
    expect(less).toBe(plain);
    expect(children.requests).toBe(2);
  });

  test('keeps its child from read to read', async () => {
    const { nvml, children } = inProcessNvml(loadMachine('dgx-h100'));
    await nvml.read(never);
    await nvml.read(never);
    expect(children).toMatchObject({ started: 1, requests: 2 });
  });

  test('has its InfoROM read again after ten minutes, by the whole reading alone', async () => {
    const { nvml, time, children } = inProcessNvml(loadMachine('dgx-h100'));
    const validations = async (depth: 'first' | 'all') => {
      const before = children.calls.length;
      await nvml.read(never, depth);
      return children.calls.slice(before).filter(call => call.includes('ValidateInforom')).length;
    };
    expect([await validations('all'), await validations('all')]).toEqual([8, 0]);
    time.pass(INFOROM_KEPT_MS);
    expect(await validations('first')).toBe(0);
    expect([await validations('all'), await validations('all')]).toEqual([8, 0]);
  });

  test('says of what it answers from before when that was read', async () => {
    const { nvml, time } = inProcessNvml(loadMachine('dgx-h100'));
    const whole = 'the checksums of the InfoROM';
    const kept = async (depth: 'first' | 'all') => (await nvml.read(never, depth)).kept;
    const { kept: none, takenAtMs: first } = await nvml.read(never);
    expect(none).toBeUndefined();
    time.pass(INFOROM_KEPT_MS - 1);
    expect(await kept('all')).toContainEqual({ what: whole, readAtMs: first });
    expect(await kept('first')).toBeUndefined();
    time.pass(1);
    const anew = await nvml.read(never);
    expect(anew.kept?.map(({ what }) => what)).not.toContain(whole);
    time.pass(60_000);
    expect(await kept('all')).toEqual([
      { what: 'where NVLinks end', readAtMs: first },
      { what: 'what lies between GPUs on PCIe', readAtMs: first },
      { what: whole, readAtMs: anew.takenAtMs },
    ]);
  });

  test('answers two reads at one time with one batch', async () => {
    const { nvml, children } = inProcessNvml(loadMachine('dgx-h100'));
    const [first, second] = await Promise.all([nvml.read(never), nvml.read(never)]);
    expect(second).toBe(first);
    expect(children.requests).toBe(1);
  });
});

describe('a call that hangs', () => {
  test('costs its own reading; all others are read by a fresh child', async () => {
    const { nvml, time, children } = inProcessNvml(loadMachine('hung-driver'));
    const startedMs = time.nowMs();
    const state = await nvml.read(never);
    expect(state.unresponsive).toEqual({
      call: 'nvmlDeviceGetTemperature',
      gpu: 2,
      waitedMs: 2000,
    });
    expect(missingFields(state.gpus[2], 'timeout')).toEqual(['temperatureC']);
    expect(gpusOf(state, 2)).toEqual(gpusOf(await healthy(), 2));
    expect(time.nowMs() - startedMs).toBe(2000);
    expect(children).toMatchObject({ started: 2, killed: 1 });
  });

  test('is not made again for 30 s: who asks next is answered at once, and told so', async () => {
    const { nvml, time, children } = inProcessNvml(loadMachine('hung-driver'));
    const first = await nvml.read(never);
    children.calls.length = 0;
    time.pass(27_000);
    const startedMs = time.nowMs();
    const again = await nvml.read(never);
    expect(time.nowMs()).toBe(startedMs);
    expect(children.calls).not.toContain('2 nvmlDeviceGetTemperature');
    expect(again.unresponsive).toEqual(first.unresponsive);
    expect(again.gpus[2]?.temperatureC).toEqual({
      ok: false,
      reason: 'timeout',
      detail:
        'nvmlDeviceGetTemperature did not return within 2000 ms, 29 s ago; not made again so soon',
    });
    expect(gpusOf(again, 2)).toEqual(gpusOf(await healthy(), 2));
    expect(children.started).toBe(2);
  });

  test('is forgotten when the child comes back from it', async () => {
    const machine = broken({ 0: { deviceGetHandleByIndex: { delayMs: 4500 } } });
    const { nvml } = inProcessNvml(machine);
    await nvml.read(never);
    Object.assign(machine.gpus[0] ?? {}, { faults: {} });
    const state = await nvml.read(never);
    expect(state).not.toHaveProperty('unresponsive');
    expect(state.gpus).toEqual((await healthy()).gpus);
  });

  test('is tried again after 30 s, after all else', async () => {
    const { nvml, time, children } = inProcessNvml(loadMachine('hung-driver'));
    await nvml.read(never);
    time.pass(28_000);
    children.calls.length = 0;
    const again = await nvml.read(never);
    expect(missingFields(again.gpus[2], 'timeout')).toEqual(['temperatureC']);
    expect(gpusOf(again, 2)).toEqual(gpusOf(await healthy(), 2));
    expect(children.calls.filter(call => call.endsWith('HandleByIndex_v2'))).toEqual(
      // The last one twice: before the hang, and by the child after it.
      [0, 1, 3, 4, 5, 6, 7, 2, 2].map(gpu => `${gpu} nvmlDeviceGetHandleByIndex_v2`),
    );
  });

  test('has nothing read twice that was read before it', async () => {
    const { nvml, children } = inProcessNvml(loadMachine('hung-driver'));
    await nvml.read(never);
    const names = children.calls.filter(call => call.endsWith('nvmlDeviceGetName'));
    expect(names).toHaveLength(8);
    expect(children.calls.filter(call => call === 'nvmlSystemGetDriverVersion')).toHaveLength(1);
  });

  test('in nvmlInit leaves nothing to read, and says so of each reading', async () => {
    const { nvml, time, children } = inProcessNvml(broken({}, { init: { hang: true } }));
    const startedMs = time.nowMs();
    const state = await nvml.read(never);
    expect(state.unresponsive).toEqual({ call: 'nvmlInit_v2', waitedMs: 4000 });
    expect(state).toMatchObject({
      library: { ok: true },
      initialized: { ok: false, reason: 'timeout' },
      driverVersion: { ok: false, reason: 'timeout' },
      count: { ok: false, reason: 'timeout' },
      gpus: [],
    });
    expect(time.nowMs() - startedMs).toBe(4000);
    const again = await nvml.read(never);
    expect(time.nowMs() - startedMs).toBe(4000);
    expect(again.unresponsive).toEqual(state.unresponsive);
    expect(again.initialized).toMatchObject({ ok: false, reason: 'timeout' });
    expect(children.started).toBe(1);
  });

  test('while a GPU is opened leaves that GPU as a row of timeouts, and the others whole', async () => {
    const state = await inProcessNvml(
      broken({ 2: { deviceGetHandleByIndex: { hang: true } } }),
    ).nvml.read(never);
    expect(state.unresponsive?.call).toBe('nvmlDeviceGetHandleByIndex_v2');
    expect(Object.keys(state.gpus[2] ?? {})).toEqual(Object.keys(state.gpus[0] ?? {}));
    expect(missingFields(state.gpus[2], 'timeout').toSorted()).toEqual(
      fieldsAt('all').gpu.toSorted(),
    );
    expect(gpusOf(state, 2)).toEqual(gpusOf(await healthy(), 2));
  });

  test('in every function of a GPU ends at the deadline, with the other GPUs read', async () => {
    const machine = broken({ 0: { '*': { hang: true }, deviceGetHandleByIndex: {} } });
    const { nvml, time } = inProcessNvml(machine);
    const startedMs = time.nowMs();
    const state = await nvml.read(never);
    expect(time.nowMs() - startedMs).toBe(5000);
    expect(state.unresponsive).toMatchObject({ call: 'nvmlDeviceGetName', gpu: 0 });
    expect(gpusOf(state, 0)).toEqual(gpusOf(await healthy(), 0));
    expect(state.gpus[0]?.handle).toEqual({ ok: true, value: true });
    expect(state.gpus[0]?.processes).toMatchObject({ ok: false, reason: 'timeout' });
    const secondMs = time.nowMs();
    const second = await nvml.read(never);
    expect(time.nowMs()).toBe(secondMs);
    expect(second.unresponsive).toEqual(state.unresponsive);
    expect(gpusOf(second, 0)).toEqual(gpusOf(state, 0));
    expect(second.gpus[0]?.handle).toMatchObject({ ok: false, reason: 'timeout' });
  });

  test('in children that cannot be killed stops at four of them, and then answers at once', async () => {
    const machine = broken({}, { init: { hang: true } });
    const { nvml, time, children } = inProcessNvml(machine, { mortal: false });
    for (let read = 0; read < 4; read++) {
      await nvml.read(never);
      time.pass(30_000);
    }
    expect(children.started).toBe(4);
    const startedMs = time.nowMs();
    const state = await nvml.read(never);
    expect(time.nowMs()).toBe(startedMs);
    expect(children.started).toBe(4);
    expect(state.unresponsive?.call).toBe('nvmlInit_v2');
    expect(state.initialized).toEqual({
      ok: false,
      reason: 'timeout',
      detail: '4 processes still hang in the driver',
    });
  });
});

describe('a GPU that is slow to open', () => {
  test('is no hang: the child is kept, and what is not read by the deadline says timeout', async () => {
    const { nvml, children } = inProcessNvml(
      broken({
        0: { deviceGetHandleByIndex: { delayMs: 3000 } },
        1: { deviceGetHandleByIndex: { delayMs: 3000 } },
      }),
    );
    const state = await nvml.read(never);
    expect(state).not.toHaveProperty('unresponsive');
    expect(state.gpus[0]?.name.ok).toBe(true);
    expect(state.gpus[1]?.name).toMatchObject({ ok: false, reason: 'timeout' });
    expect(children).toMatchObject({ started: 1, killed: 0 });
  });

  test('is not killed in the middle when it takes longer than a hang', async () => {
    const { nvml, children } = inProcessNvml(
      broken({ 0: { deviceGetHandleByIndex: { delayMs: 4500 } } }),
    );
    const state = await nvml.read(never);
    expect(state.gpus).toEqual((await healthy()).gpus);
    expect(children.killed).toBe(0);
  });

  test('leaves one child open in the end, the one that holds that GPU', async () => {
    const machine = broken({ 0: { deviceGetHandleByIndex: { delayMs: 4500 } } });
    const { nvml, children } = inProcessNvml(machine);
    await nvml.read(never);
    // From now on the GPU is open, and opening it again takes no time.
    Object.assign(machine.gpus[0] ?? {}, { faults: {} });
    await nvml.read(never);
    await nvml.read(never);
    expect(children).toMatchObject({ started: 2, retired: 1, killed: 0 });
  });
});

describe('a call that kills its process', () => {
  test('costs its own reading, with the reason crashed; all others are read by a fresh child', async () => {
    const { nvml, children } = inProcessNvml(
      broken({ 4: { deviceGetTotalEccErrors: { crash: true } } }),
    );
    const state = await nvml.read(never);
    expect(missingFields(state.gpus[4], 'crashed')).toEqual([
      'eccCorrectedVolatile',
      'eccUncorrectedVolatile',
      'eccCorrectedAggregate',
      'eccUncorrectedAggregate',
    ]);
    expect(state.gpus[4]?.eccCorrectedVolatile).toEqual({
      ok: false,
      reason: 'crashed',
      detail: 'the process that hosts NVML died in nvmlDeviceGetTotalEccErrors: SIGSEGV',
    });
    expect(gpusOf(state, 4)).toEqual(gpusOf(await healthy(), 4));
    expect(state).not.toHaveProperty('unresponsive');
    expect(children.started).toBe(2);
  });

  test('in nvmlInit is not tried twice in one read', async () => {
    const { nvml, children } = inProcessNvml(broken({}, { init: { crash: true } }));
    const state = await nvml.read(never);
    expect(state.initialized).toMatchObject({ ok: false, reason: 'crashed' });
    expect(state.gpus).toEqual([]);
    expect(children.started).toBe(1);
  });

  test('in every function of a GPU ends after six children', async () => {
    const { nvml, children } = inProcessNvml(
      broken({ 1: { '*': { crash: true }, deviceGetHandleByIndex: {} } }),
    );
    const state = await nvml.read(never);
    expect(children.started).toBe(6);
    expect(gpusOf(state, 1)).toEqual(gpusOf(await healthy(), 1));
    expect(state.gpus[1]?.processes).toMatchObject({ ok: false, reason: 'crashed' });
  });
});

describe('the caller', () => {
  test('who aborts is told at once; the batch goes on for the others', async () => {
    const { nvml } = inProcessNvml(loadMachine('dgx-h100'));
    const impatient = new AbortController();
    const aborted = nvml.read(impatient.signal);
    const patient = nvml.read(never);
    impatient.abort(new Error('no longer needed'));
    await expect(aborted).rejects.toThrow('no longer needed');
    await expect(patient).resolves.toHaveProperty('count', { ok: true, value: 8 });
  });

  test('who closes lets an idle child shut NVML down, and reads no more', async () => {
    const { nvml, children } = inProcessNvml(loadMachine('dgx-h100'));
    await nvml.read(never);
    expect(await nvml.close()).toBe(true);
    expect(children).toMatchObject({ retired: 1, started: 1 });
    await expect(nvml.read(never)).rejects.toThrow('closed');
  });

  test.each([
    [true, 'a child that hung has ended'],
    [false, 'one is still in the driver'],
  ])('who closes is told %s where %s', async (mortal, _) => {
    const machine = broken({}, { init: { hang: true } });
    const { nvml, time } = inProcessNvml(machine, { mortal });
    await nvml.read(never);
    const closed = nvml.close();
    time.pass(NVML_CLOSE_MS_MAX);
    expect(await closed).toBe(mortal);
  });
});
