import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asJson, type FakeApiServer } from '../cluster/fake-api-server.ts';
import { read } from '../house/files.ts';
import { FLEET_NOW_MS, fleetOf } from './fleet.ts';
import { run } from './run.ts';

/** Each recipe of the page: the words of our command, jq's program with its flags, what it prints. */
const RECIPES = [
  ...read('docs/json.md').matchAll(
    /```sh\nkubectl gpu-mcp (.+?) \| jq (-[rc])? ?'(.+)'\n```\n\n```text\n([\s\S]*?)```/g,
  ),
].map(([, words = '', flag = '-M', program = '', prints = '']) => ({
  words,
  flag,
  program,
  prints,
}));

const hasJq = spawnSync('jq', ['--version']).status === 0;

describe.skipIf(!hasJq)('docs/json.md', () => {
  let api: FakeApiServer;
  beforeAll(async () => {
    api = await fleetOf({ 'node-1': 'dgx-h100', 'node-2': 'lost-gpu' });
    for (const [name, allocatable] of Object.entries({ 'node-1': '8', 'node-2': '7' })) {
      const found = { metadata: { name }, status: {} };
      const status = {
        ...asJson(found.status),
        capacity: { 'nvidia.com/gpu': '8' },
        allocatable: { 'nvidia.com/gpu': allocatable },
        conditions: [{ type: 'Ready', status: 'True' }],
        nodeInfo: { operatingSystem: 'linux' },
      };
      api.put('nodes', { ...found, status });
    }
  });
  afterAll(() => api[Symbol.asyncDispose]());

  test('has recipes', () => {
    expect(RECIPES).toHaveLength(6);
  });

  test.each(RECIPES)('jq $flag $program', async ({ words, flag, program, prints }) => {
    const connection = ['--kubeconfig', await api.kubeconfig()];
    const image = words.startsWith('triage') ? ['--image', 'example/a:1'] : [];
    const { stdout } = await run([...words.split(' '), ...connection, ...image], {
      nowMs: FLEET_NOW_MS,
    });
    const jq = spawnSync('jq', [flag, program], { input: stdout, encoding: 'utf8' });
    expect(jq.stderr).toBe('');
    expect(jq.stdout).toBe(prints);
  });
});
