import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openReplay } from '../../src/bundle/replay.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { answered } from '../fakes/answers.ts';
import { record } from '../xid/fixtures.ts';

/** What e2e/gpu brought back of real GPUs: each folder has its README. */
const SILICON = new URL('../fixtures/silicon/', import.meta.url);

const triage = async (gpu: string, name: string) => {
  const path = fileURLToPath(new URL(`${gpu}-580/${name}.json.gz`, SILICON));
  const { structured } = await answered(triageGpuNode, {}, await openReplay(path));
  return structured;
};

const CLOCK = {
  id: 'clock-not-synchronized',
  severity: 'info',
  action: 'watch',
  blame: 'host',
};

const MOMENTS = [
  ['idle', { verdict: 'healthy', nextAction: { action: 'none' }, findings: [CLOCK] }],
  ['load', { verdict: 'healthy', nextAction: { action: 'none' }, findings: [CLOCK] }],
  [
    'waiting',
    {
      verdict: 'warning',
      nextAction: { action: 'watch' },
      findings: [
        { id: 'waiting', severity: 'warning', action: 'watch', blame: 'application' },
        CLOCK,
      ],
    },
  ],
  [
    'fault',
    {
      verdict: 'warning',
      nextAction: { action: 'restart_app' },
      findings: [{ severity: 'warning', action: 'restart_app', blame: 'application' }, CLOCK],
    },
  ],
] as const;

test.each(
  ['h100', 'h200'].flatMap(gpu =>
    MOMENTS.map(([name, expected]) => [gpu, name, expected] as const),
  ),
)('a real %s, %s: the whole verdict', async (gpu, name, expected) => {
  expect(await triage(gpu, name)).toMatchObject(expected);
});

test('the log of a kernel that loads the driver holds no incident', () => {
  const lines = readFileSync(new URL('h200-580/driver-load.txt', SILICON), 'utf8')
    .trimEnd()
    .split('\n');
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
