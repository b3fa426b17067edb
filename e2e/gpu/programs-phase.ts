import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { captured, keepKernelLog, triages, xidsOf } from './idle-phase.ts';
import type { World } from './world.ts';

/** NVML averages what a GPU did over up to a second. */
const SETTLES_MS = 2_500;

const Triage = z.object({
  verdict: z.string(),
  findings: z.array(
    z.object({ id: z.string(), severity: z.string(), blame: z.string(), title: z.string() }),
  ),
});

/**
 * Programs that do nothing wrong: one waits on the GPU as a rank of a collective does, is stopped, and is
 * killed; another is stopped between two kernels. None of it may be called a fault of the hardware.
 */
export async function programsPhase(world: World): Promise<void> {
  const cuda = join(world.driver.folder, 'libcuda.so.1');
  const start = (kernel: string) => world.backgroundAgain(['launch', cuda, kernel, '60']);
  const overlapped = await world.again('calls of the InfoROM in threads', [
    ...['inforom-calls', world.driver.library],
  ]);
  world.results.say(`  ${overlapped.stdout.replaceAll(/\s+/g, ' ')}`);

  const waits = start('waits');
  await sleep(SETTLES_MS);
  await world.smi(['pmon', '-c', '1']);
  await judged(world, 'a kernel that waits', ['waiting']);
  await captured(world, 'waiting');
  waits.kill('SIGSTOP');
  await sleep(500);
  await judged(world, 'its program stopped', ['waiting']);
  waits.kill('SIGKILL');
  await sleep(SETTLES_MS);
  const log = await keepKernelLog(world, 'dmesg after a kernel was killed');
  for (const line of xidsOf(log).slice(world.earlierXids)) world.results.say(`  ${line}`);
  await judged(world, 'its program killed', []);

  const stopped = start('busy');
  await sleep(SETTLES_MS);
  stopped.kill('SIGSTOP');
  await sleep(SETTLES_MS);
  await judged(world, 'a program stopped between kernels', []);
  await world.plugin('tool get_gpu_processes, stopped', [
    ...['call', '--local', 'get_gpu_processes', '-o', 'json'],
  ]);
  stopped.kill('SIGKILL');
  await sleep(500);
}

/** That exactly these findings are warned of, and none as the hardware's. */
async function judged(world: World, when: string, expected: readonly string[]): Promise<void> {
  const { stdout } = await triages(world, when);
  const { verdict, findings } = Triage.parse(JSON.parse(stdout));
  const warned = findings.filter(({ severity }) => severity !== 'info');
  const passed =
    warned.every(({ blame }) => blame !== 'hardware') &&
    warned.map(({ id }) => id).join() === expected.join();
  const said = warned.map(({ title, blame }) => `${title} (${blame})`).join('; ');
  world.verdict(`triage, ${when}`, passed, `${verdict}: ${said || 'nothing'}`);
}
