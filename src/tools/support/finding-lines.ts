import { commandLine, type Line, type Written } from '../../contract/answer.ts';
import {
  type Finding,
  type Hits,
  recordTimes,
  type Severity,
  type Verdict,
} from '../../contract/finding.ts';
import type { Diagnosis } from '../../findings/diagnosis.ts';
import type { Incident, KernelEvent } from '../../xid/events.ts';
import { namesAnyDevice } from '../../xid/families.ts';
import { whenRecorded } from './wording.ts';

/** The first line of a page about a node: the verdict, and the answer in a sentence. */
export const verdictLine = (facts: {
  readonly verdict: Verdict;
  readonly node: string;
  readonly summary: string;
}): Line => ({
  kind: facts.verdict,
  text: `${facts.verdict.toUpperCase()}  ${facts.node}: ${facts.summary}`,
});

/** What a healthy answer rests on, in figures, as a key of the answer; none beside a fault or a gap. */
export const restsOnOf = ({ restsOn }: Diagnosis, isHealthy: boolean): { restsOn?: string } =>
  isHealthy ? { restsOn: restsOn.join(', ') } : {};

/** The same as a line. */
export const restsOnLines = (restsOn: string | undefined): readonly string[] =>
  restsOn === undefined ? [] : [`rests on  ${restsOn}`];

/** What heads a block: how bad it is, and what it is. */
export const severityLine = (severity: Severity, title: string): Line => ({
  kind: severity,
  text: `${severity.toUpperCase().padEnd(8)}  ${title}`,
});

/** A finding as a block: title, action, evidence, what speaks against it, how to check. */
export function findingLines(finding: Finding, nowMs: number): Written[] {
  const label = (name: string) => `    ${name.padEnd(9)} `;
  const commands = [...new Set(finding.evidence.flatMap(item => item.command ?? []))];
  return [
    severityLine(finding.severity, finding.title),
    `${label('action')}${finding.action}: ${finding.advice}`,
    ...(finding.hits === undefined ? [] : [`${label('hits')}${hitsText(finding.hits)}`]),
    ...(finding.otherwise === undefined ? [] : [`${label('if not')}${finding.otherwise}`]),
    `${label('blame')}${finding.blame}, confidence ${finding.confidence}`,
    ...finding.evidence.map(
      (item, index) =>
        `${label(index === 0 ? 'evidence' : '')}${item.what} [${[item.source, whenRecorded(item, nowMs), item.readAt && `read at ${item.readAt}`].filter(Boolean).join(', ')}]`,
    ),
    ...finding.counterEvidence.map(
      (text, index) => `${label(index === 0 ? 'against' : '')}${text}`,
    ),
    ...(finding.wouldChange === undefined ? [] : [`${label('changes')}${finding.wouldChange}`]),
    ...commands.map((text, index) => commandLine(label(index === 0 ? 'check' : ''), text)),
  ];
}

/** Whom an action hits, on one line; nobody only where everything was looked through. */
export function hitsText({ pods, processes, more, notRead }: Hits): string {
  const names = [
    ...pods.map(({ namespace, pod, podUid }) =>
      pod === undefined
        ? `pod with uid ${podUid ?? 'unknown'}`
        : `pod ${namespace === undefined ? '' : `${namespace}/`}${pod}`,
    ),
    ...[...Map.groupBy(processes, ({ name }) => name)].map(
      ([name, of]) =>
        `process ${of.map(({ pid }) => pid).join(', ')}${name === undefined ? '' : ` (${name})`}`,
    ),
    ...(more > 0 ? [`${more} more`] : []),
    ...notRead.map(what => `not read: ${what}`),
  ];
  return names.length === 0 ? 'nobody: no pod and no process has it' : names.join('; ');
}

/** An incident as a block: title, action, why, when, what speaks against it. */
export function incidentLines(
  incident: Incident & { gpuIndex?: number | undefined; hits?: Hits },
  nowMs: number,
): Written[] {
  const label = (name: string) => `    ${name.padEnd(9)} `;
  const { gpu, gpuIndex, count } = incident;
  const where =
    gpu === null
      ? ''
      : gpuIndex === undefined
        ? ` ${namesAnyDevice(incident.root.kind) ? 'at' : 'on GPU at'} ${gpu}`
        : ` on GPU ${gpuIndex} (${gpu})`;
  const against = [...incident.counterEvidence, ...incident.disagreement];
  return [
    severityLine(incident.severity, `${incident.title}${where}${incident.over ? ' (over)' : ''}`),
    `${label('action')}${incident.action}${incident.advice === undefined ? '' : `: ${incident.advice}`}`,
    ...(incident.hits === undefined ? [] : [`${label('hits')}${hitsText(incident.hits)}`]),
    `${label('by')}${incident.actionSource}; blame ${incident.blame}, confidence ${incident.confidence}`,
    `${label('why')}${incident.why}`,
    `${label('when')}${whenRecorded(recordTimes([incident.firstTime, incident.lastTime]), nowMs) ?? `line ${incident.firstLine}, time unknown`}; ${count === 1 ? '1 line' : `${count} lines`}${rateText(incident)}`,
    ...against.map((text, index) => `${label(index === 0 ? 'against' : '')}${text}`),
    ...(incident.sinceThen === null ? [] : [`${label('since')}${incident.sinceThen}`]),
  ];
}

/** Of a storm how fast it came: what fills a log and a disk is another thing than what comes back by the day. */
function rateText({ count, firstTime, lastTime }: Incident): string {
  const seconds = (Date.parse(lastTime ?? '') - Date.parse(firstTime ?? '')) / 1_000;
  const perMinute = (count * 60) / seconds;
  if (count < STORM_LINES_MIN || !(perMinute >= STORM_PER_MINUTE_MIN)) return '';
  return perMinute < 120 || !Number.isFinite(perMinute)
    ? `, ${Number.isFinite(perMinute) ? `${Math.round(perMinute)} a minute` : 'all at once'}`
    : `, ${Math.round(perMinute / 60)} a second`;
}

const STORM_LINES_MIN = 100;
const STORM_PER_MINUTE_MIN = 10;

/** One event on one line, its text last. */
export const eventLine = (event: KernelEvent): string =>
  `  ${event.time ?? `line ${event.line}`}  ${event.severity.padEnd(8)} ${event.text}`;
