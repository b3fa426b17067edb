import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import * as z from 'zod';
import { unpacked } from '../src/bundle/bundle-file.ts';
import { kubectl, leftAfterTenSeconds, withImage } from './plugin.ts';

const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-e2e-bundle-'));
const file = join(folder, 'node-a.json.gz');
afterAll(() => rmSync(folder, { recursive: true }));

const Triage = z.looseObject({
  verdict: z.string(),
  findings: z.array(z.looseObject({ id: z.string(), title: z.string() })),
  gpus: z.array(z.looseObject({})),
});
const found = ({ verdict, findings }: z.infer<typeof Triage>) => ({
  verdict,
  findings: findings.map(({ id, title }) => ({ id, title })),
});

test('a node captured from the cluster is replayed without one', async () => {
  const captured = await kubectl(withImage('capture', 'node-a', '-f', file));
  expect(captured.code, captured.stderr).toBe(0);
  expect(captured.stdout).toMatch(/^node-a as of \S+Z: \d+ bytes in /);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await leftAfterTenSeconds()).toEqual([]);
  const bundle = unpacked(readFileSync(file), file);
  expect(bundle.drivers).toHaveLength(2);
  expect(bundle.cluster?.node).toMatchObject({ ok: true, value: { name: 'node-a' } });

  const live = await kubectl(withImage('triage', 'node-a', '-o', 'json', '-q'));
  const nowhere = { kubeconfig: join(folder, 'no-kubeconfig') };
  const replay = await kubectl(['gpu-mcp', 'triage', '--from', file, '-o', 'json'], nowhere);
  expect(replay.code, replay.stderr).toBe(0);
  const [was, is] = [live, replay].map(({ stdout }) => Triage.parse(JSON.parse(stdout)));
  expect(is?.gpus).toHaveLength(8);
  expect(is && found(is)).toEqual(was && found(was));
  expect(replay.stdout).toMatch(/^\{\n {2}"summary": "REPLAY of node-a captured /);

  const diff = await kubectl(withImage('diff', file, 'node-a', '--fail-on', 'warning'));
  expect(diff.stderr).not.toContain('error');
  expect(diff.stdout).toMatch(
    /^unchanged: 0 findings cleared, 0 new, node-a is critical as before\n/,
  );
  expect(diff.code).toBe(0);
  expect(await leftAfterTenSeconds()).toEqual([]);
});
