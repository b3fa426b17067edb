import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { pass } from '../fakes/deadlines.ts';
import { FakeApiServer, status } from './fake-api-server.ts';

const signal = new AbortController().signal;
let api: FakeApiServer;

beforeEach(async () => {
  api = await FakeApiServer.start();
  api.put('nodes', { metadata: { name: 'node-a' } });
});
afterEach(() => api[Symbol.asyncDispose]());

describe('refusals', () => {
  test('a node that does not exist names one like it', async () => {
    const cluster = await api.connect();
    await expect(cluster.getNode('node-b', signal)).rejects.toMatchObject({
      message: 'node "node-b" was not found',
      hint: 'did you mean node-a?',
      exit: 3,
    });
  });

  const refusals: readonly [string, string, string, string][] = [
    [
      'a missing right says which verb on what for whom',
      'jobs.batch is forbidden: User "alice" cannot create resource "jobs" in API group "batch" in the namespace "gpu-mcp"',
      'user "alice" may not create jobs.batch in namespace "gpu-mcp"',
      'kubectl auth can-i create jobs.batch -n gpu-mcp',
    ],
    [
      'a cluster-wide right too',
      'nodes "x" is forbidden: User "alice" cannot get resource "nodes" in API group "" at the cluster scope',
      'user "alice" may not get nodes in the whole cluster',
      'kubectl auth can-i get nodes',
    ],
    [
      'Pod Security in its own words',
      'pods "p" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true), privileged (container "mcp" must not set securityContext.privileged=true)',
      'the namespace\'s Pod Security standard baseline:latest refuses the pod: host namespaces (hostPID=true), privileged (container "mcp" must not set securityContext.privileged=true)',
      'pod-security.kubernetes.io/enforce=privileged',
    ],
    [
      'a webhook in its own words, without its control characters',
      'admission webhook "validate.kyverno.svc" denied the request: \u001b[31mno privileged pods\n\nhere',
      'admission webhook "validate.kyverno.svc" refuses the pod: [31mno privileged pods here',
      'manifest pod',
    ],
    [
      'a quota',
      'pods "p" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=5, limited: pods=5',
      "the namespace's quota is exceeded: compute, requested: pods=1, used: pods=5, limited: pods=5",
      'kubectl describe quota',
    ],
  ];
  test.each(refusals)('%s', async (_name, message, sentence, hint) => {
    api.answer = () => status(403, 'Forbidden', message);
    const cluster = await api.connect();
    const error = await cluster.createPod({ metadata: { name: 'p' } }, signal).catch(one => one);
    expect(error).toMatchObject({ message: sentence, code: 403, exit: 3 });
    expect(error.hint).toContain(hint);
  });

  test('401 names the user', async () => {
    api.answer = () => status(401, 'Unauthorized', 'Unauthorized');
    const cluster = await api.connect();
    await expect(cluster.getNode('node-a', signal)).rejects.toThrow(
      `the API server ${api.url} does not accept the credentials of user "alice"`,
    );
  });

  test('a server that is not there is named with its context', async () => {
    const kubeconfig = await api.kubeconfig({
      clusters: [{ name: 'fake', cluster: { server: 'http://127.0.0.1:1' } }],
    });
    const cluster = await api.connect({ kubeconfig });
    await expect(cluster.getNode('node-a', signal)).rejects.toThrow(
      'the API server http://127.0.0.1:1 of context "fake" does not answer (ECONNREFUSED)',
    );
  });

  test('an answer of any length is not taken', async () => {
    api.answer = () => ({ code: 200, body: 'x'.repeat(64 * 1024 ** 2 + 1) });
    const cluster = await api.connect();
    await expect(cluster.getNode('node-a', signal)).rejects.toThrow(
      "the API server's answer is too long",
    );
  });

  test('a server that never answers ends at --request-timeout', async () => {
    api.answer = () => 'silence';
    const cluster = await api.connect({ requestTimeout: '50ms' });
    const asked = cluster.getNode('node-a', signal).catch(error => error);
    await pass(50);
    expect((await asked).message).toContain('does not answer (timed out)');
  });
});
