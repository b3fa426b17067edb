import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { verified } from '../../src/cli/verify-record.ts';
import { ioOf } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'record-'));
afterAll(() => rmSync(folder, { recursive: true }));

const { io } = ioOf({});

/** A triage that writes down what it does, where files may be no larger than that. */
const triage = (file: string, blocks: string) =>
  new Promise<{ code: number; stdout: string; stderr: string }>(resolve => {
    const words = `${process.execPath} ${io.program.plugin} triage --simulate lost-gpu`;
    const line = `ulimit -f ${blocks}; exec ${words} --record ${file}`;
    execFile('sh', ['-c', line], (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });

test('a session is written down, and how its record ends is told', async () => {
  const file = join(folder, 'whole.jsonl');
  const ran = await triage(file, 'unlimited');
  expect(ran.code, ran.stderr).toBe(0);
  const [, last] = /record .*: its last line is ([0-9a-f]{64})/.exec(ran.stderr) ?? [];
  expect(await verified(file, last)).toEqual({ lines: 5, runs: 1, faults: [] });
});

test('a full disk is told before anything is started', async () => {
  const ran = await triage(join(folder, 'full.jsonl'), '0');
  expect(ran).toMatchObject({ code: 4, stdout: '' });
  expect(ran.stderr).toMatch(/^error: the record .* cannot be written: EFBIG/m);
  expect(ran.stderr).not.toMatch(/reading|starting/);
});

test('a disk that is full in the middle keeps the answer back', async () => {
  const ran = await triage(join(folder, 'middle.jsonl'), '1');
  expect(ran).toMatchObject({ code: 4, stdout: '' });
  expect(ran.stderr).toMatch(/cannot be written/);
});
