import { stat } from 'node:fs/promises';
import { readBundle } from '../bundle/bundle-file.ts';
import { type Bundle, nodeOf } from '../bundle/document.ts';
import { replayInstruments } from '../bundle/replay.ts';
import { CONNECTION } from '../cluster/connection-flags.ts';
import {
  type AnswerForms,
  gapLine,
  type Line,
  type LineKind,
  linesOf,
  type Written,
} from '../contract/answer.ts';
import { UsageError } from '../contract/errors.ts';
import { SEVERITIES } from '../contract/finding.ts';
import { durationText, momentMs } from '../contract/time.ts';
import type { FindingChange } from '../tools/support/comparison.ts';
import { type Comparison, compare } from '../tools/support/comparison.ts';
import type { GpuChange } from '../tools/support/comparison-gpus.ts';
import { growsWithLoad } from '../tools/support/gpu-counters.ts';
import { EMPTY_LOG, readNodeTwice } from '../tools/support/read-node.ts';
import type { Snapshot } from '../tools/support/snapshot.ts';
import { captureOne } from './capture.ts';
import { defineCommand, type Invocation } from './command.ts';
import {
  failOn,
  moment,
  OUTPUT,
  optionalWord,
  POD,
  TARGET,
  type TargetFlags,
  word,
} from './flags.ts';
import { print } from './print.ts';
import { tellVersion } from './replay-sessions.ts';
import { SUMMARIES } from './summaries.ts';

/** What changed on a node between two moments. */
export const diff = defineCommand({
  ...SUMMARIES.diff,
  examples: [
    ['$0 diff before.json.gz after.json.gz', 'two files that capture wrote'],
    ['$0 diff before.json.gz gpu-node-3 --fail-on critical', 'a file and the node now'],
  ],
  flags: {
    before: word('A bundle, or a node', { names: 'file' }),
    after: optionalWord('A bundle, or a node', { names: 'node_or_file' }),
    ...CONNECTION,
    ...POD,
    ...OUTPUT,
    local: TARGET.local,
    simulate: TARGET.simulate,
    since: moment('How far back before the first moment the kernel log counts (24h)'),
    failOn: failOn('Exit code 1 when a finding is new, or worse, and this bad or worse'),
  },
  async run(invocation) {
    const { args, io } = invocation;
    const here = args.local || args.simulate !== undefined;
    if (here === (args.after !== undefined)) {
      throw new UsageError('diff compares two moments', 'diff BEFORE AFTER: files or nodes');
    }
    const weekAgoMs = momentMs('7d', io.clock.nowMs());
    const before = await bundleOf(args.before, invocation, weekAgoMs);
    const sinceMs = momentMs(args.since ?? '24h', before.capturedAtMs);
    const after = await bundleOf(args.after, invocation, Math.min(weekAgoMs, sinceMs));
    const structured = await compareBundles(before, after, { sinceMs, signal: io.signal });
    const title = `${structured.before.node}, before and after`;
    await print({ title, lines: comparisonLines(structured), structured }, invocation);
    return fails(structured, args.failOn) ? 1 : 0;
  },
});

/** What changed between two bundles. @throws UsageError where the second is the earlier one. */
export async function compareBundles(
  before: Bundle,
  after: Bundle,
  { sinceMs, signal }: { readonly sinceMs: number; readonly signal: AbortSignal },
): Promise<Comparison> {
  const earlierMs = before.capturedAtMs - after.capturedAtMs;
  if (earlierMs > 0) {
    throw new UsageError(
      `the second moment is ${durationText(earlierMs)} before the first`,
      'name the earlier one first',
    );
  }
  return compare(
    await snapshotOf(before, sinceMs, signal),
    await snapshotOf(after, sinceMs, signal),
  );
}

/** The bundle in a file, or of a live node: what is no file is a target. */
async function bundleOf(
  word: string | undefined,
  invocation: Invocation<Omit<TargetFlags, 'target'>>,
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
    word === undefined ? { target: [] } : { target: [word], local: false, simulate: undefined };
  const live = { ...invocation, args: { ...args, ...target } };
  return captureOne(live, { since: new Date(sinceMs).toISOString(), seconds: 0 });
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

/** A comparison for reading: the verdict, what became of the findings, then the GPUs. */
export function comparisonLines(comparison: Comparison): readonly Line[] {
  const { before, after, findings, gpus, settings, gaps } = comparison;
  const apart = durationText(Date.parse(after.takenAt) - Date.parse(before.takenAt));
  const quiet = gpus.filter(gpu => gpuLines(gpu).length === 0).length;
  return linesOf([
    { kind: VERDICT_KINDS[comparison.verdict], text: comparison.summary },
    `before ${nameOf(before)}, after ${nameOf(after)}: ${apart} later`,
    restartLine(comparison),
    '',
    ...findings.flatMap(findingLines),
    ...(findings.length === 0 ? ['no findings before and after'] : []),
    '',
    ...gpus.flatMap(gpuLines),
    ...(quiet > 0 ? [`${quiet} of ${gpus.length} GPUs: as before, no error counter grew`] : []),
    ...settings.map(({ where, name, ...was }) => `${where}: ${name} ${was.before} -> ${was.after}`),
    ...gaps.map(gapLine),
  ]);
}

const VERDICT_KINDS: Readonly<Record<Comparison['verdict'], LineKind>> = {
  better: 'healthy',
  worse: 'critical',
  mixed: 'warning',
  unchanged: 'plain',
  unknown: 'unknown',
};

const CHANGE_KINDS: Readonly<Record<FindingChange['change'], LineKind>> = {
  new: 'critical',
  worse: 'critical',
  unseen: 'unknown',
  cleared: 'healthy',
  better: 'healthy',
  unchanged: 'plain',
  history: 'plain',
};

const nameOf = ({ node, takenAt, simulated }: Comparison['before']): string =>
  `${simulated ? 'SIMULATED ' : ''}${node} ${takenAt}`;

function restartLine({ restarts }: Comparison): string {
  const { rebooted, driverLoads } = restarts;
  if (rebooted === true) return 'the machine was rebooted: counters began again';
  const boot = rebooted === null ? 'whether the machine was rebooted is not known' : 'no reboot';
  return driverLoads.length > 0
    ? `${boot}; the driver was loaded at ${driverLoads.join(', ')}: counters began again`
    : `${boot}; the kernel log shows no driver load between`;
}

function findingLines(finding: FindingChange): Written[] {
  const { change, severity, severityBefore, title, action, why } = finding;
  const was =
    severityBefore === undefined || severityBefore === severity ? '' : `, was ${severityBefore}`;
  return [
    {
      kind: CHANGE_KINDS[change],
      text: `${change.toUpperCase().padEnd(9)}  ${title} (${severity}${was}, ${action})`,
    },
    ...(why === undefined ? [] : [`             ${why}`]),
  ];
}

const CHANGE_WORDS: Readonly<Record<GpuChange['change'], string>> = {
  gone: 'is gone',
  failed: 'FAILED',
  another_board: 'is another board',
  new: 'is new',
  came_back: 'came back',
  moved: 'moved',
  same: '',
};

/** The same for a model, in both forms: GPUs of which there is nothing to say are counted. */
export function briefComparison(comparison: Comparison): AnswerForms {
  const gpus = comparison.gpus.filter(gpu => gpuLines(gpu).length > 0);
  const asBefore = comparison.gpus.length - gpus.length;
  return {
    structured: { ...comparison, gpus, gpusAsBefore: asBefore },
    lines: comparisonLines(comparison),
  };
}

/** What is to be said of a GPU; nothing where it is as before. */
function gpuLines(gpu: GpuChange): string[] {
  const { change, index, indexBefore, pci, pciBefore, uuid, uuidBefore, error, errorBefore } = gpu;
  const was = (now: unknown, then: unknown) => (then === undefined ? [] : [`${then} -> ${now}`]);
  const words = [
    CHANGE_WORDS[change],
    ...(error === undefined ? [] : [error]),
    ...(errorBefore === undefined ? [] : [`was ${errorBefore}`]),
    ...was(index, indexBefore).map(text => `index ${text}`),
    ...was(pci, pciBefore).map(text => `PCI ${text}`),
    ...was(uuid, uuidBefore).map(text => `UUID ${text}`),
    ...counterWords('grew', gpu.grew),
    ...counterWords('restarted, since then', gpu.restarted),
    ...counterWords('of its whole life', gpu.lifetime),
  ].filter(text => text !== '');
  if (change === 'same' && words.length === 0) return [];
  return [`GPU ${index ?? '?'}  ${pci ?? 'address unknown'}  ${words.join('; ')}`];
}

function counterWords(what: string, counters: Readonly<Record<string, number>>): string[] {
  const shown = Object.entries(counters).filter(([name]) => !growsWithLoad(name));
  if (shown.length === 0) return [];
  return [`${what}: ${shown.map(([name, amount]) => `${name} ${amount}`).join(', ')}`];
}
