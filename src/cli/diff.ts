import { stat } from 'node:fs/promises';
import * as z from 'zod';
import { readBundle } from '../bundle/bundle-file.ts';
import { type Bundle, nodeOf } from '../bundle/document.ts';
import { replayInstruments } from '../bundle/replay.ts';
import { UsageError } from '../contract/errors.ts';
import { SEVERITIES } from '../contract/finding.ts';
import { durationText, momentMs } from '../contract/time.ts';
import { type Comparison, compare } from '../tools/support/comparison.ts';
import { comparisonLines } from '../tools/support/comparison-lines.ts';
import { EMPTY_LOG, readNodeTwice } from '../tools/support/read-node.ts';
import type { Snapshot } from '../tools/support/snapshot.ts';
import { captureOne } from './capture.ts';
import type { Command, Invocation } from './command.ts';
import { COMMON, CONNECTION, OUTPUT, POD, TARGET } from './options.ts';
import { print } from './print.ts';
import { tellVersion } from './replay-sessions.ts';

const Words = z.looseObject({ before: z.coerce.string(), after: z.coerce.string().optional() });

/** What changed on a node between two moments. */
export const diff: Command = {
  command: 'diff <before> [after]',
  description: 'Says what changed on a node: two bundles, or a bundle and the node as it is now',
  examples: [
    ['$0 diff before.json.gz after.json.gz', 'two files that capture wrote'],
    ['$0 diff before.json.gz gpu-node-3 --fail-on critical', 'a file and the node now'],
  ],
  options: yargs =>
    yargs
      .positional('before', { type: 'string', describe: 'A bundle, or a node' })
      .positional('after', { type: 'string', describe: 'A bundle, or a node' })
      .options({ ...COMMON, ...CONNECTION, ...POD, ...OUTPUT })
      .options({ local: TARGET.local, simulate: TARGET.simulate })
      .option('since', {
        type: 'string',
        requiresArg: true,
        describe: 'How far back before the first moment the kernel log counts (24h)',
      })
      .option('fail-on', {
        choices: ['critical', 'warning'] as const,
        describe: 'Exit code 1 when a finding is new, or worse, and this bad or worse',
      }),
  async run(invocation) {
    const { args, raw, io } = invocation;
    const words = Words.parse(raw);
    const here = args.local === true || args.simulate !== undefined;
    if (here === (words.after !== undefined)) {
      throw new UsageError('diff compares two moments', 'diff BEFORE AFTER: files or nodes');
    }
    const weekAgoMs = momentMs('7d', io.clock.nowMs());
    const before = await bundleOf(words.before, invocation, weekAgoMs);
    const sinceMs = momentMs(args.since ?? '24h', before.capturedAtMs);
    const after = await bundleOf(words.after, invocation, Math.min(weekAgoMs, sinceMs));
    const earlierMs = before.capturedAtMs - after.capturedAtMs;
    if (earlierMs > 0) {
      throw new UsageError(
        `the second moment is ${durationText(earlierMs)} before the first`,
        'name the earlier one first',
      );
    }
    const structured = compare(
      await snapshotOf(before, sinceMs, io.signal),
      await snapshotOf(after, sinceMs, io.signal),
    );
    const title = `${structured.before.node}, before and after`;
    await print({ title, lines: comparisonLines(structured), structured }, { args, io });
    return fails(structured, args.failOn) ? 1 : 0;
  },
};

/** The bundle in a file, or of a live node: what is no file is a target. */
async function bundleOf(
  word: string | undefined,
  invocation: Invocation,
  sinceMs: number,
): Promise<Bundle> {
  const { args, progress } = invocation;
  if (word !== undefined && (await isFile(word))) {
    const bundle = await readBundle(word);
    tellVersion(bundle, word, progress);
    return bundle;
  }
  // The flags of a machine here belong to the moment that no word names.
  const target =
    word === undefined ? { target: [] } : { target: [word], local: undefined, simulate: undefined };
  const live = { ...invocation, args: { ...args, ...target } };
  return captureOne(live, { sinceMs, seconds: 0 });
}

/** A name that only a file can have is one, also where it is not there: reading it says so. */
async function isFile(word: string): Promise<boolean> {
  if (/\.(gz|json)$/.test(word)) return true;
  const found = await stat(word).catch(() => undefined);
  return found?.isFile() ?? false;
}

async function snapshotOf(bundle: Bundle, sinceMs: number, signal: AbortSignal): Promise<Snapshot> {
  const { log = EMPTY_LOG, ...facts } = await readNodeTwice(
    replayInstruments(bundle),
    { sinceMs },
    signal,
  );
  return {
    node: nodeOf(bundle),
    simulated: bundle.simulated !== undefined,
    facts: { ...facts, log },
    cluster: bundle.cluster,
  };
}

function fails({ findings }: Comparison, limit: 'critical' | 'warning' | undefined): boolean {
  if (limit === undefined) return false;
  return findings.some(
    ({ change, severity }) =>
      (change === 'new' || change === 'worse') &&
      SEVERITIES.indexOf(severity) <= SEVERITIES.indexOf(limit),
  );
}
