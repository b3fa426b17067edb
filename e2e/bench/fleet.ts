import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { AnswerList } from '../../src/contract/fleet.ts';
import { HOLLOW_LABEL, startHollowNodes } from '../cluster/hollow.ts';
import { type Finished, start, timed } from './program.ts';
import type { Row } from './row.ts';
import { median, spread } from './statistics.ts';
import { type BenchCluster, NAMESPACE, type World } from './world.ts';

interface Size {
  readonly nodes: number;
  readonly runs: number;
  readonly flags: readonly string[];
}
/**
 * How many nodes, and how often each is taken. A thousand Jobs wait for the controller manager, whose
 * own client sends 20 requests a second unless it is set otherwise: bare pods do not.
 */
const SESSIONS: readonly Size[] = [
  { nodes: 30, runs: 2, flags: [] },
  { nodes: 100, runs: 2, flags: [] },
  { nodes: 1_000, runs: 1, flags: ['--lifetime', 'pod'] },
  { nodes: 1_000, runs: 1, flags: [] },
];
const FLEETS: readonly Size[] = [
  { nodes: 30, runs: 2, flags: ['--fleet'] },
  { nodes: 100, runs: 2, flags: ['--fleet'] },
  { nodes: 1_000, runs: 2, flags: ['--fleet'] },
];
/** Beyond it requests of sessions are not counted: it would be another run of minutes. */
const COUNTED_NODES_MAX = 100;
const RSS_MAX = 300 * 1024 * 1024;
const REQUESTS_MAX = 10;

/** F1: `triage -l` of hollow nodes, a session each. */
export const sessionRows = (world: World) =>
  rowsOf(world, 'F1', SESSIONS, ({ nodes }) => nodes <= COUNTED_NODES_MAX);

/** F2: `triage -l --fleet` of the same, to which nobody attaches. */
export const fleetRows = (world: World) => rowsOf(world, 'F2', FLEETS, () => true);

/**
 * Hollow nodes behind the real API server: time to the command's end and from it until no pod is left,
 * memory, and requests a node, counted in a run of its own by a proxy that sees them.
 */
async function rowsOf(
  world: World,
  id: string,
  sizes: readonly Size[],
  isCounted: (size: Size) => boolean,
): Promise<readonly Row[]> {
  const bench = await world.cluster();
  const rows: Row[] = [];
  for (const size of sizes) {
    const hollow = await startHollowNodes(size.nodes);
    try {
      const taken: Taken[] = [];
      for (let run = 0; run < size.runs; run += 1) {
        const triage = await triaged(world, bench, size);
        const beganMs = performance.now();
        await bench.settle();
        taken.push({ ...triage, leftMs: performance.now() - beganMs });
      }
      const requests = isCounted(size) ? await countedRequests(world, bench, size) : undefined;
      const row = rowOf(id, size, taken, requests);
      world.report(`${row.name}: ${row.ours}`);
      rows.push(row);
    } finally {
      await hollow.stop();
    }
  }
  return rows;
}

interface Triaged extends Finished {
  readonly answered: number;
  /** Why the others did not, with how many each. */
  readonly why: string;
}
interface Taken extends Triaged {
  /** From the command's end until nothing was left. */
  readonly leftMs: number;
}

async function triaged(
  world: World,
  { environment }: BenchCluster,
  { nodes, flags }: Pick<Size, 'nodes' | 'flags'>,
): Promise<Triaged> {
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
  { nodes, flags }: Size,
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
    const through = [...flags, '--server', `http://127.0.0.1:${own}`];
    await triaged(world, bench, { nodes, flags: through });
    const counted = requests;
    // What outlives the command goes on through the proxy.
    await bench.settle();
    return counted;
  } finally {
    counter.close();
    proxy.kill();
  }
}

function rowOf(
  id: string,
  { nodes, flags }: Size,
  taken: readonly Taken[],
  requests: number | undefined,
): Row {
  const times = taken.map(({ endMs }) => endMs);
  const lefts = taken.map(({ leftMs }) => leftMs);
  const peaks = taken.map(({ peakBytes }) => peakBytes);
  const answered = Math.min(...taken.map(one => one.answered));
  const words = [
    `${answered} answered`,
    `${spread(times)}, ${(median(times) / nodes).toFixed(0)} ms a node`,
    `nothing left after ${spread(lefts)}`,
    `peak ${(Math.max(...peaks) / 2 ** 20).toFixed(0)} MB`,
    ...(requests === undefined ? [] : [`${(requests / nodes).toFixed(1)} requests a node`]),
  ];
  const isMet = Math.max(...peaks) <= RSS_MAX && (requests ?? 0) / nodes <= REQUESTS_MAX;
  return {
    name: [id, 'triage of', nodes, 'nodes', ...flags].join(' '),
    ours: words.join('; '),
    ...(taken.some(({ why }) => why !== '') && { note: taken.map(({ why }) => why).join(' | ') }),
    ...(requests === undefined ? {} : { goal: '300 MB, 10 requests', met: isMet }),
    samples: {
      endMs: times,
      leftMs: lefts,
      peakBytes: peaks,
      ...(requests && { requests: [requests] }),
    },
  };
}
