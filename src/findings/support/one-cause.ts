import { ACTIONS, type Evidence, type Finding, SEVERITIES } from '../../contract/finding.ts';
import type { Cause, Clue } from '../facts.ts';
import { grouped } from './grouped.ts';

/**
 * Findings that are signs of one cause on one GPU, made one: the heaviest leads, and its evidence
 * is followed by that of all others. At night one fault is to be one line.
 */
export function oneFindingPerCause(clues: readonly Clue[]): readonly Finding[] {
  const groups = grouped(clues, clue => keyOf(clue, clues) ?? clue);
  return [...groups.values()].map(one);
}

/** What can make the driver ask for a recovery or the plugin withdraw a GPU, the likeliest first. */
const ASKING: readonly Cause[] = ['lost', 'memory', 'firmware', 'nvlink', 'pcie'];

function keyOf(clue: Clue, all: readonly Clue[]): string | undefined {
  const { cause } = clue;
  if (cause === undefined) return undefined;
  const gpu = gpuKey(clue);
  // Whatever else is odd about a GPU that is gone, it is gone.
  const gone = all.some(one => one.cause === 'lost' && isNow(one) && gpuKey(one) === gpu);
  if (gone && clue.gpu) return `lost ${gpu}`;
  if (!isConsequence(clue)) return `${cause} ${gpu}`;
  // What is only a remark is no reason to ask.
  const why = ASKING.find(other =>
    all.some(one => one.cause === other && one.severity !== 'info' && gpuKey(one) === gpu),
  );
  return `${why ?? 'asked'} ${gpu}`;
}

const isConsequence = ({ cause }: Clue): boolean => cause === 'asked' || cause === 'withheld';

const isNow = ({ severity }: Clue): boolean => severity === 'critical';

const gpuKey = ({ gpu }: Clue): string | number =>
  gpu?.pci ?? gpu?.uuid ?? gpu?.index ?? 'the node';

function one(clues: readonly Clue[]): Finding {
  const [lead, ...others] = clues.toSorted(byWeight);
  if (!lead) throw new Error('a group of findings has none');
  const { cause: _, sign: __, ...finding } = lead;
  if (others.length === 0) return finding;
  const telling = others.filter(clue => clue.cause === lead.cause || isConsequence(clue));
  const signs = [...new Set(telling.flatMap(clue => clue.sign ?? []))].filter(
    sign => !lead.title.includes(sign),
  );
  const decides = decisive(lead, others);
  return {
    ...finding,
    title:
      signs.length === 0 ? lead.title : `${lead.title}; ${signs.slice(0, SIGNS_MAX).join(', ')}`,
    action: decides.action,
    advice: decides.advice,
    confidence: others.some(clue => clue.blame === lead.blame) ? 'high' : lead.confidence,
    evidence: unique([lead, ...others].flatMap(clue => clue.evidence)),
    counterEvidence: [...new Set([lead, ...others].flatMap(clue => clue.counterEvidence))],
  };
}

/** Two rules may show the same line of the log. */
const unique = (evidence: readonly Evidence[]): Evidence[] => [
  ...new Map(evidence.map(item => [`${item.source} ${item.what}`, item])).values(),
];

const SIGNS_MAX = 4;

/**
 * Whose action is told: a fault that no reset cures, else the driver's own demand, else the lead's.
 * What the driver asks now is fresher than any rule (NVIDIA, NVML_FI_DEV_GET_GPU_RECOVERY_ACTION).
 */
const decisive = (lead: Clue, others: readonly Clue[]): Clue =>
  [lead, ...others].find(clue => clue.action === 'contact_support') ??
  others.find(clue => clue.cause === 'asked') ??
  lead;

/** What tells the cause comes before what only asks for a cure. */
const byWeight = (a: Clue, b: Clue): number =>
  SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
  Number(isConsequence(a)) - Number(isConsequence(b)) ||
  ACTIONS.indexOf(b.action) - ACTIONS.indexOf(a.action);
