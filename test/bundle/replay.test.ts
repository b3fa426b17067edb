import { describe, expect, test } from 'vitest';
import type { Bundle } from '../../src/bundle/document.ts';
import { replayInstruments } from '../../src/bundle/replay.ts';
import type { Coverage } from '../../src/contract/coverage.ts';
import type { KernelRecord } from '../../src/contract/kernel-record.ts';
import { missing } from '../../src/contract/reading.ts';
import { bundleOf } from './bundles.ts';

const bundle = await bundleOf('dgx-h100');
const { signal } = new AbortController();
const aborted = AbortSignal.abort();

const SOURCES = {
  kmsg: '/dev/kmsg',
  syslog: 'syslog(2)',
  journal: '/var/log/journal/0af1/system.journal',
  text: '/var/log/messages',
  pstore: '/sys/fs/pstore',
  'fabric-manager': '/var/log/fabricmanager.log',
  imex: '/var/log/nvidia-imex.log',
};
const NOON_MS = Date.parse('2026-03-01T12:00:00Z');

const record = (source: string, over: Partial<KernelRecord> = {}): KernelRecord => ({
  ...{ source, line: 1, text: source, level: 3, boot: 'b1' },
  ...{ bootSeconds: 100, timeMs: NOON_MS, timeUncertaintyMs: 0, ...over },
});
const searched = (source: string, from?: string): Coverage => ({
  ...{ source, available: true, records: 1, lost: 0, untrusted: 0, malformed: 0, notes: [] },
  ...(from === undefined ? {} : { from }),
});

describe('the kernel log of a bundle', () => {
  const kernelLog = {
    sinceMs: NOON_MS - 3_600_000,
    records: Object.values(SOURCES).map(source => record(source)),
    coverage: Object.values(SOURCES).map(source => searched(source)),
  };
  const scanned = async (window: object, log: Bundle['kernelLog'] = kernelLog) => {
    const texts: string[] = [];
    const instruments = replayInstruments({ ...bundle, kernelLog: log });
    const coverage = await instruments.kernelLog.scan(
      window,
      ({ text }) => texts.push(text),
      signal,
    );
    return { texts, coverage };
  };

  test.each(Object.entries(SOURCES))('knows the source %s by its name', async (kind, source) => {
    const { texts, coverage } = await scanned({ sources: [kind] });
    expect({ texts, sources: coverage.map(({ source }) => source) }).toEqual({
      texts: [source],
      sources: [source],
    });
  });

  test('is all of it where no source and no time is named', async () => {
    const { texts, coverage } = await scanned({});
    expect(texts).toEqual(Object.values(SOURCES));
    expect(coverage).toEqual(kernelLog.coverage);
  });

  test('shows of one source what lies in the window', async () => {
    const records = [
      record('/dev/kmsg', { text: 'early', timeMs: NOON_MS - 60_000 }),
      record('/dev/kmsg', { text: 'late' }),
      record('syslog(2)', { text: 'late, of another' }),
    ];
    const window = { sinceMs: NOON_MS - 1_000, sources: ['kmsg'] };
    expect((await scanned(window, { ...kernelLog, records })).texts).toEqual(['late']);
  });

  test.each([
    ['begins before it', '2026-03-01T10:00:00Z', '2026-03-01T11:00:00Z'],
    ['begins with it', '2026-03-01T11:00:00.000Z', '2026-03-01T11:00:00.000Z'],
    ['begins later', '2026-03-01T11:30:00Z', '2026-03-01T11:30:00Z'],
    ['does not say when it begins', undefined, undefined],
  ])('covers no more than the window: a source that %s', async (_what, from, expected) => {
    const coverage = [searched('/dev/kmsg', from)];
    const window = { sinceMs: Date.parse('2026-03-01T11:00:00Z') };
    const now = await scanned(window, { ...kernelLog, coverage });
    expect(now.coverage).toEqual([searched('/dev/kmsg', expected)]);
  });
});

describe('the pod history of a bundle', () => {
  test('is every life, searched since the first moment that is asked for', async () => {
    const lives = [{ pod: 'train-0', pid: 7, source: 'service_log' as const }];
    const coverage = [searched('/var/log/journal', '2026-03-01T09:00:00Z')];
    const { podHistory } = replayInstruments({ ...bundle, podHistory: { lives, coverage } });
    const spans = ['2026-03-01T11:00:00Z', '2026-03-01T10:00:00Z'].map(time => ({
      sinceMs: Date.parse(time),
      untilMs: NOON_MS,
    }));
    expect(await podHistory.read(spans, signal)).toEqual({
      lives,
      coverage: [searched('/var/log/journal', '2026-03-01T10:00:00Z')],
    });
  });
});

describe('the host of a bundle', () => {
  test('knows the processes that were read, and of others the pid alone', async () => {
    const [owner] = bundle.owners;
    const owners = await replayInstruments(bundle).host.processOwners(
      [owner?.pid ?? 0, 4_194_303],
      signal,
    );
    expect(owners).toEqual([owner, expect.objectContaining({ pid: 4_194_303 })]);
    expect(JSON.stringify(owners[1])).toContain('not in this bundle');
  });

  test('counts nothing anew', async () => {
    const { host } = replayInstruments(bundle);
    expect(await host.counters(bundle.host, signal)).toEqual({ ports: [], aer: [] });
  });
});

describe('the driver of a bundle', () => {
  test('is read as deep as it was, unless less is asked for', async () => {
    const { nvml } = replayInstruments(bundle);
    const whole = await nvml.read(signal);
    expect(whole).toEqual(await nvml.read(signal, 'all'));
    const first = await nvml.read(signal, 'first');
    expect(whole.gpus[0]?.energyMj).toMatchObject({ ok: true });
    expect(first.gpus[0]?.energyMj).toEqual(missing('not_read'));
    expect(first.gpus[0]?.uuid).toEqual(whole.gpus[0]?.uuid);
  });

  test('that was never read is said to be none', async () => {
    const { nvml } = replayInstruments({ ...bundle, drivers: [] });
    await expect(nvml.read(signal)).rejects.toThrow('the bundle holds no reading of the driver');
  });
});

test('a replay is of its node at its moment, and no time passes in it', async () => {
  const real = replayInstruments({ ...bundle, node: 'gpu-3', simulated: undefined });
  expect(real).toMatchObject({
    node: 'gpu-3',
    simulated: undefined,
    replay: { node: 'gpu-3', capturedAt: '2026-03-01T12:00:00Z' },
  });
  expect(real.clock.nowMs()).toBe(NOON_MS);
  await expect(real.pause(1, signal)).rejects.toMatchObject({
    message: 'this is a replay, in which no time passes: only a live node can be read again',
    hint: 'ask the node itself',
  });
  const local = replayInstruments({ ...bundle, node: undefined, simulated: undefined });
  expect(local.replay?.node).toBe('dgx-h100-07');
});

test('nothing is read for a caller who is gone', async () => {
  const { nvml, host, kernelLog, podHistory } = replayInstruments(bundle);
  await expect(nvml.read(aborted)).rejects.toThrow('aborted');
  await expect(host.read(aborted)).rejects.toThrow('aborted');
  await expect(kernelLog.scan({}, () => {}, aborted)).rejects.toThrow('aborted');
  await expect(podHistory.read([], aborted)).rejects.toThrow('aborted');
});
