import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { type FakeApiServer, status } from '../cluster/fake-api-server.ts';
import { runAgent } from '../session/fake-agent.ts';
import { fleetOf, stuck } from './fleet.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const PATIENCE = { timeout: 60_000, interval: 20 };

const open: FakeApiServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(api => api[Symbol.asyncDispose]()));
});

async function clusterOf(...words: Parameters<typeof fleetOf>): Promise<FakeApiServer> {
  const api = await fleetOf(...words);
  open.push(api);
  return api;
}

/** What stands on a real terminal after Ctrl-C at some moment, and the exit code. */
async function interrupted(api: FakeApiServer, words: string, moment: () => boolean) {
  const access = `--kubeconfig ${await api.kubeconfig()} --image example/a:1`;
  // In a pipe a server serves; the terminal's Ctrl-C reaches it all the same.
  const [before, line] = words.startsWith('| ') ? ['sleep 60 |', words.slice(2)] : ['exec', words];
  const command = `stty cols 200; ${before} ${process.execPath} ${MAIN} ${line} ${access}`;
  const child = spawn('script', ['-qfec', command, '/dev/null'], {
    env: { ...process.env, TERM: 'xterm', NO_COLOR: '1', COLUMNS: '', SHELL: '/bin/sh' },
  });
  let raw = '';
  child.stdout.on('data', (chunk: Buffer) => {
    raw += chunk.toString('utf8');
  });
  const closed = new Promise<number | null>(resolve => child.on('close', resolve));
  await expect.poll(moment, PATIENCE).toBe(true);
  child.stdin.write('\u0003');
  const code = await closed;
  const lines = raw
    .split('\n')
    .map(each => (each.split('\u001b[K').at(-1) ?? '').replaceAll('\r', ''));
  const left = lines.map(each => each.replace(/^\^C/, '')).filter(each => each !== '');
  return { lines: left, code };
}

const seen = (api: FakeApiServer, method: string, path: RegExp) => () =>
  api.requests.some(request => request.method === method && path.test(request.path));
const LAST = /^interrupted; job gpu-mcp\/gpu-mcp-\S+ deleted, verified$/;

test('while a node is looked up nothing was started', async () => {
  const api = await clusterOf({ 'node-1': 'dgx-h100' });
  api.answer = ({ path }) => (path.startsWith('/api/v1/nodes') ? 'silence' : undefined);
  const { lines, code } = await interrupted(
    api,
    'triage -l pool=gpu',
    seen(api, 'GET', /\/api\/v1\/nodes/),
  );
  expect({ lines, code }).toEqual({ lines: ['interrupted; no pod was started'], code: 130 });
});

test('while the pod does not come to run, it goes and is named', async () => {
  const api = await clusterOf({ 'node-1': 'dgx-h100' }, { 'node-1': stuck });
  const { lines, code } = await interrupted(
    api,
    'triage node-1',
    () => api.list('pods').length > 0,
  );
  expect({ lines, code }).toEqual({ lines: [expect.stringMatching(LAST)], code: 130 });
  expect(api.list('jobs')).toEqual([]);
});

test('while the agent has not answered, its pod goes and is named', async () => {
  const api = await clusterOf({ 'node-1': 'dgx-h100' });
  let asked = false;
  runAgent(api, message => {
    asked ||= message['method'] === 'initialize';
    return undefined;
  });
  const { lines, code } = await interrupted(api, 'triage node-1', () => asked);
  expect({ lines, code }).toEqual({ lines: [expect.stringMatching(LAST)], code: 130 });
});

test('while several nodes are asked, all that there is goes and is named in one line', async () => {
  const machines = { 'node-1': 'dgx-h100', 'node-2': 'dgx-h100' };
  const api = await clusterOf(machines, { 'node-1': stuck, 'node-2': stuck });
  const { lines, code } = await interrupted(
    api,
    'triage -l pool=gpu',
    () => api.list('pods').length === 2,
  );
  expect(lines).toEqual([
    expect.stringMatching(/^interrupted; job \S+, job \S+ deleted, verified$/),
  ]);
  expect(code).toBe(130);
  expect(api.list('jobs')).toEqual([]);
});

test('while six nodes are asked, they are counted', async () => {
  const names = Array.from({ length: 6 }, (_, index) => `node-${index}`);
  const machines = Object.fromEntries(names.map(name => [name, 'dgx-h100']));
  const fates = Object.fromEntries(names.map(name => [name, stuck]));
  const api = await clusterOf(machines, fates);
  const { lines, code } = await interrupted(
    api,
    'triage -l pool=gpu',
    () => api.list('pods').length === 6,
  );
  expect(lines).toEqual(["interrupted; 6 sessions' Jobs and pods deleted, verified"]);
  expect(code).toBe(130);
});

test('a server says it too, of its nodes', async () => {
  const api = await clusterOf({ 'node-1': 'dgx-h100' });
  const { lines } = await interrupted(api, '| serve node-1 --eager', seen(api, 'GET', /\/attach/));
  expect(lines.at(-1)).toMatch(LAST);
});

test('a live view gives its screen back first', async () => {
  const api = await clusterOf({ 'node-1': 'dgx-h100' }, { 'node-1': stuck });
  const { lines, code } = await interrupted(api, 'top node-1', () => api.list('pods').length > 0);
  expect(lines.at(-1)).toMatch(/interrupted; job gpu-mcp\/gpu-mcp-\S+ deleted, verified$/);
  expect(code).toBe(130);
});

test('what was not seen gone is a warning, and is not said to be deleted', async () => {
  const api = await clusterOf({ 'node-1': 'dgx-h100' }, { 'node-1': stuck });
  api.answer = ({ method }) =>
    method === 'DELETE' ? status(403, 'Forbidden', 'no deletions today') : undefined;
  const { lines, code } = await interrupted(
    api,
    'triage node-1',
    () => api.list('pods').length > 0,
  );
  expect(lines.some(line => /^warning: job \S+ was not seen gone/.test(line))).toBe(true);
  expect(lines.join()).not.toContain('deleted, verified');
  expect(code).toBe(130);
});
