import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeApiServer, type Json, KINDS, status } from './fake-api-server.ts';

const signal = new AbortController().signal;
let api: FakeApiServer;

beforeEach(async () => {
  api = await FakeApiServer.start();
});
afterEach(() => api[Symbol.asyncDispose]());

const resolve = async (target: string) => (await api.connect()).resolveTarget(target, signal);

function put(
  name: string,
  nodeName: string,
  more: { phase?: string; labels?: Json; metadata?: Json } = {},
) {
  api.put('pods', {
    metadata: { name, namespace: 'gpu-mcp', labels: { app: 'train' }, ...more.metadata },
    spec: { nodeName },
    status: { phase: more.phase ?? 'Running' },
  });
}

describe('a node', () => {
  test.each(['node-a', 'node/node-a', 'nodes/node-a', 'no/node-a'])(
    '%s is taken by its word',
    async target => {
      expect(await resolve(target)).toEqual([{ node: 'node-a' }]);
      expect(api.requests).toEqual([]);
    },
  );
});

describe('a pod', () => {
  test.each(['pod/train-0', 'pods/train-0', 'po/train-0'])('%s is its node', async target => {
    put('train-0', 'node-a');
    expect(await resolve(target)).toEqual([{ node: 'node-a' }]);
  });

  test('that is not there', async () => {
    await expect(resolve('pod/train-1')).rejects.toMatchObject({
      message: 'pod "train-1" was not found in namespace "gpu-mcp"',
      hint: 'kubectl get pods -n gpu-mcp; or -n with its namespace',
    });
  });

  test('that waits for a node', async () => {
    put('train-0', '', { phase: 'Pending' });
    await expect(resolve('pod/train-0')).rejects.toMatchObject({
      message: 'pod "train-0" runs on no node: it is Pending',
      hint: 'kubectl describe pod train-0 -n gpu-mcp',
    });
  });
});

describe('a workload', () => {
  const paths = {
    'apps/v1/namespaces/gpu-mcp/deployments': ['deployment', 'deployments', 'deploy'],
    'apps/v1/namespaces/gpu-mcp/daemonsets': ['daemonset', 'daemonsets', 'ds'],
    'apps/v1/namespaces/gpu-mcp/statefulsets': ['statefulset', 'statefulsets', 'sts'],
    'apps/v1/namespaces/gpu-mcp/replicasets': ['replicaset', 'replicasets', 'rs'],
    'batch/v1/namespaces/gpu-mcp/jobs': ['job', 'jobs'],
  };
  const selecting = (kind: string | undefined, labels: Json) => ({
    code: 200,
    body: {
      kind,
      metadata: { name: 'train', uid: 'u-1' },
      spec: { selector: { matchLabels: labels } },
    },
  });

  test.each(
    Object.entries(paths).flatMap(([path, names]) => names.map(name => [name, path] as const)),
  )('%s/train is its pods’ nodes', async (kind, path) => {
    put('train-0', 'node-a');
    put('other', 'node-b', { metadata: { labels: { app: 'other' } } });
    api.answer = request =>
      request.path === `/apis/${path}/train`
        ? selecting(KINDS[path.split('/').at(-1) ?? ''], { app: 'train' })
        : undefined;
    expect(await resolve(`${kind}/train`)).toEqual([{ node: 'node-a' }]);
  });

  const putDeployment = (selector: Json): void => {
    const body = { kind: 'Deployment', metadata: { name: 'train' }, spec: { selector } };
    api.answer = ({ path }) =>
      path.endsWith('/deployments/train') ? { code: 200, body } : undefined;
  };

  test.each([
    [{ key: 'track', operator: 'NotIn', values: ['canary', 'old'] }, 'track notin (canary,old)'],
    [{ key: 'track', operator: 'In', values: ['stable', 'new'] }, 'track in (stable,new)'],
    [{ key: 'weight', operator: 'DoesNotExist' }, '!weight'],
    [{ key: 'stable', operator: 'Exists' }, 'stable'],
  ])('no pod is taken that %j leaves out', async (expression, told) => {
    const of = (labels: Json) => ({ metadata: { labels: { app: 'train', ...labels } } });
    put('train-0', 'node-a', of({ track: 'stable', stable: 'yes' }));
    put('canary-0', 'node-b', of({ track: 'canary', weight: '5' }));
    const selector = { matchLabels: { app: 'train' }, matchExpressions: [expression] };
    putDeployment(selector);
    expect(await resolve('deploy/train')).toEqual([{ node: 'node-a' }]);
    const list = api.requests.find(({ path }) => path.endsWith('/pods'));
    expect(list?.query.get('labelSelector')).toBe(`app=train,${told}`);
  });

  test('a selector with an operator that is new is not followed in part', async () => {
    put('train-0', 'node-a');
    const matchExpressions = [{ key: 'weight', operator: 'Gt', values: ['5'] }];
    const selector = { matchLabels: { app: 'train' }, matchExpressions };
    putDeployment(selector);
    await expect(resolve('deploy/train')).rejects.toThrow('cannot be followed');
  });

  test('each node once, where a pod runs first; no pod that goes, and none without a node', async () => {
    put('train-0', 'node-b', { phase: 'Failed' });
    put('train-1', 'node-a', { phase: 'Pending' });
    put('train-2', 'node-a');
    put('train-3', '', { phase: 'Pending' });
    put('train-4', 'node-c', { metadata: { deletionTimestamp: '2026-08-20T03:00:00Z' } });
    api.answer = ({ path }) =>
      path.endsWith('/jobs/train') ? selecting('Job', { app: 'train' }) : undefined;
    expect(await resolve('job/train')).toEqual([{ node: 'node-a' }, { node: 'node-b' }]);
  });

  test('without a pod', async () => {
    api.answer = ({ path }) =>
      path.endsWith('/jobs/train') ? selecting('Job', { app: 'train', of: 'me' }) : undefined;
    await expect(resolve('job/train')).rejects.toMatchObject({
      message: 'job/train has no pod on any node in namespace "gpu-mcp"',
      hint: 'kubectl get pods -n gpu-mcp -l app=train,of=me',
    });
  });

  test('that selects by expressions', async () => {
    api.answer = () => selecting('Deployment', {});
    await expect(resolve('deploy/train')).rejects.toMatchObject({
      message: 'deploy/train selects its pods in a way that cannot be followed',
      hint: 'name one of its pods: pod/NAME; uid u-1',
    });
  });

  test('that is not there, in the API server’s words', async () => {
    api.answer = () => status(404, 'NotFound', 'jobs.batch "train" not found');
    await expect(resolve('job/train')).rejects.toThrow(
      'get job/train in namespace "gpu-mcp": jobs.batch "train" not found',
    );
  });

  test('of a kind that has no pods', async () => {
    await expect(resolve('service/train')).rejects.toMatchObject({
      message: '"service/" is not a kind of target',
      hint: expect.stringMatching(
        /^did you mean rayservice\/train\? name a node, or node\/, pod\/, deployment\/, .*, job\/, cronjob\/, jobset\/, /,
      ),
    });
  });
});

test.each(['node/a/b', 'pod/a/b/c'])('%s is not KIND/NAME', async target => {
  await expect(resolve(target)).rejects.toThrow(`"${target}" is not KIND/NAME`);
});

test.each([
  ...['', 'Node-A', '-a', 'a-', '.a', 'a..%2f', 'node/', 'pod/../secrets', 'job/a b'],
  ...[`${'a'.repeat(254)}`, 'node/a?b', '../../api'],
])('%j reaches no path', async target => {
  await expect(resolve(target)).rejects.toMatchObject({ exit: 2 });
  expect(api.requests).toEqual([]);
});

test.each(['a', 'ip-10-0-1-5.eu.compute.internal', 'a'.repeat(253)])('%s is a name', async name => {
  expect(await resolve(name)).toEqual([{ node: name }]);
});
