import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { captured, keepKernelLog, triages, xidsOf } from './idle-phase.ts';
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
  const lines = xidsOf(log).slice(world.earlierXids);
  for (const line of lines) world.results.say(`  ${line}`);
  const codes = lines.map(line => /: (\d+),/.exec(line)?.[1]);
  const wrote = codes.includes('31') && codes.includes('13');
  world.verdict('the driver wrote XID 31 and 13', wrote, codes.join(', ') || 'none');
  const { stdout } = await triages(world, 'after the faults');
  judgeFindings(world, stdout);
  const json = ['-o', 'json'];
  const analyzed = await world.plugin('tool analyze_xid_errors, fault', [
    ...['call', '--local', 'analyze_xid_errors', ...json],
  ]);
  judgeIncidents(world, 'analyze_xid_errors', analyzed.stdout);
  for (const tool of ['get_gpu_health', 'get_gpu_timeline']) {
    await world.plugin(`tool ${tool}, fault`, ['call', '--local', tool, ...json]);
  }
  const file = join(world.work, 'dmesg.txt');
  writeFileSync(file, log);
  await world.plugin('analyze of dmesg', ['analyze', file, '--no-color']);
  const ofFile = await world.plugin('analyze of dmesg, json', ['analyze', file, ...json]);
  judgeIncidents(world, 'analyze of dmesg', ofFile.stdout);
  await captured(world, 'fault');
}

const Finding = z.object({
  title: z.string(),
  component: z.string(),
  severity: z.string(),
  blame: z.string(),
  action: z.string(),
});
const Triage = z.object({
  verdict: z.string(),
  nextAction: z.object({ action: z.string() }),
  findings: z.array(Finding),
});
/** XIDs of programs alone: 31 MMU fault, 13 exception of a kernel, 43 the channel that was reset. */
const OF_PROGRAMS = /^XID (31|13|43):/;

/** Nothing but the program is blamed, and the next step is the program's. */
function judgeFindings(world: World, answer: string): void {
  const { verdict, nextAction, findings } = Triage.parse(JSON.parse(answer));
  const ofGpu = findings.filter(({ severity }) => severity !== 'info');
  const isRight =
    ofGpu.length > 0 &&
    ofGpu.every(
      ({ title, blame, action }) =>
        OF_PROGRAMS.test(title) && blame === 'application' && action === 'restart_app',
    ) &&
    ofGpu.some(({ title }) => /^XID (31|13):/.test(title));
  const said = ofGpu.map(({ title, blame, action }) => `${title} (${blame}, ${action})`).join('; ');
  const passed = isRight && verdict === 'warning' && nextAction.action === 'restart_app';
  world.verdict(
    'triage calls the faults the programs’',
    passed,
    `${verdict}: ${said || 'nothing'}`,
  );
}

const Incidents = z.object({
  incidents: z.array(z.object({ title: z.string(), blame: z.string(), action: z.string() })),
});

function judgeIncidents(world: World, name: string, answer: string): void {
  const { incidents } = Incidents.parse(JSON.parse(answer));
  const isOfProgram = ({ blame, action }: (typeof incidents)[number]) =>
    blame === 'application' && action === 'restart_app';
  const passed = incidents.length > 0 && incidents.every(isOfProgram);
  const said = incidents.map(({ title, blame, action }) => `${title} (${blame}, ${action})`);
  world.verdict(`${name} calls the faults the programs’`, passed, said.join('; ') || 'nothing');
}
