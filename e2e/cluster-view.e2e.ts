import { afterAll, expect, inject, test } from 'vitest';
import { kubectl, leftAfterTenSeconds, mcpClient, withImage } from './plugin.ts';

const NODE = 'node-a';
const POD = 'gpu-failure';

afterAll(async () => {
  await kubectl(['uncordon', NODE]);
  await kubectl(['delete', 'pod', POD, '--ignore-not-found', '--grace-period=0', '--force']);
});

const answer = async (...args: string[]) => {
  const ran = await kubectl(withImage('call', NODE, ...args, '-q', '-o', 'json'));
  expect(ran.stderr).toBe('');
  const facts: unknown = JSON.parse(ran.stdout);
  return facts;
};

test('describe_gpu_node has both halves, and who cordoned the node', async () => {
  expect((await kubectl(['cordon', NODE])).code).toBe(0);
  expect(await answer('describe_gpu_node')).toMatchObject({
    node: NODE,
    verdict: 'critical',
    layers: { pciBus: expect.any(Number), nvml: 8 },
    cluster: {
      node: {
        ready: 'True',
        cordoned: true,
        cordonedBy: { manager: expect.stringContaining('kubectl') },
        taints: [expect.stringContaining('node.kubernetes.io/unschedulable')],
      },
    },
  });
});

test('MCP gives in full the same answer as the command line, but for the time and the load', async () => {
  const { client } = await mcpClient([NODE]);
  try {
    const input = { name: 'triage_gpu_node', arguments: { detail: 'full' } };
    const overMcp = await client.callTool(input);
    expect(overMcp.structuredContent).toMatchObject({
      node: NODE,
      verdict: 'critical',
      cluster: { node: { cordoned: true } },
    });
    const told = await answer('triage_gpu_node');
    expect(Object.keys(overMcp.structuredContent ?? {})).toEqual(Object.keys(Object(told)));
  } finally {
    await client.close();
  }
});

test('a pod that failed by itself on a node with a lost GPU is not blamed on a GPU it had not', async () => {
  const manifest = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: POD },
    spec: {
      nodeName: NODE,
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      tolerations: [{ operator: 'Exists' }],
      containers: [
        {
          name: 'main',
          image: inject('image'),
          imagePullPolicy: 'Never',
          command: ['node', '-e', 'process.exit(3)'],
        },
      ],
    },
  };
  const made = await kubectl(['create', '-f', '-'], { input: JSON.stringify(manifest) });
  expect(made.code, made.stderr).toBe(0);
  await kubectl(['wait', `pod/${POD}`, '--for=jsonpath={.status.phase}=Failed', '--timeout=60s']);
  const told = await answer('explain_failure', '--pod', POD);
  expect(told).toMatchObject({
    fault: 'application',
    pod: { phase: 'Failed', gpus: [], gpusFrom: 'unknown' },
    containers: [{ container: 'main', exitCode: 3 }],
    unavailable: {},
  });
  expect(await leftAfterTenSeconds()).toEqual([]);
});
