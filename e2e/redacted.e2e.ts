import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { kubectl, leftAfterTenSeconds, withImage } from './plugin.ts';

const NODE = 'node-b';
const POD = 'markpod-0';
/** Of whoever owns the pod, and of others of whom an event tells. */
const MARKS = /mark[a-z]|rival/;

const EVENT = 'evicted from marknode-7 for rivalpod-1 of rivalns by markteam, out of memory';

const POD_MANIFEST = {
  ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: POD, namespace: 'markns' } },
  spec: {
    ...{ nodeName: NODE, restartPolicy: 'Never', terminationGracePeriodSeconds: 0 },
    containers: [
      {
        ...{ name: 'markctr', image: inject('image'), imagePullPolicy: 'Never' },
        command: ['node', '-e', 'console.log("ValueError: markword");process.exitCode=1'],
      },
    ],
  },
};

const eventOf = (kind: string, name: string, namespace: string, uid: string) => ({
  ...{ apiVersion: 'v1', kind: 'Event', type: 'Warning', reason: 'Evicted', message: EVENT },
  ...{ count: 3, source: { component: 'markcontroller' } },
  ...{ firstTimestamp: new Date().toISOString(), lastTimestamp: new Date().toISOString() },
  metadata: { name: `redacted-${kind.toLowerCase()}`, namespace },
  involvedObject: { kind, name, uid, ...(kind === 'Pod' && { namespace }) },
});

beforeAll(async () => {
  await kubectl(['create', 'namespace', 'markns']);
  await made(POD_MANIFEST);
  for (const endMs = Date.now() + 60_000; (await podField('{.status.phase}')) !== 'Failed'; ) {
    if (Date.now() > endMs) throw new Error('the pod did not end');
    await new Promise(resolve => setTimeout(resolve, 250));
  }
  await made(eventOf('Pod', POD, 'markns', await podField('{.metadata.uid}')));
  await made(eventOf('Node', NODE, 'default', NODE));
});

afterAll(async () => {
  await kubectl(['delete', 'event', 'redacted-node', '-n', 'default', '--ignore-not-found']);
  await kubectl(['delete', 'namespace', 'markns', '--ignore-not-found']);
});

async function made(object: object): Promise<void> {
  const ran = await kubectl(['create', '-f', '-'], { input: JSON.stringify(object) });
  expect(ran.code, ran.stderr).toBe(0);
}

const podField = async (path: string) =>
  (await kubectl(['get', 'pod', POD, '-n', 'markns', '-o', `jsonpath=${path}`])).stdout;

/** All that a run tells, on both of its streams. */
async function told(...args: readonly string[]): Promise<string> {
  const { stdout, stderr, code } = await kubectl(withImage(...args));
  expect([0, 1], stderr).toContain(code);
  // A page breaks its lines where it likes.
  return (stdout + stderr).replaceAll(/\s+/g, ' ');
}

describe('an event that names a node, a namespace and the pod of another', () => {
  test.each([
    [['call', NODE, 'explain_failure', '--pod', `markns/${POD}`]],
    [['call', NODE, 'describe_gpu_node']],
    [['call', NODE, 'get_incident_report']],
    [['triage', NODE, '--details']],
    [['triage', `pod/${POD}`, '-n', 'markns', '--details']],
  ])('%j tells it, and with --redact-names none of its names', async args => {
    const open = await told(...args);
    expect(open).toContain('rivalpod-1');
    expect(open).toContain('markteam');
    for (const form of [[], ['-o', 'json']]) {
      const kept = await told(...args, ...form, '--redact-names');
      expect(kept.match(MARKS), kept).toBeNull();
      expect(kept).toContain('(text withheld; it says: out of memory)');
      expect(kept).toContain('Evicted');
    }
  });

  test('and nothing of it stays', async () => {
    expect(await leftAfterTenSeconds()).toEqual([]);
  });
});
