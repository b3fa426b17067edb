import { load } from 'js-yaml';
import { afterEach, describe, expect, test } from 'vitest';
import type { NodeOutcome } from '../../src/bridge/ask-each.ts';
import { fleetAnswer } from '../../src/cli/fleet-answer.ts';
import { textOf } from '../../src/contract/answer.ts';
import { AnswerList } from '../../src/contract/fleet.ts';
import { NODE_ANSWER_MS_MAX, PARTIAL_ANSWER_MS } from '../../src/contract/limits.ts';
import type { Form } from '../../src/report/render.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { asJson, FakeApiServer, status } from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { FLEET_NOW_MS, fleetOf, machinesOf, putJob, stuck, triageOf } from './fleet.ts';
import { run } from './run.ts';

const open: FakeApiServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(api => api[Symbol.asyncDispose]()));
});

/** So many nodes, of which some are ill. */
async function fleet(
  count: number,
  ill: Readonly<Record<string, string>> = {},
  fates: Parameters<typeof fleetOf>[1] = {},
): Promise<FakeApiServer> {
  const api = await fleetOf(machinesOf(count, ill), fates);
  open.push(api);
  return api;
}

const IMAGE = ['--image', 'example/a:1'];
const triage = async (api: FakeApiServer, ...words: string[]) =>
  run(['triage', ...words, '--kubeconfig', await api.kubeconfig(), ...IMAGE], {
    nowMs: FLEET_NOW_MS,
  });

const made = (api: FakeApiServer) =>
  api.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/jobs')).length;
const deleted = (api: FakeApiServer, kind: string) =>
  new Set(
    api.requests
      .filter(({ method, path }) => method === 'DELETE' && path.includes(`/${kind}/`))
      .map(({ path }) => path),
  ).size;

/** How many Jobs there were at the same time. */
function mostAtOnce(requests: FakeApiServer['requests']): number {
  let now = 0;
  const counts = requests.map(({ method, path }) => {
    if (method === 'POST' && path.endsWith('/jobs')) now += 1;
    if (method === 'DELETE' && path.includes('/jobs/')) now -= 1;
    return now;
  });
  return Math.max(...counts);
}

describe('a selection', () => {
  test('is one table, worst first, in the same order in every run; each pod is removed', async () => {
    const api = await fleet(12, { 'node-10': 'lost-gpu', 'node-2': 'ecc-row-remap' });
    const { code, stdout, stderr } = await triage(api, '-l', 'pool=gpu');
    expect(code).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "12 nodes: 2 critical, 10 healthy

      NODE      VERDICT   GPUS  WHAT                                     DO
      node-2    CRITICAL  4/4   GPU 1 has 1 uncorrected ECC error…       reset GPU 1
      node-10   CRITICAL  7/8   GPU 3 is lost: it fell off the PCIe bus  drain, reboot
      10 nodes  healthy   8/8   8x H100 80GB HBM3, driver 570.124.06

      First fault: node-2, GPU 1, XID 48, 2026-03-01 11:14:49 UTC, 41 min before
          node-10 (clocks compared to ±1 ms).

      2 pages are left out: --details prints all, triage NODE one.
      "
    `);
    expect(stderr).toContain('12 of 12: ');
    expect(stderr).toContain("12 sessions' Jobs and pods deleted, verified");
    expect([made(api), deleted(api, 'jobs'), deleted(api, 'pods')]).toEqual([12, 12, 12]);
    const watches = api.requests.filter(
      ({ path, query }) => query.has('watch') && /\/pods$/.test(path),
    );
    expect(watches).toHaveLength(1);
    expect(api.requests.filter(({ path }) => path.endsWith('selfsubjectreviews'))).toHaveLength(1);
    expect(api.requests.length / 12).toBeLessThanOrEqual(10);
    const looks = api.requests.filter(
      ({ method, path }) => method === 'GET' && /\/pods\/[^/]+$/.test(path),
    );
    expect(looks).toEqual([]);
    expect(api.requests.filter(({ path }) => /\/nodes\/[^/]+$/.test(path))).toHaveLength(12);
    const before = api.requests.length;
    expect((await triage(api, '-l', 'pool=gpu', '--parallel', '3')).stdout).toBe(stdout);
    expect(mostAtOnce(api.requests.slice(before))).toBe(3);
    expect(mostAtOnce(api.requests.slice(0, before))).toBe(12);
  });

  test('of which a node cannot be read has a row for it, and the rest do not wait', async () => {
    const api = await fleet(4, {}, { 'node-3': stuck });
    api.put('nodes', {
      metadata: { name: 'node-4', labels: { pool: 'gpu' } },
      status: { conditions: [{ type: 'Ready', status: 'Unknown' }] },
    });
    let ended = 0;
    api.answer = ({ method, path }) => {
      if (method === 'DELETE' && path.includes('/jobs/')) ended += 1;
      // Both that answered have ended by now: nobody waits for the one that does not.
      if (ended === 2) void pass(PARTIAL_ANSWER_MS).then(() => pass(NODE_ANSWER_MS_MAX));
      // A kubelet attaches to no container that has not started.
      const isStuck = path.endsWith('/attach') && path.includes('node-3');
      return isStuck ? status(400, 'BadRequest', 'the container is not available') : undefined;
    };
    const { code, stdout, stderr } = await triage(api, '-l', 'pool=gpu');
    expect(code).toBe(5);
    expect(stdout.split('\n').slice(0, 6)).toMatchInlineSnapshot(`
      [
        "4 nodes: 2 not read, 2 healthy",
        "",
        "NODE     VERDICT   GPUS  WHAT",
        "node-3   NOT READ  -     no answer in time; last heard: pod…",
        "node-4   NOT READ  -     node "node-4" is not ready since its start: its…",
        "2 nodes  healthy   8/8   8x H100 80GB HBM3, driver 570.124.06",
      ]
    `);
    expect(stderr).toMatch(/^3 of 4 so far; awaited: node-3 \(pod \S+ is being created/m);
    expect(stderr).toMatch(/^error: node-3: no answer in time; last heard: /m);
    expect(deleted(api, 'jobs')).toBe(3);
  });

  test('that is empty is an error and no all-clear', async () => {
    const api = await fleet(2);
    const nothing = await triage(api, '-l', 'pool=cpu');
    expect([nothing.code, nothing.stdout]).toEqual([2, '']);
    expect(nothing.stderr).toContain('no node has the labels "pool=cpu"');
    expect(made(api)).toBe(0);
  });

  test('of all nodes with GPUs leaves out the others, and none of them is an error', async () => {
    const api = await fleet(2);
    api.put('nodes', { metadata: { name: 'cpu-1' }, status: {} });
    const list = await triage(api, '--all-gpu-nodes', '-o', 'json');
    expect(list.code).toBe(0);
    const { items } = AnswerList.parse(JSON.parse(list.stdout));
    expect(items.map(({ node }) => node)).toEqual(['node-1', 'node-2']);
    for (const name of ['node-1', 'node-2']) api.put('nodes', { metadata: { name }, status: {} });
    const none = await triage(api, '--all-gpu-nodes');
    expect([none.code, none.stdout]).toEqual([2, '']);
    expect(none.stderr).toContain('none of 3 nodes offers GPUs');
  });

  test('is a list even of one node: a script must not meet two forms', async () => {
    const api = await fleet(1);
    const { stdout } = await triage(api, '-l', 'pool=gpu', '-o', 'json');
    expect(AnswerList.parse(JSON.parse(stdout)).counts).toMatchObject({ nodes: 1, healthy: 1 });
    const alone = await triage(api, 'node-1', '-o', 'json');
    expect(JSON.parse(alone.stdout)).toMatchObject({ verdict: 'healthy' });
  });
});

/** What the API server sent grows with the numbers of its versions. */
const withoutBytes = (document: unknown) =>
  JSON.parse(
    JSON.stringify(document, (key, value) =>
      key === 'asked' ? { requests: value.requests } : value,
    ),
  );

test('three nodes are one document of JSON and one of YAML, with the same in both', async () => {
  const api = await fleet(2, { 'node-2': 'lost-gpu' });
  const words = ['node-1', 'node-2', 'nowhere'];
  const json = await triage(api, ...words, '-o', 'json');
  const yaml = await triage(api, ...words, '-o', 'yaml');
  expect([json.code, yaml.code]).toEqual([5, 5]);
  const list = AnswerList.parse(JSON.parse(json.stdout));
  expect(list.items.map(({ node, ok, verdict }) => ({ node, ok, verdict }))).toEqual([
    { node: 'node-2', ok: true, verdict: 'critical' },
    { node: 'nowhere', ok: false, verdict: undefined },
    { node: 'node-1', ok: true, verdict: 'healthy' },
  ]);
  expect(list.items[1]?.error).toMatchObject({
    exitCode: 3,
    message: 'node "nowhere" was not found',
  });
  const { takenAt: _, ...same } = list;
  expect(withoutBytes(load(yaml.stdout))).toMatchObject(withoutBytes(same));
});

test('three nodes are one file of HTML; what a sick one does not tell beside is a gap of its page', async () => {
  const api = await fleet(2, { 'node-2': 'lost-gpu' });
  const { stdout, code } = await triage(api, 'node-1', 'node-2', 'nowhere', '-o', 'html');
  expect(code).toBe(5);
  expect(stdout.match(/<!doctype html>/g)).toHaveLength(1);
  expect(stdout).toContain('3 nodes: 1 critical, 1 not read, 1 healthy');
  expect([...stdout.matchAll(/class="verdict (\w+)"/g)].map(([, tone]) => tone)).toEqual([
    ...['critical', 'unknown', 'healthy'],
  ]);
  expect(stdout).toContain('node &quot;nowhere&quot; was not found');
  expect(stdout.match(/Not in this report: [^<]*/g)).toEqual([
    'Not in this report: Timeline: the agent on node-2 sent an answer to get_gpu_timeline that does not fit.',
    'Not in this report: Links: the agent on node-2 sent an answer to get_nvlink_topology that does not fit.',
  ]);
});

test('--fail-on looks at each of them', async () => {
  const api = await fleet(2, { 'node-2': 'lost-gpu' });
  expect((await triage(api, '-l', 'pool=gpu', '--fail-on', 'critical')).code).toBe(1);
  expect((await triage(api, 'node-1', '--fail-on', 'critical')).code).toBe(0);
});

const FORM: Form = {
  ...{ format: 'text', colour: false, width: 80, wraps: false, details: false },
};

/** Nodes that have answered, most of them ill and each in its own way. */
async function answeredNodes(count: number): Promise<readonly NodeOutcome[]> {
  const ill = ['lost-gpu', 'ecc-row-remap', 'overheating', 'nvlink-down', 'slow-pcie', 'no-driver'];
  const nodes = Array.from({ length: count }, async (_, at) => {
    const facts = asJson((await triageOf(ill[at % 7] ?? 'dgx-h100'))['structuredContent']);
    const answer = triageGpuNode.question({}).answer(facts);
    const { events, fromFirst } = answer.timed ?? { events: [], fromFirst: true };
    const target = `node-${at + 1}`;
    return { target, answered: { node: target, answer, clock: undefined, events, fromFirst } };
  });
  return Promise.all(nodes);
}

test.each([
  [16, 25],
  [100, 60],
])('%i nodes are %i lines at most, none too wide; --details has all pages', async (count, max) => {
  const outcomes = await answeredNodes(count);
  const options = {
    tool: triageGpuNode,
    nowMs: FLEET_NOW_MS,
    pages: 'sick',
  } as const;
  const { lines: written } = await fleetAnswer(outcomes, { ...options, form: FORM });
  const lines = written.map(({ text }) => text);
  expect(lines.length).toBeLessThanOrEqual(max);
  expect(lines.filter(line => line.length > 80)).toEqual([]);
  expect(lines[0]).toMatch(new RegExp(`^${count} nodes: `));
  const all = textOf(
    (await fleetAnswer(outcomes, { ...options, form: { ...FORM, details: true } })).lines,
  );
  expect(all.match(/^== /gm)?.length).toBe(count);
});

describe('several contexts', () => {
  async function twoClusters(second: string): Promise<string> {
    const api = await fleet(2);
    const kube = (name: string, server: string) => ({
      contexts: { name, context: { cluster: name, user: 'alice', namespace: 'gpu-mcp' } },
      clusters: { name, cluster: { server } },
    });
    const [a, b] = [kube('east', api.url), kube('west', second)];
    return api.kubeconfig({
      'current-context': 'east',
      contexts: [a.contexts, b.contexts],
      clusters: [a.clusters, b.clusters],
    });
  }
  const ask = (config: string, ...words: string[]) =>
    run([
      'triage',
      '--kubeconfig',
      config,
      ...IMAGE,
      '--context',
      'east',
      '--context',
      'west',
      ...words,
    ]);

  test('are one answer, where nodes of the same name are two', async () => {
    const west = await fleet(2, { 'node-2': 'lost-gpu' });
    const config = await twoClusters(west.url);
    const { code, stdout } = await ask(config, '--all-gpu-nodes', '-o', 'json');
    expect(code).toBe(0);
    const { items } = AnswerList.parse(JSON.parse(stdout));
    expect(items.map(({ context, node, verdict }) => `${context} ${node} ${verdict}`)).toEqual([
      'west node-2 critical',
      'east node-1 healthy',
      'east node-2 healthy',
      'west node-1 healthy',
    ]);
  });

  test('one that cannot be listed is a row', async () => {
    const gone = await FakeApiServer.start();
    const config = await twoClusters(gone.url);
    await gone[Symbol.asyncDispose]();
    const { code, stdout } = await ask(config, '--all-gpu-nodes');
    expect(code).toBe(5);
    expect(stdout).toMatch(/^3 nodes: 1 not read, 2 healthy$/m);
    expect(stdout).toMatch(/^west\/\* {3}NOT READ {2}- {5}\S/m);
  });

  test('take no names, and none twice', async () => {
    const config = await twoClusters('http://127.0.0.1:9');
    const named = await ask(config, 'node-1');
    expect([named.code, named.stdout]).toEqual([2, '']);
    const twice = await ask(config, '--all-gpu-nodes', '--context', 'west');
    expect(twice.code).toBe(2);
    expect(twice.stderr).toContain('context "west" is named twice');
  });
});

test('what is replayed or simulated is said at the head, and of each node in the list', async () => {
  const [node] = await answeredNodes(1);
  if (!node?.answered) throw new Error('no answer');
  const { answer } = node.answered;
  const replay = { node: 'gpu-7', capturedAt: '2026-03-01T11:00:00Z' };
  const provenance = { simulated: 'lost-gpu', replay };
  const outcome = { ...node, answered: { ...node.answered, answer: { ...answer, provenance } } };
  const { lines, structured } = await fleetAnswer([outcome], {
    ...{ tool: triageGpuNode, nowMs: FLEET_NOW_MS, pages: 'sick', form: FORM },
  });
  expect(lines[0]?.text).toBe('1 node: 1 critical (1 replayed, 1 SIMULATED)');
  const { summary, items } = AnswerList.parse(structured);
  expect([summary, items[0]?.provenance]).toEqual([lines[0]?.text, provenance]);
});

test('who else has a session on a node is said while the pod starts', async () => {
  const api = await fleet(1);
  api.put('jobs', {
    metadata: {
      ...{ namespace: 'gpu-mcp', name: 'of-bob', creationTimestamp: '2026-03-01T11:00:00Z' },
      labels: { 'app.kubernetes.io/managed-by': 'kubectl-gpu-mcp' },
      annotations: {
        ...{ 'gpu-mcp/node': 'node-1', 'gpu-mcp/user': 'bob@example.com' },
        'gpu-mcp/expires-at': '2026-03-01T12:30:00Z',
      },
    },
  });
  const { stderr } = await triage(api, 'node-1');
  expect(stderr).toContain(
    '"bob@example.com" has a session on this node too, since 2026-03-01T11:00:00Z (job gpu-mcp/of-bob)',
  );
  expect(api.list('jobs')).toHaveLength(1);
});

test('what could not be removed is named, quiet or not, with the command that removes it', async () => {
  const api = await fleet(1);
  api.answer = ({ method }) =>
    method === 'DELETE' ? status(403, 'Forbidden', 'no deletions today') : undefined;
  const { stderr } = await triage(api, 'node-1', '-q', '--context', 'fake');
  const [job] = api.list('jobs').map(one => String(asJson(one['metadata'])['name']));
  const kubeconfig = await api.kubeconfig();
  expect(stderr.split('\n')[0]).toBe(
    `warning: job gpu-mcp/${job} was not seen gone; this goes on for some minutes; by hand: kubectl --context=fake --kubeconfig=${kubeconfig} delete job -n gpu-mcp ${job}`,
  );
  expect(stderr).not.toContain('verified');
});

describe('a job', () => {
  const withJob = async () => {
    const api = await fleet(3, { 'node-2': 'lost-gpu' });
    putJob(api);
    return api;
  };

  test('is a page above those of its nodes, and of no other; each pod is removed', async () => {
    const api = await withJob();
    const { code, stdout, stderr } = await triage(api, 'job/train', '-n', 'ml');
    expect(stdout).toMatch(/^RUNNING {2}Job\/train {3}2 pods: 2 running +namespace ml\n/);
    expect(stdout).toContain('\nDO    Take node node-2 out of the job. ');
    expect(stdout).toMatch(/\n +1 {2}kubectl --kubeconfig=\S+ cordon node-2\n/);
    expect(stdout).toContain('\n2 nodes: 1 critical, 1 healthy');
    expect(stdout).toContain('\n== node-2\n');
    expect(stdout).not.toContain('node-3');
    expect(stderr).toContain('job/train: 2 pods, 2 nodes');
    expect([code, made(api), deleted(api, 'jobs')]).toEqual([0, 2, 2]);
  });

  test('is a key of the facts, and --fail-on reads its nodes', async () => {
    const api = await withJob();
    const json = ['-o', 'json', '--fail-on', 'critical'];
    const { code, stdout } = await triage(api, 'job/train', '-n', 'ml', ...json);
    expect(code).toBe(1);
    expect(AnswerList.parse(JSON.parse(stdout))).toMatchObject({
      job: { job: 'Job/train', takeOut: 'node-2', pods: { all: 2, running: 2 } },
      items: [{ node: 'node-2' }, { node: 'node-1' }],
    });
    const page = await triage(api, 'job/train', '-n', 'ml', '-o', 'html');
    expect(page.stdout).toContain('<h1>RUNNING Job/train</h1>');
  });

  test('one node of it is a job, too', async () => {
    const api = await withJob();
    const { stdout } = await triage(api, 'pod/train-1', '-n', 'ml');
    expect(stdout).toMatch(/^RUNNING {2}Pod\/train-1 .*\n\nNo pod of it has failed/);
  });
});
