import { expect, test } from 'vitest';
import { byWorst, fleetHead } from '../../src/contract/fleet.ts';
import { rendered } from '../../src/report/render.ts';
import { fleetRow, unreadRow } from '../../src/tools/support/fleet-row.ts';
import { formOf, reportOf, triageOf } from '../fakes/pages.ts';

async function fleetOf(names: readonly string[]) {
  const answered = names.map(async name => {
    const alone = await triageOf(name);
    const isWell = alone.structured['verdict'] === 'healthy';
    const answer = isWell ? alone : await reportOf(name);
    return { row: fleetRow(name, answer.structured), answer };
  });
  const unread = { row: unreadRow('node-9', 'node "node-9" is not ready') };
  const nodes = [...(await Promise.all(answered)), unread].toSorted((a, b) =>
    byWorst(a.row, b.row),
  );
  const head = fleetHead(nodes.map(({ row }) => row));
  const foot = [{ kind: 'plain' as const, text: 'first fault: ecc-row-remap' }];
  const fleet = { head, foot, nodes };
  const answer = { title: 'Triage: nodes', lines: [], structured: {}, fleet };
  return rendered(answer, formOf({ format: 'html' }));
}

test('several nodes are one file: an index, worst first, then pages, and the well ones folded', async () => {
  const html = await fleetOf(['dgx-h100', 'lost-gpu', 'training-job', 'ecc-row-remap']);
  expect(html.match(/<!doctype html>/g)).toHaveLength(1);
  expect(html.match(/<h1\b/g)).toHaveLength(1);
  expect(html).toContain('5 nodes: 2 critical, 1 not read, 2 healthy');
  expect(html).toContain('first fault: ecc-row-remap');
  const index = html.slice(html.indexOf('<ul class="nodes">'), html.indexOf('</section>'));
  expect([...index.matchAll(/class="verdict (\w+)"/g)].map(([, tone]) => tone)).toEqual([
    ...['critical', 'critical', 'unknown', 'healthy'],
  ]);
  const links = [...html.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id);
  const ids = [...html.matchAll(/<article[^>]* id="([^"]+)"/g)].map(([, id]) => id);
  expect(links).toEqual(ids);
  expect(ids).toHaveLength(4);
  // A link into the folded ones unfolds them: Chromium, Firefox and Safari do.
  const folded = html.indexOf('<details class="folded">');
  const places = [...html.matchAll(/<article class="report (\w+)"/g)].map(
    ({ 1: tone, index: at }) => [tone, at > folded],
  );
  expect(places).toEqual([
    ['critical', false],
    ['critical', false],
    ['healthy', true],
    ['healthy', true],
  ]);
});
