import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { AnswerList } from '../../src/contract/fleet.ts';
import { HOLLOW_LABEL, startHollowNodes } from '../cluster/hollow.ts';
import { type Finished, start, timed } from './program.ts';
import type { Row } from './row.ts';
import { median, spread } from './statistics.ts';
import { type BenchCluster, NAMESPACE, type World } from './world.ts';

/**
 * How many nodes, and how often each is taken. A thousand Jobs wait for the controller manager, whose
 * own client sends 20 requests a second unless it is set otherwise: bare pods do not.
 */
const SIZES = [
  { nodes: 30, runs: 2, flags: [] },
  { nodes: 30, runs: 2, flags: ['--fleet'] },
  { nodes: 100, runs: 2, flags: [] },
  { nodes: 100, runs: 2, flags: ['--fleet'] },
  { nodes: 1_000, runs: 1, flags: ['--fleet'] },
  { nodes: 1_000, runs: 1, flags: ['--lifetime', 'pod'] },
  { nodes: 1_000, runs: 1, flags: [] },
] as const;
/** Beyond it requests are not counted but with --fleet: it would be another run of minutes. */
const COUNTED_NODES_MAX = 100;
const RSS_MAX = 300 * 1024 * 1024;
const REQUESTS_MAX = 10;

/**
 * F1: `triage -l` of hollow nodes behind the real API server, to its end with every pod deleted: time,
 * memory, and requests a node, counted in a run of its own by a proxy that sees them.
 */
export async function fleetRows(world: World): Promise<readonly Row[]> {
  const bench = await world.cluster();
  const rows: Row[] = [];
  for (const { nodes, runs, flags } of SIZES) {
    const hollow = await startHollowNodes(nodes);
    try {
      const taken: Taken[] = [];
      for (let run = 0; run < runs; run += 1) {
        taken.push(await triaged(world, bench, nodes, flags));
        await bench.settle();
      }
      const isCounted = nodes <= COUNTED_NODES_MAX || flags.some(flag => flag === '--fleet');
      const requests = isCounted ? await countedRequests(world, bench, nodes, flags) : undefined;
      await bench.settle();
      const row = rowOf({ nodes, flags, taken, requests });
      world.report(`${row.name}: ${row.ours}`);
      rows.push(row);
    } finally {
      await hollow.stop();
    }
  }
  return rows;
}

interface Taken extends Finished {
  readonly answered: number;
  /** Why the others did not, with how many each. */
  readonly why: string;
}

async function triaged(
  world: World,
  { environment }: BenchCluster,
  nodes: number,
  flags: readonly string[],
): Promise<Taken> {
  const { argv } = await world.plugin();
  const words = ['triage', '-l', HOLLOW_LABEL, '-n', NAMESPACE, '-o', 'json', '--quiet', ...flags];
  const finished = await timed(world.scope, [...argv, ...words], { environment, peak: true });
  world.scope.signal.throwIfAborted();
  const { counts } = JSON.parse(finished.stdout || '{"counts":{}}');
  if (counts.nodes !== nodes) {
    const said = finished.stderr.slice(-400);
    throw new Error(`no list of ${nodes} nodes, exit code ${finished.code}: ${said}`);
  }
  const { unreadFor = [] } = AnswerList.parse(JSON.parse(finished.stdout));
  const why = unreadFor.map(({ reason, nodes: of }) => `${of} nodes: ${reason}`).join('; ');
  return { ...finished, answered: counts.healthy, why: why.slice(0, 600) };
}

/** The same through `kubectl proxy`, which is spoken to without TLS: each request's first line is seen. */
async function countedRequests(
  world: World,
  bench: BenchCluster,
  nodes: number,
  flags: readonly string[],
): Promise<number> {
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
    await triaged(world, bench, nodes, [...flags, '--server', `http://127.0.0.1:${own}`]);
    return requests;
  } finally {
    counter.close();
    proxy.kill();
  }
}

function rowOf({
  nodes,
  flags,
  taken,
  requests,
}: {
  nodes: number;
  flags: readonly string[];
  taken: readonly Taken[];
  requests: number | undefined;
}): Row {
  const times = taken.map(({ endMs }) => endMs);
  const peaks = taken.map(({ peakBytes }) => peakBytes);
  const answered = Math.min(...taken.map(one => one.answered));
  const words = [
    `${answered} answered`,
    `${spread(times)}, ${(median(times) / nodes).toFixed(0)} ms a node`,
    `peak ${(Math.max(...peaks) / 2 ** 20).toFixed(0)} MB`,
    ...(requests === undefined ? [] : [`${(requests / nodes).toFixed(1)} requests a node`]),
  ];
  const isMet = Math.max(...peaks) <= RSS_MAX && (requests ?? 0) / nodes <= REQUESTS_MAX;
  return {
    name: ['F1 triage of', nodes, 'nodes', ...flags].join(' '),
    ours: words.join('; '),
    ...(taken.some(({ why }) => why !== '') && { note: taken.map(({ why }) => why).join(' | ') }),
    ...(requests === undefined ? {} : { goal: '300 MB, 10 requests', met: isMet }),
    samples: { endMs: times, peakBytes: peaks, ...(requests && { requests: [requests] }) },
  };
}
