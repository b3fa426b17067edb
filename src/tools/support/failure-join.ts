import type { ClusterContainer, ClusterPod, ClusterView } from '../../contract/cluster-view.ts';
import { failedEnd, worstContainer } from '../../contract/failed-run.ts';
import { SEVERITIES } from '../../contract/finding.ts';
import type { JobLog, JobLogEntry } from '../../contract/job-log.ts';
import { optional } from '../../contract/optional.ts';
import { known, type MissingReason, missing, type Reading } from '../../contract/reading.ts';
import type { Incident } from '../../xid/events.ts';
import { eventRows } from './cluster-rows.ts';
import type { ContainerRow, FailureAnswer } from './failure-answer.ts';
import { firstEntry, hasPeerFailed, unknownWords } from './failure-log.ts';
import { failureVerdict } from './failure-verdict.ts';
import { devicesOf, rankWords } from './rank-places.ts';
import { besideSaid, saidFaults, withoutDenied } from './said-xids.ts';

const EVENTS_MAX = 12;
const INCIDENTS_MAX = 10;
/** The log's clock and the kubelet's may differ, and a fault may precede the exit it causes. */
const SLACK_MS = 60_000;

const BY_LOGS =
  'what the kubelet and the runtime logged on the node is all that is known of this pod';
const NEWEST_UNREAD =
  'the last lines of its log are too long to be read: what it wrote last is not known';
const ASKS_NONE =
  'the pod asks Kubernetes for no GPU: one that it takes by environment is not seen here';

/**
 * The node's half of a failure with the cluster's: the run in question, the incidents of its time
 * and its GPUs, and whose fault it was. Pure.
 */
export function joinFailure(facts: FailureAnswer, view: ClusterView): FailureAnswer {
  const reading = view.pod;
  const asked = optional({ asked: view.asked && { ...view.asked } });
  if (!reading?.ok) {
    return { ...withoutPod(facts, reading?.reason ?? 'not_read', reading?.detail), ...asked };
  }
  const pod = reading.value;
  const node = known(view.node);
  const isElsewhere = pod.node !== '' && node && pod.node !== node.name;
  return { ...(isElsewhere ? elsewhere(facts, pod) : explainedPod(facts, pod, view)), ...asked };
}

/** The same for a pod of which only the node's own logs tell: what it asked for is not known. */
export function explainByHistory(facts: FailureAnswer, pod: ClusterPod): FailureAnswer {
  const unread = missing('not_read');
  const view = { node: unread, pods: unread, nodeEvents: unread };
  const told = explainedPod(facts, pod, view, { resourcesTold: false });
  const { incidents, unavailable } = facts;
  // The cluster may yet tell of another run of this pod: all incidents stay for it.
  return { ...told, against: [...told.against, BY_LOGS], incidents, unavailable };
}

function explainedPod(
  facts: FailureAnswer,
  pod: ClusterPod,
  view: ClusterView,
  { resourcesTold } = { resourcesTold: true },
): FailureAnswer {
  const node = known(view.node);
  const container = worstContainer(pod);
  const end = container && failedEnd(container);
  const from = end ? end.startedAt : (container?.startedAt ?? pod.startedAt);
  const to = end?.finishedAt;
  const whole = wholeNode(pod, node?.capacity ?? {});
  const placed = facts.pod.gpus.length + facts.pod.pcis.length > 0;
  const asksNone =
    resourcesTold && !placed && Object.keys(pod.gpus).length + pod.claims.length === 0;
  const incidents = facts.incidents
    .filter(incident => isWithin(incident, from, to) && !(asksNone && incident.gpu !== null))
    .toSorted((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
  const said = saidFaults(view, facts);
  const written = view.log && known(view.log);
  const log = written && withoutDenied(written, said);
  const ownGpusKnown = placed || whole || asksNone || areLogged(incidents, facts.pod);
  const verdict = failureVerdict({
    pod,
    container,
    end,
    podEvents: known(view.podEvents) ?? [],
    incidents,
    ofOthers: facts.ofOthers?.filter(({ time }) =>
      isWithin({ firstTime: time, lastTime: null }, from, to),
    ),
    findings: facts.findings,
    ownGpusKnown,
    saidGpus: log ? devicesOf(log, pod).map(({ pci }) => pci) : [],
    logCovers: covers(facts, from),
    log,
    job: view.job && known(view.job),
    saidFaults: said,
  });
  const events = view.podEvents;
  return {
    ...facts,
    ...verdict,
    why: [...verdict.why, ...rankWords(log, pod, incidents), ...besideSaid(said).why],
    against: [
      ...verdict.against,
      ...besideSaid(said).against,
      ...(asksNone && end ? [ASKS_NONE] : []),
      ...(log?.newestUnread ? [NEWEST_UNREAD] : []),
    ],
    summary: summaryOf(pod, verdict),
    pod: { ...podPart(facts, pod), ...(!placed && whole && { gpusFrom: 'whole_node' as const }) },
    containers: pod.containers.map(containerRow),
    ...optional({ from, to }),
    incidents: incidents.slice(0, INCIDENTS_MAX),
    events: events?.ok ? eventRows(events.value, EVENTS_MAX) : [],
    ...logParts(view),
    unavailable: notRead({ events, log: view.log, job: view.job }),
  };
}

const podPart = (facts: FailureAnswer, { namespace, uid, phase, owner }: ClusterPod) => ({
  ...facts.pod,
  ...{ namespace, uid, phase, ...optional({ owner }) },
});

/** Where the kernel names a process of it on a GPU, an incident of that is its own. */
const areLogged = (
  incidents: readonly Incident[],
  { loggedOn = [] }: FailureAnswer['pod'],
): boolean =>
  incidents.length > 0 && incidents.every(({ gpu }) => gpu !== null && loggedOn.includes(gpu));

/** The names of what was asked for and not read, by reason. */
function notRead(
  parts: Readonly<Record<string, Reading<unknown> | undefined>>,
): NonNullable<FailureAnswer['unavailable']> {
  const missed = Object.entries(parts).flatMap(([name, part]) =>
    part && !part.ok ? [{ name, reason: part.reason }] : [],
  );
  const groups = Map.groupBy(missed, ({ reason }) => reason);
  return Object.fromEntries(
    [...groups].map(([reason, group]) => [reason, group.map(({ name }) => name)]),
  );
}

/** What the logs of the pod and of its job say, as rows. */
function logParts({ log, job }: ClusterView): Pick<FailureAnswer, 'log' | 'job'> {
  const own = log && known(log);
  const of = job && known(job);
  return {
    ...(own && { log: logPart(own) }),
    ...(of && {
      job: {
        ...{ name: of.name, pods: of.pods, failed: of.failed },
        read: of.peers.filter(peer => peer.log.ok).length,
        peers: of.peers.flatMap(peer => {
          const { pod, node, exitCode, finishedAt, log: said } = peer;
          const first = said.ok ? firstEntry(said.value) : undefined;
          // Of one that did not fail, what it says of a failure is all that is told.
          if (!first && !hasPeerFailed(peer)) return [];
          return {
            ...{ pod, node },
            ...optional({ exitCode, finishedAt }),
            ...(first && { first: logRow(first) }),
            ...(said.ok ? {} : { unread: said.reason }),
            ...(said.ok && !first && { unknown: unknownWords(said.value) }),
          };
        }),
      },
    }),
  };
}

function logPart({
  entries,
  wait,
  devices,
  ofPods: _,
  addresses: __,
  ownRanks: ___,
  workedAt: _____,
  xids: ____,
  ...read
}: JobLog): NonNullable<FailureAnswer['log']> {
  const waited = wait && { ...wait, waiting: [...wait.waiting], behind: [...wait.behind] };
  return {
    ...{ ...read, entries: entries.map(logRow) },
    ...optional({ wait: waited, devices: devices && [...devices] }),
  };
}

const logRow = ({ title, role, layer, at, count, ranks, gpu, of, frame, text }: JobLogEntry) => ({
  ...{ title, role, layer, count, ranks: [...ranks], text },
  ...optional({ at, gpu, of, frame }),
});

function withoutPod(facts: FailureAnswer, reason: MissingReason, detail = ''): FailureAnswer {
  const gone = reason === 'not_found';
  const byLogs = facts.containers.length > 0;
  return {
    ...facts,
    advice: byLogs
      ? facts.advice
      : gone
        ? 'The cluster has no such pod any more: name its namespace, or the pod that replaced it.'
        : 'The cluster could not tell how the pod ended; what follows is of the node alone.',
    against: [
      ...facts.against,
      `the pod was not read from the cluster: ${reason}${detail && ` (${detail})`}`,
    ],
    unavailable: { [reason]: ['pod', 'events'] },
  };
}

const elsewhere = (facts: FailureAnswer, pod: ClusterPod): FailureAnswer => ({
  ...facts,
  summary: `Pod ${pod.namespace}/${pod.name} is on node ${pod.node}, not on this one.`,
  fault: 'unknown',
  confidence: 'high',
  action: 'none',
  advice: `Ask node ${pod.node}: pod/${pod.name} as the target names it.`,
  why: [`spec.nodeName is ${pod.node}`],
  against: [],
  incidents: [],
  findings: [],
  unavailable: {},
});

function summaryOf(pod: ClusterPod, verdict: ReturnType<typeof failureVerdict>): string {
  const [why = 'no cause was found'] = verdict.why;
  return `Pod ${pod.namespace}/${pod.name}: fault ${verdict.fault}, confidence ${verdict.confidence}: ${why}.`;
}

function containerRow(container: ClusterContainer): ContainerRow {
  const end = failedEnd(container) ?? container.ended;
  const { name, init, state, restarts, reason, message } = container;
  const said = end?.message || message;
  const why = end?.reason || reason;
  const startedAt = end ? end.startedAt : container.startedAt;
  return {
    container: name,
    init,
    state,
    restarts,
    ...(why && { reason: why }),
    ...(said && { message: said }),
    ...(end && { exitCode: end.exitCode }),
    ...optional({ signal: end?.signal, startedAt, finishedAt: end?.finishedAt }),
  };
}

/** A pod with as many GPUs as the node has shares them with no one. */
const wholeNode = (pod: ClusterPod, capacity: Readonly<Record<string, number>>): boolean => {
  const asked = pod.gpus['nvidia.com/gpu'] ?? 0;
  return asked > 0 && asked === capacity['nvidia.com/gpu'];
};

/** Began or went on while the container ran; an incident without a time may have. */
function isWithin(
  { firstTime, lastTime }: Pick<Incident, 'firstTime' | 'lastTime'>,
  from: string | undefined,
  to: string | undefined,
): boolean {
  if (firstTime === null) return true;
  const lastMs = Date.parse(lastTime ?? firstTime);
  const afterStart = from === undefined || lastMs >= Date.parse(from) - SLACK_MS;
  const beforeEnd = to === undefined || Date.parse(firstTime) <= Date.parse(to) + SLACK_MS;
  return afterStart && beforeEnd;
}

/** Whether some source was searched back to the start of the run, and lost nothing since. */
function covers({ searched }: FailureAnswer, from: string | undefined): boolean {
  if (from === undefined) return false;
  const startMs = Date.parse(from);
  return (
    Date.parse(searched.since) <= startMs &&
    searched.kernelLog.some(
      ({ available, from: first, lost }) =>
        available && lost === 0 && first !== undefined && Date.parse(first) <= startMs,
    )
  );
}
