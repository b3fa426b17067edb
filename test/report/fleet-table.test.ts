import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { textOf } from '../../src/contract/answer.ts';
import { type FleetRow, fleetHead, WORST_FIRST } from '../../src/contract/fleet.ts';
import { fleetTable } from '../../src/report/fleet-table.ts';

const healthy = (node: string, machine = '8x H100 80GB HBM3, driver 570.124.06'): FleetRow => ({
  ...{ node, verdict: 'healthy', gpus: { well: 8, all: 8 }, machine, what: '', step: '' },
});
const lost = (node: string, gpu = 3): FleetRow => ({
  ...{ node, verdict: 'critical', gpus: { well: 7, all: 8 }, step: 'drain, reboot' },
  machine: '8x H100 80GB HBM3, driver 570.124.06',
  what: `GPU ${gpu} (0000:61:00) is lost: gpu_is_lost`,
});
const unread: FleetRow = {
  ...{ node: 'node-9', verdict: 'unread', machine: '', step: '' },
  what: 'node "node-9" is not ready since 2026-08-20T03:11:00Z: its kubelet does not report',
};

const table = (rows: readonly FleetRow[], columns = 80, linesMax = 200) =>
  textOf(fleetTable(rows, { columns, linesMax }));

test('worst first, one line a node, equal ones in one, at the width of a terminal', () => {
  const rows = [healthy('node-10'), lost('node-2'), unread, healthy('node-1'), healthy('node-3')];
  expect(fleetHead(rows)).toBe('5 nodes: 1 critical, 1 not read, 3 healthy');
  expect(table(rows)).toMatchInlineSnapshot(`
    "NODE     VERDICT   GPUS  WHAT                                      DO
    node-2   CRITICAL  7/8   GPU 3 (0000:61:00) is lost: gpu_is_lost   drain, reboot
    node-9   NOT READ  -     node "node-9" is not ready since 2026-08-20T03:11:00Z…
    3 nodes  healthy   8/8   8x H100 80GB HBM3, driver 570.124.06"
  `);
});

test('sick nodes fold from three on, and keep their names', () => {
  const rows = Array.from({ length: 12 }, (_, index) => lost(`gpu-${index + 1}`));
  expect(table(rows.slice(0, 2)).split('\n')).toHaveLength(3);
  expect(table(rows)).toMatchInlineSnapshot(`
    "NODE      VERDICT   GPUS  WHAT                                     DO
    12 nodes  CRITICAL  7/8   GPU 3 (0000:61:00) is lost: gpu_is_lost  drain, reboot
      gpu-1, gpu-2, gpu-3, gpu-4, gpu-5, gpu-6, gpu-7, gpu-8, gpu-9 and 3 more"
  `);
});

test('machines that differ do not fold', () => {
  const rows = [healthy('a'), healthy('b'), healthy('c', '8x H100 80GB HBM3, driver 535.1')];
  expect(table(rows).split('\n')).toHaveLength(3);
});

test('a name longer than its column stands whole on a line of its own', () => {
  const node = 'gke-production-europe-gpu-pool-a100-80gb-1a2b3c4d-x9z8';
  expect(table([lost(node)]).split('\n')[1]).toBe(node);
});

test('at 60 columns the step makes room for what is wrong', () => {
  expect(table([lost('gpu-node-12')], 60)).toMatchInlineSnapshot(`
    "NODE         VERDICT   GPUS  WHAT
    gpu-node-12  CRITICAL  7/8   GPU 3 (0000:61:00) is lost…"
  `);
});

test('what is left out is counted by what it is, worst first', () => {
  const rows = Array.from({ length: 40 }, (_, index) => lost(`gpu-${index}`, index));
  const lines = table([...rows, unread], 80, 20).split('\n');
  expect(lines).toHaveLength(22);
  expect(lines.at(-1)).toBe('and more: 20 critical, 1 not read');
});

const Row = fc.record({
  node: fc.stringMatching(/^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/),
  verdict: fc.constantFrom(...WORST_FIRST),
  gpus: fc.record({ well: fc.nat(8), all: fc.nat(16) }),
  machine: fc.constantFrom('8x H100, driver 570.1', '4x A100, driver 550.2'),
  what: fc.lorem({ maxCount: 12 }),
  step: fc.constantFrom('', 'drain, reboot', 'reset GPU 12'),
});

test('whatever the nodes: their order changes nothing, none is lost, no line is too wide', () => {
  void fc.assert(
    fc.property(
      fc.uniqueArray(Row, { minLength: 1, maxLength: 60, selector: ({ node }) => node }),
      fc.constantFrom(60, 80, 120, 200),
      (rows, columns) => {
        const text = table(rows, columns);
        expect(table(rows.toReversed(), columns)).toBe(text);
        for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(columns);
        const nodes = [...text.matchAll(/^(?:(\d+) nodes|\S+) {2}/gm)].map(([, many]) =>
          Number(many ?? 1),
        );
        expect(nodes.reduce((sum, count) => sum + count, -1)).toBe(rows.length);
      },
    ),
  );
});
