import { gapLine, type Line, type LineKind, linesOf, type Written } from '../../contract/answer.ts';
import { durationText } from '../../contract/time.ts';
import type { Comparison } from './comparison.ts';
import type { FindingChange } from './comparison-findings.ts';
import type { GpuChange } from './comparison-gpus.ts';
import { growsWithLoad } from './gpu-counters.ts';

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
