import {
  type AnswerForms,
  commandLine,
  gapLine,
  linesOf,
  type Written,
} from '../../contract/answer.ts';
import { optional } from '../../contract/optional.ts';
import { durationText } from '../../contract/time.ts';
import { clusterLines, type ShownCluster } from './cluster-lines.ts';
import { briefFinding, briefFindingLines, briefHits } from './finding-brief.ts';
import { hitsText, verdictLine } from './finding-lines.ts';
import { foldedGpus, foldedLine } from './folded-gpus.ts';
import { isAbout } from './gpu-rows.ts';
import { keptLines } from './searched.ts';
import type { TriageFacts } from './triage-facts.ts';
import { plural } from './wording.ts';

/** Of either form: 1,400 tokens of o200k, of which one is about 3.3 characters of such an answer. */
const CHARACTERS_MAX = 4_400;

interface Bounds {
  readonly findings: number;
  /** Of the worst finding, and of each of the others. */
  readonly evidence: readonly [number, number];
  readonly lists: number;
}

/** As much as there is room for: the first that fits is taken. */
const BOUNDS: readonly Bounds[] = [
  { findings: 12, evidence: [5, 3], lists: 8 },
  { findings: 8, evidence: [4, 1], lists: 4 },
  { findings: 5, evidence: [3, 0], lists: 3 },
  { findings: 3, evidence: [2, 0], lists: 2 },
  { findings: 2, evidence: [1, 0], lists: 1 },
];

/**
 * A triage as a model reads it by default: worst first, GPUs that are alike in one row, without what
 * only a ticket or a page needs. Both forms say the same.
 */
export function triageBrief(facts: TriageFacts): AnswerForms {
  const forms = BOUNDS.map(bounds => briefOf(facts, bounds));
  const fits = (brief: Brief) => JSON.stringify(brief).length <= CHARACTERS_MAX;
  const brief = forms.find(fits) ?? briefOf(facts, { findings: 1, evidence: [1, 0], lists: 1 });
  return { structured: { ...brief }, lines: linesOf(briefLines(brief)) };
}

type Brief = ReturnType<typeof briefOf>;

function briefOf(facts: TriageFacts, { findings, evidence, lists }: Bounds) {
  const { verdict, node, simulated, takenAt, summary, restsOn, watched, readings } = facts;
  const { action, advice, commands, otherwise, hits } = facts.nextAction;
  const shown = facts.findings.slice(0, findings);
  const left = facts.findingsLeftOut + facts.findings.length - shown.length;
  const { driverVersion, moduleVersion, moduleKind, cudaVersion, os, kernel, uptimeSeconds } =
    facts.host;
  return {
    ...{ verdict, node, ...(simulated && { simulated }), takenAt, summary },
    nextAction: {
      action,
      advice,
      commands,
      ...optional({ otherwise, hits: hits && briefHits(hits) }),
    },
    ...optional({ restsOn }),
    findings: shown.map((finding, at) =>
      briefFinding(finding, evidence[at === 0 ? 0 : 1], facts.nextAction),
    ),
    ...(left > 0 && { findingsLeftOut: left }),
    gaps: cut(facts.gaps, lists),
    gpus: gpusOfBrief(facts),
    host: optional({
      ...{ driverVersion, cudaVersion, os, kernel, moduleKind },
      uptime: uptimeSeconds === undefined ? undefined : durationText(uptimeSeconds * 1_000),
      moduleVersion: moduleVersion === driverVersion ? undefined : moduleVersion,
    }),
    cluster: clusterOf(facts.cluster, lists),
    ...searchedOf(facts),
    ...(watched && { watched: { ...watched, because: cut(watched.because, 2) } }),
    readings,
  };
}

const cut = (texts: readonly string[], max: number): string[] =>
  texts.length <= max ? [...texts] : [...texts.slice(0, max), `${texts.length - max} more`];

/** What a glance takes; a GPU that a finding is about is not mixed with others. */
function gpusOfBrief({ gpus, findings }: TriageFacts) {
  const serious = findings.filter(({ severity }) => severity !== 'info');
  const rows = gpus.map(row => {
    const { index, pci, error, name, memory, migMode } = row;
    const isStruck = error !== undefined || serious.some(finding => isAbout(finding, row));
    const { not_supported: _, ...unavailable } = row.unavailable ?? {};
    const { temperatureC, powerUsageMw, enforcedPowerLimitMw, gpuUtilizationPercent } = row;
    return optional({
      ...(isStruck && { uuid: row.uuid, serial: row.serial }),
      ...{ index, pci, error, name, temperatureC, powerUsageMw },
      ...{ enforcedPowerLimitMw, gpuUtilizationPercent },
      memoryUsedBytes: memory?.usedBytes,
      memoryTotalBytes: memory?.totalBytes,
      eccUncorrectedVolatile: row.eccUncorrectedVolatile || undefined,
      mig: migMode?.current || undefined,
      unavailable: Object.keys(unavailable).length === 0 ? undefined : unavailable,
    });
  });
  return foldedGpus(rows, { apart: row => serious.map(finding => isAbout(finding, row)) });
}

function clusterOf(part: TriageFacts['cluster'], max: number): ShownCluster {
  const { node, pods, events, requested, podsLeftOut = 0, podsOnlyOf, unavailable } = part;
  const { otherSessions } = part;
  const left = podsLeftOut + Math.max(0, (pods?.length ?? 0) - max);
  return {
    ...(node && { node: shownNode(node) }),
    ...(pods && {
      pods: pods
        .slice(0, max)
        .map(({ namespace, pod, phase, reason, gpus, owner, restarts }) =>
          optional({ namespace, pod, phase, reason, gpus, owner, restarts }),
        ),
    }),
    ...(left > 0 && { podsLeftOut: left }),
    ...optional({ podsOnlyOf, otherSessions, requested, unavailable }),
    ...(events && {
      events: events
        .slice(0, max)
        .map(({ type, reason, message, count, lastAt }) =>
          optional({ type, reason, message, count, lastAt }),
        ),
    }),
  };
}

function shownNode(node: NonNullable<ShownCluster['node']>) {
  const { ready, cordoned, cordonedBy, taints, taintsBy, conditions } = node;
  const { capacity, allocatable, instanceType, kubeletVersion } = node;
  return {
    ...{ ready, cordoned, taints, conditions, capacity, allocatable, kubeletVersion },
    ...optional({ cordonedBy, taintsBy, instanceType }),
  };
}

/** Of a node without a fault the summary says what was searched; what could not be read stands here. */
function searchedOf({ verdict, searched }: TriageFacts) {
  const kernelLog = searched.kernelLog.map(sourceOf);
  const told = new Set(['source', 'available', 'from', 'records']);
  const rest = kernelLog.filter(
    source => !source.available || Object.keys(source).some(key => !told.has(key)),
  );
  if (verdict !== 'healthy') return { searched: { since: searched.since, kernelLog } };
  return rest.length === 0 ? {} : { searched: { since: searched.since, kernelLog: rest } };
}

type Source = TriageFacts['searched']['kernelLog'][number];

/** Counts of what is missing stand only where something is. */
function sourceOf({ lost, untrusted, malformed, notes, to: _, ...source }: Source) {
  return {
    ...source,
    ...(lost > 0 && { lost }),
    ...(untrusted > 0 && { untrusted }),
    ...(malformed > 0 && { malformed }),
    ...(notes.length > 0 && { notes }),
  };
}

function briefLines(brief: Brief): Written[] {
  const { action, advice, commands, otherwise, hits } = brief.nextAction;
  const { host, searched, readings, watched, findings, findingsLeftOut = 0 } = brief;
  const kind = host.moduleKind === undefined ? '' : ` (${host.moduleKind})`;
  const machine = [
    host.driverVersion === undefined
      ? ''
      : `driver ${host.driverVersion}${host.moduleVersion === undefined ? kind : ''}`,
    host.moduleVersion === undefined ? '' : `kernel module ${host.moduleVersion}${kind}`,
    host.cudaVersion === undefined ? '' : `CUDA ${host.cudaVersion}`,
    host.os ?? '',
    host.kernel === undefined ? '' : `kernel ${host.kernel}`,
    host.uptime === undefined ? '' : `up ${host.uptime}`,
  ];
  return [
    verdictLine(brief),
    ...(hits ? [`hits: ${hitsText(hits)}`] : []),
    `next: ${action}: ${advice}`,
    ...commands.map(command => commandLine('      ', command)),
    ...(otherwise === undefined ? [] : [`if not: ${otherwise}`]),
    ...(brief.restsOn === undefined ? [] : [`rests on ${brief.restsOn}`]),
    ...findings.flatMap(briefFindingLines),
    ...(findingsLeftOut > 0 ? [`${findingsLeftOut} more findings left out: detail full`] : []),
    ...brief.gpus.map(foldedLine),
    machine.filter(Boolean).join(', '),
    ...clusterLines(brief.cluster),
    ...brief.gaps.map(gapLine),
    ...(searched
      ? [`searched since ${searched.since}: ${searched.kernelLog.map(sourceText).join('; ')}`]
      : []),
    ...(watched ? [`watched ${watched.seconds} s: ${watched.because.join('; ')}`] : []),
    ...(watched?.notReadAgain ?? []).map(what => `not read again: ${what}`),
    `read ${readings.got} of ${readings.tried} driver readings, taken ${brief.takenAt}`,
    ...keptLines(readings.kept, Date.parse(brief.takenAt)),
  ];
}

const sourceText = (source: ReturnType<typeof sourceOf>): string =>
  [
    source.source,
    source.available
      ? plural(source.records, 'record')
      : `not read (${source.unavailable ?? 'unknown'})`,
    ...(source.from === undefined ? [] : [`from ${source.from}`]),
    ...(source.lost === undefined ? [] : [`${source.lost} lost`]),
    ...(source.untrusted === undefined ? [] : [`${source.untrusted} not from the kernel, ignored`]),
    ...(source.malformed === undefined ? [] : [`${source.malformed} malformed`]),
    ...(source.unread ?? []).map(({ reason, count }) => `${count} like an XID not read: ${reason}`),
    ...(source.notes ?? []),
  ].join(', ');
