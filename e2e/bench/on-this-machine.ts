import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startKubelet } from '../../test/host/kubelet.ts';
import { buildSimulatedLibrary } from '../../test/sim-nvml/build.ts';
import { LIBRARY, MACHINE_FILE, machineFile } from '../machines.ts';
import { McpPeer } from './mcp-peer.ts';
import { memoryOf, start, timed, wallAndCpu } from './program.ts';
import type { Row } from './row.ts';
import { amount, interleaved, median, spread } from './statistics.ts';
import type { World } from './world.ts';

const MB = 1_000_000;
const GOALS = { agentMB: 60, childMB: 30 };

/** P5, without a cluster: what one triage of this machine takes, and what an agent has in memory. */
export async function thisMachineRows(world: World): Promise<readonly Row[]> {
  await world.image();
  return [...(await local(world)), ...(await memory(world))];
}

/** `triage --local` of this machine as it is, to its end. */
async function local(world: World): Promise<readonly Row[]> {
  const { scope, settings } = world;
  const { argv, environment } = await world.plugin();
  const triage = [...argv, 'triage', '--local'];
  const bare = [process.execPath, '-e', '0'];
  const { ours, peer } = await interleaved({
    runs: settings.runs,
    signal: scope.signal,
    ours: () => wallAndCpu(scope, triage, { environment }),
    peer: async () => (await timed(scope, bare, { environment })).endMs,
  });
  const of = (name: string, oursMs: readonly number[]): Row => ({
    name: `P5 triage --local, ${name}`,
    ours: spread(oursMs),
    peer: `node -e 0, to its end: ${spread(peer)}`,
    ratio: median(oursMs) / median(peer),
    samples: { oursMs, peerMs: peer },
  });
  return [
    of(
      'exec to end',
      ours.map(({ wallMs }) => wallMs),
    ),
    of(
      'CPU of all its processes',
      ours.map(({ cpuMs }) => cpuMs),
    ),
  ];
}

/** Eight simulated GPUs and a kubelet that says which pods have them. */
async function memory(world: World): Promise<readonly Row[]> {
  const root = join(world.folder, 'node');
  for (const path of ['etc', 'proc', 'sys', 'var/lib/kubelet/pod-resources']) {
    mkdirSync(join(root, path), { recursive: true });
  }
  mkdirSync(join(root, dirname(LIBRARY)), { recursive: true });
  copyFileSync(await buildSimulatedLibrary(), join(root, LIBRARY));
  writeFileSync(join(root, MACHINE_FILE), machineFile('dgx-h100'));
  const devices = Array.from({ length: 8 }, (_, gpu) => ({
    resourceName: 'nvidia.com/gpu',
    deviceIds: [`GPU-${gpu}`],
  }));
  const containers = [{ name: 'main', devices }];
  const stop = await startKubelet(root, {
    List: { podResources: [{ name: 'train-0', namespace: 'team-a', containers }] },
    GetAllocatableResources: { devices },
  });
  try {
    const { agentMB, childMB } = await afterTriage(world, root);
    return [
      size('P5 agent RSS after a triage, the kubelet asked', agentMB, GOALS.agentMB),
      size('P5 NVML child RSS after it', childMB, GOALS.childMB),
    ];
  } finally {
    stop();
  }
}

async function afterTriage(world: World, root: string) {
  const child = start(world.scope, [...(await world.agent()), '--host-root', root], {});
  const ended = new Promise(resolve => child.once('close', resolve));
  const peer = new McpPeer(child.stdout, child.stdin);
  await peer.initialize();
  await peer.callTool('triage_gpu_node');
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8');
  const agentMB = memoryOf(child.pid).residentBytes / MB;
  const childMB = memoryOf(Number(children.split(' ')[0])).residentBytes / MB;
  child.stdin.end();
  await ended;
  return { agentMB, childMB };
}

const size = (name: string, megabytes: number, goalMB: number): Row => ({
  name,
  ours: amount(megabytes, 'MB'),
  goal: `<= ${goalMB} MB`,
  met: megabytes <= goalMB,
  samples: { megabytes: [megabytes] },
});
