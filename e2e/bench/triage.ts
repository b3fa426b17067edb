import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { NVML_FUNCTIONS } from '../../src/nvml/table/functions.ts';
import { BEYOND_NVIDIA_SMI_Q } from '../../test/nvml/nvidia-smi-calls.ts';
import { buildCountingLibrary, buildSimulatedLibrary } from '../../test/sim-nvml/build.ts';
import { callsIn, nvidiaSmi, questionsOf } from '../../test/sim-nvml/nvidia-smi.ts';
import { LIBRARY, MACHINE_FILE, machineFile } from '../machines.ts';
import { McpPeer } from './mcp-peer.ts';
import { start, succeed } from './program.ts';
import { NotMeasured, type Row } from './row.ts';
import { interleaved, median, spread } from './statistics.ts';
import type { World } from './world.ts';

const MACHINE = 'dgx-h100';
const GOAL_CALLS = 1;
const GOAL_TIME = 1;

/**
 * P4, without a cluster: a whole triage of eight simulated GPUs on this machine against NVIDIA's own
 * `nvidia-smi -q`, both on the same library.
 */
export async function triageRows(world: World): Promise<readonly Row[]> {
  const program = await nvidiaSmi().catch((error: unknown) => {
    throw new NotMeasured(error instanceof Error ? error.message : String(error));
  });
  await world.image();
  return [await calls(world, program), ...(await times(world, program))];
}

/** A driver root that holds the library and its machine. */
function driverRoot({ folder }: World, name: string, library: string): string {
  const root = join(folder, name);
  mkdirSync(join(root, dirname(LIBRARY)), { recursive: true });
  copyFileSync(library, join(root, LIBRARY));
  writeFileSync(join(root, MACHINE_FILE), machineFile(MACHINE));
  return root;
}

/** Asks a new agent for triage so many times; gives the time of each answer, from the question on. */
async function triage(world: World, root: string, questions: number): Promise<number[]> {
  const child = start(world.scope, [...(await world.agent()), '--driver-root', root], {});
  const ended = new Promise(resolve => child.once('close', resolve));
  const peer = new McpPeer(child.stdout, child.stdin);
  await peer.initialize();
  const tookMs: number[] = [];
  while (tookMs.length < questions) tookMs.push(await peer.callTool('triage_gpu_node'));
  child.stdin.end();
  await ended;
  return tookMs;
}

const queryAll = ({ scope }: World, program: string, root: string) => {
  const environment = { LD_LIBRARY_PATH: join(root, dirname(LIBRARY)) };
  return succeed(scope, [program, '-q'], { environment });
};

/** Both counted at the library's edge. */
async function calls(world: World, program: string): Promise<Row> {
  const root = driverRoot(world, 'counting', await buildCountingLibrary());
  const folder = join(root, dirname(LIBRARY));
  await triage(world, root, 1);
  const ours = callsIn(folder);
  await queryAll(world, program, root);
  const theirs = questionsOf(callsIn(folder)).length;
  const beyond = new Set(
    [...BEYOND_NVIDIA_SMI_Q].flatMap((name): readonly string[] => NVML_FUNCTIONS[name].symbols),
  );
  const common = ours.filter(({ name }) => !beyond.has(name)).length;
  return {
    name: 'P4 triage of 8 GPUs: NVML calls',
    ours: `${ours.length}, of them ${common} for what both read`,
    peer: `nvidia-smi -q: ${theirs}`,
    ratio: common / theirs,
    goal: `<= ${GOAL_CALLS}x`,
    met: common / theirs <= GOAL_CALLS,
    samples: { ours: [ours.length], common: [common], theirs: [theirs] },
  };
}

async function times(world: World, program: string): Promise<readonly Row[]> {
  const root = driverRoot(world, 'driver', await buildSimulatedLibrary());
  const { ours, peer } = await interleaved({
    runs: world.settings.runs,
    signal: world.scope.signal,
    ours: () => triage(world, root, 2),
    peer: async () => (await queryAll(world, program, root)).endMs,
  });
  const compared = (name: string, oursMs: readonly number[]) => ({
    name,
    ours: spread(oursMs),
    peer: `nvidia-smi -q: ${spread(peer)}`,
    ratio: median(oursMs) / median(peer),
    samples: { oursMs, peerMs: peer },
  });
  const first = compared(
    'P4 the same: first question of an agent',
    ours.map(([firstMs = Number.NaN]) => firstMs),
  );
  const again = compared(
    'P4 the same: next question',
    ours.map(([, againMs = Number.NaN]) => againMs),
  );
  return [{ ...first, goal: `<= ${GOAL_TIME}x`, met: first.ratio <= GOAL_TIME }, again];
}
