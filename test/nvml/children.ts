import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { createNvml } from '../../src/nvml/child/driver.ts';
import { hostedBy } from '../../src/nvml/child/hosted.ts';
import { startNvmlChild } from '../../src/nvml/child/start-child.ts';
import type { Nvml } from '../../src/nvml/port.ts';
import { HeldTimers, withoutPatience } from './held-timers.ts';

const CHILD = fileURLToPath(new URL('./child-main.ts', import.meta.url));

export interface Started {
  readonly nvml: Nvml;
  /** Every child that was started, oldest first. */
  readonly children: readonly ChildProcess[];
}

/**
 * The adapter over real processes, which are given these arguments. None is late on a busy machine;
 * where the machine is `hung-driver`, the child that hangs is found out at once.
 */
export function overProcesses(args: readonly string[], { hangs = false } = {}): Started {
  const children: ChildProcess[] = [];
  const timers = new HeldTimers();
  const nvml = createNvml({
    spawnChild: () => {
      const started = startNvmlChild({ file: process.execPath, args: [CHILD, ...args], env: {} });
      children.push(started.child);
      return hangs ? withoutPatience(hostedBy(started), timers) : hostedBy(started);
    },
    clock: { nowMs: Date.now },
    timers,
  });
  return { nvml, children };
}

/** A folder that goes with the test that asked for it. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A machine's data as a file for the child. */
export function machineFile(data: unknown): string {
  const path = join(temporaryFolder(), 'machine.json');
  writeFileSync(path, JSON.stringify(data));
  return path;
}

/** Resolves when the process is gone, as a zombie or for good. */
export async function gone(pid: number, isAlive: (pid: number) => boolean): Promise<void> {
  while (isAlive(pid)) await sleep(50);
}
