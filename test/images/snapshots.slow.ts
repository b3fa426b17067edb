import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AGENT_SNAPSHOT, entrypoint } from '../../images/agent/contents.ts';
import { snapshots } from '../../images/agent/snapshots.ts';
import { bundle as bundled, bundlesOf } from '../../kubectl-plugin/build.ts';
import { TOOLS } from '../../src/tools/index.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const NODE = readFileSync(process.execPath);
const BUNDLE = join(PROJECT, 'test/fixtures/silicon/h100-580/fault.json.gz');

/** `app` of the image, and a node without a file. */
let root = '';
let made: Awaited<ReturnType<typeof snapshots>> = [];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'gpu-mcp-snapshots-'));
  const app = join(root, 'app');
  made = await snapshots(NODE, PROJECT);
  for (const { entry, output, unchecked = false } of bundlesOf(PROJECT)) {
    const name = output.split('/').at(-1) ?? '';
    if (name !== 'plugin.mjs') await bundled({ entry, output: join(app, name), unchecked });
  }
  for (const { name, content } of made) writeFileSync(join(app, name), content);
  const platform = `linux-${process.arch}`;
  mkdirSync(join(app, 'koffi', platform), { recursive: true });
  copyFileSync(
    join(PROJECT, `node_modules/@koromix/koffi-${platform}/linux_${process.arch}/koffi.node`),
    join(app, 'koffi', platform, 'koffi.node'),
  );
  mkdirSync(join(root, 'host'));
}, 120_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** How the image starts the agent, on this machine's root. */
const agent = (fromSnapshot: boolean): [string, ...string[]] => {
  const [, ...words] = entrypoint(fromSnapshot);
  return [process.execPath, ...words.map(word => (word.startsWith('/') ? join(root, word) : word))];
};

async function answers(fromSnapshot: boolean, words: readonly string[], tools: readonly string[]) {
  const [command, ...args] = agent(fromSnapshot);
  const client = new Client({ name: 'test', version: '0' });
  const transport = new StdioClientTransport({
    command,
    args: [...args, ...words],
    stderr: 'pipe',
  });
  await client.connect(transport);
  try {
    const all: unknown[] = [await client.listTools()];
    for (const name of tools) all.push(await client.callTool({ name, arguments: {} }));
    return all;
  } finally {
    await client.close();
  }
}

test('made again, with other words in the environment, they are the same bytes', async () => {
  const before = { ...process.env };
  Object.assign(process.env, { TZ: 'Asia/Tokyo', HOME: '/nowhere', NODE_OPTIONS: '--no-warnings' });
  try {
    const again = await snapshots(NODE, PROJECT);
    expect(
      again.map(({ name, content }) => [
        name,
        content.equals(made.find(one => one.name === name)?.content ?? Buffer.alloc(0)),
      ]),
    ).toEqual([
      ['agent.blob', true],
      ['nvml-agent.blob', true],
    ]);
  } finally {
    process.env = before;
  }
}, 60_000);

test('nothing in them tells of the machine that made them', () => {
  const texts = made.map(({ content }) => content.toString('latin1'));
  for (const word of [PROJECT, tmpdir(), process.execPath]) {
    expect(texts.filter(text => text.includes(`${word}/`))).toEqual([]);
  }
});

test('every tool answers what it answers from files: of a bundle', async () => {
  const names = TOOLS.map(({ name }) => name);
  const words = ['--from', BUNDLE];
  expect(await answers(true, words, names)).toEqual(await answers(false, words, names));
}, 120_000);

/** What is of the moment alone. */
const timeless = (all: readonly unknown[]) =>
  JSON.parse(
    JSON.stringify(all, (key, value) =>
      /At$|[sS]ince|Seconds$|^time$|^from$|^to$/.test(key) ? undefined : value,
    ),
  );

test('of a node without a driver, whose NVML process starts from a snapshot too', async () => {
  const words = ['--host-root', join(root, 'host')];
  const tools = ['get_gpu_inventory', 'triage_gpu_node'];
  const fromHeap = await answers(true, words, tools);
  expect(JSON.stringify(fromHeap)).toContain('library_not_found');
  expect(timeless(fromHeap)).toEqual(timeless(await answers(false, words, tools)));
}, 60_000);

test('of a simulated machine, whose driver lives in a process of its own', async () => {
  const [, answer] = await answers(true, ['--simulate', 'lost-gpu'], ['triage_gpu_node']);
  expect(JSON.stringify(answer)).toContain('lost-gpu:0000:61:00');
}, 60_000);

test('SIGTERM ends it', async () => {
  const [command, ...args] = agent(true);
  const child = spawn(command, [...args, '--host-root', join(root, 'host')], {
    env: { GPU_MCP_SESSION: 'a' },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const ended = new Promise(resolve =>
    child.once('exit', (code, signal) => resolve([code, signal])),
  );
  child.stderr.once('data', () => setTimeout(() => child.kill('SIGTERM'), 500));
  expect(await ended).toEqual([0, null]);
}, 60_000);

test('a Node of another version refuses them in its own words', () => {
  const file = join(root, AGENT_SNAPSHOT);
  const bytes = readFileSync(file);
  const at = bytes.indexOf(process.versions.node);
  bytes.write('0', at + process.versions.node.length - 1, 'latin1');
  if (process.versions.node.endsWith('0')) bytes.write('1', at + process.versions.node.length - 1);
  const other = join(root, 'other.blob');
  writeFileSync(other, bytes);
  const [command, ...args] = agent(true);
  const words = args.map(word => (word === file ? other : word));
  const { status, stderr } = spawnSync(command, words, { encoding: 'utf8', input: '' });
  expect([status, stderr]).toEqual([14, expect.stringContaining('was built with Node.js version')]);
});
