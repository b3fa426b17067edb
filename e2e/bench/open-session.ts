import { join } from 'node:path';
import { PROJECT } from '../prepare.ts';
import { openAttached } from './attached.ts';
import { McpPeer } from './mcp-peer.ts';
import { start } from './program.ts';
import type { Row } from './row.ts';
import { amount, interleaved, quantile } from './statistics.ts';
import { type BenchCluster, DRIVER_ROOT, NAMESPACE, NODE, type World } from './world.ts';

const TOOL = 'get_gpu_inventory';
const GOAL_ADDED_MS = 3;
const WARM_UP_CALLS = 20;

/**
 * P3: what the way adds to a call over an open session, against the same agent as a child process
 * of ours that reads the same driver: once as a client's tool call through the whole plugin, once
 * as a bare `ping` of the agent over the product's own attach stream.
 */
export async function openSessionRows(world: World): Promise<readonly Row[]> {
  const bench = await world.cluster();
  const local = await localAgent(world, bench);
  const plugin = await pluginSession(world, bench);
  const calls = await compared(world, {
    ours: () => plugin.callTool(TOOL),
    peer: () => local.callTool(TOOL),
  });
  const { peer: stream, close } = await openAttached(bench, world.scope);
  const pings = await compared(world, {
    ours: () => stream.ask('ping'),
    peer: () => local.ask('ping'),
  });
  await close();
  return [...rows(`P3 ${TOOL}, open session`, calls), ...rows('P3 ping over attach', pings)];
}

/** The same agent without a cluster. Its node is this machine; its driver is a copy of node-a's. */
async function localAgent({ scope }: World, { driverRoot, environment }: BenchCluster) {
  const agent = [process.execPath, join(PROJECT, 'dist/agent.mjs')];
  const child = start(scope, [...agent, '--driver-root', driverRoot], environment);
  const peer = new McpPeer(child.stdout, child.stdin);
  await peer.initialize();
  return peer;
}

async function pluginSession({ scope }: World, { environment }: BenchCluster) {
  const argv = ['kubectl-gpu_mcp', NODE, '-n', NAMESPACE, '--driver-root', DRIVER_ROOT];
  const child = start(scope, argv, environment);
  const peer = new McpPeer(child.stdout, child.stdin);
  await peer.initialize();
  return peer;
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
    ours: `+${amount(added(share), 'ms')} (${amount(quantile(ours, share), 'ms')})`,
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
