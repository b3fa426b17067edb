import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Cluster } from '../../src/cluster/port.ts';
import { GpuMcpError } from '../../src/contract/errors.ts';
import { knownNames } from '../../src/redaction/known-names.ts';
import { createNames } from '../../src/redaction/names.ts';
import { FakeApiServer, type Json, status } from '../cluster/fake-api-server.ts';

const { signal } = new AbortController();
const ns = 'gpu-mcp';
let api: FakeApiServer;

beforeEach(async () => {
  api = await FakeApiServer.start();
  // No custom resource is installed.
  api.answer = ({ path }) =>
    /^\/apis\/(?:jobset|leaderworkerset|ray)\./.test(path)
      ? status(404, 'NotFound', 'the server could not find the requested resource')
      : undefined;
});
afterEach(() => api[Symbol.asyncDispose]());

const put = (kind: string, name: string, namespace: string, more: Json = {}) =>
  api.put(kind, {
    metadata: { name, namespace, ...(more['metadata'] as Json) },
    ...(more['rest'] as Json),
  });

/** Words of another tenant, and what the cluster holds where they would be told of `target`. */
const cases: readonly (readonly [words: string, target: string, there: () => void])[] = [
  ['a pod of a like name', 'pod/mine-1', () => put('pods', 'mine-7', ns)],
  ['a pod of the name elsewhere', 'pod/mine-1', () => put('pods', 'mine-1', 'rival')],
  ['a job of a like name', 'job/mine-1', () => put('jobs', 'mine-7', ns)],
  [
    'a selector',
    'job/mine-1',
    () =>
      put('jobs', 'mine-1', ns, {
        rest: { spec: { selector: { matchLabels: { 'rival-corp': 'x' } } } },
      }),
  ],
  [
    'the scheduler’s words',
    'pod/mine-1',
    () => {
      const message = '0/1 nodes are available: 1 had untolerated taint {team: rival}';
      const conditions = [{ type: 'PodScheduled', status: 'False', message }];
      put('pods', 'mine-1', ns, { rest: { spec: {}, status: { phase: 'Pending', conditions } } });
    },
  ],
  ['what the pods belong to, of a like name', 'jobset/mine-1', () => owned('mine-7')],
  ['what the pods belong to', 'jobset/mine-1', () => owned('rival')],
  [
    'a controller’s complaint',
    'job/mine-1',
    () => {
      put('jobs', 'mine-1', ns, { rest: { spec: { selector: { matchLabels: { job: 'x' } } } } });
      put('events', 'mine-1.1', ns, {
        rest: {
          ...{ type: 'Warning', reason: 'FailedCreate', message: 'exceeded quota: rival-quota' },
          involvedObject: { kind: 'Job', name: 'mine-1' },
        },
      });
    },
  ],
];

function owned(name: string): void {
  const ownerReferences = [{ kind: 'Job', name, controller: true }];
  put('pods', `${name}-x`, ns, { metadata: { ownerReferences } });
}

const failure = (asking: Promise<unknown>): Promise<unknown> =>
  asking.then(
    () => undefined,
    error => error,
  );

const wordsOf = (error: unknown): string =>
  error instanceof GpuMcpError ? `${error.message} ${error.hint}` : '';

test.each(cases)('%s is not told of %s', async (_what, target, there) => {
  there();
  const cluster: Cluster = await api.connect();
  const known = knownNames(createNames('key'));
  known.learn('ns', ns);
  known.learn('pod', 'mine-1');
  const asked = [cluster.targetJob(target, signal), cluster.resolveTarget(target, signal)];
  const errors = await Promise.all(asked.map(failure));
  expect(errors.map(wordsOf).join(' ')).toMatch(/rival|mine-7/);
  const kept = errors.map(error => wordsOf(known.error(error)));
  expect(kept.join(' ')).not.toMatch(/rival|mine-\d|gpu-mcp"/);
  // That it failed is told all the same.
  for (const words of kept) expect(words).toMatch(/(?:pod|ns)-[0-9a-f]{8}|is not installed/);
});
