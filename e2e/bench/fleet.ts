import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { HOLLOW_LABEL, startHollowNodes } from '../cluster/hollow.ts';
import { type Finished, start, timed } from './program.ts';
import type { Row } from './row.ts';
import { median, spread } from './statistics.ts';
import { type BenchCluster, NAMESPACE, type World } from './world.ts';

/** How many nodes, and how often each is taken. */
const SIZES = [
  { nodes: 10, runs: 3 },
  { nodes: 100, runs: 2 },
  { nodes: 1_000, runs: 1 },
] as const;
const RSS_MAX = 300 * 1024 * 1024;
const REQUESTS_MAX = 10;

/**
 * F1: `triage -l` of hollow nodes behind the real API server, to its end with every pod deleted: time,
 * memory, and requests a node, counted in a run of its own by a proxy that sees them.
 */
export async function fleetRows(world: World): Promise<readonly Row[]> {
  const bench = await world.cluster();
  const rows: Row[] = [];
  for (const { nodes, runs } of SIZES) {
    const hollow = await startHollowNodes(nodes);
    try {
      const taken: Finished[] = [];
      for (let run = 0; run < runs; run += 1) {
        taken.push(await triaged(world, bench, nodes));
        await bench.settle();
      }
      const requests = await countedRequests(world, bench, nodes);
      await bench.settle();
      const row = rowOf(nodes, taken, requests / nodes);
      world.report(`${row.name}: ${row.ours}`);
      rows.push(row);
    } finally {
      await hollow.stop();
    }
  }
  return rows;
}

async function triaged(
  world: World,
  { environment }: BenchCluster,
  nodes: number,
  more: readonly string[] = [],
): Promise<Finished> {
  const { argv } = await world.plugin();
  const words = ['triage', '-l', HOLLOW_LABEL, '-n', NAMESPACE, '-o', 'json', '--quiet', ...more];
  const finished = await timed(world.scope, [...argv, ...words], { environment, peak: true });
  world.scope.signal.throwIfAborted();
  const { counts } = JSON.parse(finished.stdout || '{"counts":{}}');
  if (finished.code !== 0 || counts.healthy !== nodes) {
    const words = finished.stderr.slice(-400);
    throw new Error(`${counts.healthy} of ${nodes} answered, exit code ${finished.code}: ${words}`);
  }
  return finished;
}

/** The same through `kubectl proxy`, which is spoken to without TLS: each request's first line is seen. */
async function countedRequests(world: World, bench: BenchCluster, nodes: number): Promise<number> {
  const proxy = start(
    world.scope,
    ['kubectl', 'proxy', '--port=0', '--disable-filter=true'],
    bench.environment,
  );
  const [line] = await once(proxy.stdout, 'data');
  const port = Number(/:(\d+)/.exec(String(line))?.[1]);
  let requests = 0;
  const counter = createServer(client => {
    const server = connect(port, '127.0.0.1');
    client.on('data', (chunk: Buffer) => {
      requests += chunk.toString('latin1').match(/^[A-Z]+ \/\S* HTTP\/1\.1\r$/gm)?.length ?? 0;
    });
    client.pipe(server).pipe(client);
    for (const socket of [client, server]) socket.on('error', () => client.destroy());
  });
  counter.listen(0, '127.0.0.1');
  await once(counter, 'listening');
  try {
    const address = counter.address();
    const own = typeof address === 'object' && address ? address.port : 0;
    await triaged(world, bench, nodes, ['--server', `http://127.0.0.1:${own}`]);
    return requests;
  } finally {
    counter.close();
    proxy.kill();
  }
}

function rowOf(nodes: number, taken: readonly Finished[], requests: number): Row {
  const times = taken.map(({ endMs }) => endMs);
  const peaks = taken.map(({ peakBytes }) => peakBytes);
  const peak = Math.max(...peaks);
  const isHeld = nodes > 100;
  return {
    name: `F1 triage of ${nodes} nodes`,
    ours: `${spread(times)}, ${(median(times) / nodes).toFixed(0)} ms a node; peak ${(peak / 2 ** 20).toFixed(0)} MB; ${requests.toFixed(1)} requests a node`,
    ...(isHeld
      ? {}
      : { goal: '300 MB, 10 requests', met: peak <= RSS_MAX && requests <= REQUESTS_MAX }),
    samples: { endMs: times, peakBytes: peaks, requestsPerNode: [requests] },
  };
}
