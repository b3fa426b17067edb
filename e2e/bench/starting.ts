import { McpPeer } from './mcp-peer.ts';
import { start, timed } from './program.ts';
import type { Row } from './row.ts';
import { interleaved, median, spread } from './statistics.ts';
import { NODE, type World } from './world.ts';

const GOAL_RATIO = 3.5;
const GOAL_MS = 150;

/**
 * P1: from exec of the plugin as an MCP server to the answer to `initialize`, against `node -e 0`
 * to its end. No pod is made: the handshake needs none.
 */
export async function startRows(world: World): Promise<readonly Row[]> {
  const { argv, environment } = await world.plugin();
  const warm = await pairs(world, argv, () => environment);
  const cold = await pairs(world, argv, run => ({
    ...environment,
    HOME: world.home(`cold-${run}`),
  }));
  return [row('P1 exec to initialize, warm', warm), row('P1 the same, first start ever', cold)];
}

type Pairs = Awaited<ReturnType<typeof pairs>>;

async function pairs(
  { scope, settings }: World,
  plugin: readonly string[],
  environmentOf: (run: number) => Readonly<Record<string, string>>,
) {
  const bare = [process.execPath, '-e', '0'];
  await handshake(scope, plugin, environmentOf(-1));
  return interleaved({
    runs: settings.runs,
    signal: scope.signal,
    ours: run => handshake(scope, plugin, environmentOf(run)),
    peer: async run => (await timed(scope, bare, { environment: environmentOf(run) })).endMs,
  });
}

/** Starts the plugin, shakes hands, and waits for its end; gives exec to `initialize` answered. */
async function handshake(
  scope: World['scope'],
  plugin: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<number> {
  const startMs = performance.now();
  const child = start(scope, [...plugin, NODE], environment);
  const ended = new Promise(resolve => child.once('close', resolve));
  await new McpPeer(child.stdout, child.stdin).initialize();
  const tookMs = performance.now() - startMs;
  child.stdin.end();
  await ended;
  return tookMs;
}

function row(name: string, { ours, peer }: Pairs): Row {
  const ratio = median(ours) / median(peer);
  return {
    name,
    ours: spread(ours),
    peer: `node -e 0: ${spread(peer)}`,
    ratio,
    goal: `<= ${GOAL_RATIO}x, <= ${GOAL_MS} ms`,
    met: ratio <= GOAL_RATIO && median(ours) <= GOAL_MS,
    samples: { oursMs: ours, peerMs: peer },
  };
}
