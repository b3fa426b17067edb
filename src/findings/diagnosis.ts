import {
  ACTIONS,
  type Began,
  type Evidence,
  type Finding,
  type GpuRef,
  gpusOf,
  recordTimes,
  SEVERITIES,
  type Verdict,
} from '../contract/finding.ts';
import { optional } from '../contract/optional.ts';
import { known } from '../contract/reading.ts';
import { durationText } from '../contract/time.ts';
import type { GpuState } from '../nvml/port.ts';
import type { Incident } from '../xid/events.ts';
import { type CheckResult, checkResults } from './checks.ts';
import type { Cause, Clue } from './clue.ts';
import type { NodeFacts } from './facts.ts';
import { gapsOf } from './gaps.ts';
import { groundOf, placed, withRemedy } from './remedy.ts';
import type { Rule } from './rule.ts';
import { incidentClue } from './rules/kernel-incidents.ts';
import { slowdownReasons } from './rules/slowdown.ts';
import { RULES } from './rules.ts';
import { firstBegan } from './support/incident-evidence.ts';
import { countReadings, type ReadingCount } from './support/readings.ts';

export interface Diagnosis {
  readonly verdict: Verdict;
  /** Why the verdict is not simply the worst finding: what could not be read. */
  readonly gaps: readonly string[];
  /** Worst first. */
  readonly findings: readonly Finding[];
  readonly readings: ReadingCount;
  /** What each rule came to, by its name. */
  readonly checks: Record<string, CheckResult>;
  /** What was looked at and found good, in figures: what "healthy" is said by. */
  readonly restsOn: readonly string[];
}

/** Facts to findings and a verdict; `healthy` only on the evidence that a GPU of its kind can give. */
export function diagnose(facts: NodeFacts): Diagnosis {
  const ground = groundOf(facts);
  const told = RULES.map((rule: Rule) => ({ rule, clues: rule(facts) }));
  const clues = told.flatMap(({ clues: own }) => own).map(clue => placed(ground, clue));
  const findings = oneFindingForSeveralGpus(oneFindingPerCause(clues))
    .toSorted(byWeight)
    .map(finding => withRemedy(facts, ground, finding));
  const readings = countReadings(facts);
  const unread = gapsOf(facts);
  const gaps = [...unread, ...thinness(readings)];
  const worst = findings.find(finding => finding.severity !== 'info');
  const verdict =
    worst?.severity === 'critical'
      ? 'critical'
      : worst?.severity === 'warning'
        ? 'warning'
        : gaps.length > 0
          ? 'unknown'
          : 'healthy';
  const checks = checkResults(facts, told, unread);
  return { verdict, gaps, findings, readings, restsOn: restsOn(facts), checks };
}

/**
 * The incidents with the action that is decided for their GPU: a line alone may ask for another one
 * than all that is known of the GPU now, and two actions for one GPU help nobody.
 */
export function decidedIncidents<I extends Incident>(
  facts: NodeFacts,
  incidents: readonly I[],
  findings: readonly Finding[],
): readonly I[] {
  return incidents.map(incident => {
    if (incident.severity === 'info' || incident.over) return incident;
    const { id } = incidentClue(facts, incident);
    const finding =
      findings.find(
        each =>
          each.severity !== 'info' &&
          gpusOf(each).some(({ pci }) => pci !== undefined && pci === incident.gpu),
      ) ?? findings.find(each => each.id === id);
    if (!finding || finding.action === incident.action) return incident;
    return {
      ...incident,
      action: finding.action,
      advice: finding.advice,
      actionSource: `finding ${finding.id}; this line alone says ${incident.action} (${incident.actionSource})`,
    };
  });
}

const byWeight = (a: Finding, b: Finding): number =>
  SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
  ACTIONS.indexOf(b.action) - ACTIONS.indexOf(a.action);

/** Below this share of readings nobody can be called healthy, whatever the few that came say. */
const SHARE_MIN = 0.5;

const thinness = ({ tried, got }: ReadingCount): readonly string[] =>
  tried > 0 && got / tried < SHARE_MIN ? [`only ${got} of ${tried} driver readings were got`] : [];

/**
 * Findings that are signs of one cause on one GPU, made one: the heaviest leads, and its evidence
 * is followed by that of all others. At night one fault is to be one line.
 */
export function oneFindingPerCause(clues: readonly Clue[]): readonly Finding[] {
  const groups = Map.groupBy(clues, clue => keyOf(clue, clues) ?? clue);
  return [...groups.values()].map(merged);
}

/** What can make the driver ask for a recovery or the plugin withdraw a GPU, the likeliest first. */
const ASKING: readonly Cause[] = ['lost', 'memory', 'firmware', 'nvlink', 'pcie'];

function keyOf(clue: Clue, all: readonly Clue[]): string | undefined {
  const { cause } = clue;
  if (cause === undefined) return undefined;
  const gpu = gpuKey(clue);
  // Whatever else is odd about a GPU that is gone, it is gone.
  const gone = all.some(other => other.cause === 'lost' && isNow(other) && gpuKey(other) === gpu);
  if (gone && clue.gpu) return `lost ${gpu}`;
  if (!isConsequence(clue)) return `${cause} ${gpu}`;
  // What is only a remark is no reason to ask.
  const why = ASKING.find(other =>
    all.some(sign => sign.cause === other && sign.severity !== 'info' && gpuKey(sign) === gpu),
  );
  return `${why ?? 'asked'} ${gpu}`;
}

const isConsequence = ({ cause }: Clue): boolean => cause === 'asked' || cause === 'withheld';

const isNow = ({ severity }: Clue): boolean => severity === 'critical';

const gpuKey = ({ gpu }: Clue): string | number =>
  gpu?.pci ?? gpu?.uuid ?? gpu?.index ?? 'the node';

function merged(clues: readonly Clue[]): Finding {
  const [lead, ...others] = clues.toSorted(clueOrder);
  if (!lead) throw new Error('a group of findings has none');
  const { cause: _, sign: __, began: ___, ...told } = lead;
  const finding = { ...told, ...optional({ began: beganOf([lead, ...others]) }) };
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

/** With the first line that tells of the cause; where none does, with the first that only asks for a cure. */
function beganOf(clues: readonly Clue[]): Began | undefined {
  const cause = (clues.find(clue => !isConsequence(clue)) ?? clues[0])?.cause;
  const linesOf = (own: readonly Clue[]) => firstBegan(own.flatMap(({ began }) => began ?? []));
  return (
    linesOf(clues.filter(clue => clue.cause === cause)) ?? linesOf(clues.filter(isConsequence))
  );
}

/** Two rules may show the same record; what was recorded again is told once, with its first and its last time. */
function unique(evidence: readonly Evidence[]): Evidence[] {
  const alike = Map.groupBy(evidence, ({ source, what }) => `${source} ${what}`);
  return [...alike.values()].flatMap(items => {
    const records = [
      ...new Map(items.map(item => [`${item.time} ${item.lastTime}`, item])).values(),
    ];
    const [first] = records;
    const timed = records.filter(({ time }) => time !== undefined);
    if (!first || timed.length < 2) return timed[0] ?? first ?? [];
    const { time: _, lastTime: __, ...shared } = first;
    const times = recordTimes(timed.flatMap(({ time, lastTime }) => [time, lastTime]));
    return { ...shared, ...times, count: timed.length };
  });
}

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
const clueOrder = (a: Clue, b: Clue): number =>
  SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
  Number(isConsequence(a)) - Number(isConsequence(b)) ||
  ACTIONS.indexOf(b.action) - ACTIONS.indexOf(a.action);

/** From so many GPUs on, one finding tells them all: what strikes many has one cause. */
const GPUS_MIN = 3;
const NAMED_MAX = 16;
const SHARED_EVIDENCE_MAX = 4;

/** The same finding on many GPUs made one finding that names them; the others as they are. */
export function oneFindingForSeveralGpus(findings: readonly Finding[]): readonly Finding[] {
  const groups = Map.groupBy(findings, finding =>
    finding.gpu
      ? [ruleOf(finding), finding.severity, finding.action, finding.blame].join()
      : finding,
  );
  return [...groups.values()].flatMap(members => {
    const gpus = members.flatMap(({ gpu }) => gpu ?? []);
    const [first] = members;
    // Several incidents of one GPU in time are not one cause on several GPUs.
    const distinct = new Set(gpus.map(({ pci, index }) => pci ?? index)).size;
    return first && distinct === members.length && distinct >= GPUS_MIN
      ? [together(first, members, gpus)]
      : members;
  });
}

/** `lost-gpu:0000:61:00`, `xid-31:0000:43:00@2026-...`: the rule is what stands before the GPU. */
const ruleOf = ({ id }: Finding): string => id.slice(0, id.indexOf(':'));

function together(first: Finding, members: readonly Finding[], gpus: readonly GpuRef[]): Finding {
  const { gpu: _, began: __, ...shared } = first;
  const others = gpus.slice(1).map(({ index, pci }) => String(index ?? pci));
  const named = others.slice(0, NAMED_MAX).join(', ');
  return {
    ...shared,
    id: ruleOf(first),
    gpus: [...gpus],
    ...optional({ began: firstBegan(members.flatMap(({ began }) => began ?? [])) }),
    title: `${first.title}; the same on GPU ${named}${others.length > NAMED_MAX ? ' and more' : ''}`,
    evidence: members.slice(0, SHARED_EVIDENCE_MAX).flatMap(({ evidence }) => evidence.slice(0, 2)),
    counterEvidence: [...new Set(members.flatMap(member => member.counterEvidence))],
  };
}

function restsOn({ driver, host, log, nowMs }: NodeFacts): readonly string[] {
  const { gpus } = driver;
  const answering = gpus.filter(({ handle }) => handle.ok).length;
  const bus = known(host.pciDevices)?.filter(
    ({ kind, function: fn }) => kind === 'gpu' && fn === 0,
  );
  return [
    `${answering} of ${(bus ?? gpus).length} GPUs answer`,
    ...linkFigures(gpus),
    ...memoryFigures(gpus),
    ...heatFigures(gpus),
    ...(log ? [logFigure(log, nowMs)] : []),
  ];
}

function linkFigures(gpus: readonly GpuState[]): readonly string[] {
  const links = gpus.flatMap(gpu => known(gpu.nvlinks)?.links ?? []);
  const up = links.filter(({ state }) => known(state) === 'active').length;
  const chips = gpus.flatMap(gpu => known(gpu.c2c) ?? []);
  const wired = sum(chips.map(c2c => c2c.links));
  const active = sum(chips.flatMap(c2c => known(c2c.activeLinks) ?? []));
  return [
    ...(links.length > 0 ? [`${up} of ${links.length} NVLinks up`] : []),
    ...(wired > 0 ? [`${active} of ${wired} C2C links up`] : []),
  ];
}

function memoryFigures(gpus: readonly GpuState[]): readonly string[] {
  const modes = gpus.flatMap(gpu => known(gpu.eccMode) ?? []);
  const on = modes.filter(({ current }) => current).length;
  const uncorrected = gpus.flatMap(gpu => known(gpu.eccUncorrectedVolatile) ?? []);
  const rows = gpus.flatMap(gpu => known(gpu.remappedRows) ?? []);
  const pages = gpus.flatMap(({ retiredPagesDoubleBit: double, retiredPagesSingleBit: single }) =>
    double.ok && single.ok ? double.value + single.value : [],
  );
  const remapped = sum(rows.map(row => row.corrected + row.uncorrected));
  return [
    modes.length === 0 ? 'no ECC' : `ECC on${on === gpus.length ? '' : ` on ${on} of them`}`,
    ...(uncorrected.length > 0 ? [`${sum(uncorrected)} uncorrected`] : []),
    ...(rows.length > 0 ? [`${counted(remapped, 'row')} remapped`] : []),
    ...(rows.length === 0 && pages.length > 0 ? [`${counted(sum(pages), 'page')} retired`] : []),
  ];
}

function heatFigures(gpus: readonly GpuState[]): readonly string[] {
  const degrees = gpus.flatMap(gpu => known(gpu.temperatureC) ?? []);
  const slowed = gpus.filter(gpu => slowdownReasons(gpu).length > 0).length;
  return [
    ...(degrees.length > 0 ? [`${Math.max(...degrees)} °C at most`] : []),
    slowed === 0 ? 'no slowdown' : counted(slowed, 'slowdown'),
  ];
}

/** `no XID in 24 h of kernel log`, as far back as its sources reach. */
function logFigure({ events, coverage }: NonNullable<NodeFacts['log']>, nowMs: number): string {
  const xids = events.filter(({ xid }) => xid !== null).length;
  const begin = coverage
    .flatMap(({ available, from }) => (available && from ? from : []))
    .toSorted();
  const reach = begin[0] === undefined ? '' : ` in ${hoursText(nowMs - Date.parse(begin[0]))}`;
  return `${xids === 0 ? 'no XID' : `${counted(xids, 'XID')}, all over or harmless,`}${reach} of kernel log`;
}

const hoursText = (ms: number): string => {
  const hours = Math.round(ms / 3_600_000);
  return hours < 1
    ? durationText(ms)
    : hours < 48
      ? `${hours} h`
      : `${Math.round(hours / 24)} days`;
};

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

const counted = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? '' : 's'}`;
