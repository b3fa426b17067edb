import type { TargetJob } from '../../contract/target-job.ts';
import { type JobNode, nodesOf } from './job-state.ts';
import type { JobPace } from './stragglers.ts';
import { plural } from './wording.ts';

/** What of the job and its nodes was not read, left out or looked at, a line each. */
export const jobNotes = (
  job: TargetJob,
  nodes: readonly JobNode[],
  { pace, why }: { readonly pace: JobPace | undefined; readonly why: readonly string[] },
): string[] => [
  ...notesOf(job, nodes),
  ...endsWords(job).filter(words => !why.includes(words)),
  ...paceNotes(nodes, pace, why),
];

/** What its controllers say of its end, a sentence each. */
export const endsWords = ({ ends = [] }: Pick<TargetJob, 'ends'>): string[] =>
  ends.slice(0, ENDS_MAX).map(({ owner, reason, message, at, restarts, failed }) => {
    const counts = [
      ...(restarts ? [`started anew ${plural(restarts, 'time')}`] : []),
      ...(failed ? [`${failed} failed`] : []),
    ];
    return `${owner} failed${at === undefined ? '' : ` at ${at}`}: ${[reason, message, ...counts].filter(Boolean).join(', ')}`;
  });

const ENDS_MAX = 3;

const WAITS_MAX = 2;

function notesOf(job: TargetJob, nodes: readonly JobNode[]): string[] {
  const waits = job.pods.filter(({ pod }) => pod.node === '');
  const asks = job.pods.some(
    ({ pod }) => Object.keys(pod.gpus).length > 0 || pod.claims.length > 0,
  );
  const lost = job.gone.ok ? job.gone.value.filter(({ node }) => node === undefined).length : 0;
  const unread = nodes.filter(({ triage }) => triage === undefined).length;
  const left = nodesOf(job).length - nodes.length;
  return [
    ...waits
      .slice(0, WAITS_MAX)
      .map(({ pod, waitsFor }) => `pod ${pod.name} has no node${waitsFor ? `: ${waitsFor}` : ''}`),
    ...(waits.length > WAITS_MAX ? [`${waits.length - WAITS_MAX} more pods have no node`] : []),
    ...(job.pods.length > 0 && !asks
      ? ['its pods ask Kubernetes for no GPU: any that they use by environment are not seen here']
      : []),
    ...(lost > 0
      ? [`where ${plural(lost, 'pod')} ran that ${lost === 1 ? 'is' : 'are'} gone no event tells`]
      : []),
    ...(job.gone.ok || job.gone.reason === 'not_read'
      ? []
      : [`its events were not read: ${job.gone.reason}`]),
    ...(job.jobsUnread === undefined
      ? []
      : [`what its Jobs say of their ends was not read: ${job.jobsUnread}`]),
    ...nodes.flatMap(({ node, unexplained }) =>
      unexplained === undefined ? [] : `how a pod on ${node} ended was not told: ${unexplained}`,
    ),
    ...(left > 0
      ? [`${plural(left, 'node')} of it not asked: those where pods failed come first`]
      : []),
    ...(unread > 0 ? [`${plural(unread, 'node')} not read: no fault there can be ruled out`] : []),
  ];
}

function paceNotes(
  nodes: readonly JobNode[],
  pace: JobPace | undefined,
  why: readonly string[],
): string[] {
  const whose = (pace?.silent ?? 0) > 0 ? `${pace?.gpus} of its ` : 'its ';
  const all = (pace?.gpus ?? 0) + (pace?.silent ?? 0);
  const together = pace
    ? [
        `${whose}${plural(all, 'GPU')} on ${plural(pace.nodes, 'node')} were looked at together for ${pace.seconds} s${why.includes(pace.text) ? '' : `; ${pace.does ?? pace.text}`}`,
      ]
    : [];
  return [
    ...together,
    ...nodes.flatMap(({ node, unseen }) =>
      unseen === undefined ? [] : `what containers on ${node} see was not looked into: ${unseen}`,
    ),
    ...nodes.flatMap(({ node, containers }) => {
      const left = containers?.leftOut ?? 0;
      return left === 0
        ? []
        : `what ${plural(left, 'more container')} on ${node} ${left === 1 ? 'sees' : 'see'} was not looked into`;
    }),
    ...[...Map.groupBy(nodes, ({ unlooked }) => unlooked)].flatMap(([why, of]) =>
      why === undefined
        ? []
        : `the pace of ${of.length === 1 ? of[0]?.node : plural(of.length, 'node')} was not looked at: ${why}`,
    ),
  ];
}
