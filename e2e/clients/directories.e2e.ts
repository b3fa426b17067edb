import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { afterAll, beforeAll, inject, type TestContext, test } from 'vitest';
import * as z from 'zod';
import { bundleName, mcpBundle, registryEntry } from '../../kubectl-plugin/release/mcp-bundle.ts';
import project from '../../package.json' with { type: 'json' };
import { PROJECT } from '../prepare.ts';
import { ENVIRONMENT, runClient } from './program.ts';

const RELEASED = { version: project.version, repository: 'owner/name' };

let folder = '';
const at = (...parts: readonly string[]) => join(folder, ...parts);
const run = (...words: readonly string[]) =>
  runClient([execPath, ...words], { cwd: inject('drivers'), env: ENVIRONMENT });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-directories-'));
  mkdirSync(at('package'));
  for (const name of ['dist', 'kubectl-plugin', 'LICENSE', 'package.json']) {
    cpSync(join(PROJECT, name), at('package', name), { recursive: true });
  }
  writeFileSync(at(bundleName(RELEASED.version)), await mcpBundle(at('package'), RELEASED));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The tool of the bundles' makers. */
function mcpb({ skip }: Pick<TestContext, 'skip'>): (...words: string[]) => ReturnType<typeof run> {
  const { npm } = inject('clients');
  if ('why' in npm) return skip(npm.why);
  const program = join(npm.folder, 'node_modules/@anthropic-ai/mcpb/dist/cli/cli.js');
  return (...words) => run(program, ...words);
}

test('the entry for the registry is what its schema asks for, and one with a fault is refused', async ({
  skip,
  expect,
}) => {
  const { npm } = inject('clients');
  if ('why' in npm) return skip(npm.why);
  const sum = createHash('sha256').update('bundle').digest('hex');
  const entry = registryEntry(RELEASED, sum);
  const wrong = async (text: string) => {
    writeFileSync(at('server.json'), text);
    const schema = join(import.meta.dirname, 'registry-schema.json');
    const { stdout } = await run('check-entry.mjs', schema, at('server.json'));
    return z.array(z.looseObject({ instancePath: z.string() })).parse(JSON.parse(stdout));
  };
  expect(await wrong(entry)).toEqual([]);
  expect(await wrong(entry.replace('"io.github.owner/', '"'))).toMatchObject([
    { instancePath: '/name' },
  ]);
  expect(await wrong(entry.replace(sum, 'none'))).not.toEqual([]);
});

test('the bundle is taken, unpacked and packed again by its makers’ own tool', async context => {
  const { expect } = context;
  const tool = mcpb(context);
  const unpacked = await tool('unpack', at(bundleName(RELEASED.version)), at('unpacked'));
  expect(unpacked).toMatchObject({ code: 0 });
  expect(await tool('validate', at('unpacked/manifest.json'))).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('validation passes'),
  });
  expect(await tool('pack', at('unpacked'), at('again.mcpb'))).toMatchObject({ code: 0 });
});

test.for([
  { settings: {}, says: /nodes with GPUs/ },
  {
    settings: { kubeconfig: '/nowhere/config', context: 'prod', toolsets: 'repair' },
    says: /capture_node/,
  },
])('what a desktop starts of it lists tools: $settings', async ({ settings, says }, context) => {
  const { expect } = context;
  await mcpb(context)('unpack', at(bundleName(RELEASED.version)), at('started'));
  const { stdout } = await run('bundle-command.mjs', at('started'), JSON.stringify(settings));
  const { command, args } = z
    .looseObject({ command: z.string(), args: z.array(z.string()) })
    .parse(JSON.parse(stdout));
  expect(command).toBe('node');
  expect(args.join(' ')).not.toContain('${');
  const listed = await runClient([execPath, ...args], {
    ...{ cwd: folder, env: ENVIRONMENT },
    input: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n',
  });
  expect(listed.stdout).toMatch(says);
  expect(listed).toMatchObject({ code: 0, left: [] });
});
