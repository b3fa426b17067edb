import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { MACHINES } from '../../src/simulation/machine.ts';
import { run } from './run.ts';

test('triage prints the page, and --fail-on gives the exit code', async () => {
  const ran = await run(['triage', '--simulate', 'lost-gpu', '--fail-on', 'critical']);
  expect(ran.stdout).toMatch(/^CRITICAL {2}lost-gpu .* SIMULATED machine, .*\n\nGPU 3 /);
  expect(ran.code).toBe(1);
});

test.each([
  ['json', /^\{\n {2}"summary": "SIMULATED machine/],
  ['yaml', /^summary: .*SIMULATED machine/],
  ['markdown', /^## CRITICAL lost-gpu\n\n1 of 8 GPUs affected, SIMULATED machine/],
  [
    'html',
    /^<!doctype html>[\s\S]*critical">CRITICAL<[\s\S]*<svg class="timeline"[\s\S]*<svg class="spark"/,
  ],
])('-o %s', async (format, start) => {
  const ran = await run(['triage', '--simulate', 'lost-gpu', '-o', format]);
  expect(ran.stdout).toMatch(start);
  expect(ran.code).toBe(0);
});

test.each([
  [true, {}, true],
  [true, { NO_COLOR: '1' }, false],
  [false, {}, false],
])('colours on a terminal (%s) with %j: %s', async (terminal, environment, colours) => {
  const ran = await run(['triage', '--simulate', 'healthy-t4'], { terminal, environment });
  expect(ran.stdout.includes('\u001b[')).toBe(colours);
});

test('MCP on stdin and stdout: the handshake, a call, the end of the input', async () => {
  const hello = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
    },
  };
  const ran = await run(['--simulate', 'lost-gpu'], { input: `${JSON.stringify(hello)}\n` });
  expect(ran.code).toBe(0);
  expect(JSON.parse(ran.stdout)).toMatchObject({
    id: 1,
    result: { serverInfo: { name: 'gpu-mcp' }, protocolVersion: '2025-11-25' },
  });
});

test('--redact-names reaches the agent: no program on a GPU is named, each has a token', async () => {
  const asked = ['call', '--simulate', 'mig-a100', 'get_gpu_processes'];
  const programs = ['tritonserver', 'VLLM::EngineCor'];
  const isNamed = (text: string) => programs.filter(name => text.includes(name));
  const plain = await run(asked);
  expect(isNamed(plain.stdout)).toEqual(programs);
  const redacted = await run([...asked, '--redact-names']);
  expect(redacted.code).toBe(0);
  expect(isNamed(redacted.stdout)).toEqual([]);
  expect(redacted.stdout).toMatch(/ proc-[0-9a-f]{8} /);
});

test('explain_failure reads the log of a job, and with --no-pod-logs none', async () => {
  const asked = [
    'call',
    '--simulate',
    'job-own-error',
    'explain_failure',
    '--pod',
    'ml/pretrain-0',
  ];
  const read = await run([...asked, '-o', 'json']);
  expect(JSON.parse(read.stdout)).toMatchObject({ log: { lines: 5 }, job: { failed: 2 } });
  const unread = await run([...asked, '-o', 'json', '--no-pod-logs']);
  expect(JSON.parse(unread.stdout)).not.toHaveProperty('log');
});

describe('a machine of one’s own', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-own-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const written = (name: string, machine: object) => {
    const file = join(folder, name);
    writeFileSync(
      file,
      JSON.stringify({ version: 1, like: 'h100-sxm', title: 'mine', ...machine }),
    );
    return file;
  };
  const lost = written('my lost GPU.json', {
    gpus: { 3: { faults: { '*': { return: 'gpu_is_lost' } } } },
    pods: [{ namespace: 'acme', name: 'train-0', owner: 'Job/train', gpus: [2, 3] }],
    cluster: {},
  });

  test('is taken from a path of the folder that one is in, and called as its file', async () => {
    const ran = await run(['triage', '--simulate', relative(process.cwd(), lost)]);
    expect(ran.stdout).toMatch(/^CRITICAL {2}my-lost-GPU .*\n.*\n?\nGPU 3 /);
    expect(ran.stdout).toContain('The reboot ends pod acme/train-0,');
    const all = await run(['triage', '--simulate', lost, '--details']);
    expect(all.stdout).toContain('pod acme/train-0 Running of Job/train');
    expect(ran.code).toBe(0);
  });

  test('names of its pods are tokens with --redact-names, also those of its cluster', async () => {
    const ran = await run(['triage', '--simulate', lost, '--redact-names']);
    expect(ran.stdout).toMatch(/offered, \d+ requested/);
    expect(ran.stdout).not.toMatch(/acme|train/);
  });

  test('is captured with its cluster, and the bundle says the same', async () => {
    const bundle = join(folder, 'bundle.json.gz');
    await run(['capture', '--simulate', lost, '-f', bundle, '--seconds', '0']);
    const { stdout } = await run(['triage', '--from', bundle]);
    expect(stdout).toMatch(/^CRITICAL {2}my-lost-GPU .*\n?REPLAY, captured /);
    expect(stdout).toContain('pod acme/train-0');
    const diff = await run(['diff', bundle, '--simulate', lost]);
    expect(diff.stdout).toContain('my-lost-GPU is critical as before');
  });

  test.each([
    [
      written('wrong.json', { gpus: { 8: {} } }),
      /wrong.json": gpus\.8: the machine it is like has 0 to 7/,
    ],
    [join(folder, 'none.json'), /none.json" could not be read: there is no such file/],
  ])('%s is refused before anything is started', async (file, sentence) => {
    const ran = await run(['triage', '--simulate', file]);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(sentence);
  });

  test.each([
    ['triage', '--simulate', 'help'],
    ['capture', '--simulate=help'],
    ['call', '--simulate', 'help'],
  ])('%s %s lists every story, one a line of 80 columns', async (...words) => {
    const ran = await run(words);
    expect(ran.code).toBe(0);
    const lines = ran.stdout.split('\n');
    expect(Math.max(...lines.map(line => line.length))).toBeLessThanOrEqual(80);
    expect(lines.slice(0, MACHINES.length).map(line => line.split(/ {2,}/))).toEqual(
      MACHINES.map(({ name, title }) => [name, title]),
    );
    expect(MACHINES.length).toBeGreaterThanOrEqual(24);
  });
});
