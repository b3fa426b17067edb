import { openAttached } from './attached.ts';
import { McpPeer } from './mcp-peer.ts';
import { type Environment, start } from './program.ts';
import type { Row } from './row.ts';
import { amount, interleaved, quantile } from './statistics.ts';
import { type BenchCluster, DRIVER_ROOT, NAMESPACE, NODE, type World } from './world.ts';

const TOOL = 'get_gpu_inventory';
const GOAL_ADDED_MS = 3;
const WARM_UP_CALLS = 20;

/**
 * P3: what the way adds to a call over an open session, against the same agent as a child process
 * of ours that reads the same node: as a client's tool call through the whole plugin, and hop by hop
 * as a bare `ping`, which the bridge answers itself, and one of the agent over the product's own
 * attach stream.
 */
export async function openSessionRows(world: World): Promise<readonly Row[]> {
  const bench = await world.cluster();
  const local = await localAgent(world, bench);
  const plugin = await pluginSession(world, bench);
  const calls = await compared(world, {
    ours: () => plugin.peer.callTool(TOOL),
    peer: () => local.peer.callTool(TOOL),
  });
  const toBridge = await compared(world, {
    ours: () => plugin.peer.ask('ping'),
    peer: () => local.peer.ask('ping'),
  });
  await plugin.close();
  const { peer: stream, close } = await openAttached(bench, world.scope);
  const pings = await compared(world, {
    ours: () => stream.ask('ping'),
    peer: () => local.peer.ask('ping'),
  });
  await Promise.all([close(), local.close()]);
  await bench.settle();
  return [
    ...rows(`P3 ${TOOL}, open session`, calls),
    ...rows('P3 ping of the bridge', toBridge),
    ...rows('P3 ping over attach', pings),
  ];
}

/** The same agent without pod and stream, among the same processes and files of the node. */
const localAgent = (world: World, { localAgent, environment }: BenchCluster) =>
  session(world, localAgent, environment);

function pluginSession(world: World, { environment }: BenchCluster) {
  const argv = ['kubectl-gpu_mcp', NODE, '-n', NAMESPACE, '--driver-root', DRIVER_ROOT];
  return session(world, argv, environment);
}

/** Starts an MCP server on stdio and shakes hands with it. */
async function session({ scope }: World, argv: readonly string[], environment: Environment) {
  const child = start(scope, argv, environment);
  const ended = new Promise(resolve => child.once('close', resolve));
  const peer = new McpPeer(child.stdout, child.stdin);
  await peer.initialize();
  const close = async () => {
    child.stdin.end();
    await ended;
  };
  return { peer, close };
}

interface Compared {
  readonly ours: readonly number[];
  readonly peer: readonly number[];
}

async function compared(
  { scope, settings }: World,
  pair: { readonly ours: () => Promise<number>; readonly peer: () => Promise<number> },
): Promise<Compared> {
  await interleaved({ runs: WARM_UP_CALLS, signal: scope.signal, ...pair });
  return interleaved({ runs: settings.calls, signal: scope.signal, ...pair });
}

function rows(name: string, { ours, peer }: Compared): readonly Row[] {
  const samples = { oursMs: ours, localMs: peer };
  const added = (share: number) => quantile(ours, share) - quantile(peer, share);
  const row = (label: string, share: number) => ({
    name: `${name}: added ${label}`,
    ours: `${added(share) < 0 ? '' : '+'}${amount(added(share), 'ms')} (${amount(quantile(ours, share), 'ms')})`,
    peer: `local agent: ${amount(quantile(peer, share), 'ms')}`,
    ratio: quantile(ours, share) / quantile(peer, share),
  });
  return [
    {
      ...row('p50', 0.5),
      goal: `added <= ${GOAL_ADDED_MS} ms`,
      met: added(0.5) <= GOAL_ADDED_MS,
      samples,
    },
    { ...row('p99', 0.99), samples: {} },
  ];
}
