import { expect, test } from 'vitest';
import { glances } from '../../src/agent/glance-node.ts';
import type { AgentInstruments } from '../../src/agent/open-instruments.ts';
import { GLANCE_COUNTERS_MS, GLANCE_MS } from '../../src/contract/limits.ts';
import { missing } from '../../src/contract/reading.ts';
import { loadMachine, machineFrom } from '../../src/simulation/machine.ts';
import { Glance } from '../../src/tools/glance.ts';
import { instrumentsFor, instrumentsOf } from '../fakes/instruments.ts';

const never = new AbortController().signal;

/** Glances at a machine, one after the other, and what the driver was asked for each. */
function glancing(file: object) {
  const instruments = instrumentsFor(machineFrom('looked-at', { like: 'dgx-h100', ...file }));
  const { nvml, host } = instruments;
  const asked: string[] = [];
  const watched: AgentInstruments = {
    ...instruments,
    nvml: {
      ...{ warm: () => nvml.warm(), close: () => nvml.close() },
      read(signal, depth = 'all', also = []) {
        asked.push(depth);
        return nvml.read(signal, depth, also);
      },
    },
    host: {
      ...host,
      processOwners(pids, signal) {
        asked.push(`owners of ${pids.length}`);
        return host.processOwners(pids, signal);
      },
    },
  };
  const look = glances(watched, instruments.clock.nowMs());
  return {
    asked,
    pass: (ms: number) => instruments.pause(ms, never),
    look: async () => Glance.parse(await look(never)),
  };
}

test('after the first look each reads what changes from one moment to the next, and little else', async () => {
  const { asked, look, pass } = glancing({});
  const first = await look();
  expect(asked.splice(0)).toEqual(['first', 'counters', 'owners of 8']);
  await pass(GLANCE_MS);
  const second = await look();
  expect(asked.splice(0)).toEqual(['now']);
  expect(second).toEqual({ ...first, takenAt: expect.any(String) });
  await pass(GLANCE_COUNTERS_MS);
  await look();
  expect(asked).toEqual(['now', 'counters']);
});

test('what moves is as it is now, and what hardly changes as it was', async () => {
  const { look, pass } = glancing({ like: 'training-job' });
  const { gpus: before } = await look();
  await pass(3_000);
  const { gpus: after } = await look();
  expect(before[0]).toMatchObject({ gpuUtilizationPercent: 100, enforcedPowerLimitMw: 700_000 });
  expect(after[0]).toMatchObject({ gpuUtilizationPercent: 78, enforcedPowerLimitMw: 700_000 });
  expect(after[0]?.processes).toMatchObject([{ namespace: 'ml', pod: 'llm-train-0' }]);
});

test('counters of errors count from the first look, and a link that is down is counted', async () => {
  const moves = { 'deviceGetFieldValue nvlinkCrc 3': { perSecond: 10 } };
  const answers = { 'deviceGetFieldValue nvlinkState 5': 0 };
  const { look, pass } = glancing({ gpus: { 2: { answers, moves } } });
  expect((await look()).gpus[2]).toMatchObject({ links: { active: 17, all: 18 } });
  await pass(GLANCE_COUNTERS_MS);
  const { gpus } = await look();
  expect(gpus[2]?.grew).toEqual({ 'nvlink.crcFlit': 20 });
  expect(gpus[1]?.grew).toBeUndefined();
  expect(gpus[1]?.links).toEqual({ active: 18, all: 18 });
});

test('what the kernel says between the start of the session and the first look is an event of it', async () => {
  const text = 'NVRM: Xid (PCI:0000:61:00): 79, pid=0, GPU has fallen off the bus.';
  const { look, pass } = glancing({ kernelLog: { later: [{ afterSeconds: 2, text }] } });
  await pass(3_000);
  expect((await look()).events).toMatchObject([{ gpu: 'GPU 3', code: 'XID 79' }]);
});

test('what the kernel says after the start of the session is an event, and what it said before is none', async () => {
  const text = 'NVRM: Xid (PCI:0000:61:00): 79, pid=0, GPU has fallen off the bus.';
  const kernelLog = { lines: [{ secondsAgo: 60, text }], later: [{ afterSeconds: 2, text }] };
  const { look, pass } = glancing({ kernelLog });
  expect(await look()).toMatchObject({ events: [], eventsLeftOut: 0 });
  await pass(3_000);
  const { events, since, logUnavailable } = await look();
  const time = new Date(Date.parse(since) + 2_000).toISOString();
  const what = 'GPU has fallen off the bus';
  expect(events).toEqual([{ time, gpu: 'GPU 3', code: 'XID 79', what }]);
  expect(logUnavailable).toBeUndefined();
});

test('a log that cannot be read is said to be, where both of its doors are closed', async () => {
  const instruments = instrumentsOf('dgx-h100');
  const closed = (source: string, available: boolean) => ({
    ...{ source, available, records: 0, lost: 0, untrusted: 0, malformed: 0, notes: [] },
    ...(available ? {} : { unavailable: `${source}: EPERM` }),
  });
  const withLog = (...open: boolean[]) => {
    const kernelLog = {
      scan: async () =>
        open.map((available, door) => closed(['kmsg', 'syslog'][door] ?? '', available)),
    };
    return glances({ ...instruments, kernelLog }, instruments.clock.nowMs())(never);
  };
  expect((await withLog(false, false)).logUnavailable).toBe('kmsg: EPERM');
  expect((await withLog(false, true)).logUnavailable).toBeUndefined();
});

test('a driver that hangs says in which call at once, and is not asked for its counters', async () => {
  const { asked, look } = glancing({ like: 'hung-driver' });
  const { hung, gpus } = await look();
  expect(asked).not.toContain('counters');
  expect(hung).toEqual({ call: 'nvmlDeviceGetTemperature', gpu: 2, waitedMs: 2_000 });
  expect(gpus[2]).toMatchObject({ unavailable: { timeout: ['temperatureC'] } });
  expect(gpus[2]).not.toHaveProperty('temperatureC');
  expect(gpus[2]).not.toHaveProperty('links');
});

test('a GPU that is lost while one looks is a row with its error', async () => {
  const instruments = instrumentsOf('dgx-h100');
  const { nvml } = instruments;
  let isLost = false;
  const lost = missing('gpu_is_lost');
  const nowMs = instruments.clock.nowMs();
  const losing: AgentInstruments = {
    ...instruments,
    nvml: {
      ...{ warm: () => nvml.warm(), close: () => nvml.close() },
      async read(signal, depth, also) {
        const state = await nvml.read(signal, depth, also);
        const gpus = state.gpus.map(gpu =>
          isLost && gpu.index === 3 ? { ...gpu, handle: lost, processes: lost } : gpu,
        );
        return { ...state, gpus };
      },
    },
  };
  const look = glances(losing, nowMs);
  await look(never);
  isLost = true;
  const { gpus } = await look(never);
  expect(gpus[3]).toMatchObject({ index: 3, pci: '0000:61:00', error: 'gpu_is_lost' });
  expect(gpus[3]).not.toHaveProperty('processes');
  // Its links are none that were counted before.
  expect(gpus[3]).not.toHaveProperty('links');
  expect(gpus).toHaveLength(8);
});

test('where there is no driver each GPU of the bus is a row, and the reason is told', async () => {
  const instruments = instrumentsFor(loadMachine('no-driver'));
  const look = glances(instruments, instruments.clock.nowMs());
  const { unavailable, gpus } = await look(never);
  expect(unavailable).toBe('library_not_found');
  expect(gpus.map(({ error }) => error)).toEqual(Array(4).fill('library_not_found'));
});
