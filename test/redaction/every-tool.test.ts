import { expect, test } from 'vitest';
import * as z from 'zod';
import { redactedView } from '../../src/bridge/redacted-session.ts';
import type { ClusterView } from '../../src/contract/cluster-view.ts';
import { createNames } from '../../src/redaction/names.ts';
import { redactedInstruments } from '../../src/redaction/node.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import { clientOf } from '../fakes/agent-session.ts';
import { instrumentsFor } from '../fakes/instruments.ts';
import { filesUnder, read } from '../house/files.ts';
import { secretive, secretiveEverywhere, UID } from './secretive.ts';
import { KEY, markersIn, nodeSession, type Question } from './secretive-session.ts';

test('no name passes the ports of the node and of the cluster', async () => {
  const { signal } = new AbortController();
  const node = secretiveEverywhere();
  const passed = async (
    { host, podHistory }: Instruments,
    view: (of: ClusterView) => ClusterView,
  ) =>
    JSON.stringify([
      await host.read(signal),
      await host.processOwners([100, 101, 102], signal),
      await host.containerLogs(signal),
      await podHistory.read([{ sinceMs: 0, untilMs: Date.parse('2026-03-02T00:00:00Z') }], signal),
      view(node.view(true)),
      view(node.view(false)),
    ]);
  const redacted = redactedInstruments(node.instruments, KEY);
  expect(markersIn(await passed(redacted, redactedView(createNames(KEY))))).toEqual([]);
  expect(markersIn(await passed(node.instruments, view => view)).length).toBeGreaterThan(50);
});

test('what the schema of a port does not name does not pass it', async () => {
  const plain = instrumentsFor(secretive());
  const { signal } = new AbortController();
  const driver = { ...(await plain.nvml.read(signal)), tenant: 'zz-secret-driver' };
  const host = { ...(await plain.host.read(signal)), tenant: 'zz-secret-host' };
  const withMore: Instruments = {
    ...plain,
    nvml: { ...plain.nvml, read: async () => driver },
    host: { ...plain.host, read: async () => host },
  };
  const redacted = redactedInstruments(withMore, KEY);
  const { tenant: _, ...said } = driver;
  expect(await redacted.nvml.read(signal)).toEqual(said);
  expect(markersIn(JSON.stringify(await redacted.host.read(signal)))).toEqual([]);
});

test('tools see kernel lines through the one place that takes the names out', () => {
  const readers = filesUnder('src/tools').filter(file => read(file).includes('.scan('));
  expect(readers).toEqual(['src/tools/support/read-node.ts']);
});

const Judged = z.looseObject({
  verdict: z.string(),
  findings: z.array(
    z.looseObject({ id: z.string(), severity: z.string(), action: z.string(), blame: z.string() }),
  ),
});
const judged = (structured: unknown) => {
  const { verdict, findings } = Judged.parse(structured);
  return [
    verdict,
    ...findings.map(({ id, severity, action, blame }) => [id, severity, action, blame]),
  ];
};

test('the verdict and every finding are the same with and without names', async () => {
  const ask = async (redacted: boolean) => {
    const client = await clientOf(nodeSession(redacted));
    const answer = await client.callTool({
      name: 'triage_gpu_node',
      arguments: { detail: 'full' },
    });
    return judged(answer.structuredContent);
  };
  const plain = await ask(false);
  expect(plain.length).toBeGreaterThan(5);
  expect(await ask(true)).toEqual(plain);
});

const names = createNames(KEY);
const POD = names.token('pod', 'zz-secret-pod');
const NAMESPACE = names.token('ns', 'zz-secret-ns');

test('one pod has one token in what the node and in what the cluster tells', async () => {
  const client = await clientOf(nodeSession(true));
  const told = async (name: string) =>
    JSON.stringify((await client.callTool({ name, arguments: {} })).structuredContent);
  expect(await told('get_gpu_processes')).toContain(`"pod":"${POD}"`);
  expect(await told('describe_gpu_node')).toContain(`"namespace":"${NAMESPACE}","pod":"${POD}"`);
});

test.each(['zz-secret-pod', 'zz-secret-ns/zz-secret-pod', POD, `${NAMESPACE}/${POD}`])(
  'pod %s: a tool takes the name and the token',
  async pod => {
    const asked: Question[] = [];
    const client = await clientOf(nodeSession(true, asked));
    const xids = await client.callTool({ name: 'analyze_xid_errors', arguments: { pod } });
    expect(xids.structuredContent).toMatchObject({
      events: [{ xid: 31, pods: [{ namespace: NAMESPACE, pod: POD, by: 'process' }] }],
    });
    const failure = await client.callTool({ name: 'explain_failure', arguments: { pod } });
    expect(asked.at(-1)?.pod?.name).toBe('zz-secret-pod');
    // The words that the verdict rests on are NVIDIA's runtime's own: they stay.
    expect(failure.structuredContent).toMatchObject({
      pod: { namespace: NAMESPACE, pod: POD, uid: UID },
      containers: [{ message: '(text withheld; it says: nvidia-container-cli: nvml error)' }],
    });
  },
);

test('a token of no pod is not found, and the cluster is not asked for it', async () => {
  const asked: Question[] = [];
  const client = await clientOf(nodeSession(true, asked));
  const failure = await client.callTool({
    name: 'explain_failure',
    arguments: { pod: 'pod-00000000' },
  });
  expect(asked).toEqual([{ logs: true }]);
  expect(failure.structuredContent).toMatchObject({
    fault: 'unknown',
    unavailable: { not_found: ['pod', 'events'] },
  });
});

test('the client is told that names are tokens, and only then', async () => {
  const told = async (redacted: boolean) =>
    (await clientOf(nodeSession(redacted))).getInstructions() ?? '';
  expect(await told(true)).toContain('tokens (pod-3f2a91c0)');
  expect(await told(false)).not.toContain('tokens');
});
