import type { ChildProcess } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { captured, judgeHealthy, triages } from './idle-phase.ts';
import type { World } from './world.ts';

const LOAD_SECONDS = 25;

export interface Load {
  readonly child: ChildProcess;
  said(): string;
}

/** Python with torch takes its time to load: it begins early and waits for a sign. */
export function startLoad(world: World): Load {
  const script = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'load.py');
  const child = world.background(['python3', script, world.work, String(LOAD_SECONDS)]);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', chunk => {
      said += String(chunk);
    });
  }
  return { child, said: () => said };
}

/** What is told of a GPU that computes. */
export async function loadPhase(world: World, load: Load): Promise<void> {
  const isThere = (name: string) => existsSync(join(world.work, name));
  const isReady = await until(() => isThere('imported') || load.child.exitCode !== null, 30_000);
  if (isReady && isThere('imported')) {
    writeFileSync(join(world.work, 'go'), '');
    await until(() => isThere('running') || load.child.exitCode !== null, 30_000);
  } else {
    world.results.say(`no matrix product of torch (${load.said().slice(-200)}): a kernel of ours`);
    const cuda = join(world.driver.folder, 'libcuda.so.1');
    world.backgroundAgain(['launch', cuda, 'busy', String(LOAD_SECONDS)]);
    await sleep(2_000);
  }
  await sleep(1_500);
  await world.smi(['pmon', '-c', '1']);
  const { stdout } = await triages(world, 'load');
  for (const tool of ['sample_gpu_telemetry', 'get_gpu_processes', 'get_gpu_health']) {
    await world.plugin(`tool ${tool}, load`, ['call', '--local', tool, '-o', 'json']);
  }
  await world.smi(['-q', '-x']);
  await captured(world, 'load');
  judgeHealthy(world, 'load', stdout);
  await until(() => load.child.exitCode !== null, 30_000);
  world.results.fact('load', load.said());
  world.results.say(`load: ${load.said().trim().slice(-300)}`);
}

/** Whether it became true within the limit. */
async function until(isTrue: () => boolean, limitMs: number): Promise<boolean> {
  const endMs = performance.now() + limitMs;
  while (!isTrue()) {
    if (performance.now() > endMs) return false;
    await sleep(100);
  }
  return true;
}
