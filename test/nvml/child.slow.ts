import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { createNvml } from '../../src/nvml/child/driver.ts';
import { hostedBy } from '../../src/nvml/child/hosted.ts';
import { startedFirst, startNvmlChild } from '../../src/nvml/child/start-child.ts';
import { loadMachine, machineFrom } from '../../src/simulation/machine.ts';
import { inProcessNvml } from '../simulation/in-process.ts';
import { gone, machineFile, overProcesses, type Started } from './children.ts';
import { HeldTimers } from './held-timers.ts';

const never = new AbortController().signal;
let started: Started | undefined;
afterEach(async () => {
  await started?.nvml.close();
  started = undefined;
});
const start = (data: unknown, options = {}): Started => {
  started = overProcesses(['machine', machineFile(data)], options);
  return started;
};
const withoutTime = ({ takenAtMs: _, ...state }: object & { takenAtMs: number }) => state;

describe('a child process', () => {
  test('tells the same as the same code in this process', async () => {
    const { nvml } = start({ like: 'dgx-h100' });
    const expected = await inProcessNvml(loadMachine('dgx-h100')).nvml.read(never);
    expect(withoutTime(await nvml.read(never))).toEqual(withoutTime(expected));
  });

  test('that hangs is killed, and another one reads the rest', async () => {
    const { nvml, children } = start({ like: 'hung-driver' }, { hangs: true });
    const state = await nvml.read(never);
    expect(state.unresponsive).toEqual({
      call: 'nvmlDeviceGetTemperature',
      gpu: 2,
      waitedMs: 2000,
    });
    expect(state.gpus[7]?.processes.ok).toBe(true);
    expect(children).toHaveLength(2);
    expect(children[0]?.killed).toBe(true);
  });

  test('that dies of a signal is told by it, and another one reads the rest', async () => {
    const { nvml, children } = start({
      like: 'dgx-h100',
      gpus: { 1: { faults: { deviceGetSerial: { crash: true } } } },
    });
    const state = await nvml.read(never);
    expect(state.gpus[1]?.serial).toEqual({
      ok: false,
      reason: 'crashed',
      detail: 'the process that hosts NVML died in nvmlDeviceGetSerial: SIGSEGV',
    });
    expect(state.gpus[7]?.processes.ok).toBe(true);
    expect(children).toHaveLength(2);
  });

  test('ends by itself when it is closed', async () => {
    const { nvml, children } = start({ like: 'healthy-t4' });
    await nvml.read(never);
    await nvml.close();
    expect(children.map(child => child.exitCode)).toEqual([0]);
  });

  test('that cannot be started costs the readings, not the server', async () => {
    const nvml = createNvml({
      spawnChild: () => hostedBy(startNvmlChild({ file: '/no/such/node', args: [], env: {} })),
      clock: { nowMs: Date.now },
      timers: new HeldTimers(),
    });
    const { initialized, gpus } = await nvml.read(never);
    expect(gpus).toEqual([]);
    expect(initialized).toMatchObject({ ok: false, reason: 'crashed' });
    expect(initialized.ok ? '' : initialized.detail).toContain('ENOENT');
    await nvml.close();
  });

  test('that ended before anyone spoke to it is told of as one that ends later', async () => {
    const start = () => startNvmlChild({ file: '/no/such/node', args: [], env: {} });
    const early = start();
    await early.ended;
    const startChild = startedFirst(early, start);
    const nvml = createNvml({
      spawnChild: () => hostedBy(startChild()),
      clock: { nowMs: Date.now },
      timers: new HeldTimers(),
    });
    const { initialized } = await nvml.read(never);
    expect(initialized).toMatchObject({ ok: false, reason: 'crashed' });
    expect(startChild()).not.toBe(early);
    await nvml.close();
  });

  test('that dies at its start tells its last words', async () => {
    started = overProcesses(['machine', '/no/such/machine.json']);
    const { initialized } = await started.nvml.read(never);
    expect(initialized).toMatchObject({ ok: false, reason: 'crashed' });
    expect(initialized.ok ? '' : initialized.detail).toContain('ENOENT');
  });
});

/** Linux: alive and no zombie. */
const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

describe('the parent’s death', () => {
  const PARENT = fileURLToPath(new URL('./parent-main.ts', import.meta.url));

  test.each([
    ['an idle child', { like: 'healthy-t4' }],
    ['a child that hangs', { like: 'hung-driver' }],
  ])('ends %s', async (_which, data) => {
    machineFrom('test', data);
    const parent = spawn(process.execPath, [PARENT, 'machine', machineFile(data)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(createInterface(parent.stdout), 'line');
    const child = Number(line);
    expect(isAlive(child)).toBe(true);
    parent.kill('SIGKILL');
    await gone(child, isAlive);
  });
});
