import { expect, test } from 'vitest';
import { run } from './run.ts';

test('triage prints the page, and --fail-on gives the exit code', async () => {
  const ran = await run(['triage', '--simulate', 'lost-gpu', '--fail-on', 'critical']);
  expect(ran.stdout).toMatch(/^CRITICAL {2}lost-gpu: SIMULATED machine "lost-gpu": GPU 3 /);
  expect(ran.code).toBe(1);
});

test.each([
  ['json', /^\{\n {2}"summary": "SIMULATED machine/],
  ['yaml', /^summary: .*SIMULATED machine/],
  ['markdown', /^## .*: lost-gpu\n\n~~~~text\nCRITICAL/],
  ['html', /^<!doctype html>[\s\S]*<span class="critical">CRITICAL/],
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
