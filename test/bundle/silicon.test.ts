import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openReplay } from '../../src/bundle/replay.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { answered } from '../fakes/answers.ts';
import { record } from '../xid/fixtures.ts';

/** What e2e/gpu brought back of a real GPU: test/fixtures/silicon/h200-580/README.md. */
const FOLDER = new URL('../fixtures/silicon/h200-580/', import.meta.url);

const triage = async (name: string) => {
  const path = fileURLToPath(new URL(`${name}.json.gz`, FOLDER));
  const { structured } = await answered(triageGpuNode, {}, await openReplay(path));
  return structured;
};

const CLOCK = {
  id: 'clock-not-synchronized',
  severity: 'info',
  action: 'watch',
  blame: 'host',
};

test.each([
  ['idle', { verdict: 'healthy', nextAction: { action: 'none' }, findings: [CLOCK] }],
  ['load', { verdict: 'healthy', nextAction: { action: 'none' }, findings: [CLOCK] }],
  [
    'fault',
    {
      verdict: 'warning',
      nextAction: { action: 'restart_app' },
      findings: [{ severity: 'warning', action: 'restart_app', blame: 'application' }, CLOCK],
    },
  ],
])('a real H200, %s: the whole verdict', async (name, expected) => {
  expect(await triage(name)).toMatchObject(expected);
});

test('the log of a kernel that loads the driver holds no incident', () => {
  const lines = readFileSync(new URL('driver-load.txt', FOLDER), 'utf8').trimEnd().split('\n');
  const analysis = createAnalysis();
  for (const [index, line] of lines.entries()) {
    const { seconds, message } =
      /^\[ *(?<seconds>[\d.]+)\] (?<message>.*)$/.exec(line)?.groups ?? {};
    if (message === undefined) throw new Error(`no line of dmesg: ${line}`);
    analysis.see(record(message, index + 1, { bootSeconds: Number(seconds) }));
  }
  expect(lines.length).toBeGreaterThan(300);
  expect(analysis.finish().incidents).toEqual([]);
});
