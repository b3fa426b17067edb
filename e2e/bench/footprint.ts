import { statSync } from 'node:fs';
import { join } from 'node:path';
import { CONFIGURATION } from '../../images/agent/contents.ts';
import { filesOf } from '../../kubectl-plugin/build.ts';
import { AGENT_ENVIRONMENT, HOST_ROOT } from '../../src/contract/labels.ts';
import { PROJECT } from '../prepare.ts';
import { openAttached } from './attached.ts';
import { McpPeer } from './mcp-peer.ts';
import { type Environment, memoryOf, start, timed } from './program.ts';
import { NotMeasured, type Row } from './row.ts';
import { amount, interleaved, median, spread } from './statistics.ts';
import type { BenchCluster, World } from './world.ts';

const GOALS = { startMs: 250, residentMB: 90, imageMB: 60, bundleMB: 2.5 };
const MB = 1_000_000;

/** P6, without a cluster: how soon the agent answers in the image's own file system, and sizes. */
export async function imageRows(world: World): Promise<readonly Row[]> {
  const image = await world.image();
  const [imageBytes = Number.NaN] = Object.values(image.compressedBytes);
  const dist = join(PROJECT, 'dist');
  const sizes = filesOf(dist, 'plugin').map(name => statSync(join(dist, name)).size);
  const bundleBytes = sizes.reduce((sum, size) => sum + size, 0);
  return [
    await agentStart(world),
    size('P6 image, compressed', imageBytes, GOALS.imageMB),
    size('P6 plugin bundle', bundleBytes, GOALS.bundleMB),
  ];
}

async function agentStart(world: World): Promise<Row> {
  const { scope, settings } = world;
  if (process.getuid?.() !== 0) throw new NotMeasured('chroot needs root');
  const { root, entrypoint } = await world.rootfs();
  const environment = { ...CONFIGURATION.environment, [AGENT_ENVIRONMENT.hostRoot]: HOST_ROOT };
  const inside = ['/usr/sbin/chroot', root];
  const [node = ''] = entrypoint;
  const { ours, peer } = await interleaved({
    runs: settings.runs,
    signal: scope.signal,
    ours: () => initialized(scope, [...inside, ...entrypoint], environment),
    peer: async () => (await timed(scope, [...inside, node, '-e', '0'], { environment })).endMs,
  });
  return {
    name: 'P6 agent: exec to initialize',
    ours: spread(ours),
    peer: `node -e 0 in the image: ${spread(peer)}`,
    ratio: median(ours) / median(peer),
    goal: `<= ${GOALS.startMs} ms`,
    met: median(ours) <= GOALS.startMs,
    samples: { oursMs: ours, peerMs: peer },
  };
}

async function initialized(
  scope: World['scope'],
  argv: readonly string[],
  environment: Environment,
): Promise<number> {
  const startMs = performance.now();
  const child = start(scope, argv, environment);
  const ended = new Promise(resolve => child.once('close', resolve));
  await new McpPeer(child.stdout, child.stdin).initialize();
  const tookMs = performance.now() - startMs;
  child.stdin.end();
  await ended;
  return tookMs;
}

/** P6, in a pod on the cluster: what agent and NVML child have in memory. */
export async function memoryRows(world: World): Promise<readonly Row[]> {
  const bench = await world.cluster();
  const { peer, close } = await openAttached(bench, world.scope);
  const idle = await processes(bench);
  await peer.callTool('triage_gpu_node');
  const busy = await processes(bench);
  await close();
  const goal = GOALS.residentMB;
  const total = (all: readonly Process[]) =>
    all.reduce((sum, { proportionalBytes }) => sum + proportionalBytes, 0);
  const of = (all: readonly Process[], child: boolean) =>
    all.find(one => one.isChild === child)?.residentBytes ?? Number.NaN;
  return [
    size('P6 agent RSS after initialize', of(idle, false), goal),
    size('P6 agent RSS after one triage', of(busy, false), goal),
    size('P6 NVML child RSS after one triage', of(busy, true)),
    size('P6 both, shared pages once', total(busy)),
  ];
}

interface Process {
  readonly isChild: boolean;
  readonly residentBytes: number;
  readonly proportionalBytes: number;
}

/** The processes of our one pod. */
async function processes({ node, kubectl }: BenchCluster): Promise<readonly Process[]> {
  const uids = await kubectl(['get', 'pods', '-o', 'jsonpath={.items[*].metadata.uid}']);
  return node
    .podProcesses()
    .filter(({ podUid }) => uids.split(' ').includes(podUid))
    .map(({ pid, argv }) => ({
      isChild: argv.some(word => word.endsWith('nvml-agent.mjs')),
      ...memoryOf(pid),
    }));
}

function size(name: string, bytes: number, goalMB?: number): Row {
  return {
    name,
    ours: amount(bytes / MB, 'MB'),
    ...(goalMB === undefined ? {} : { goal: `<= ${goalMB} MB`, met: bytes / MB <= goalMB }),
    samples: { bytes: [bytes] },
  };
}
