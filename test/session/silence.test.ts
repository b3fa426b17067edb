import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SILENCE_LOOK_MS_MAX } from '../../src/contract/limits.ts';
import { whoIsSilent } from '../../src/session/silence.ts';
import { FakeApiServer, type Json, status } from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { node } from './fake-kubelet.ts';

const signal = new AbortController().signal;
const NOW = Date.parse('2031-01-01T12:00:00Z');
const at = (secondsAgo: number) => new Date(NOW - secondsAgo * 1_000).toISOString();

let api: FakeApiServer;
beforeEach(async () => {
  api = await FakeApiServer.start();
  api.nowMs = NOW;
  api.put('nodes', node());
});
afterEach(() => api[Symbol.asyncDispose]());

/** The lease as its kubelet renewed it so long ago, by the API server's note and by the node's clock. */
const lease = (secondsAgo: number, ofNode = secondsAgo, more: Json = {}) =>
  api.put('leases', {
    metadata: {
      ...{ namespace: 'kube-node-lease', name: 'node-a' },
      managedFields: [{ manager: 'kubelet', time: at(secondsAgo) }],
    },
    spec: { leaseDurationSeconds: 40, renewTime: at(ofNode) },
    ...more,
  });
/** Our own clock stands: what it says does not count. */
const stopped = { nowMs: () => 0 };
const who = async () => whoIsSilent(await api.connect({}, {}, stopped), 'node-a', signal);

test('a kubelet that reports is not silent', async () => {
  lease(13);
  expect(await who()).toBeUndefined();
});

test('one that is over its time is, though its node is still called ready', async () => {
  lease(14);
  expect(await who()).toEqual({
    who: 'kubelet',
    sentence:
      'the kubelet of node "node-a" has not reported for 14 s, and does so every 10 s: it is dead or cut off, though the node is still called ready',
    hint: 'kubectl get lease -n kube-node-lease node-a -o yaml; on the node: systemctl status kubelet',
  });
});

test('one lost connection blames nobody, two are an API server that does not answer', async () => {
  lease(13);
  let lost = 0;
  api.answer = ({ path }) => {
    if (!path.endsWith('/nodes/node-a') || lost === 0) return undefined;
    lost -= 1;
    api.cut();
    return 'silence';
  };
  lost = 1;
  expect(await who()).toBeUndefined();
  lost = 2;
  expect((await who())?.sentence).toMatch(/^the API server \S+ of context "fake" does not answer/);
});

describe('the clock that counts is the API server’s', () => {
  test('a node whose clock is an hour behind is not dead', async () => {
    lease(5, 3_600);
    expect(await who()).toBeUndefined();
  });

  test('a node whose clock is an hour ahead may be', async () => {
    lease(60, -3_600);
    expect((await who())?.who).toBe('kubelet');
  });

  test('only where it notes nothing the node’s must do', async () => {
    lease(0, 60, { metadata: { namespace: 'kube-node-lease', name: 'node-a' } });
    expect((await who())?.who).toBe('kubelet');
  });
});

test('a node that is not ready is named by its condition', async () => {
  lease(60);
  const ready = { type: 'Ready', status: 'Unknown', message: 'Kubelet stopped posting' };
  api.put('nodes', node({ status: { conditions: [ready] } }));
  expect(await who()).toMatchObject({
    who: 'node',
    sentence: expect.stringContaining('node "node-a" is not ready'),
  });
});

test('without the right to read the lease, or without one, nobody is blamed', async () => {
  expect(await who()).toBeUndefined();
  api.answer = ({ path }) => (path.includes('leases') ? status(403, 'Forbidden', 'no') : undefined);
  expect(await who()).toBeUndefined();
});

test('an API server that says nothing is the link', async () => {
  api.answer = () => 'silence';
  const asked = who();
  await pass(SILENCE_LOOK_MS_MAX);
  expect(await asked).toMatchObject({
    who: 'link',
    sentence: `the API server ${api.url} does not answer any more`,
  });
});

test('one that is down too, in the words of the error', async () => {
  const cluster = await api.connect();
  await api[Symbol.asyncDispose]();
  expect(await whoIsSilent(cluster, 'node-a', signal)).toMatchObject({
    who: 'link',
    sentence: expect.stringMatching(/does not answer \(ECONNREFUSED\)/),
  });
});
