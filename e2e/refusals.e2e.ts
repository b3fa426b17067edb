import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { cluster, kubectl, leftAfterTenSeconds, mcpClient, withImage } from './plugin.ts';

afterEach(async () => {
  expect(await leftAfterTenSeconds()).toEqual([]);
});

describe('usage: one sentence, exit code 2, nothing created', () => {
  test.each([
    ['no target', ['triage'], /name a node/],
    ['target twice', ['triage', 'node-a', 'node/node-a'], /node-a.*twice/],
    ['an unknown flag', ['triage', 'node-a', '--colour-blind'], /colour-?blind/i],
    ['an unknown tool', ['call', 'node-a', 'reset_gpu'], /no tool "reset_gpu"/],
    ['a wrong argument type', ['call', 'node-a', 'analyze_xid_errors', '--limit', 'ten'], /limit/],
    ['an argument of another tool', ['call', 'node-a', 'get_gpu_health', '--limit', '5'], /limit/],
    ['a time that is none', ['triage', 'node-a', '--since', 'yesterday'], /is not a time/],
    ['an unknown machine', ['triage', '--simulate', 'dgx-1'], /dgx-h100/],
    ['an image without a tag', ['triage', 'node-a', '--image', 'registry.example/x'], /tag|digest/],
  ])('%s', async (_what, args, sentence) => {
    const ran = await kubectl(['gpu-mcp', ...args]);
    expect(ran.stderr).toMatch(sentence);
    expect(ran.stderr.split('\n').length).toBeLessThanOrEqual(4);
    expect(ran.stdout).toBe('');
    expect(ran.code).toBe(2);
  });
});

describe('the cluster does not answer or does not allow: exit code 3', () => {
  test('an unknown node names those like it', async () => {
    const ran = await kubectl(withImage('triage', 'node-c'));
    expect(ran.stderr).toMatch(/node "node-c" was not found/);
    expect(ran.stderr).toMatch(/node-a/);
    expect(ran.code).toBe(3);
  });

  test('a kubeconfig that cannot be read is named', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'config');
    writeFileSync(file, 'clusters: [');
    for (const path of [file, `${file}-absent`]) {
      const ran = await kubectl(withImage('triage', 'node-a', '--kubeconfig', path));
      expect(ran.stderr).toContain(path);
      expect(ran.code).toBe(3);
    }
  });

  test('a dead API server is named by its address', async () => {
    const ran = await kubectl(withImage('triage', 'node-a', '--server', 'https://127.0.0.1:9'));
    expect(ran.stderr).toContain('127.0.0.1:9');
    expect(ran.code).toBe(3);
  });

  test('a user with too few rights hears which verb on what', async () => {
    const kubeconfig = cluster().kubeconfigFor('nobody-at-all');
    const ran = await kubectl(withImage('triage', 'node-a'), { kubeconfig });
    expect(ran.stderr).toMatch(/nobody-at-all/);
    expect(ran.stderr).toMatch(/get.*nodes|create.*(jobs|pods)/s);
    expect(ran.code).toBe(3);
  });
});

describe('no session: exit code 4', () => {
  beforeAll(async () => {
    await kubectl(['create', 'namespace', 'guarded']);
    await kubectl(['label', 'ns', 'guarded', 'pod-security.kubernetes.io/enforce=baseline']);
  });

  test('an image that does not exist is named at once', async () => {
    const ran = await kubectl([
      'gpu-mcp',
      'triage',
      'node-a',
      '--image=127.0.0.1:9/no/such-image:1',
    ]);
    expect(ran.stderr).toContain('127.0.0.1:9/no/such-image:1');
    expect(ran.code).toBe(4);
  });

  test('a program that runs on and says nothing is named within ten seconds', async () => {
    const startedMs = performance.now();
    // The cluster's own image of a pod without containers: it waits for signals.
    const image = 'localhost/pause:1';
    const ran = await kubectl(['gpu-mcp', 'triage', 'node-a', `--image=${image}`]);
    const seconds = (performance.now() - startedMs) / 1_000;
    process.stderr.write(`measured: a silent program named after ${seconds.toFixed(1)} s\n`);
    expect(ran.stderr).toMatch(
      /not an agent of this plugin: it answers nothing in 7 s, and its log is empty/,
    );
    expect(ran.code).toBe(4);
    expect(seconds).toBeLessThan(15);
  });

  test("an admission refusal is told in the admission's own words", async () => {
    const ran = await kubectl(withImage('triage', 'node-a', '-n', 'guarded'));
    expect(ran.stderr).toMatch(/Pod Security standard baseline.*privileged/);
    expect(ran.code === 3 || ran.code === 4).toBe(true);
  });
});

describe('a LimitRange', () => {
  const limits = { min: { cpu: '50m', memory: '64Mi' }, max: { cpu: '500m', memory: '256Mi' } };
  beforeAll(async () => {
    const items = [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'limited' } },
      {
        ...{ apiVersion: 'v1', kind: 'LimitRange' },
        metadata: { name: 'small', namespace: 'limited' },
        spec: { limits: [{ type: 'Container', ...limits }] },
      },
      {
        ...{ apiVersion: 'v1', kind: 'ResourceQuota' },
        metadata: { name: 'one', namespace: 'limited' },
        spec: { hard: { pods: '1', 'limits.cpu': '500m', 'limits.memory': '256Mi' } },
      },
    ];
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    const made = await kubectl(['create', '-f', '-'], { input });
    expect(made.code, made.stderr).toBe(0);
    return async () => {
      await kubectl(['delete', 'namespace', 'limited', '--wait=false']);
    };
  });

  test.each([
    ['above its largest', [], /maximum cpu usage per Container is 500m|exceeded quota/],
    [
      'below its smallest',
      ['--cpu', '10m', '--memory', '200Mi'],
      /minimum cpu usage per Container/,
    ],
  ])('refuses what is %s, in its own words', async (_what, flags, words) => {
    const ran = await kubectl(withImage('triage', 'node-b', '-n', 'limited', ...flags));
    expect(ran.stderr).toMatch(words);
    expect([3, 4]).toContain(ran.code);
  });

  test('and a quota let a session in that asks for less', async () => {
    const less = ['--cpu', '400m', '--memory', '256Mi'];
    const ran = await kubectl(withImage('triage', 'node-b', '-n', 'limited', ...less));
    expect(ran.stderr).toContain('deleted, verified');
    expect(ran.code).toBe(0);
  });
});

describe('a node with as many pods as it may have', () => {
  const there = ['-n', 'crowd'];
  const inTheCrowd = async () =>
    (await kubectl([...there, 'get', 'pods', '-o', 'name'])).stdout.split('\n').filter(Boolean);

  beforeAll(async () => {
    await kubectl(['create', 'namespace', 'crowd']);
    // They wait for a volume that is not there: a place each, and no process.
    const spec = {
      ...{ nodeName: 'node-b', automountServiceAccountToken: false },
      containers: [{ name: 'x', image: 'localhost/pause:1' }],
      volumes: [{ name: 'absent', configMap: { name: 'absent' } }],
    };
    const items = Array.from({ length: 110 }, (_, number) => ({
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: `x${number}`, namespace: 'crowd' } },
      spec,
    }));
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    const made = await kubectl(['create', '-f', '-'], { input });
    expect(made.code, made.stderr).toBe(0);
    const taken = async () => (await kubectl([...there, 'get', 'pods'])).stdout;
    await vi.waitFor(async () => expect(await taken()).not.toMatch(/ Pending /), 60_000);
    return async () => {
      await kubectl([...there, 'delete', 'pods', '--all', '--grace-period=0', '--force']);
      await vi.waitFor(async () => expect(await inTheCrowd()).toEqual([]), 60_000);
      await kubectl(['delete', 'namespace', 'crowd', '--wait=false']);
    };
  });

  test('refuses one more: whose places they are can be asked, and nobody is evicted', async () => {
    const ran = await kubectl(withImage('triage', 'node-b'));
    expect(ran.stderr).toMatch(/the kubelet of node-b refused pod \S+: OutOfpods/);
    expect(ran.stderr).toMatch(/a higher --priority-class would evict another pod: kubectl get/);
    expect(ran.code).toBe(4);
    // What can be read without a pod.
    expect(ran.stdout).toMatch(/node-b/);
    expect(await inTheCrowd()).toHaveLength(110);
  });
});

describe('garbage on stdin of the MCP server', () => {
  const ping = '{"jsonrpc":"2.0","id":5,"method":"ping"}\n';

  test('is answered with -32700, a 20 MB line with -32600, and the server goes on', async () => {
    const input = `garbage\n${'x'.repeat(20 * 1024 * 1024)}\n${ping}`;
    const ran = await kubectl(withImage('node-a'), { input });
    const answers = ran.stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(answers.map(answer => answer.error?.code ?? answer.id)).toEqual([-32700, -32600, 5]);
    expect(ran.code).toBe(0);
  });

  test('an unknown node is the answer of the tool, not a dead server', async () => {
    const { client } = await mcpClient(['node-c']);
    const result = await client.callTool({ name: 'triage_gpu_node', arguments: {} });
    expect(result).toMatchObject({ isError: true });
    expect(JSON.stringify(result.content)).toMatch(/node-c.*was not found/);
    expect(await client.ping()).toEqual({});
    await client.close();
  });
});
