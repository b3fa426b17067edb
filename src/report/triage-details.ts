import { type Evidence, type Finding, recorded } from '../contract/finding.ts';
import { reasonWords } from '../contract/reading.ts';
import { coverageLines, keptLines } from '../tools/support/searched.ts';
import type { TriageFacts } from '../tools/support/triage-facts.ts';
import { type Block, faint, type Group, section, type Text, text } from './document.ts';
import { eachGpu } from './gpu-table.ts';
import { clockTime, faultWords, roughly, sentence } from './person-words.ts';
import { hitsSentence } from './triage-hits.ts';

/** All that the page of one screen leaves out, part by part. */
interface DetailParts {
  /** Of each finding first its title, then all that is known of it. */
  readonly findings: readonly Group[];
  /** Every check, every GPU, the cluster, what was not read, what was searched. */
  readonly others: readonly Group[];
}

export function detailParts(facts: TriageFacts): DetailParts {
  const nowMs = Date.parse(facts.takenAt);
  const { cluster, searched, watched } = facts;
  return {
    findings: facts.findings.map(finding => findingBlocks(finding, facts.takenAt)),
    others: [
      facts.findingsLeftOut > 0
        ? [text(`${facts.findingsLeftOut} more findings are left out.`)]
        : [],
      checkBlocks(facts.checks),
      [eachGpu(facts)],
      clusterBlocks(cluster),
      facts.gaps.length === 0
        ? []
        : [
            section(
              'GAPS',
              facts.gaps.map(gap => text(sentence(gap))),
            ),
          ],
      [
        section('LOGS', [
          ...coverageLines(searched.kernelLog, nowMs).map(line => text(line)),
          ...coverageLines(searched.pods ?? [], nowMs).map(line => text(`for pods: ${line}`)),
        ]),
      ],
      keptLines(facts.readings.kept, nowMs).map(line => text(sentence(line.text))),
      watched === undefined
        ? []
        : [
            text(
              `Counters were watched for ${watched.seconds.toFixed(1)} s because of ${watched.because.join('; ')}.`,
            ),
            ...(watched.notReadAgain.length === 0
              ? []
              : [text(`Not read again: ${watched.notReadAgain.join(', ')}.`)]),
          ],
    ].filter(group => group.length > 0),
  };
}

/** Every finding with its evidence, every GPU, what was searched. */
export function triageDetails(facts: TriageFacts): readonly Group[] {
  const { findings, others } = detailParts(facts);
  return [...findings, ...others];
}

function findingBlocks(finding: Finding, now: string): Group {
  const { severity, title, advice, hits, otherwise, blame, confidence } = finding;
  const { evidence, counterEvidence, wouldChange } = finding;
  const tone = severity === 'info' ? 'faint' : severity;
  const commands = [...new Set(evidence.flatMap(({ command }) => command ?? []))];
  const row = (label: string, words: Text): readonly Text[] => [[faint(label)], words];
  const rows = [
    row('fault', [faultWords(blame, confidence)]),
    row('do', [advice]),
    ...(hits === undefined ? [] : [row('hits', [hitsSentence(hits, finding.action)])]),
    ...(otherwise === undefined ? [] : [row('else', [otherwise])]),
    ...evidence.map(({ what, ...of }, index) =>
      row(index === 0 ? 'evidence' : '', [what, ' ', faint(`[${sourceWords(of, now)}]`)]),
    ),
    ...counterEvidence.map((against, index) => row(index === 0 ? 'against' : '', [against])),
    ...(wouldChange === undefined ? [] : [row('unless', [wouldChange])]),
  ];
  return [
    text({ text: severity.toUpperCase(), tone }, '  ', { text: sentence(title), tone: 'strong' }),
    { kind: 'table', flow: 1, rows },
    ...(commands.length === 0
      ? []
      : [text(faint('The same by hand, on the node:')), ...commands.map(asCommand)]),
  ];
}

const RESULTS = [
  ['critical', 'CRITICAL', 'critical'],
  ['warning', 'WARNING', 'warning'],
  ['not_read', 'not all read', 'unknown'],
  ['info', 'note', 'faint'],
  ['ok', 'ok', 'healthy'],
] as const;

/** Every check with what came of it, those alike in one row. */
function checkBlocks(checks: TriageFacts['checks']): Group {
  const rows = RESULTS.flatMap(([result, words, tone]) => {
    const names = Object.entries(checks).flatMap(([name, of]) =>
      of === result ? [name.replaceAll('-', '\u00a0')] : [],
    );
    return names.length === 0 ? [] : [[[{ text: words, tone }], [names.join(', ')]]];
  });
  return [section('CHECKS', [{ kind: 'table', flow: 1, rows }])];
}

const asCommand = (command: string): Block => ({ kind: 'command', command });

function sourceWords({ source, ...times }: Omit<Evidence, 'what'>, now: string): string {
  const words = recorded(times, time => clockTime(time, now));
  if (words === undefined) return source;
  const age = Date.parse(now) - Date.parse(times.lastTime ?? times.time ?? '');
  return `${source}, ${words}${age < 2_000 ? '' : `, ${roughly(age)} ago`}`;
}

function clusterBlocks({
  node,
  pods = [],
  podsLeftOut,
  events = [],
  ...rest
}: TriageFacts['cluster']): Group {
  const unread = Object.entries(rest.unavailable ?? {}).map(([reason, names]) =>
    reason === 'not_read'
      ? 'The cluster was not asked.'
      : `Not read of the cluster: ${names.join(', ')} (${reason}).`,
  );
  const lines = [
    ...(node?.taints.map(taint => `taint ${taint}`) ?? []),
    ...(node?.conditions.map(
      ({ type, status, reason, message }) => `condition ${type}=${status} ${reason}: ${message}`,
    ) ?? []),
    ...pods.map(
      ({ namespace, pod, phase, reason, owner, restarts }) =>
        `pod ${namespace}/${pod} ${phase}${reason === undefined ? '' : ` (${reason})`}${owner === undefined ? '' : ` of ${owner}`}${restarts === undefined ? '' : `, ${restarts} restarts`}`,
    ),
    ...(podsLeftOut === undefined ? [] : [`${podsLeftOut} more GPU pods`]),
    ...(rest.podsOnlyOf === undefined
      ? []
      : [`Only pods of namespace ${rest.podsOnlyOf} could be listed.`]),
    ...events.map(
      ({ lastAt, type, reason, message, count }) =>
        `event ${lastAt ?? 'time unknown'} ${type} ${reason}${count > 1 ? ` x${count}` : ''}: ${message}`,
    ),
    ...unread,
  ];
  return lines.length === 0
    ? []
    : [
        section(
          'CLUSTER',
          lines.map(line => text(line)),
        ),
      ];
}

/** What was asked of the cluster and not read: without a word it would look like nothing. */
export function clusterGaps({ unavailable = {} }: TriageFacts['cluster']): Block[] {
  return Object.entries(unavailable).flatMap(([reason, names]) =>
    reason === 'not_read'
      ? []
      : [text(`Gap: not read of the cluster: ${names.join(', ')} (${reasonWords(reason)}).`)],
  );
}

/** The node as the cluster has it, in a line. */
export function clusterText({ node, requested = {} }: TriageFacts['cluster']): Block[] {
  if (!node) return [];
  const { ready, cordoned, cordonedBy, capacity, allocatable } = node;
  const offered = Object.keys(capacity).map(
    name =>
      `${allocatable[name] ?? 0} of ${capacity[name] ?? 0} ${name} offered, ${requested[name] ?? 0} requested`,
  );
  const state = ready === 'True' ? 'Ready' : ready === 'False' ? 'NOT Ready' : 'readiness unknown';
  const schedule = cordoned
    ? `cordoned${cordonedBy === undefined ? '' : ` by ${cordonedBy.manager}`}`
    : 'schedulable';
  return [text(`cluster: ${[`${state}, ${schedule}`, ...offered].join('; ')}`)];
}
