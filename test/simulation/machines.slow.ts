import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/contract/errors.ts';
import type { KernelRecord } from '../../src/contract/kernel-record.ts';
import { NVML_FUNCTIONS } from '../../src/nvml/table/functions.ts';
import { simulatedHost } from '../../src/simulation/host.ts';
import { simulatedKernelLog } from '../../src/simulation/kernel-log.ts';
import { loadMachine, MACHINE_NAMES, machineFrom } from '../../src/simulation/machine.ts';
import { flatten } from '../sim-nvml/flatten.ts';
import { inProcessNvml } from './in-process.ts';

const never = new AbortController().signal;
const NOW_MS = Date.parse('2026-03-01T12:00:00Z');
const clock = { nowMs: () => NOW_MS };

async function recordsOf(name: string, window: { sinceMs?: number; untilMs?: number } = {}) {
  const records: KernelRecord[] = [];
  const coverage = await simulatedKernelLog(loadMachine(name), clock).scan(
    window,
    record => records.push(record),
    never,
  );
  return { records, coverage };
}

describe.each(MACHINE_NAMES)('%s', name => {
  const machine = loadMachine(name);

  test('answers and faults are of functions that exist', () => {
    const keys = [machine.driver, ...machine.gpus].flatMap(({ answers, faults }) => [
      ...Object.keys(answers),
      ...Object.keys(faults),
    ]);
    const names = new Set(
      keys.map(
        key =>
          key
            .replace(/^deviceGetFieldValue\b/, '$&s')
            .replace(/^gpmMetric\b/, '$&sGet')
            .split(' ')[0],
      ),
    );
    expect([...names].filter(key => key !== '*' && !(`${key}` in NVML_FUNCTIONS))).toEqual([]);
  });

  test('PCI, NVML and kernel log speak of the same GPUs', async () => {
    const host = await simulatedHost(machine).read(never);
    const { gpus } = await inProcessNvml(machine).nvml.read(never);
    const onPci = host.pciDevices.ok ? host.pciDevices.value.map(({ pci }) => pci) : [];
    for (const { pci } of gpus) if (pci.ok) expect(onPci).toContain(pci.value);
    const { records } = await recordsOf(name);
    for (const { text } of records) {
      const [, inLine] = /Xid \(PCI:([0-9a-f:]+)\)/.exec(text) ?? [];
      if (inLine !== undefined) expect(onPci).toContain(inLine);
    }
  });

  test('memory adds up on every GPU', async () => {
    const { gpus } = await inProcessNvml(machine).nvml.read(never);
    for (const { memory } of gpus) {
      if (!memory.ok) continue;
      const { totalBytes, usedBytes, freeBytes, reservedBytes = 0 } = memory.value;
      expect(usedBytes + freeBytes + reservedBytes).toBe(totalBytes);
    }
  });

  test('kernel lines are in order and within the log’s reach', () => {
    const ages = machine.kernelLog.lines.map(({ secondsAgo }) => secondsAgo);
    expect(ages).toEqual(ages.toSorted((a, b) => b - a));
    expect(Math.max(0, ...ages)).toBeLessThanOrEqual(machine.kernelLog.reachSeconds);
  });

  test('processes on the GPUs have a name on the host', async () => {
    const { gpus } = await inProcessNvml(machine).nvml.read(never);
    const pids = gpus.flatMap(gpu => (gpu.processes.ok ? gpu.processes.value : []));
    for (const { pid } of pids) expect(Object.keys(machine.host.processes)).toContain(String(pid));
  });

  test('is written down for the library in C, one line for each call that can be made', () => {
    const lines = flatten(machine).trimEnd().split('\n').slice(1);
    const keys = lines.map(line => line.split('\t').slice(0, 2).join(' '));
    expect(new Set(keys).size).toBe(keys.length);
    const calls = Object.entries(NVML_FUNCTIONS).flatMap(([key, { inputs }]) =>
      inputs.length === 0 ? [key] : [],
    );
    for (const call of calls) expect(keys).toContain(`- ${call}`);
    machine.gpus.forEach((_, gpu) => {
      expect(keys).toContain(`${gpu} deviceGetTotalEccErrors:1:0`);
    });
  });
});

describe('a machine by name', () => {
  test('that is not there: the error tells the names', () => {
    expect(() => loadMachine('dgx')).toThrow(UsageError);
    expect(() => loadMachine('toString')).toThrow('there is no simulated machine "toString"');
    try {
      loadMachine('dgx');
    } catch (error) {
      expect(error).toMatchObject({
        hint: `did you mean dgx-h100? --simulate help lists all ${MACHINE_NAMES.length}`,
      });
    }
  });

  test('like another one: only what differs is changed', () => {
    const like = machineFrom('t', {
      like: 'dgx-h100',
      gpus: { 6: { answers: { deviceGetTemperature: 91 } } },
    });
    const base = loadMachine('dgx-h100');
    expect(like.gpus[6]?.answers).toEqual({ ...base.gpus[6]?.answers, deviceGetTemperature: 91 });
    expect({ ...like, name: '', gpus: like.gpus.toSpliced(6, 1) }).toEqual({
      ...base,
      name: '',
      gpus: base.gpus.toSpliced(6, 1),
    });
  });

  test('with a word that no machine has is refused', () => {
    expect(() => machineFrom('t', { like: 'dgx-h100', gpu: [] })).toThrow('gpu');
  });
});

describe('what each machine is there for', () => {
  const read = async (name: string) => inProcessNvml(loadMachine(name)).nvml.read(never);

  test('lost-gpu: a row with its error, still on PCI, XID 79 four minutes ago', async () => {
    const { gpus } = await read('lost-gpu');
    expect(gpus.filter(({ handle }) => !handle.ok)).toMatchObject([
      { index: 3, handle: { reason: 'gpu_is_lost' }, name: { reason: 'gpu_is_lost' } },
    ]);
    const host = await simulatedHost(loadMachine('lost-gpu')).read(never);
    const lost = host.pciDevices.ok
      ? host.pciDevices.value.filter(({ currentLinkWidth }) => !currentLinkWidth.ok)
      : [];
    expect(lost.map(({ pci }) => pci)).toEqual(['0000:61:00']);
    const { records, coverage } = await recordsOf('lost-gpu', { sinceMs: NOW_MS - 3_600_000 });
    const xid = records.find(({ text }) => text.includes(': 79,'));
    expect(xid).toMatchObject({
      source: '/dev/kmsg',
      text: "NVRM: Xid (PCI:0000:61:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
      timeMs: NOW_MS - 240_799.992,
    });
    expect(coverage).toMatchObject([
      {
        source: '/dev/kmsg',
        available: true,
        from: '2026-03-01T11:00:00Z',
        to: '2026-03-01T12:00:00Z',
      },
    ]);
  });

  test('no-driver: four GPUs on PCI, bound to no driver, and no device node', async () => {
    const host = await simulatedHost(loadMachine('no-driver')).read(never);
    expect(host.pciDevices.ok && host.pciDevices.value.map(({ driver }) => driver)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(host.moduleVersion).toMatchObject({ ok: false, reason: 'driver_not_loaded' });
    expect(host.deviceNodes).toEqual({ ok: true, value: [] });
  });

  test('hung-driver: tasks blocked in the driver, XID 119 in the log', async () => {
    const host = await simulatedHost(loadMachine('hung-driver')).read(never);
    expect(host.blockedTasks.ok && host.blockedTasks.value.map(({ name }) => name)).toEqual([
      'nv-hostengine',
      'nvidia-smi',
    ]);
    const { records } = await recordsOf('hung-driver');
    expect(records.filter(({ text }) => / 119,/.test(text))).toHaveLength(2);
  });

  test('ecc-row-remap: a remap that waits for a reset, and the driver asks for it', async () => {
    const [, gpu] = (await read('ecc-row-remap')).gpus;
    expect(gpu).toMatchObject({
      eccUncorrectedVolatile: { value: 1 },
      remappedRows: { value: { uncorrected: 2, pending: true, failureOccurred: false } },
      recoveryAction: { value: 1 },
    });
    const { records } = await recordsOf('ecc-row-remap');
    const xids = records.flatMap(({ text }) => /Xid \(PCI:[^)]+\): (\d+)/.exec(text)?.[1] ?? []);
    expect(xids).toEqual(['48', '63', '94', '154']);
  });

  test('healthy-t4: retired pages are told, remapped rows are not', async () => {
    const [gpu] = (await read('healthy-t4')).gpus;
    expect(gpu).toMatchObject({
      retiredPagesDoubleBit: { ok: true, value: 0 },
      retiredPagesPending: { ok: true, value: false },
      remappedRows: { ok: false, reason: 'not_supported' },
    });
  });
});

describe('the simulated kernel log', () => {
  test('grows older with the clock', async () => {
    let nowMs = NOW_MS;
    const log = simulatedKernelLog(loadMachine('lost-gpu'), { nowMs: () => nowMs });
    nowMs += 3_600_000;
    const records: KernelRecord[] = [];
    await log.scan({ sinceMs: nowMs - 600_000 }, record => records.push(record), never);
    expect(records).toEqual([]);
  });

  test('leaves out what lies outside the window, and sources that were not asked for', async () => {
    const { records } = await recordsOf('lost-gpu', { untilMs: NOW_MS - 86_400_000 });
    expect(records.map(({ text }) => text.slice(0, 13))).toEqual(['NVRM: loading']);
    const log = simulatedKernelLog(loadMachine('lost-gpu'), clock);
    expect(await log.scan({ sources: ['journal'] }, () => {}, never)).toEqual([]);
  });
});
