import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AGENT_EXIT_MS_MAX } from '../../src/contract/limits.ts';
import { openLocalLink } from '../../src/session/link.ts';
import { pass } from '../fakes/deadlines.ts';

const signal = new AbortController().signal;
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'local-link-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function open(script: string) {
  const agentFile = join(folder, `${Math.random()}.mjs`);
  await writeFile(agentFile, script);
  return openLocalLink(
    { agentFile, agentArguments: ['--simulate', 'lost-gpu'], environment: {} },
    signal,
  );
}

test('the agent gets its arguments and its stdin, and ends at EOF', async () => {
  const link = await open(`
    process.stdout.write(process.argv.slice(2).join(' ') + '|');
    process.stdin.pipe(process.stdout);`);
  let text = '';
  link.fromAgent.on('data', chunk => {
    text += chunk;
  });
  link.toAgent.write('hello');
  expect(await link.close()).toEqual({ removed: null, verified: true });
  expect(await link.ended).toEqual({ kind: 'closed', detail: 'closed' });
  expect(text).toBe('--simulate lost-gpu|hello');
});

test('an agent that ends by itself says how, with its last words', async () => {
  const link = await open(`process.stderr.write('no driver here'); process.exitCode = 3;`);
  link.fromAgent.resume();
  expect(await link.ended).toEqual({
    kind: 'agent_ended',
    detail: 'the agent ended with exit code 3; its last words: no driver here',
  });
});

test('an agent that is killed says by what, and what it wrote at last', async () => {
  const link = await open(`
    process.stderr.write('no\\tmore', () => process.kill(process.pid, 'SIGTERM'));`);
  link.fromAgent.resume();
  expect(await link.ended).toEqual({
    kind: 'agent_ended',
    detail: 'the agent ended with signal SIGTERM; its last words: no more',
  });
});

test('an agent that ends without a word', async () => {
  const link = await open('');
  link.fromAgent.resume();
  // What is written to it now is lost, and no error of ours.
  link.toAgent.write('hello');
  expect((await link.ended).detail).toBe('the agent ended with exit code 0');
});

test('the agent has the environment that it is given, and leads a group of its own', async () => {
  const agentFile = join(folder, 'environment.mjs');
  await writeFile(
    agentFile,
    `import { readFileSync } from 'node:fs';
     const group = Number(readFileSync('/proc/self/stat', 'utf8').split(' ')[4]);
     const { GIVEN, PATH } = process.env;
     process.stdout.write(JSON.stringify({ GIVEN, PATH, isLeader: group === process.pid }));`,
  );
  const local = { agentFile, agentArguments: [], environment: { GIVEN: 'yes' } };
  const link = await openLocalLink(local, signal);
  let text = '';
  link.fromAgent.on('data', chunk => {
    text += chunk;
  });
  await link.ended;
  expect(JSON.parse(text)).toEqual({ GIVEN: 'yes', isLeader: true });
});

test('a start that nobody wants any more ends with its reason', async () => {
  const local = { agentFile: join(folder, 'none.mjs'), agentArguments: [], environment: {} };
  const given = AbortSignal.abort(new Error('Ctrl-C'));
  await expect(openLocalLink(local, given)).rejects.toThrow('Ctrl-C');
  const stop = new AbortController();
  const opening = openLocalLink(local, stop.signal);
  stop.abort(new Error('too late'));
  await expect(opening).rejects.toThrow('too late');
});

test('an agent that ignores EOF is killed', async () => {
  const link = await open(`
    process.on('SIGTERM', () => {});
    setInterval(() => {}, 1000);
    process.stdout.write('up');`);
  await new Promise(resolve => link.fromAgent.once('data', resolve));
  const closed = link.close();
  await pass(AGENT_EXIT_MS_MAX);
  expect(await closed).toEqual({ removed: null, verified: true });
});
