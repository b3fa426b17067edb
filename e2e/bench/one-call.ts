import { type Finished, succeed, timed } from './program.ts';
import type { Row } from './row.ts';
import { interleaved, median, spread } from './statistics.ts';
import { type BenchCluster, DRIVER_ROOT, NAMESPACE, NODE, type World } from './world.ts';

/**
 * P2: from exec of one call to its answer, on a node without a pod of ours, against `kubectl debug`
 * with the same image that does nothing. Pods are gone before the next one is timed.
 */
export async function oneCallRows(world: World): Promise<readonly Row[]> {
  const { scope, settings } = world;
  const bench = await world.cluster();
  const ours = () => callOnce(world, bench);
  const peer = () => debugOnce(world, bench);
  await ours();
  await peer();
  const taken = await interleaved({ runs: settings.runs, signal: scope.signal, ours, peer });
  const first = taken.ours.map(({ firstByteMs }) => firstByteMs ?? Number.NaN);
  const end = taken.ours.map(({ endMs }) => endMs);
  return [
    row('P2 call: exec to answer', first, taken.peer),
    row('P2 call: exec to end, pod deleted', end, taken.peer),
  ];
}

async function callOnce({ scope }: World, bench: BenchCluster): Promise<Finished> {
  const argv = ['kubectl', 'gpu-mcp', 'call', NODE, 'get_gpu_inventory', '-o', 'json'];
  const flags = ['-n', NAMESPACE, '--quiet', '--driver-root', DRIVER_ROOT];
  const finished = await succeed(scope, [...argv, ...flags], { environment: bench.environment });
  // Half an answer would be a fast one.
  const { gpuCount } = JSON.parse(finished.stdout);
  if (gpuCount !== 8) throw new Error(`the node has 8 GPUs and the answer ${gpuCount}`);
  await bench.settle();
  return finished;
}

async function debugOnce({ scope }: World, bench: BenchCluster): Promise<number> {
  const { environment, image } = bench;
  const flags = ['-n', NAMESPACE, '-i', '-q', '--profile=sysadmin', `--image=${image}`];
  const argv = ['kubectl', 'debug', `node/${NODE}`, ...flags, '--', '/usr/bin/node', '-e', '0'];
  const { code, endMs, stderr } = await timed(scope, argv, { environment });
  scope.signal.throwIfAborted();
  if (code !== 0) throw new Error(`kubectl debug ended with ${code}: ${stderr}`);
  await bench.kubectl(['delete', 'pods', '--all', '--now', '--wait']);
  await bench.settle();
  return endMs;
}

function row(name: string, ours: readonly number[], peer: readonly number[]): Row {
  const ratio = median(ours) / median(peer);
  return {
    name,
    ours: spread(ours),
    peer: `kubectl debug: ${spread(peer)}`,
    ratio,
    goal: '<= 1.0x',
    met: ratio <= 1,
    samples: { oursMs: ours, peerMs: peer },
  };
}
