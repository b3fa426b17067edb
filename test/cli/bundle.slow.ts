import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, describe, expect, inject, test } from 'vitest';
import * as z from 'zod';
import { packed, unpacked } from '../../src/bundle/bundle-file.ts';
import { documentOf } from '../../src/bundle/document.ts';
import { CAPTURE_TOOL, CapturePart } from '../../src/contract/capture-tool.ts';
import { Finding } from '../../src/contract/finding.ts';
import { captured } from '../bundle/bundles.ts';
import { aView } from '../fakes/cluster-view.ts';
import { instrumentsOf } from '../fakes/instruments.ts';
import { run } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-bundle-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

const Triage = z.looseObject({ takenAt: z.string(), findings: z.array(Finding) });

async function agent(...args: readonly string[]) {
  const client = new Client({ name: 'test', version: '0' });
  const command = process.execPath;
  await client.connect(
    new StdioClientTransport({ command, args: [inject('agent'), ...args], stderr: 'pipe' }),
  );
  const call = async (name: string, input: Record<string, unknown> = {}) => {
    const result = await client.callTool({ name, arguments: input });
    expect(result.isError ?? false, JSON.stringify(result.content)).toBe(false);
    return result.structuredContent;
  };
  return { client, call };
}

/** Findings as bytes; readings of one second or another of the same session are readings of now. */
function findingsOf(structured: unknown): string {
  const { findings, takenAt } = Triage.parse(structured);
  const isNow = (time: string) => Math.abs(Date.parse(time) - Date.parse(takenAt)) < 60_000;
  const isOfNow = (key: string, value: string) => /^(?:time|readAt)$/.test(key) && isNow(value);
  return JSON.stringify(findings, (key, value) => (isOfNow(key, value) ? 'now' : value));
}

test('captured from an agent and replayed by another: byte-identical findings', async () => {
  const live = await agent('--simulate', 'lost-gpu');
  const before = await live.call('triage_gpu_node');
  const { tools } = await live.client.listTools();
  expect(tools.map(({ name }) => name)).not.toContain(CAPTURE_TOOL);
  const input = { since: '7d', seconds: 0, from: 0 };
  const part = CapturePart.parse(await live.call(CAPTURE_TOOL, input));
  await live.client.close();
  writeFileSync(at('lost.json.gz'), Buffer.from(part.base64, 'base64'));
  const replay = await agent(`--from=${at('lost.json.gz')}`);
  const answers = [await replay.call('triage_gpu_node'), await replay.call('triage_gpu_node')];
  await replay.client.close();
  expect(answers[0]).toEqual(answers[1]);
  expect(findingsOf(answers[0])).toBe(findingsOf(before));
  expect(findingsOf(before)).toContain('"id":"lost-gpu:0000:61:00"');
});

describe('capture', () => {
  const capture = (...args: string[]) =>
    run(['capture', '--simulate', 'hung-driver', '--seconds', '0', ...args]);

  test('of a hung driver writes a file for its owner alone, and no other', async () => {
    const ran = await capture('-f', at('hung.json.gz'));
    expect(ran.stdout).toMatch(/^hung-driver as of \S+Z: \d+ bytes in .*hung\.json\.gz\n$/);
    expect(ran.stderr).toContain('reading driver, host and kernel log');
    expect(statSync(at('hung.json.gz')).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).filter(name => name.endsWith('.tmp'))).toEqual([]);
    const bundle = unpacked(readFileSync(at('hung.json.gz')), 'x');
    expect(bundle.drivers[0]?.unresponsive).toMatchObject({ gpu: 2 });
    const replay = await run(['triage', '--from', at('hung.json.gz'), '--fail-on', 'critical']);
    expect(replay.stdout).toMatch(/^CRITICAL {2}hung-driver .*\n?REPLAY, captured /);
    expect(replay.code).toBe(1);
  });

  test('never replaces what is there, unless it is told to', async () => {
    writeFileSync(at('mine.json.gz'), 'mine');
    const refused = await capture('-f', at('mine.json.gz'));
    expect([refused.code, readFileSync(at('mine.json.gz'), 'utf8')]).toEqual([2, 'mine']);
    expect((await capture('-f', at('mine.json.gz'), '--force')).code).toBe(0);
    expect(unpacked(readFileSync(at('mine.json.gz')), 'x').simulated).toBe('hung-driver');
  });

  test('with --redact-names holds tokens, and a bundle with names is replayed with tokens', async () => {
    const words = ['capture', '--simulate', 'dgx-h100', '--seconds', '0', '--redact-names'];
    expect((await run([...words, '-f', at('tokens.gz')])).code).toBe(0);
    const bundle = unpacked(readFileSync(at('tokens.gz')), 'x');
    expect(bundle.owners.length).toBeGreaterThan(0);
    expect(JSON.stringify(bundle)).not.toContain('pt_main_thread');
    writeFileSync(at('names.gz'), packed(await captured(instrumentsOf('dgx-h100'))));
    const asked = ['call', '--from', at('names.gz'), 'get_gpu_processes'];
    expect((await run(asked)).stdout).toContain('pt_main_thread');
    expect((await run([...asked, '--redact-names'])).stdout).not.toContain('pt_main_thread');
  });

  test('that is interrupted writes nothing', async () => {
    const words = ['capture', '--simulate', 'dgx-h100', '-f', at('never.gz')];
    const ran = await run(words, { signal: AbortSignal.abort() });
    expect([ran.code, ran.stdout]).toEqual([130, '']);
    expect(readdirSync(folder).filter(name => name.startsWith('never'))).toEqual([]);
  });

  test('-f - writes the bundle and nothing else to stdout, and not to a terminal', async () => {
    const child = spawn(process.execPath, [
      new URL('../../src/cli/main.ts', import.meta.url).pathname,
      ...['capture', '--simulate', 'healthy-t4', '--seconds', '0', '-f', '-'],
    ]);
    const chunks: Buffer[] = [];
    child.stdout.on('data', chunk => chunks.push(chunk));
    await once(child, 'close');
    expect(unpacked(Buffer.concat(chunks), 'x').simulated).toBe('healthy-t4');
    const words = ['capture', '--simulate', 'healthy-t4', '-f', '-'];
    const ran = await run(words, { terminal: true });
    expect([ran.code, ran.stdout]).toEqual([2, '']);
    expect(ran.stderr).toMatch(/not text for a terminal/);
  });
});

describe('--from', () => {
  test.each([
    ['json', /^\{\n {2}"summary": "REPLAY of lost-gpu captured 2026-03-01T12:00:00Z: SIMULATED /],
    ['html', /^<!doctype html>[\s\S]*<span class="simulated">REPLAY of lost-gpu captured/],
  ])('one tool, -o %s', async (format, start) => {
    writeFileSync(at('a.gz'), packed(await captured(instrumentsOf('lost-gpu'))));
    const ran = await run(['call', '--from', at('a.gz'), 'get_gpu_health', '-o', format]);
    expect(ran.stdout).toMatch(start);
    expect(ran.code).toBe(0);
  });

  test('several, -o html: one file, and a course only of what was captured twice', async () => {
    writeFileSync(at('lost.gz'), packed(await captured(instrumentsOf('lost-gpu'))));
    writeFileSync(at('well.gz'), packed(await captured(instrumentsOf('dgx-h100'))));
    const bundles = ['--from', at('well.gz'), '--from', at('lost.gz')];
    const ran = await run(['triage', ...bundles, '-o', 'html']);
    expect(ran.code).toBe(0);
    expect(ran.stdout.match(/<!doctype html>/g)).toHaveLength(1);
    expect(ran.stdout.match(/<article class="report \w+/g)).toEqual([
      '<article class="report critical',
      '<article class="report healthy',
    ]);
    expect(ran.stdout.match(/<svg class="timeline"/g)).toHaveLength(1);
  });

  test('what the cluster said then is in the answer', async () => {
    const bundle = await captured(instrumentsOf('dgx-h100'), { cluster: aView() });
    writeFileSync(at('cluster.gz'), packed(bundle));
    const ran = await run(['call', '--from', at('cluster.gz'), 'describe_gpu_node']);
    expect(ran.stdout).toMatch(
      /^HEALTHY {2}dgx-h100: REPLAY of dgx-h100 captured .* Cluster: Ready/,
    );
  });

  test('several bundles are several nodes, one node at two moments too', async () => {
    const bundle = await captured(instrumentsOf('healthy-t4'));
    writeFileSync(at('one.gz'), packed(bundle));
    writeFileSync(at('two.gz'), packed({ ...bundle, capturedAtMs: bundle.capturedAtMs + 60_000 }));
    const both = ['triage', '--from', at('one.gz'), '--from', at('two.gz')];
    expect((await run(both)).stdout).toMatch(/^2 nodes: 2 healthy \(2 replayed, 2 SIMULATED\)/);
    const ran = await run([...both, '-o', 'json']);
    expect(ran.stdout).toContain('REPLAY of healthy-t4 captured 2026-03-01T12:00:00Z');
    expect(ran.stdout).toContain('REPLAY of healthy-t4 captured 2026-03-01T12:01:00Z');
    const same = await run(['triage', '--from', at('one.gz'), '--from', at('one.gz')]);
    expect([same.code, same.stderr]).toEqual([2, expect.stringMatching(/named twice/)]);
  });

  test('a bundle of another version is read, with a warning', async () => {
    const document = documentOf(await captured(instrumentsOf('healthy-t4')));
    const old = { ...document, versions: { agent: '0.0.9', plugin: '0.0.9' } };
    writeFileSync(at('old.json'), JSON.stringify(old));
    const ran = await run(['triage', '--from', at('old.json')]);
    expect(ran.stderr).toMatch(/^warning: .*old\.json was captured by version 0\.0\.9, this is /);
    expect([ran.code, ran.stdout.split(' ')[0]]).toEqual([0, 'HEALTHY']);
  });

  test('MCP: a client asks the bundle as it asks a node', async () => {
    const says = (id: number, method: string, params: object) =>
      `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`;
    const hello = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
    };
    writeFileSync(at('mcp.gz'), packed(await captured(instrumentsOf('lost-gpu'))));
    const ran = await run(['--from', at('mcp.gz')], { input: says(1, 'initialize', hello) });
    expect(JSON.parse(ran.stdout)).toMatchObject({
      result: { instructions: expect.stringContaining('node lost-gpu') },
    });
    expect(ran.code).toBe(0);
  });
});

describe('diff', () => {
  test('a file and a simulated node now: the verdict first, and the exit code', async () => {
    writeFileSync(at('before.gz'), packed(await captured(instrumentsOf('dgx-h100'))));
    const words = ['diff', at('before.gz'), '--simulate', 'lost-gpu'];
    const ran = await run([...words, '--fail-on', 'critical']);
    expect(ran.stdout).toMatch(
      /^worse: 0 findings cleared, 1 new, lost-gpu was healthy, is critical\nbefore SIMULATED dgx-h100 /,
    );
    expect(ran.stdout).toMatch(/^NEW {8}GPU 3 \(0000:61:00\) is lost/m);
    expect(ran.code).toBe(1);
    expect((await run([...words, '-o', 'json'])).code).toBe(0);
  });

  test.each([
    ['json', /^\{\n {2}"summary": "unchanged: 0 findings cleared, 0 new, /],
    ['yaml', /^summary: .*unchanged/],
    ['markdown', /^## dgx-h100, before and after\n\n~~~~text\nunchanged: /],
    ['html', /^<!doctype html>/],
  ])('two files, -o %s', async (format, start) => {
    writeFileSync(at('same.gz'), packed(await captured(instrumentsOf('dgx-h100'))));
    const ran = await run(['diff', at('same.gz'), at('same.gz'), '-o', format]);
    expect(ran.stdout).toMatch(start);
    expect(ran.code).toBe(0);
  });

  test('two moments in the wrong order are refused', async () => {
    const bundle = await captured(instrumentsOf('healthy-t4'));
    writeFileSync(at('late.gz'), packed({ ...bundle, capturedAtMs: bundle.capturedAtMs + 60_000 }));
    writeFileSync(at('early.gz'), packed(bundle));
    const ran = await run(['diff', at('late.gz'), at('early.gz')]);
    expect(ran.stderr).toBe(
      'error: the second moment is 1 min 00 s before the first\ntry: name the earlier one first\n',
    );
    expect(ran.code).toBe(2);
  });
});
