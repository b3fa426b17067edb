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

const CHILD = fileURLToPath(new URL('./child-main.ts', import.meta.url));

export interface Started {
  readonly nvml: Nvml;
  /** Every child that was started, oldest first. */
  readonly children: readonly ChildProcess[];
}

/** The adapter over real processes, which are given these arguments. */
export function overProcesses(args: readonly string[], env: Record<string, string> = {}): Started {
  const children: ChildProcess[] = [];
  const nvml = createNvml({
    spawnChild: () => {
      const started = startNvmlChild({ file: process.execPath, args: [CHILD, ...args], env });
      children.push(started.child);
      return hostedBy(started);
    },
    clock: { nowMs: Date.now },
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

/** Resolves when the process is gone, as a zombie or for good; throws when it stays. */
export async function gone(pid: number, isAlive: (pid: number) => boolean): Promise<void> {
  for (let look = 0; look < 200; look++) {
    if (!isAlive(pid)) return;
    await sleep(50);
  }
  throw new Error(`process ${pid} is still there`);
}
