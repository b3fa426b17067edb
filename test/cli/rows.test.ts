import { afterEach, describe, expect, test } from 'vitest';
import { AnswerList } from '../../src/contract/fleet.ts';
import {
  NODE_ANSWER_MS_MAX,
  POD_LOOK_AGAIN_MS,
  ROW_SILENCE_MS,
} from '../../src/contract/limits.ts';
import { MACHINE_NAMES } from '../../src/simulation/machine.ts';
import { asJson, type FakeApiServer, status } from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { ended, FLEET_NOW_MS, machinesOf, rowOf, rowsOf, stuck } from './fleet.ts';
import { run, type World } from './run.ts';

const open: FakeApiServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(api => api[Symbol.asyncDispose]()));
});

/** So many nodes, of which some are ill. */
async function fleet(
  count: number,
  ill: Readonly<Record<string, string>> = {},
  fates: Parameters<typeof rowsOf>[1] = {},
): Promise<FakeApiServer> {
  const api = await rowsOf(machinesOf(count, ill), fates);
  open.push(api);
  return api;
}

const IMAGE = ['--image', 'example/a:1'];
const rows = async (api: FakeApiServer, words: readonly string[] = [], world: World = {}) =>
  run(['triage', '--fleet', '-l', 'pool=gpu', ...words, ...IMAGE], {
    nowMs: FLEET_NOW_MS,
    environment: { KUBECONFIG: await api.kubeconfig() },
    ...world,
  });

const made = (api: FakeApiServer, kind: string) =>
  api.requests.filter(({ method, path }) => method === 'POST' && path.endsWith(`/${kind}`));
/** Resolves when so many pods have been made. */
const created = (api: FakeApiServer, count: number) =>
  new Promise<void>(resolve => {
    const { onCreate } = api;
    let pods = 0;
    api.onCreate = (resource, object) => {
      onCreate(resource, object);
      if (resource === 'pods') pods += 1;
      if (pods === count) resolve();
    };
  });
const left = (api: FakeApiServer) => [...api.list('jobs'), ...api.list('pods')];

describe('rows of many nodes', () => {
  test('are the table of a triage, by one watch, two requests a node, and no attach', async () => {
    const api = await fleet(12, { 'node-10': 'lost-gpu', 'node-2': 'ecc-row-remap' });
    const { code, stdout, stderr } = await rows(api);
    expect(code).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "12 nodes: 2 critical, 10 healthy

      NODE      VERDICT   GPUS  WHAT                                     DO
      node-2    CRITICAL  4/4   GPU 1 has 1 uncorrected ECC error…       reset GPU 1
      node-10   CRITICAL  7/8   GPU 3 is lost: it fell off the PCIe bus  drain, reboot
      10 nodes  healthy   8/8   8x H100 80GB HBM3, driver 570.124.06

      Rows alone: without evidence and what speaks against it; the steps that led
          to a fault, and when it began; readings of the host; what the cluster knows
          of the node and its pods.
      The whole page: kubectl gpu-mcp triage node-2 node-10
      "
    `);
    expect(stderr).toMatch(/^job gpu-mcp\/gpu-mcp-fleet-\w+ and its 12 pods deleted, verified$/m);
    expect(left(api)).toEqual([]);
    expect(made(api, 'jobs')).toHaveLength(1);
    expect(made(api, 'pods')).toHaveLength(12);
    expect(api.requests.some(({ path }) => path.endsWith('/attach'))).toBe(false);
    expect(api.requests.filter(({ query }) => query.has('watch'))).toHaveLength(1);
    expect(api.requests.length).toBeLessThanOrEqual(12 + 16);
  });

  test('name a whole page of the same profile: one without it would be a privileged pod', async () => {
    const api = await fleet(3, { 'node-2': 'lost-gpu' });
    const flags = ['--profile', 'restricted', '--runtime-class', 'nv', '--no-syslog'];
    const { stdout } = await rows(api, flags);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(
      'kubectl gpu-mcp triage --profile=restricted --runtime-class=nv --no-syslog node-2',
    );
  });

  test.each([[['typo', 'node-1', 'node-2']], [['node-1', 'typo', 'node-2']]])(
    'of %j are read but for the name that no node has',
    async names => {
      const api = await fleet(2);
      const { stdout, code } = await run(['triage', '--fleet', ...names, ...IMAGE, '-o', 'json'], {
        nowMs: FLEET_NOW_MS,
        environment: { KUBECONFIG: await api.kubeconfig() },
      });
      expect(code).toBe(5);
      const { items } = AnswerList.parse(JSON.parse(stdout));
      expect(items.flatMap(({ node, ok }) => (ok ? [node] : [])).toSorted()).toEqual([
        ...['node-1', 'node-2'],
      ]);
    },
  );

  test('as JSON hold what a row says, and the list says what they leave out', async () => {
    const api = await fleet(3, { 'node-2': 'lost-gpu' });
    const { stdout } = await rows(api, ['-o', 'json']);
    const { counts, items, leftOut } = AnswerList.parse(JSON.parse(stdout));
    expect(counts).toMatchObject({ nodes: 3, critical: 1, healthy: 2 });
    expect(leftOut).toContain('what the cluster knows of the node and its pods');
    expect(items[0]).toMatchObject({ node: 'node-2', ok: true, verdict: 'critical' });
    expect(asJson(items[0]?.answer?.['findings'])[0]).toEqual({
      severity: 'critical',
      component: 'gpu',
      gpu: { index: 3, pci: '0000:61:00' },
      title: expect.any(String),
    });
  });

  test('name their nodes, and one Job owns them that asks for no pod', async () => {
    const api = await fleet(2);
    await rows(api);
    const [job] = made(api, 'jobs');
    expect(job?.body['spec']).toMatchObject({ completions: 0, parallelism: 0 });
    const pods = made(api, 'pods').map(({ body }) => body);
    expect(pods.map(({ spec }) => asJson(spec)['nodeName']).toSorted()).toEqual([
      'node-1',
      'node-2',
    ]);
    const name = asJson(job?.body['metadata'])['name'];
    for (const { metadata, spec } of pods) {
      expect(metadata).toMatchObject({ ownerReferences: [{ kind: 'Job', name }] });
      expect(spec).toMatchObject({ activeDeadlineSeconds: 120 });
      expect(JSON.stringify(spec)).not.toContain('stdin');
    }
  });
});

describe('a node without a row says why', () => {
  test.each([
    ['words that are no row', ended('hello'), /ended at once \(Completed, exit code 0\): hello/],
    [
      'an agent that fails',
      ended('Error: no', 1),
      /ended at once \(Error, exit code 1\): Error: no/,
    ],
    ['another version', ended('{"version":"9.9.9","provenance":{},"facts":{}}'), /version 9\.9\.9/],
    [
      'an image that is not there',
      {
        statuses: [
          {
            phase: 'Pending',
            containerStatuses: [
              {
                name: 'mcp',
                image: 'x',
                state: { waiting: { reason: 'ErrImagePull', message: 'not found' } },
              },
            ],
          },
        ],
      },
      /cannot be pulled: not found/,
    ],
    [
      'a kubelet that refuses',
      { statuses: [{ phase: 'Failed', reason: 'OutOfpods' }] },
      /refused.*OutOfpods/,
    ],
  ])('%s', async (_what, fate, words) => {
    const api = await fleet(2, {}, { 'node-2': fate });
    const { code, stderr, stdout } = await rows(api);
    expect(code).toBe(5);
    expect(stderr).toMatch(words);
    expect(stdout).toContain('2 nodes: 1 not read, 1 healthy');
    expect(left(api)).toEqual([]);
  });

  test('of a pod that another has deleted', async () => {
    const api = await fleet(2, {}, { 'node-2': stuck });
    const { onCreate } = api;
    api.onCreate = (resource, object) => {
      onCreate(resource, object);
      if (asJson(object['spec'])['nodeName'] !== 'node-2') return;
      api.remove('pods', 'gpu-mcp', String(asJson(object['metadata'])['name']));
    };
    const asking = rows(api);
    await created(api, 2);
    await pass(POD_LOOK_AGAIN_MS);
    const { code, stderr } = await asking;
    expect(code).toBe(5);
    expect(stderr).toMatch(/error: node-2: pod \S+ was deleted before it/);
  });

  test('of one that is not ready: no pod is made there', async () => {
    const api = await fleet(2);
    api.put('nodes', {
      metadata: { name: 'node-3', labels: { pool: 'gpu' } },
      status: { conditions: [{ type: 'Ready', status: 'Unknown' }] },
    });
    const { code, stderr } = await rows(api);
    expect(code).toBe(5);
    expect(stderr).toMatch(/error: node-3: node "node-3" is not ready/);
    expect(made(api, 'pods')).toHaveLength(2);
  });

  test('that never starts has its time, and goes with the others', async () => {
    const api = await fleet(2, {}, { 'node-2': stuck });
    const asking = rows(api);
    await created(api, 2);
    await pass(NODE_ANSWER_MS_MAX);
    const { code, stderr } = await asking;
    expect(code).toBe(5);
    expect(stderr).toMatch(/error: node-2: no answer in time; last heard: pod \S+/);
    expect(left(api)).toEqual([]);
  });
});

test('why nodes were not read is said once for all that it is true of, and counted', async () => {
  const full = { statuses: [{ phase: 'Failed', reason: 'OutOfpods' }] };
  const api = await fleet(5, {}, { 'node-2': full, 'node-3': full, 'node-4': full });
  api.put('nodes', {
    metadata: { name: 'node-6', labels: { pool: 'gpu' } },
    status: {
      conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: '2026-03-01T11:00:00Z' }],
    },
  });
  const { stdout: page } = await rows(api);
  expect(page).toMatch(/^3 nodes +NOT READ .*\n {2}node-2, node-3, node-4$/m);
  const { stdout } = await rows(api, ['-o', 'json']);
  expect(AnswerList.parse(JSON.parse(stdout)).unreadFor).toEqual([
    {
      reason: expect.stringMatching(/^the kubelet of the node refused its pod: OutOfpods/),
      nodes: 3,
    },
    { reason: expect.stringMatching(/^the node is not ready;/), nodes: 1 },
  ]);
});

test('pods whose rows are read go fifty at a time, before the end; those of others stay', async () => {
  const api = await fleet(60, {}, { 'node-60': stuck });
  const stop = new AbortController();
  const asking = rows(api, [], { signal: stop.signal });
  await created(api, 60);
  while (api.list('pods').length > 10) await new Promise(setImmediate);
  const [removed, ...others] = api.seen('DELETE', /\/pods$/);
  expect(others).toEqual([]);
  expect(removed?.query.get('labelSelector')).toMatch(/^gpu-mcp\/session=\w+,gpu-mcp\/part=1$/);
  const parts = api.list('pods').map(({ metadata }) => asJson(asJson(metadata)['labels']));
  expect(new Set(parts.map(labels => labels['gpu-mcp/part']))).toEqual(new Set(['2']));
  stop.abort();
  const { stderr } = await asking;
  expect(stderr).toMatch(/interrupted; job \S+ and its 60 pods deleted, verified/);
  expect(left(api)).toEqual([]);
});

test('a kubelet that is silent is told where its node had no row in its time', async () => {
  const api = await fleet(1, {}, { 'node-1': { statuses: [] } });
  api.nowMs = FLEET_NOW_MS;
  api.put('leases', {
    metadata: { namespace: 'kube-node-lease', name: 'node-1' },
    spec: { renewTime: new Date(FLEET_NOW_MS - 60_000).toISOString() },
  });
  const asking = rows(api);
  await pass(ROW_SILENCE_MS);
  while (api.seen('GET', /leases/).length === 0) await new Promise(setImmediate);
  for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate);
  await pass(NODE_ANSWER_MS_MAX);
  const { code, stderr } = await asking;
  expect(code).toBe(5);
  expect(stderr).toMatch(/last heard: the kubelet of node "node-1" has not reported for 60 s/);
});

test('what refuses the first pod refuses all: no other is asked for', async () => {
  const api = await fleet(50);
  api.answer = ({ method, path }) =>
    method === 'POST' && path.endsWith('/pods')
      ? status(403, 'Forbidden', 'pods "x" is forbidden: exceeded quota: q, requested: pods=1')
      : undefined;
  const { code, stderr } = await rows(api);
  expect(code).toBe(5);
  expect(stderr).toMatch(/error: node-50: .*quota is exceeded/);
  expect(made(api, 'pods')).toHaveLength(1);
  expect(left(api)).toEqual([]);
});

test('without the rights to make Jobs and to delete many at once the rows are the same', async () => {
  const api = await fleet(3);
  const whole = await rows(api);
  api.answer = ({ method, path }) => {
    const [, resource] = /\/(pods|jobs)$/.exec(path) ?? [];
    const verb = { POST: 'create', DELETE: 'deletecollection' }[method];
    if (!['create jobs', 'deletecollection pods'].includes(`${verb} ${resource}`)) return undefined;
    const words = `User "alice" cannot ${verb} resource "${resource}" in API group ""`;
    return status(403, 'Forbidden', `x is forbidden: ${words}`);
  };
  const { code, stdout, stderr } = await rows(api);
  expect([code, stdout]).toEqual([0, whole.stdout]);
  expect(stderr).toMatch(/^3 pods deleted, verified$/m);
  expect(left(api)).toEqual([]);
});

test('Ctrl-C in the midst removes all, in one request', async () => {
  const api = await fleet(
    40,
    {},
    Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`node-${at + 1}`, stuck])),
  );
  const stop = new AbortController();
  const { onCreate } = api;
  let pods = 0;
  api.onCreate = (resource, object) => {
    onCreate(resource, object);
    if (resource === 'pods') pods += 1;
    if (pods === 40) stop.abort();
  };
  const { code, stderr } = await rows(api, [], { signal: stop.signal });
  expect(code).toBe(130);
  expect(stderr).toMatch(/interrupted; job \S+ and its 40 pods deleted, verified/);
  expect(left(api)).toEqual([]);
  expect(api.seen('DELETE', /\/pods$/)).toHaveLength(1);
});

test.each([
  ['--simulate', 'lost-gpu'],
  ['--watch', '10s'],
  ['-o', 'html'],
  ['--profile', 'mounted'],
])('is refused beside %s %s', async (...words) => {
  const { code, stderr } = await run(['triage', 'node-1', '--fleet', ...words]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/--fleet and .* exclude each other/);
});

test('a row is short enough for a kubelet, whatever the machine', async () => {
  for (const machine of MACHINE_NAMES) {
    expect(Buffer.byteLength(await rowOf(machine))).toBeLessThanOrEqual(4_096);
  }
});
