import fc from 'fast-check';
import stringWidth from 'fast-string-width';
import { expect, test } from 'vitest';
import { glances } from '../../src/agent/glance-node.ts';
import { MISSING_REASONS } from '../../src/contract/reading.ts';
import {
  type NodeView,
  SORTS,
  type TopState,
  topFrame,
  topText,
} from '../../src/report/top-frame.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import type { Glance, GlanceGpu } from '../../src/tools/glance.ts';
import { instrumentsFor } from '../fakes/instruments.ts';

const never = new AbortController().signal;
const NOW_MS = Date.parse('2026-03-01T12:00:05Z');

const SCREEN: Omit<TopState, 'nodes'> = {
  nowMs: NOW_MS,
  colour: false,
  showsProcesses: true,
  sort: 'gpu',
  isPaused: false,
  showsHelp: false,
  scrolled: 0,
};

/** A machine as it is seen after some seconds. */
async function seen(name: string, file: object = {}): Promise<NodeView> {
  const instruments = instrumentsFor(machineFrom(name, { like: name, ...file }));
  const look = glances(instruments, instruments.clock.nowMs());
  await look(never);
  await instruments.pause(5_000, never);
  return { target: name, glance: await look(never), history: new Map() };
}

const XID_79 = 'NVRM: Xid (PCI:0000:61:00): 79, pid=0, GPU has fallen off the bus.';
const LATER = { kernelLog: { later: [{ afterSeconds: 2, text: XID_79 }] } };
const SIZES = [
  [60, 20],
  [80, 24],
  [120, 40],
  [200, 50],
] as const;

const page = (name: string) => `pages/top-${name}.txt`;
const framed = (lines: readonly string[]) => `${lines.join('\n')}\n`;

test.each(SIZES)('the screen of %i columns and %i rows', async (columns, rows) => {
  const nodes = [await seen('training-job', LATER)];
  const frame = topFrame({ ...SCREEN, nodes }, { columns, rows });
  await expect(framed(frame)).toMatchFileSnapshot(page(`${columns}x${rows}`));
});

test('several nodes stand below each other, and one that fails is a line among them', async () => {
  const failed = { words: 'no pod runs on node-7 (try: doctor)', againAtMs: NOW_MS + 9_000 };
  const nodes: readonly NodeView[] = [
    await seen('lost-gpu'),
    { target: 'node-7', history: new Map(), failure: failed },
    {
      target: 'node-8',
      history: new Map(),
      waiting: { words: 'pulling the image', sinceMs: NOW_MS - 3_000 },
    },
    await seen('hung-driver'),
    await seen('nvlink-errors'),
    await seen('power-brake'),
    await seen('no-driver'),
  ];
  const frame = topText({ ...SCREEN, showsProcesses: false, nodes }, 80);
  await expect(`${frame}\n`).toMatchFileSnapshot(page('nodes'));
});

const frameOf = async (view: NodeView, more: Partial<TopState>, rows = 24) =>
  topFrame({ ...SCREEN, nodes: [view], ...more }, { columns: 80, rows });

test('keys change what is shown: processes, the order, the place, the pause, the help', async () => {
  const view = await seen('lost-gpu');
  const shown = async (more: Partial<TopState>, rows?: number) =>
    (await frameOf(view, more, rows)).join('\n');
  expect(await shown({})).toContain('PROCESS');
  expect(await shown({ showsProcesses: false })).not.toContain('PROCESS');
  expect((await shown({ sort: 'heat' })).match(/^ {2}\d (?= )/gm)?.slice(0, 3)).toEqual([
    '  6 ',
    '  2 ',
    '  5 ',
  ]);
  expect(await shown({ isPaused: true })).toMatch(/go on .*PAUSED$/);
  expect(await shown({ showsHelp: true })).toMatch(/^kubectl gpu-mcp top\n/);
  const scrolled = await frameOf(view, { scrolled: 4 }, 12);
  expect(scrolled[0]).toMatch(/^ {2}2 /);
  expect(scrolled.at(-1)).toMatch(/5-15 of 21 ↑↓$/);
  // Never beyond the end.
  expect((await frameOf(view, { scrolled: 400 }, 12)).at(-2)).toBe('processes not read: GPU 3');
});

test('what was not answered is no number, and why is said', async () => {
  const { history, target, glance } = await seen('dgx-h100');
  const bare: GlanceGpu = { index: 0, pci: '0000:1b:00', unavailable: { timeout: ['memory'] } };
  const lines = await frameOf(
    { target, history, glance: glance && { ...glance, gpus: [bare] } },
    {},
  );
  expect(lines.slice(2, 4)).toEqual([
    '  0     -                     -          -     -       -       -  -',
    '     not read (timeout): memory',
  ]);
  expect(lines.slice(1, 8).join()).not.toMatch(/\b0(?:%|\/)/);
});

test('only what is wrong has a colour', async () => {
  const coloured = async (name: string) =>
    (await frameOf(await seen(name), { colour: true, showsProcesses: false })).join('\n');
  const isAlarming = /\u001b\[1m?;?(?:\u001b\[)?3[135]m/;
  expect(await coloured('dgx-h100')).not.toMatch(isAlarming);
  for (const name of ['lost-gpu', 'nvlink-down', 'power-brake', 'overheating', 'no-driver']) {
    expect(await coloured(name)).toMatch(isAlarming);
  }
});

/** Text as a node may send it: control characters, wide ones, marks, and very long. */
const foreign = fc.oneof(
  fc.string({ maxLength: 80 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.constantFrom(
    '\u001b[2J\u001b[H',
    'a\r\nb',
    '界'.repeat(90),
    '\u202egnp',
    'x'.repeat(700),
    '👩‍👩‍👧‍👦',
  ),
);
const amount = fc.option(fc.integer({ min: -1e15, max: 1e15 }), { nil: undefined });
const gpu = fc.record(
  {
    index: fc.integer({ min: 0, max: 999 }),
    pci: foreign,
    name: foreign,
    error: fc.option(foreign, { nil: undefined }),
    gpuUtilizationPercent: amount,
    temperatureC: amount,
    powerUsageMw: amount,
    memory: fc.record({
      totalBytes: fc.nat(),
      usedBytes: fc.nat(),
      freeBytes: fc.nat(),
      reservedBytes: fc.nat(),
    }),
    clocksEventReasons: fc.array(fc.oneof(foreign, fc.constant('sw_power_cap')), { maxLength: 6 }),
    links: fc.record({ active: fc.nat(99), all: fc.nat(99) }),
    grew: fc.dictionary(foreign, fc.integer({ min: 1 }), { maxKeys: 9 }),
    unavailable: fc.dictionary(
      fc.constantFrom(...MISSING_REASONS),
      fc.array(fc.constant('memory')),
    ),
    processes: fc.array(
      fc.record({
        pid: fc.nat(),
        kind: fc.constant('compute' as const),
        name: foreign,
        place: fc.constantFrom('pod', 'host', 'gone', 'unknown'),
        pod: foreign,
        namespace: foreign,
        container: foreign,
      }),
      { maxLength: 5 },
    ),
  },
  { requiredKeys: [] },
);
const glance: fc.Arbitrary<Glance> = fc.record({
  node: foreign,
  simulated: fc.boolean(),
  takenAt: fc.constant('2026-03-01T12:00:00Z'),
  since: fc.constant('2026-03-01T11:00:00Z'),
  driver: fc.string({ maxLength: 9, unit: fc.constantFrom('5', '.') }),
  gpus: fc.array(gpu, { maxLength: 12 }),
  events: fc.array(
    fc.record({
      time: fc.constant('2026-03-01T11:59:00Z'),
      gpu: fc.constant('GPU 3'),
      what: foreign,
    }),
    { maxLength: 5 },
  ),
  eventsLeftOut: fc.nat(9),
});
const node: fc.Arbitrary<NodeView> = fc.record(
  {
    target: foreign,
    history: fc.constant(new Map()),
    glance,
    failure: fc.record({ words: foreign, againAtMs: fc.constant(NOW_MS) }),
    waiting: fc.record({ words: foreign, sinceMs: fc.constant(0) }),
  },
  { requiredKeys: ['target', 'history'] },
);

test('whatever a node sends, the screen has its rows, none wider than it is, and no control character', () => {
  const state = fc.record({
    nodes: fc.array(node, { maxLength: 3 }),
    showsProcesses: fc.boolean(),
    sort: fc.constantFrom(...SORTS),
    isPaused: fc.boolean(),
    showsHelp: fc.boolean(),
    scrolled: fc.nat(99),
  });
  fc.assert(
    fc.property(state, fc.nat(220), fc.nat(60), (some, columns, rows) => {
      const frame = topFrame({ ...SCREEN, ...some }, { columns, rows });
      expect(frame).toHaveLength(rows);
      for (const line of frame) {
        expect(stringWidth(line)).toBeLessThanOrEqual(columns);
        expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202e]/u);
      }
    }),
    { numRuns: 300 },
  );
});

test('a GPU that calls itself by a word of the language is one like another', async () => {
  const { target, history, glance } = await seen('dgx-h100');
  const gpus = glance?.gpus.map(({ uuid: _, ...gpu }) => ({ ...gpu, pci: '__proto__' })) ?? [];
  const node = { target, history, ...(glance && { glance: { ...glance, gpus } }) };
  const frame = topFrame({ ...SCREEN, nodes: [node] }, { columns: 120, rows: 24 });
  expect(frame.join('\n')).toContain('100%');
});
