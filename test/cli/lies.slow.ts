import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Answer, FakeApiServer, type SeenRequest } from '../cluster/fake-api-server.ts';
import { good, html, LIES, LOGIN } from '../cluster/lies.ts';
import { run } from './run.ts';

const LISTS_THAT_LIE: readonly [name: string, lie: (kind: string) => Answer, words: RegExp][] = [
  ['without items', kind => good({ kind, metadata: {} }), /a \w+List without items/],
  [
    'whose items have no name',
    kind => good({ kind, metadata: {}, items: [{}] }),
    /a \w+List without the names of its items/,
  ],
  [
    'without an end',
    kind => good({ kind, metadata: { continue: 'more' }, items: [] }),
    /has no end after 200 pages/,
  ],
];

const COMMANDS: readonly (readonly string[])[] = [
  ['nodes'],
  ['clean'],
  ['clean', '-A'],
  ['clean', '--dry-run'],
  ['triage', 'node-a'],
  ['triage', 'pod/train-0'],
  ['triage', 'job/train'],
  ['triage', '-l', 'gpu=true'],
  ['call', 'node-a', 'get_gpu_inventory'],
  ['capture', 'node-a', '-f', 'FILE'],
];

let api: FakeApiServer;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lies-'));
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  api = await FakeApiServer.start();
});
afterEach(() => api[Symbol.asyncDispose]());

async function told(argv: readonly string[], words: RegExp): Promise<void> {
  const kubeconfig = await api.kubeconfig();
  const args = argv.map(word => (word === 'FILE' ? join(folder, 'bundle.gz') : word));
  const ran = await run([...args, '--kubeconfig', kubeconfig]);
  expect(ran.stdout).not.toMatch(/nothing of ours|none of 0|healthy/i);
  expect(ran.stderr).toMatch(words);
  expect(ran.stderr).not.toMatch(/^\s+at /m);
  expect([3, 4]).toContain(ran.code);
}

test.each(
  COMMANDS.flatMap(argv =>
    LIES.map(([name, lie, words]) => [argv.join(' '), name, argv, lie, words] as const),
  ),
)('%s: %s', async (_command, _name, argv, lie, words) => {
  api.answer = () => lie;
  await told(argv, words);
});

const LISTING = COMMANDS.filter(
  ([command, , value]) => ['nodes', 'clean'].includes(command ?? '') || value === 'gpu=true',
);
test.each(
  LISTING.flatMap(argv =>
    LISTS_THAT_LIE.map(([name, lie, words]) => [argv.join(' '), name, argv, lie, words] as const),
  ),
)('%s: a list %s', async (_command, _name, argv, lie, words) => {
  api.answer = ({ path }) =>
    lie(/\/nodes/.test(path) ? 'NodeList' : /\/jobs/.test(path) ? 'JobList' : 'PodList');
  await told(argv, words);
});

// One of the two lists is enough to know nothing.
test.each(['jobs', 'pods'])('clean: only the list of %s lies', async resource => {
  api.answer = ({ path }: SeenRequest) =>
    path.endsWith(`/${resource}`) ? good({ kind: 'List' }) : undefined;
  await told(['clean'], /a List instead of a /);
});

test('a deletion that something else confirms is not done', async () => {
  api.put('jobs', {
    metadata: {
      ...{
        namespace: 'gpu-mcp',
        name: 'gpu-mcp-node-a-1',
        labels: { 'app.kubernetes.io/managed-by': 'kubectl-gpu-mcp' },
      },
      annotations: {
        'gpu-mcp/expires-at': '2020-01-01T00:00:00Z',
        'gpu-mcp/user': 'alice@example.com',
      },
    },
    status: { conditions: [{ type: 'Complete', status: 'True' }] },
  });
  api.answer = ({ method }) =>
    method === 'DELETE' ? { code: 200, body: LOGIN, headers: html } : undefined;
  await told(['clean'], /delete job "gpu-mcp-node-a-1".* web page titled/);
});
