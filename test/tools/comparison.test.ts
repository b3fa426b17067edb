import { expect, test } from 'vitest';
import type { Bundle } from '../../src/bundle/document.ts';
import { nodeOf } from '../../src/bundle/document.ts';
import { replayInstruments } from '../../src/bundle/replay.ts';
import { comparisonLines } from '../../src/cli/diff.ts';
import { textOf } from '../../src/contract/answer.ts';
import { missing } from '../../src/contract/reading.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { Comparison, compare } from '../../src/tools/support/comparison.ts';
import { EMPTY_LOG, readNodeTwice } from '../../src/tools/support/read-node.ts';
import type { Snapshot } from '../../src/tools/support/snapshot.ts';
import { bundleLater, bundleOf } from '../bundle/bundles.ts';
import { aNode, aView } from '../fakes/cluster-view.ts';
import { EVERY_H100, h100 } from '../scenarios/machines.ts';

const HOUR_MS = 3_600_000;
const SINCE_MS = Date.parse('2026-02-28T12:00:00Z');

async function snapshot(bundle: Bundle): Promise<Snapshot> {
  const window = { sinceMs: SINCE_MS };
  const instruments = replayInstruments(bundle);
  const { log = EMPTY_LOG, ...facts } = await readNodeTwice(
    instruments,
    window,
    new AbortController().signal,
  );
  return {
    node: nodeOf(bundle),
    simulated: true,
    facts: { ...facts, log },
    cluster: bundle.cluster,
  };
}

async function compared(before: Bundle, after: Bundle): Promise<Comparison> {
  const told = compare(await snapshot(before), await snapshot(after));
  expect(Comparison.parse(told)).toEqual(told);
  expect(textOf(comparisonLines(told))).not.toMatch(/undefined|null|NaN|\[object/);
  return told;
}

const changes = ({ findings }: Comparison) =>
  findings.map(({ id, change }) => `${change} ${id.replace(/@.*/, '')}`);

const h100At = (
  hours: number,
  over: Parameters<typeof h100>[0] = {},
  cluster?: Bundle['cluster'],
) =>
  bundleLater(machineFrom('node-a', h100(over)), {
    ms: hours * HOUR_MS,
    ...(cluster ? { cluster } : {}),
  });

const XID_79 =
  "NVRM: Xid (PCI:0000:61:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.";
const LOADED =
  'NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (dvs-builder@U22-I3-G01-1-1)  Wed Feb 19 17:02:09 UTC 2025';

test('a lost GPU before, after a reset all eight: cleared, counters began again, history is not new', async () => {
  const before = await bundleOf('lost-gpu');
  const machine = machineFrom('lost-gpu', {
    ...h100({
      every: {
        ...EVERY_H100,
        deviceGetPcieReplayCounter: 2,
      },
      // The XID of four minutes before the first moment, and the driver loaded an hour after it.
      log: [
        [2 * 3_600 + 241, XID_79],
        [3_600, LOADED],
      ],
    }),
  });
  const told = await compared(before, await bundleLater(machine, { ms: 2 * HOUR_MS }));
  expect(told.verdict).toBe('better');
  expect(told.summary).toBe('better: 1 finding cleared, 0 new, lost-gpu was critical, is warning');
  expect(changes(told)).toEqual(['cleared lost-gpu:0000:61:00', 'history xid-79:0000:61:00']);
  expect(told.restarts).toEqual({ rebooted: false, driverLoads: ['2026-03-01T13:00:00.000Z'] });
  expect(told.gpus.map(({ index, change }) => `${index} ${change}`)).toEqual([
    '3 came_back',
    ...[0, 1, 2, 4, 5, 6, 7].map(index => `${index} same`),
  ]);
  expect(told.gpus[1]).toMatchObject({ grew: {}, restarted: { pcieReplays: 2 } });
  expect(textOf(comparisonLines(told))).toContain(
    'no reboot; the driver was loaded at 2026-03-01T13:00:00.000Z: counters began again',
  );
});

test('a fault that came: new, and worse than before', async () => {
  const told = await compared(
    await h100At(0),
    await h100At(1, {
      gpus: {
        2: {
          deviceGetRemappedRows: { corrected: 0, uncorrected: 1, pending: 1, failureOccurred: 0 },
        },
      },
    }),
  );
  expect(told.verdict).toBe('worse');
  expect(told.summary).toMatch(/^worse: 0 findings cleared, 1 new, node-a was healthy, is /);
  expect(told.gpus.find(({ index }) => index === 2)?.lifetime).toEqual({
    remappedRowsUncorrected: 1,
  });
});

test('nothing changed: unchanged, counters as deltas, and no restart', async () => {
  const every = { deviceGetPcieReplayCounter: 5 };
  const told = await compared(
    await h100At(0, { every }),
    await h100At(1, { every, gpus: { 4: { deviceGetPcieReplayCounter: 9 } } }),
  );
  expect(told.summary).toBe('unchanged: 0 findings cleared, 0 new, node-a is healthy as before');
  expect(told.gpus.map(({ grew, restarted }) => ({ grew, restarted }))).toEqual(
    [0, 1, 2, 3, 4, 5, 6, 7].map(index => ({
      grew: index === 4 ? { pcieReplays: 4 } : {},
      restarted: {},
    })),
  );
});

test('one counter that fell restarted by itself: a reset of that GPU', async () => {
  const told = await compared(
    await h100At(0, { every: { deviceGetPcieReplayCounter: 500 } }),
    await h100At(1, {
      every: { deviceGetPcieReplayCounter: 500 },
      gpus: { 6: { deviceGetPcieReplayCounter: 3 } },
    }),
  );
  expect(told.gpus.find(({ index }) => index === 6)?.restarted).toEqual({ pcieReplays: 3 });
});

test('another boot: all counters began again', async () => {
  const told = await compared(
    await h100At(0, { every: { deviceGetPcieReplayCounter: 500 } }),
    await h100At(1, {
      every: { deviceGetPcieReplayCounter: 700 },
      host: { bootId: 'ffffffffffffffffffffffffffffffff', uptimeSeconds: 600 },
    }),
  );
  expect(told.restarts.rebooted).toBe(true);
  expect(
    told.gpus.every(
      ({ grew, restarted }) => Object.keys(grew).length === 0 && restarted['pcieReplays'] === 700,
    ),
  ).toBe(true);
});

test('a driver that no longer answers clears nothing', async () => {
  const pending = { corrected: 0, uncorrected: 1, pending: 1, failureOccurred: 0 };
  const told = await compared(
    await h100At(0, { gpus: { 2: { deviceGetRemappedRows: pending } } }),
    await bundleLater(machineFrom('node-a', { like: 'no-driver' }), { ms: HOUR_MS }),
  );
  expect(told.findings.filter(({ change }) => change === 'cleared')).toEqual([]);
  expect(told.findings.find(({ change }) => change === 'unseen')?.why).toMatch(
    /^the driver could not be asked: /,
  );
  expect(told.verdict).toBe('worse');
});

test('a driver that hangs on one GPU clears nothing of another', async () => {
  const pending = { corrected: 0, uncorrected: 1, pending: 1, failureOccurred: 0 };
  const told = await compared(
    await h100At(0, { gpus: { 5: { deviceGetRemappedRows: pending } } }),
    await bundleLater(machineFrom('node-a', { like: 'hung-driver' }), { ms: HOUR_MS }),
  );
  expect(changes(told).filter(change => /0000:c3:00/.test(change))).toEqual([
    expect.stringMatching(/^unseen /),
  ]);
});

test('what only could not be read before is said to be maybe older', async () => {
  const pending = { corrected: 0, uncorrected: 1, pending: 1, failureOccurred: 0 };
  const told = await compared(
    await bundleLater(machineFrom('node-a', { like: 'no-driver' }), { ms: 0 }),
    await h100At(1, { gpus: { 2: { deviceGetRemappedRows: pending } } }),
  );
  expect(told.findings.find(({ change }) => change === 'new')?.why).toMatch(
    /^it may be older: the driver could not be asked: /,
  );
});

test('another board in the slot, and a board that moved', async () => {
  const uuids = (first: string, second: string) => ({
    gpus: { 0: { deviceGetUUID: first }, 1: { deviceGetUUID: second } },
  });
  const [a, b, c] = ['a', 'b', 'c'].map(
    letter => `GPU-${letter.repeat(8)}-0000-0000-0000-000000000000`,
  );
  const gpusOf = async (...[one, two]: (string | undefined)[]) =>
    (
      await compared(
        await h100At(0, uuids(`${a}`, `${b}`)),
        await h100At(1, uuids(`${one}`, `${two}`)),
      )
    ).gpus
      .filter(({ change }) => change !== 'same')
      .map(({ change, index, indexBefore }) => [change, index, indexBefore]);
  expect(await gpusOf(b, a)).toEqual([
    ['moved', 0, 1],
    ['moved', 1, 0],
  ]);
  expect(await gpusOf(a, c)).toEqual([['another_board', 1, undefined]]);
});

test('settings that differ are named, before and after', async () => {
  const told = await compared(
    await h100At(0),
    await h100At(1, {
      gpus: { 5: { deviceGetPersistenceMode: 0 } },
      host: { kernel: '6.8.0-1028-nvidia' },
    }),
  );
  expect(told.settings).toEqual([
    { where: 'node', name: 'kernel', before: '5.15.0-1063-nvidia', after: '6.8.0-1028-nvidia' },
    { where: 'GPU 5', name: 'persistenceMode', before: 'true', after: 'false' },
  ]);
});

test('the cluster is compared where it was asked both times, and else it is a gap', async () => {
  const cordoned = aView({ node: { ok: true, value: aNode({ cordoned: true }) } });
  const both = await compared(await h100At(0, {}, aView()), await h100At(1, {}, cordoned));
  expect(changes(both)).toEqual([expect.stringMatching(/^new .*cordon/)]);
  expect(both.settings).toEqual([
    { where: 'cluster', name: 'cordoned', before: 'false', after: 'true' },
  ]);
  const once = await compared(await h100At(0, {}, cordoned), await h100At(1));
  expect(changes(once)).toEqual([]);
  expect(once.gaps).toEqual(['the cluster was asked only once: what it says is not compared']);
});

test('an incident that the second log does not reach back to is not cleared', async () => {
  const line = [
    600,
    'NVRM: Xid (PCI:0000:43:00): 94, pid=7194, name=ray::train, Contained: SM (0x1). RST: No, D-RST: No',
  ] as const;
  const before = await h100At(0, { log: [line] });
  const after = await h100At(1);
  const coverage = after.kernelLog.coverage.map(one => ({ ...one, from: '2026-03-01T12:30:00Z' }));
  const short = { ...after, kernelLog: { ...after.kernelLog, coverage } };
  expect(changes(await compared(before, after))).toEqual(['cleared xid-94:0000:43:00']);
  const told = await compared(before, short);
  expect(changes(told)).toEqual(['unseen xid-94:0000:43:00']);
  expect(told.findings[0]?.why).toBe('the kernel log of that moment does not reach back to it');
});

test('where no boot id was read, the uptime tells of a reboot, and without both it is not known', async () => {
  const [before, after] = [await h100At(0), await h100At(2)];
  const without = (uptime: Bundle['host']['uptimeSeconds']) => ({
    ...after,
    host: { ...after.host, bootId: missing('no_permission'), uptimeSeconds: uptime },
  });
  const rebooted = async (bundle: Bundle) => (await compared(before, bundle)).restarts.rebooted;
  expect(await rebooted(without({ ok: true, value: 600 }))).toBe(true);
  expect(await rebooted(without({ ok: true, value: 9_000 }))).toBe(false);
  expect(await rebooted(without(missing('no_permission')))).toBe(null);
});
