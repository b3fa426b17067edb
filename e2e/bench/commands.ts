import { spawnSync } from 'node:child_process';
import { type Environment, wallAndCpu } from './program.ts';
import { NotMeasured, type Row } from './row.ts';
import { interleaved, median, spread } from './statistics.ts';
import type { World } from './world.ts';

/** What a person types first, with the CPU that each may take, in times of an empty Node. */
const COMMANDS: readonly (readonly [line: string, goal: number | undefined])[] = [
  ['version', 3],
  ['explain 79', 4],
  ['--help', 4],
  ['triage --help', undefined],
  ['tools', undefined],
  ['__complete tri', undefined],
];

/** The shell tells CPU to a hundredth of a second: a sample is the mean of so many runs. */
const RUNS_OF_A_SAMPLE = 5;

/** S1: what a short command takes of a CPU, to its end, with a warm compile cache. No cluster. */
export async function commandRows(world: World): Promise<readonly Row[]> {
  const { argv, environment } = await world.plugin();
  const rows: Row[] = [];
  for (const [line, goal] of COMMANDS) {
    const command = [...argv, ...line.split(' ')];
    await wallAndCpu(world.scope, command, { environment });
    rows.push(await row(world, { name: line, command, environment, goal }));
  }
  const kubectl = ['kubectl', 'version', '--client'];
  const [program = '', ...words] = kubectl;
  if (spawnSync(program, words, { env: { ...environment } }).status !== 0) return rows;
  const name = `${kubectl.join(' ')}, a peer`;
  return [...rows, await row(world, { name, command: kubectl, environment, goal: undefined })];
}

/** What else a change of how the program starts can make slower; `nodes` finds no cluster. */
const MORE_COMMANDS = ['completion bash', 'nodes', 'triage --simulate lost-gpu'];

/** S2: CPU of the same and of more commands, of this build and of one before it in turn. No cluster. */
export async function beforeRows(world: World): Promise<readonly Row[]> {
  const { scope, settings } = world;
  if (settings.before === undefined) {
    throw new NotMeasured('--before FILE names the program of another build');
  }
  const { argv, environment } = await world.plugin();
  const rows: Row[] = [];
  for (const line of [...COMMANDS.map(([each]) => each), ...MORE_COMMANDS]) {
    const words = line.split(' ');
    const [now, before] = [
      [...argv, ...words],
      [settings.before, ...words],
    ];
    const cpuMs = async (command: readonly string[]) =>
      (await wallAndCpu(scope, command, { environment, runs: RUNS_OF_A_SAMPLE })).cpuMs;
    // The first run of each fills its caches.
    for (const command of [now, before]) await cpuMs(command);
    const { ours, peer } = await interleaved({
      ...{ runs: settings.runs, signal: scope.signal },
      ours: () => cpuMs(now),
      peer: () => cpuMs(before),
    });
    rows.push({
      ...{ name: `S2 ${line}, CPU`, ours: spread(ours), peer: `before: ${spread(peer)}` },
      ratio: median(ours) / median(peer),
      samples: { oursMs: ours, beforeMs: peer },
    });
  }
  return rows;
}

interface Command {
  readonly name: string;
  readonly command: readonly string[];
  readonly environment: Environment;
  readonly goal: number | undefined;
}

async function row({ scope, settings }: World, of: Command): Promise<Row> {
  const { name, command, environment, goal } = of;
  const runs = RUNS_OF_A_SAMPLE;
  const cpuMs = async (argv: readonly string[]) =>
    (await wallAndCpu(scope, argv, { environment, runs })).cpuMs;
  const { ours, peer } = await interleaved({
    ...{ runs: settings.runs, signal: scope.signal },
    ours: () => cpuMs(command),
    peer: () => cpuMs([process.execPath, '-e', '0']),
  });
  const ratio = median(ours) / median(peer);
  return {
    ...{ name: `S1 ${name}, CPU`, ours: spread(ours), peer: `node -e 0: ${spread(peer)}`, ratio },
    ...(goal === undefined ? {} : { goal: `<= ${goal}x`, met: ratio <= goal }),
    samples: { oursMs: ours, peerMs: peer },
  };
}
