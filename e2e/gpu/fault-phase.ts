import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { captured, keepKernelLog, triages } from './idle-phase.ts';
import type { World } from './world.ts';

const FAULTS = ['out_of_bounds', 'misaligned', 'trapped'];

/** Programs that fault on purpose: the driver's XIDs must be called theirs, never the hardware's. */
export async function faultPhase(world: World): Promise<void> {
  const cuda = join(world.driver.folder, 'libcuda.so.1');
  let log = '';
  for (const kernel of FAULTS) {
    const step = await world.again(`CUDA ${kernel}`, ['launch', cuda, kernel, '0']);
    world.results.say(
      `  ${step.stdout.replaceAll(/\s+/g, ' ').slice(-120)} ${step.stderr.slice(-300)}`,
    );
    await sleep(500);
    log = await keepKernelLog(world, `dmesg after ${kernel}`);
  }
  const lines = log.split('\n').filter(line => /NVRM: Xid/.test(line));
  for (const line of lines) world.results.say(`  ${line}`);
  world.verdict('the driver wrote XIDs', lines.length > 0, `${lines.length} lines`);
  const { stdout } = await triages(world, 'after the faults');
  const xids = ['call', '--local', 'analyze_xid_errors', '-o', 'json'];
  const analyzed = await world.plugin('tool analyze_xid_errors, fault', xids);
  await world.plugin('tool get_gpu_health, fault', [
    'call',
    '--local',
    'get_gpu_health',
    '-o',
    'json',
  ]);
  await world.plugin('tool get_gpu_timeline, fault', [
    'call',
    '--local',
    'get_gpu_timeline',
    '-o',
    'json',
  ]);
  const file = join(world.work, 'dmesg.txt');
  writeFileSync(file, log);
  await world.plugin('analyze of dmesg', ['analyze', file, '--no-color']);
  await world.plugin('analyze of dmesg, json', ['analyze', file, '-o', 'json']);
  for (const [name, text] of [
    ['triage', stdout],
    ['analyze_xid_errors', analyzed.stdout],
  ] as const) {
    const blames = [...text.matchAll(/"blame": ?"(\w+)"/g)].map(([, blame]) => blame);
    const told = blames.join(', ') || 'nothing';
    const passed = blames.includes('application') && !blames.includes('hardware');
    world.verdict(`${name} calls the fault the program's`, passed, `it blames ${told}`);
  }
  await captured(world, 'fault');
}
