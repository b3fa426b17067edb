import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, inject, test } from 'vitest';
import { cluster, kubectl, leftAfterTenSeconds, mcpClient, withImage } from './plugin.ts';

const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-record-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a record says who asked what of which pod and image, and is whole', async () => {
  const file = join(folder, 'sessions.jsonl');
  const ran = await kubectl(withImage('triage', 'node-a', 'node-b', '--record', file));
  expect(ran.code, ran.stderr).toBe(0);
  const facts = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
  for (const node of ['node-a', 'node-b']) {
    expect(facts.find(fact => fact.event === 'pod' && fact.node === node)).toMatchObject({
      user: 'admin',
      pod: { namespace: 'default', uid: expect.stringMatching(/^[0-9a-f-]{36}$/) },
      image: { asked: inject('image'), runs: expect.stringMatching(/sha256:[0-9a-f]{64}$/) },
    });
    const call = { event: 'call', node, tool: 'triage_gpu_node' };
    expect(facts).toContainEqual(expect.objectContaining(call));
    expect(facts).toContainEqual(
      expect.objectContaining({ event: 'closed', node, verified: true, left: [] }),
    );
  }
  const verified = await kubectl(['gpu-mcp', 'verify-record', file]);
  expect(verified.code, verified.stdout).toBe(0);
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('no argument or variable of a pod holds the key under which names are kept', async () => {
  const { client } = await mcpClient(['node-a', '--redact-names']);
  const answer = await client.callTool({ name: 'analyze_xid_errors', arguments: {} });
  expect(JSON.stringify(answer)).toMatch(/proc-[0-9a-f]{8}/);
  const own = ['-l', 'app.kubernetes.io/managed-by=kubectl-gpu-mcp', '-o', 'json'];
  const { stdout } = await kubectl(['get', 'pods,jobs', ...own], {
    kubeconfig: cluster().kubeconfig,
  });
  expect(JSON.parse(stdout).items).toHaveLength(2);
  expect(stdout).toContain('"--redact-names"');
  // Ids of Kubernetes have dashes in them, and of images more digits.
  expect(stdout).not.toMatch(/(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])/);
  await client.close();
  expect(await leftAfterTenSeconds()).toEqual([]);
});
