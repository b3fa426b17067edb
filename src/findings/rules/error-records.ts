import { optional } from '../../contract/optional.ts';
import { known } from '../../contract/reading.ts';
import { isoTime } from '../../contract/time.ts';
import type { ErrorRecord } from '../../nvml/port.ts';
import { type Cause, type Clue, type ClueParts, gpuClue, nodeClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';

/**
 * What firmware and driver wrote down of hardware errors in the last day, or at no time that is known:
 * the worst of each GPU. What was corrected, and what only informs, is no fault.
 */
export const errorRecords = rule(
  'error-records',
  { driver: { decides: ['errorRecords'] }, gpu: { tells: [...GPU_NAMES] } } as const,
  facts => {
    const recent = known(facts.driver.errorRecords)?.records.filter(record =>
      isFault(record, facts.nowMs),
    );
    const ofGpus = Map.groupBy(recent ?? [], ({ gpu }) => gpu);
    return [...ofGpus].map(([index, records]) => clueOf(facts, index, records));
  },
);

const DAY_MS = 86_400_000;
/** A record's clock has no time zone: what is later than now may be of today. */
const isFault = ({ severity, flags, atMs }: ErrorRecord, nowMs: number): boolean =>
  ['fatal', 'recoverable', 'unknown'].includes(severity) &&
  !flags.includes('recovered') &&
  (atMs === undefined || Math.abs(nowMs - atMs) <= DAY_MS);

const CAUSES: Readonly<Record<string, Cause>> = { memory: 'memory', pcie: 'pcie' };

function clueOf(
  facts: NodeFacts,
  index: number | undefined,
  records: readonly ErrorRecord[],
): Clue {
  const gpu = facts.driver.gpus.find(each => each.index === index);
  const real = records.filter(({ flags }) => !flags.includes('simulated'));
  const fatal = real.filter(({ severity }) => severity === 'fatal');
  const [worst] = [...fatal, ...real, ...records];
  const kind = worst?.sections[0]?.kind ?? '';
  const cause = CAUSES[kind];
  const parts: ClueParts = {
    ...optional({ cause }),
    sign: `${numbered(records)} of hardware errors`,
    severity: real.length === 0 ? 'info' : 'warning',
    component: kind === 'memory' || kind === 'pcie' ? kind : 'gpu',
    title: `${gpu ? gpuName(gpu) : 'This node'} has ${numbered(records)} of hardware errors${worst ? `: ${wordsOf(worst)}` : ''}`,
    action: real.length === 0 ? 'none' : fatal.length > 0 ? 'drain_and_reset' : 'watch',
    advice: adviceOf(real, fatal),
    blame: real.length === 0 ? 'configuration' : 'hardware',
    confidence: 'medium',
    evidence: records
      .slice(-EVIDENCE_MAX)
      .map(record => nvmlEvidence(facts, timedWordsOf(record), 'nvidia-bug-report.sh')),
    wouldChange: 'An XID or a counter of the same minute would tell what broke.',
  };
  return gpu ? gpuClue(gpu, 'error-record', parts) : nodeClue('error-record', parts);
}

const EVIDENCE_MAX = 3;

const numbered = ({ length }: readonly ErrorRecord[]): string =>
  length === 1 ? 'a record' : `${length} records`;

function adviceOf(real: readonly ErrorRecord[], fatal: readonly ErrorRecord[]): string {
  if (real.length === 0)
    return 'Somebody injected these errors to try what follows: nothing to do.';
  return fatal.length > 0
    ? 'Drain the node and reset the GPU; if such a record comes again, open a case with nvidia-bug-report.'
    : 'Watch for more of them: the driver went on after these, and a second one of the same part is a reason to open a case.';
}

/** `fatal, memory: multi-bit ECC` */
function wordsOf({ severity, flags, sections }: ErrorRecord): string {
  const told = sections.map(({ kind, part, what }) =>
    [kind, ...(what ? [what] : []), ...(part ? [`part ${part}`] : [])].join(' '),
  );
  return [severity, ...flags.map(flag => flag.replace('_', ' ')), ...told].join(', ');
}

const timedWordsOf = (record: ErrorRecord): string =>
  `${wordsOf(record)}; ${record.atMs === undefined ? 'without a time' : `at ${isoTime(record.atMs)} of its own clock`}`;
