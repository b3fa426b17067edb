import { closeSync, constants, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kmsgSource } from '../../src/kernel-log/kmsg.ts';
import { writeLog } from './log-file.ts';
import { succeed, timed } from './program.ts';
import { NotMeasured, type Row } from './row.ts';
import { amount, interleaved, median, spread } from './statistics.ts';
import type { World } from './world.ts';

const GOAL_MB_PER_SECOND = 200;
const GOAL_RATIO = 5;
const GOAL_KMSG_MS = 10;
const ANALYSE_RUNS = 3;
const MB = 1_000_000;
const XID_LINE = '2026-03-01T00:00:00+00:00 n kernel: [ 1.0] NVRM: Xid (PCI:0000:3b:00): 79, GPU';

/** Issue figures of the kernel log: a large text log against grep, from the page cache. */
export async function analyseRows(world: World): Promise<readonly Row[]> {
  await requireAnalyse(world);
  return [
    await analyse(world, { name: 'K1 analyze, no GPU lines', gpuShare: 0 }),
    await analyse(world, { name: 'K1 analyze, 1 % GPU lines', gpuShare: 0.01 }),
  ];
}

/** Without the command the plugin would take the word for a node's name. */
async function requireAnalyse(world: World): Promise<void> {
  const { argv, environment } = await world.plugin();
  const file = join(world.folder, 'one-line.log');
  writeFileSync(file, `${XID_LINE}\n`);
  const tried = await timed(world.scope, [...argv, 'analyze', file, '-o', 'json'], { environment });
  if (tried.code === 0 && /"xid":\s*79\b/.test(tried.stdout)) return;
  const words = tried.stderr.trim().split('\n')[0] ?? '';
  throw new NotMeasured(`analyze does not work: exit ${tried.code}, ${words}`);
}

async function analyse(
  world: World,
  log: { readonly name: string; readonly gpuShare: number },
): Promise<Row> {
  const { scope, settings, report } = world;
  const { argv, environment } = await world.plugin();
  const file = join(world.folder, 'big.log');
  const { bytes, lines, gpuLines } = makeLog();
  report(`${file}: ${lines} lines, ${gpuLines} of the driver`);
  const taken = await interleaved({
    runs: ANALYSE_RUNS,
    signal: scope.signal,
    ours: () =>
      succeed(scope, [...argv, 'analyze', file, '-o', 'json'], { environment, peak: true }),
    peer: async () => {
      const { endMs, stdout } = await timed(scope, ['grep', '-c', 'NVRM', file], { environment });
      if (Number(stdout) !== gpuLines) throw new Error(`grep counted ${stdout} of ${gpuLines}`);
      return endMs;
    },
  });
  rmSync(file);
  const ours = taken.ours.map(({ endMs }) => endMs);
  const peak = Math.max(...taken.ours.map(({ peakBytes }) => peakBytes));
  const ratio = median(ours) / median(taken.peer);
  const speed = bytes / MB / (median(ours) / 1000);
  return {
    name: log.name,
    ours: `${amount(speed, 'MB/s')}, ${spread(ours)}, peak ${amount(peak / MB, 'MB')}`,
    peer: `grep -c NVRM: ${spread(taken.peer)}`,
    ratio,
    goal: `>= ${GOAL_MB_PER_SECOND} MB/s, <= ${GOAL_RATIO}x`,
    met: speed >= GOAL_MB_PER_SECOND && ratio <= GOAL_RATIO,
    samples: { oursMs: ours, peerMs: taken.peer, bytes: [bytes], peakBytes: [peak] },
  };

  function makeLog() {
    report(`writing ${settings.logBytes / MB} MB of log`);
    const wanted = { file, bytes: settings.logBytes, gpuShare: log.gpuShare };
    return { bytes: settings.logBytes, ...writeLog(wanted) };
  }
}

/** The whole ring of this machine, against reads of the device that look at nothing. */
export async function kmsgRows({ scope, settings }: World): Promise<readonly Row[]> {
  const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
  const source = kmsgSource({ clock, boot: () => null });
  let records = 0;
  const ours = async () => {
    const startMs = performance.now();
    const [coverage] = await source.scan({
      window: {},
      visit: () => undefined,
      signal: scope.signal,
    });
    if (!coverage?.available) throw new NotMeasured(`/dev/kmsg: ${coverage?.unavailable}`);
    ({ records } = coverage);
    return performance.now() - startMs;
  };
  const runs = settings.runs * 3;
  const taken = await interleaved({ runs, signal: scope.signal, ours, peer: rawReads });
  return [
    {
      name: `K2 /dev/kmsg, all ${records} records`,
      ours: spread(taken.ours),
      peer: `reads alone: ${spread(taken.peer)}`,
      ratio: median(taken.ours) / median(taken.peer),
      goal: `<= ${GOAL_KMSG_MS} ms`,
      met: median(taken.ours) <= GOAL_KMSG_MS,
      samples: { oursMs: taken.ours, peerMs: taken.peer },
    },
  ];
}

async function rawReads(): Promise<number> {
  const startMs = performance.now();
  const device = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(32 * 1024);
  try {
    while (readSync(device, buffer) > 0);
  } catch {
    // EAGAIN: that was the last record.
  } finally {
    closeSync(device);
  }
  return performance.now() - startMs;
}
