import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { FIELD_IDS } from '../../src/nvml/table/field-ids.ts';
import { NVML_FUNCTIONS } from '../../src/nvml/table/functions.ts';
import { loadMachine, machineFrom } from '../../src/simulation/machine.ts';
import { cperHex } from '../fakes/error-records.ts';
import { gone, overProcesses, type Started } from '../nvml/children.ts';
import { inProcessNvml } from '../simulation/in-process.ts';
import { buildSimulatedLibrary } from './build.ts';
import { type SimulatedRoot, simulatedRoot } from './root.ts';

const never = new AbortController().signal;
const library = await buildSimulatedLibrary();

let started: Started | undefined;
afterEach(async () => {
  await started?.nvml.close();
});
function start(machine: ReturnType<typeof loadMachine>, options = {}): Started & SimulatedRoot {
  const root = simulatedRoot(library, machine);
  started = overProcesses(['host', root.root], options);
  return { ...started, ...root };
}

test('the library defines every symbol of the table', async () => {
  const { stdout } = await promisify(execFile)('nm', ['-D', '--defined-only', library]);
  const defined = stdout.split('\n').map(line => line.split(' ').at(-1));
  const wanted = Object.values(NVML_FUNCTIONS).flatMap(row => [...row.symbols]);
  expect(defined).toEqual(expect.arrayContaining(wanted));
});

describe('through the real FFI', () => {
  test('a call that hangs is given up after its limit; the other GPUs are read', async () => {
    const { nvml, children } = start(loadMachine('hung-driver'), { hangs: true });
    const state = await nvml.read(never);
    expect(state.unresponsive).toEqual({
      call: 'nvmlDeviceGetTemperature',
      gpu: 2,
      waitedMs: 2000,
    });
    expect(state.gpus.map(({ temperatureC }) => temperatureC.ok)).toEqual([
      true,
      true,
      false,
      true,
      true,
      true,
      true,
      true,
    ]);
    expect(state.gpus[2]?.processes.ok).toBe(true);
    expect(children).toHaveLength(2);
  });

  test('records of hardware errors are those that the machine tells, with their GPUs', async () => {
    const records = [0, 1, 2].map(severity =>
      cperHex({ severity, at: `2026-03-01T10:00:0${severity}` }),
    );
    const machine = machineFrom('records', {
      like: 'l40s',
      driver: { answers: { systemGetCPER: records[0] } },
      gpus: { 2: { answers: { systemGetCPER: `${records[1]}${records[2]}` } } },
    });
    const { nvml } = start(machine);
    const { errorRecords } = await nvml.read(never);
    const simulated = await inProcessNvml(machine).nvml.read(never);
    expect(errorRecords).toEqual(simulated.errorRecords);
    expect(errorRecords.ok && errorRecords.value.records.map(({ gpu }) => gpu)).toEqual([
      undefined,
      2,
      2,
    ]);
  });

  test('a call that aborts the process is crashed; all else is read', async () => {
    const machine = machineFrom('aborting', {
      like: 'healthy-t4',
      gpus: { 0: { faults: { deviceGetVbiosVersion: { crash: true } } } },
    });
    const { nvml } = start(machine);
    const [gpu] = (await nvml.read(never)).gpus;
    expect(gpu?.vbios).toEqual({
      ok: false,
      reason: 'crashed',
      detail: 'the process that hosts NVML died in nvmlDeviceGetVbiosVersion: SIGABRT',
    });
    expect(gpu?.processes.ok).toBe(true);
  });

  test('a GPU that is lost in the middle of a session is a row with its error', async () => {
    const { nvml, become, children } = start(loadMachine('dgx-h100'));
    expect((await nvml.read(never)).gpus[3]?.handle.ok).toBe(true);
    become(loadMachine('lost-gpu'));
    const { gpus } = await nvml.read(never);
    expect(gpus).toHaveLength(8);
    expect(gpus[3]?.handle).toEqual({ ok: false, reason: 'gpu_is_lost' });
    expect(children).toHaveLength(1);
  });
});

test('a field that the driver leaves unwritten is missing, not 0', async () => {
  const { nvml, folder } = start(loadMachine('dgx-h100'));
  const file = join(folder, 'sim-nvml.machine');
  const id = FIELD_IDS.powerRequestedLimit.numbers[0];
  const unwritten = readFileSync(file, 'utf8').replaceAll(
    new RegExp(`^0\\tdeviceGetFieldValue:${id}(@\\d+)?\\t.*$`, 'gm'),
    `0\tdeviceGetFieldValue:${id}$1\t0\t0\t-`,
  );
  writeFileSync(file, unwritten);
  const { gpus } = await nvml.read(never);
  expect(gpus.slice(0, 2).map(({ power }) => power.requestedLimitMw)).toEqual([
    {
      ok: false,
      reason: 'not_supported',
      detail: 'the driver left the value of this field unwritten',
    },
    { ok: true, value: 700_000 },
  ]);
});

test('the death of the parent ends a child that hangs in the library', async () => {
  const { root } = simulatedRoot(library, loadMachine('hung-driver'));
  const main = fileURLToPath(new URL('../nvml/parent-main.ts', import.meta.url));
  const parent = spawn(process.execPath, [main, 'host', root], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(createInterface(parent.stdout), 'line');
  const child = Number(line);
  expect(isAlive(child)).toBe(true);
  parent.kill('SIGKILL');
  await gone(child, isAlive);
});

/** Linux: there, and no zombie. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
