import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Cluster } from '../../src/cluster/port.ts';
import { openKubernetesLink, sweep } from '../../src/session/kubernetes.ts';
import { RIGHTS, type Right, rightWords } from '../../src/session/rights.ts';
import { FakeApiServer, type SeenRequest, status } from '../cluster/fake-api-server.ts';
import { runKubelet } from '../session/fake-kubelet.ts';
import { DoctorWorld } from './world.ts';

/** The table of rights against what sessions do: whom it calls lost is lost, and nobody else. */

const signal = new AbortController().signal;
let api: FakeApiServer;
beforeEach(async () => {
  api = await FakeApiServer.start();
  runKubelet(api);
  api.onAttach = socket => {
    socket.send(Buffer.from([1]));
    socket.on('message', data => {
      // The half-close ends the agent.
      if (Buffer.from(String(data), 'latin1')[0] === 255) socket.close();
    });
  };
});
afterEach(() => api[Symbol.asyncDispose]());

const VERBS: Readonly<Record<string, string>> = { POST: 'create', DELETE: 'delete' };

/** The verbs on a resource that the API server asks its authorizer for; an attach takes two since 1.35. */
function rightsOf({ method, path, query, headers }: SeenRequest): readonly string[] {
  const [, resource = '', name, part] =
    /^\/apis?\/(?:[\w.]+\/)?v1(?:beta\d)?(?:\/namespaces\/[^/]+)?\/(\w+)(?:\/([^/]+))?(?:\/(\w+))?$/.exec(
      path,
    ) ?? [];
  // Reviews of oneself and discovery (system:basic-user, system:discovery) are everybody's.
  if (resource.startsWith('selfsubject') || /^\/apis\/[\w.]+$/.test(path)) return [];
  const full = part === undefined ? resource : `${resource}/${part}`;
  if (headers.upgrade) return [`get ${full}`, `create ${full}`];
  if (method === 'DELETE' && name === undefined) return [`deletecollection ${full}`];
  const read = query.has('watch') ? 'watch' : name === undefined ? 'list' : 'get';
  return [`${VERBS[method] ?? read} ${full}`];
}

const groupless = (right: Pick<Right, 'verb' | 'resource'>) => `${right.verb} ${right.resource}`;

function deny(denied: readonly string[]): void {
  api.answer = request => {
    const lacking = rightsOf(request).find(right => denied.includes(right));
    if (lacking === undefined) return undefined;
    const [verb, resource] = lacking.split(' ');
    const words = `x is forbidden: User "alice" cannot ${verb} resource "${resource}" in API group ""`;
    return status(403, 'Forbidden', words);
  };
}

async function opens(cluster: Cluster, lifetime: 'auto' | 'job' | 'pod'): Promise<boolean> {
  const options = {
    ...{ cluster, node: 'node-a', namespace: 'gpu-mcp', lifetime },
    pod: { image: 'example/gpu-mcp:1' },
    randomSuffix: () => 'abcde',
  };
  try {
    const link = await openKubernetesLink(options, signal, () => undefined);
    await link.close();
    return true;
  } catch {
    return false;
  }
}

/** A node whose GPUs are devices of DRA, one of them held by a pod's claim and one by a domain of NVLink. */
function offerDevices(): void {
  const pool = { name: 'node-a', generation: 1 };
  for (const driver of ['gpu.nvidia.com', 'compute-domain.nvidia.com']) {
    const spec = { driver, nodeName: 'node-a', pool, devices: [{ name: 'gpu-0' }] };
    api.put('resourceslices', { metadata: { name: driver }, spec });
  }
  api.put('pods', {
    metadata: { namespace: 'team-a', name: 'train' },
    spec: { nodeName: 'node-a', resourceClaims: [{ name: 'gpu', resourceClaimName: 'of-train' }] },
    status: { phase: 'Running' },
  });
  const before = api.answer;
  api.answer = request =>
    request.path === '/apis/resource.k8s.io'
      ? { code: 200, body: { kind: 'APIGroup', versions: [{ version: 'v1' }] } }
      : before?.(request);
}

const LIFETIMES = ['auto', 'job', 'pod'] as const;
const PAIRS = RIGHTS.flatMap(right =>
  right.or === undefined ? [] : [[groupless(right), right.or.replace('.batch', '')]],
);
const SETS: readonly (readonly string[])[] = [...RIGHTS.map(right => [groupless(right)]), ...PAIRS];

describe('a session opens where the doctor sees no right missing that it takes', () => {
  test.each(LIFETIMES.flatMap(lifetime => SETS.map(denied => [lifetime, denied] as const)))(
    '--lifetime %s without %j',
    async (lifetime, denied) => {
      await using doctor = await DoctorWorld.open();
      doctor.world.denied = denied;
      const flags = lifetime === 'auto' ? [] : [`--lifetime=${lifetime}`];
      const { of } = await doctor.examine(['node-a', ...flags]);
      deny(denied);
      const cluster = await api.connect();
      const isLost = of('rights').some(({ state }) => state === 'failed');
      expect(await opens(cluster, lifetime)).toBe(!isLost);
      cluster.close();
    },
  );
});

test('what a session, its look-ups and the sweep ask for is in the table, and all of the table', async () => {
  const cluster = await api.connect();
  const pod = { namespace: 'gpu-mcp', name: 'p' };
  await opens(cluster, 'auto');
  await opens(cluster, 'pod');
  await sweep(cluster, 'gpu-mcp');
  await cluster.getPod(pod, signal);
  await cluster.isThere({ ...pod, kind: 'job', uid: '' }, signal);
  await cluster.deleteObject({ ...pod, kind: 'pods', uid: '' }, signal);
  await cluster.podLog(pod, { container: 'mcp', linesMax: 1 }, signal);
  await cluster.lease('node-a', signal);
  await cluster.hasRuntimeClass('nvidia', signal);
  await cluster.listNodes('', signal);
  await cluster.listPods({ namespace: 'gpu-mcp' }, signal);
  offerDevices();
  const owner = { apiVersion: 'karpenter.sh/v1', kind: 'NodeClaim', name: 'gpu-h7xk2' };
  api.put('nodes', { metadata: { name: 'node-a', ownerReferences: [owner] } });
  await cluster.view({ node: 'node-a', devices: true }, signal);
  const metadata = { namespace: 'gpu-mcp', name: 'p.1' };
  api.put('events', { metadata, involvedObject: { name: 'p' } });
  for await (const _event of cluster.watchEvents(pod, signal)) break;
  cluster.close();
  const used = new Set(api.requests.flatMap(rightsOf));
  expect([...used].toSorted()).toEqual(RIGHTS.map(groupless).toSorted());
  expect(RIGHTS.map(rightWords)).toContain('create jobs.batch');
});
