import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AGENT_EXIT_MS_MAX } from '../../src/contract/limits.ts';
import { openLocalLink } from '../../src/session/local-link.ts';
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
