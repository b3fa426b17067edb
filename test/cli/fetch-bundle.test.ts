import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, describe, expect, test } from 'vitest';
import { captureAnswers } from '../../src/agent/capture-node.ts';
import { writeBundle } from '../../src/bundle/bundle-file.ts';
import { fetchBundle } from '../../src/cli/capture.ts';
import { BUNDLE_PART_BYTES_MAX } from '../../src/contract/limits.ts';
import type { Session } from '../../src/session/port.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { captured } from '../bundle/bundles.ts';
import { aView } from '../fakes/cluster-view.ts';
import { instrumentsFor } from '../fakes/instruments.ts';
import { h100 } from '../scenarios/machines.ts';

const signal = new AbortController().signal;
const since = '2026-02-22T12:00:00Z';

/** Text that no gzip makes smaller by more than half. */
const noise = (line: number) =>
  Array.from({ length: 8 }, (_, part) =>
    createHash('sha256').update(`${line} ${part}`).digest('hex'),
  ).join(' ');
const lines = Array.from({ length: 5_000 }, (_, line) => [line, `NVRM: ${noise(line)}`] as const);

function sessionOf(call: (input: unknown) => Promise<CallToolResult>): Session {
  return {
    target: 'node-a',
    call: ({ input }) => call(input),
    clusterView: async () => aView(),
    async start() {},
    close: async () => ({ removed: null, verified: true, left: [] }),
  };
}

const fetched = (session: Session, told: string[] = []) =>
  fetchBundle(session, { since, seconds: 0 }, { signal, onProgress: text => told.push(text) });

test('a bundle larger than one message comes in parts, whole and with what the cluster says', async () => {
  const machine = machineFrom('noisy', h100({ log: lines.toReversed() }));
  const answers = captureAnswers(instrumentsFor(machine));
  const told: string[] = [];
  const sizes: number[] = [];
  const session = sessionOf(async input => {
    const result = await answers(input, signal, () => {});
    sizes.push(JSON.stringify(result).length);
    return result;
  });
  const bundle = await fetched(session, told);
  expect(sizes.length).toBeGreaterThan(2);
  expect(Math.max(...sizes)).toBeLessThan(BUNDLE_PART_BYTES_MAX * 1.4);
  expect(told.at(-1)).toMatch(/^\d+ % of \d+ bytes fetched$/);
  expect(bundle).toEqual(await captured(instrumentsFor(machine), { cluster: aView() }));
});

test('a duration counts back from the now of the node, whatever this machine’s clock says', async () => {
  const instruments = instrumentsFor(machineFrom('quiet', h100()));
  const answers = captureAnswers(instruments);
  const session = sessionOf(input => answers(input, signal, () => {}));
  const request = { signal, onProgress: () => {} };
  const { kernelLog } = await fetchBundle(session, { since: '1h', seconds: 0 }, request);
  expect(kernelLog.sinceMs).toBe(Date.parse('2026-03-01T11:00:00Z'));
});

describe('an agent that does not give a bundle', () => {
  const structured = (part: Record<string, unknown>): CallToolResult => ({
    content: [],
    structuredContent: part,
  });
  test.each([
    ['no part', structured({})],
    ['an empty part', structured({ from: 0, bytes: 10, base64: '' })],
    ['a part of elsewhere', structured({ from: 5, bytes: 10, base64: 'AAAA' })],
    ['more than there may be', structured({ from: 0, bytes: 1e12, base64: 'AAAA' })],
  ])('%s', async (_name, result) => {
    await expect(fetched(sessionOf(async () => result))).rejects.toThrow(
      'the agent on node-a sent a bundle that does not fit',
    );
  });

  test('says why', async () => {
    const text = 'the bundle would have 99 bytes.';
    const result: CallToolResult = { isError: true, content: [{ type: 'text', text }] };
    await expect(fetched(sessionOf(async () => result))).rejects.toThrow(
      'the bundle would have 99 bytes',
    );
  });
});

describe('a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-file-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('that appears while the node is read is not replaced, and nothing is left beside it', async () => {
    const path = join(folder, 'bundle.gz');
    writeFileSync(path, 'mine');
    await expect(writeBundle(path, Buffer.from('new'), { force: false })).rejects.toThrow(
      /is there already/,
    );
    expect(readFileSync(path, 'utf8')).toBe('mine');
    await writeBundle(path, Buffer.from('new'), { force: true });
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(readdirSync(folder)).toEqual(['bundle.gz']);
  });
});
