import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, env as ownEnv } from 'node:process';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import * as z from 'zod';
import { LAUNCHER } from '../prepare.ts';
import { runClient } from './program.ts';

/** Where `config generic` has written the JSON that most clients share. */
let folder = '';
const file = () => join(folder, 'mcp.json');
const environment = () => ({ PATH: ownEnv['PATH'] ?? '', HOME: folder });
const run = (words: readonly string[]) =>
  runClient([execPath, ...words], { cwd: folder, env: environment() });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-inspector-'));
  const words = ['config', 'generic', '--write', '--file', file(), '--simulate', 'job-lost-gpu'];
  expect(await run([LAUNCHER, ...words])).toMatchObject({ code: 0, stderr: '' });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function inspect(modules: string, ...words: readonly string[]) {
  const program = join(
    modules,
    'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js',
  );
  return run([program, '--cli', '--config', file(), '--server', 'gpu', ...words]);
}

describe.concurrent('the Inspector, with what `config generic` has written', () => {
  test.for([
    { method: ['tools/list', '--strict'], says: /"name": "triage_gpu_node"/ },
    {
      method: ['tools/call', '--tool-name', 'explain_xid', '--tool-arg', 'query=79'],
      says: /reboot_node/,
    },
    { method: ['prompts/list'], says: /"triage-node"/ },
    { method: ['resources/templates/list'], says: /xid:\/\/\{code\}/ },
    { method: ['resources/read', '--uri', 'xid://79'], says: /fallen off the bus/ },
  ])('$method.0', async ({ method, says }, { skip, expect }) => {
    const { npm } = inject('clients');
    if ('why' in npm) return skip(npm.why);
    const ended = await inspect(npm.folder, '--method', ...method);
    expect(ended.stdout).toMatch(says);
    // --strict: not one schema that another client might not read.
    expect(ended).toMatchObject({ code: 0, left: [] });
    expect(ended.stderr).not.toMatch(/warning/i);
  });

  test('mcporter lists and calls from the same file', async ({ skip, expect }) => {
    const { npm } = inject('clients');
    if ('why' in npm) return skip(npm.why);
    const mcporter = join(npm.folder, 'node_modules/mcporter/dist/cli.js');
    const ended = await run([
      mcporter,
      '--config',
      file(),
      'call',
      'gpu.triage_gpu_node',
      '--output',
      'json',
    ]);
    const { verdict } = z.looseObject({ verdict: z.string() }).parse(JSON.parse(ended.stdout));
    expect(verdict).toBe('critical');
    expect(ended).toMatchObject({ code: 0, left: [] });
  });
});
