import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { containerRoot } from '../../src/agent/container-root.ts';

const ID = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);
let proc: string;
beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'gpu-mcp-proc-'));
});
afterEach(() => rmSync(proc, { recursive: true }));

const put = (pid: string, id: string) => {
  mkdirSync(join(proc, pid));
  writeFileSync(join(proc, pid, 'cgroup'), `0::/../cri-containerd-${id}.scope\n`);
};

test('is that of the oldest process of the container, where others share its PIDs', async () => {
  for (const pid of ['1', '7']) put(pid, OTHER);
  for (const pid of ['100', '20', '9']) put(pid, ID);
  mkdirSync(join(proc, '8'));
  mkdirSync(join(proc, 'sys'));
  expect(await containerRoot(ID, proc)).toBe(join(proc, '9', 'root'));
});

test('is that of process 1 where none is told, or found', async () => {
  put('1', OTHER);
  expect(await containerRoot(ID, proc)).toBe('/proc/1/root');
  expect(await containerRoot(ID, join(proc, 'none'))).toBe('/proc/1/root');
  expect(await containerRoot(undefined, proc)).toBe('/proc/1/root');
});
