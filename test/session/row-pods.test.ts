import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Cluster } from '../../src/cluster/port.ts';
import { REMOVE_TRY_MS_MAX, SHUTDOWN_MS_MAX } from '../../src/contract/limits.ts';
import { RowPods } from '../../src/session/row-pods.ts';
import { FakeApiServer } from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { until } from '../fakes/until.ts';
import { node, runKubelet } from './fake-kubelet.ts';

let api: FakeApiServer;
let cluster: Cluster;
beforeEach(async () => {
  api = await FakeApiServer.start();
  const nodes = ['node-1', 'node-2'].map(name => node({ metadata: { name } }));
  runKubelet(api, () => ({ statuses: [{ phase: 'Pending' }] }), nodes);
  cluster = await api.connect();
});
afterEach(async () => {
  cluster.close();
  await api[Symbol.asyncDispose]();
});

const settle = () => new Promise(resolve => setTimeout(resolve, 50));
const never = new Promise<never>(() => {});

/** Rows of two nodes are asked for, and the user ends it; what the reaper was told, in order. */
async function ended(
  changes: Partial<Cluster>,
  lifetime: 'auto' | 'pod',
  isUnderWay: () => boolean,
): Promise<string[]> {
  const log: string[] = [];
  const rows = new RowPods({
    cluster: async () => Object.assign(cluster, changes),
    pod: { image: 'example/a:1' },
    lifetime,
    randomSuffix: () => Math.random().toString(36).slice(2, 9),
    startReaper() {
      log.push('reaper');
      return { guard: () => {}, dismiss: () => log.push('dismissed') };
    },
    onBegin: () => {},
  });
  const stop = new AbortController();
  const sessions = ['node-1', 'node-2'].map(name => rows.session(name, name));
  for (const session of sessions) {
    const request = { tool: 'triage_row', input: {}, signal: stop.signal, onProgress: () => {} };
    session.call(request).catch(() => undefined);
  }
  await until(isUnderWay);
  stop.abort();
  const closing = Promise.all(sessions.map(session => session.close()));
  await settle();
  await pass(REMOVE_TRY_MS_MAX);
  await settle();
  await pass(SHUTDOWN_MS_MAX);
  await closing;
  return log;
}

describe('the user ends rows of many nodes', () => {
  test('while a pod is being made and another already ends: the reaper stays for the late one', async () => {
    const { createPod } = cluster;
    let isMade = false;
    let isAsked = false;
    const log = await ended(
      {
        async createPod(pod, signal) {
          if (pod.spec?.nodeName !== 'node-1') {
            isAsked = true;
            return never;
          }
          const created = await createPod.call(cluster, pod, signal);
          isMade = true;
          return created;
        },
        deleteObject: async () => 'ending',
      },
      'pod',
      () => isMade && isAsked,
    );
    expect(log.lastIndexOf('reaper')).toBeGreaterThan(log.lastIndexOf('dismissed'));
  });

  test('before anything is made: nothing is', async () => {
    let isAsked = false;
    const whoAmI = (signal: AbortSignal) => {
      isAsked = true;
      return new Promise<never>((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason)),
      );
    };
    await ended({ whoAmI }, 'auto', () => isAsked);
    expect(api.requests.filter(({ method }) => method === 'POST')).toEqual([]);
  });
});
