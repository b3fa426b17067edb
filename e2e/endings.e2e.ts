import { spawn } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import {
  cluster,
  environmentOf,
  kubectl,
  leftAfterTenSeconds,
  leftovers,
  start,
  withImage,
} from './plugin.ts';

const HELLO = [
  {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'e2e', version: '1' },
    },
  },
  { jsonrpc: '2.0', method: 'notifications/initialized' },
  { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'get_gpu_inventory' } },
];

/** A session whose first call has been answered: its pod runs. */
async function openSession(...flags: string[]) {
  const child = start(withImage('node-a', ...flags));
  let answers = '';
  const answered = new Promise<void>((resolve, reject) => {
    child.once('close', code => reject(new Error(`ended with ${code} before its answer`)));
    child.stdout?.on('data', chunk => {
      answers += chunk;
      if (answers.includes('"id":2')) resolve();
    });
  });
  child.stdin?.on('error', () => undefined);
  for (const message of HELLO) child.stdin?.write(`${JSON.stringify(message)}\n`);
  await answered;
  const ended = new Promise<{ code: number | null; signal: string | null }>(resolve => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  return { child, ended };
}

const agents = () =>
  cluster().nodes.flatMap(node =>
    node.podProcesses().filter(process => process.argv.some(word => word.includes('agent.mjs'))),
  );

describe.each([
  ['wrapped in a Job', [] as string[]],
  ['bare, with a reaper', ['--lifetime', 'pod']],
])('a pod %s', (_how, flags) => {
  test('is gone after the client closed its side', async () => {
    const { child, ended } = await openSession(...flags);
    expect(agents()).not.toEqual([]);
    child.stdin?.end();
    expect(await ended).toEqual({ code: 0, signal: null });
    expect(await leftAfterTenSeconds()).toEqual([]);
  });

  test.each([
    ['SIGINT' as const, { code: 130, signal: null }],
    ['SIGTERM' as const, { code: 130, signal: null }],
    ['SIGHUP' as const, { code: 130, signal: null }],
    ['SIGKILL' as const, { code: null, signal: 'SIGKILL' }],
  ])('is gone after %s', async (name, end) => {
    const { child, ended } = await openSession(...flags);
    expect(agents()).not.toEqual([]);
    child.kill(name);
    expect(await ended).toEqual(end);
    expect(await leftAfterTenSeconds()).toEqual([]);
  });
});

const REMOVED = /interrupted; (?:job|pod) \S+ deleted, verified/;

test('SIGINT while the pod is being created leaves nothing, and says what it removed', async () => {
  const child = start(withImage('call', 'node-a', 'get_gpu_inventory'));
  let told = '';
  child.stderr?.on('data', chunk => {
    told += chunk;
  });
  await expect.poll(() => leftovers(), { timeout: 30_000, interval: 20 }).not.toEqual([]);
  child.kill('SIGINT');
  expect(await new Promise(resolve => child.once('close', resolve))).toBe(130);
  expect(told).toMatch(REMOVED);
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('Ctrl-C ends a live view on a real terminal, which is as it was, and says what it removed', async () => {
  const words = ['kubectl', ...withImage('top', 'node-a')].join(' ');
  const shell = `stty cols 100 rows 30; exec ${words}`;
  const child = spawn('script', ['-qfec', shell, '/dev/null'], {
    env: { ...environmentOf(), TERM: 'xterm', NO_COLOR: '1', SHELL: '/bin/sh' },
  });
  let shown = '';
  child.stdout.on('data', chunk => {
    shown += chunk;
  });
  await expect.poll(() => shown, { timeout: 60_000 }).toMatch(/GPU +UTIL|no driver to ask/);
  child.stdin.write('\u0003');
  expect(await new Promise(resolve => child.once('close', resolve))).toBe(130);
  // The other screen is left before the words of the end.
  expect(shown.split('\u001b[?1049l').at(-1)).toMatch(REMOVED);
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('clean removes what a session without any end of its own left', async () => {
  const pod = await kubectl(withImage('manifest', 'pod', 'node-b'));
  const made = await kubectl(['create', '-f', '-'], { input: pod.stdout });
  expect(made.code, made.stderr).toBe(0);
  expect(await leftovers()).not.toEqual([]);
  const dry = await kubectl(['gpu-mcp', 'clean', '--older-than', '0s']);
  expect(dry.code, dry.stderr).toBe(0);
  // Whoever creates a printed pod by hand leaves no mark on it: it goes by its name.
  const name = /job \S+\/(\S+) on node-b: kept: it carries no name of a user/.exec(dry.stdout)?.[1];
  expect(await leftovers()).not.toEqual([]);
  const ran = await kubectl(['gpu-mcp', 'clean', name ?? '']);
  expect(ran.code, ran.stderr).toBe(0);
  expect(await leftAfterTenSeconds()).toEqual([]);
});
