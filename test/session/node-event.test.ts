import { expect, test } from 'vitest';
import { nodeEvent } from '../../src/session/node-event.ts';

const of = { node: 'gpu-1', user: 'ann@example.com', nowMs: 0, suffix: 'abc' } as const;

test('the whole event, as kubectl describe node shows it', () => {
  const { metadata, message, ...event } = nodeEvent({ ...of, verdict: 'critical' });
  expect(message).toMatch(/^critical: kubectl gpu-mcp \d\S*, asked by "ann@example.com"$/);
  expect([metadata, event]).toMatchInlineSnapshot(`
    [
      {
        "labels": {
          "app.kubernetes.io/managed-by": "kubectl-gpu-mcp",
        },
        "name": "gpu-1.gpu-mcp-abc",
        "namespace": "default",
      },
      {
        "apiVersion": "v1",
        "count": 1,
        "firstTimestamp": "1970-01-01T00:00:00Z",
        "involvedObject": {
          "apiVersion": "v1",
          "kind": "Node",
          "name": "gpu-1",
          "uid": "gpu-1",
        },
        "kind": "Event",
        "lastTimestamp": "1970-01-01T00:00:00Z",
        "reason": "GpuTriage",
        "reportingComponent": "kubectl-gpu-mcp",
        "reportingInstance": "gpu-mcp",
        "source": {
          "component": "kubectl-gpu-mcp",
        },
        "type": "Warning",
      },
    ]
  `);
});

test.each([
  ['critical', 'Warning'],
  ['warning', 'Warning'],
  ['unknown', 'Normal'],
  ['healthy', 'Normal'],
] as const)('%s is told as %s', (verdict, type) => {
  expect(nodeEvent({ ...of, verdict }).type).toBe(type);
});

test('the name of a user is quoted and plain, and one that is not known is left out', () => {
  const named = (user: string | undefined) =>
    nodeEvent({ ...of, user, verdict: 'healthy' }).message.split(/(?<=^[^,]*), asked by /)[1];
  expect(named('a"\u202e\u001b[31m, asked by "bob')).toBe(String.raw`"a\" [31m, asked by \"bob"`);
  expect(named('x'.repeat(500))?.length).toBeLessThan(90);
  expect(named(undefined)).toBeUndefined();
});
