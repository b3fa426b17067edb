import * as z from 'zod';
import { summaryLine } from '../../contract/answer.ts';
import type { ClusterContainer, ClusterPod, ContainerEnd } from '../../contract/cluster-view.ts';
import type { ContainerLife } from '../../contract/container-life.ts';
import { gpusOf } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { known, mapReading } from '../../contract/reading.ts';
import { isoTime, momentMs } from '../../contract/time.ts';
import { plainText } from '../../contract/untrusted.ts';
import { decidedIncidents, diagnose } from '../../findings/diagnosis.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import { type EventPod, podsOfEvent, podsOfIncident } from '../../findings/support/event-pods.ts';
import type { PodAllocation } from '../../host/port.ts';
import type { Incident } from '../../xid/events.ts';
import { head } from '../head.ts';
import { allocationRow, isSamePod, usedGpus } from '../support/allocations.ts';
import { eventText } from '../support/cluster-lines.ts';
import { FailureAnswer } from '../support/failure-answer.ts';
import { explainByHistory, joinFailure } from '../support/failure-join.ts';
import { ofItsLog, unknownWords, whoOf } from '../support/failure-log.ts';
import { findingLines, incidentLines } from '../support/finding-lines.ts';
import { moment, VERDICT_SINCE } from '../support/moment-input.ts';
import { type PodName, podInput, podName } from '../support/pod-name.ts';
import { EMPTY_LOG, hostnameOf, readNodeLately } from '../support/read-node.ts';
import { searchedLines, searchedPods } from '../support/searched.ts';
import { plural } from '../support/wording.ts';
import { defineTool } from '../tool.ts';

const INCIDENTS_MAX = 30;
const FINDINGS_MAX = 20;
const OTHERS_MAX = 8;

export const explainFailure = defineTool({
  name: 'explain_failure',
  title: 'Why a pod failed',
  description:
    "Tells whose fault it was that a pod of this node failed: exit code, events and the container's log, joined with the XIDs of its GPUs then and their state now; reasons, what speaks against it.",
  input: z.strictObject({
    ...podInput,
    since: moment.default(VERDICT_SINCE).describe('How far back the log is searched.'),
  }),
  output: FailureAnswer,
  async observe(input, instruments, signal): Promise<FailureAnswer> {
    const sinceMs = momentMs(input.since, instruments.clock.nowMs());
    const facts = await readNodeLately(instruments, { sinceMs }, signal);
    const { incidents, coverage } = facts.log ?? EMPTY_LOG;
    const asked = podName(input);
    const pod = podOnNode(facts, asked);
    const judged = diagnose(withContainersOf(facts, pod)).findings;
    const unknown = pod.gpus.length + pod.pcis.length === 0;
    const findings = judged.filter(finding => {
      const about = gpusOf(finding);
      return (
        about.length === 0 ||
        unknown ||
        about.some(
          ({ index, pci }) =>
            (index !== undefined && pod.gpus.includes(index)) ||
            (pci !== undefined && pod.pcis.includes(pci)),
        )
      );
    });
    // What a program did is cured in the program, whatever its GPU needs.
    const near = incidents
      .flatMap(incident =>
        incident.blame === 'application' ? incident : decidedIncidents(facts, [incident], judged),
      )
      .filter(({ gpu }) => gpu === null || unknown || pod.pcis.includes(gpu))
      .map(incident => ({ incident, other: ownerBesides(facts, incident, pod) }));
    const own = near.flatMap(({ incident, other }) => (other ? [] : incident));
    const ofOthers = near.flatMap(({ incident, other }) =>
      other ? { ...other, ...incidentPart(incident) } : [],
    );
    const answer: FailureAnswer = {
      ...head(
        instruments,
        hostnameOf(facts),
        `How pod ${asked.name} ended was not read from the cluster; its node has ${plural(findings.length, 'finding')} and ${plural(own.length, 'incident')}.`,
      ),
      fault: 'unknown',
      confidence: 'low',
      action: 'watch',
      advice: 'Ask through kubectl gpu-mcp with a node of a cluster: there the pod can be read.',
      why: ['only the node was asked'],
      against: [],
      pod,
      containers: [],
      incidents: own.slice(0, INCIDENTS_MAX),
      ...(ofOthers.length > 0 && { ofOthers: ofOthers.slice(-OTHERS_MAX) }),
      findings: findings.slice(0, FINDINGS_MAX),
      events: [],
      searched: {
        since: new Date(sinceMs).toISOString(),
        kernelLog: [...coverage],
        ...searchedPods(facts),
      },
      unavailable: { not_read: ['pod', 'events'] },
    };
    const past = podOfHistory(facts, { ...asked, uid: pod.uid });
    return past ? explainByHistory(answer, past) : answer;
  },
  clusterView: {
    question: input => ({ pod: podName(input), logs: true }),
    join: joinFailure,
  },
  lines(facts) {
    const nowMs = Date.parse(facts.takenAt);
    const { pod } = facts;
    return [
      summaryLine(facts),
      `fault ${facts.fault}, confidence ${facts.confidence}; next ${facts.action}: ${facts.advice}`,
      ...facts.why.map(text => `  because ${text}`),
      ...facts.against.map(text => `  against ${text}`),
      '',
      `pod ${pod.namespace === undefined ? '' : `${pod.namespace}/`}${pod.pod}${pod.phase === undefined ? '' : `, ${pod.phase}`}${pod.owner === undefined ? '' : `, of ${pod.owner}`}, ${podGpus(pod)}`,
      ...facts.containers.map(
        one =>
          `  container ${one.container}  ${one.state}${one.reason === undefined ? '' : `, ${one.reason}`}${one.exitCode === undefined ? '' : `, exit code ${one.exitCode}`}${one.finishedAt === undefined ? '' : ` at ${one.finishedAt}`}, ${plural(one.restarts, 'restart')}${one.message === undefined ? '' : `: ${one.message}`}`,
      ),
      ...logLines(facts),
      ...facts.events.map(eventText),
      ...facts.incidents
        .filter(incident => !isTold(facts, incident))
        .flatMap(incident => ['', ...incidentLines(incident, nowMs)]),
      ...facts.findings.flatMap(finding => ['', ...findingLines(finding, nowMs)]),
      ...Object.entries(facts.unavailable ?? {}).map(
        ([reason, names]) => `cluster: ${names.join(', ')} not read (${reason})`,
      ),
      ...(facts.asked
        ? [
            `asked of the cluster: ${plural(facts.asked.requests, 'request')}, ${facts.asked.bytes} bytes`,
          ]
        : []),
      ...searchedLines(facts.searched, nowMs),
    ];
  },
});

const ROWS_SHOWN = 6;

/** What the logs say, first of all what was read of them. */
function logLines({ log, job }: FailureAnswer): string[] {
  return [
    ...(log
      ? [
          `log of container ${log.container}${log.previous ? ', the run before' : ''}: ${plural(log.lines, 'line')}${log.from === undefined ? '' : ` from ${log.from}`}, ${log.bytes} bytes in ${plural(log.requests, 'request')}${log.cut ? ', older lines not read' : ''}${log.newestUnread ? ', nor the newest' : ''}${log.unreadCharacters > 0 ? `, ${plural(log.unreadCharacters, 'character')} of long lines not read` : ''}${log.entries.length === 0 ? `; ${unknownWords(log)}` : ''}`,
          ...log.entries.slice(0, ROWS_SHOWN).map(logLine),
          ...(log.recovered > 0 && log.entries.length > 0
            ? [`  ${plural(log.recovered, 'error')} before that, after which it went on`]
            : []),
        ]
      : []),
    ...(job && job.pods > 1
      ? [
          `${job.name}: ${plural(job.pods, 'pod')}, ${job.failed} failed${job.read === 0 ? '' : `, the ${job.read === 1 ? 'log' : 'logs'} of ${plural(job.read, 'other')} read`}`,
          ...job.peers
            .slice(0, ROWS_SHOWN)
            .map(
              ({ pod, node, exitCode, finishedAt, first, unread, unknown }) =>
                `  ${pod} on ${node}${endText({ exitCode, finishedAt })}: ${first ? `${first.role}, ${first.title}${whoOf(first)}` : unread === undefined ? ofItsLog(unknown ?? '') : `log not read (${unread})`}`,
            ),
        ]
      : []),
  ];
}

function endText({ exitCode, finishedAt }: Pick<PeerRow, 'exitCode' | 'finishedAt'>): string {
  if (finishedAt !== undefined)
    return `, ended ${finishedAt}${exitCode === 0 ? ' with exit code 0' : ''}`;
  return exitCode === undefined ? ', still runs' : '';
}
type PeerRow = NonNullable<FailureAnswer['job']>['peers'][number];

type LogRow = NonNullable<FailureAnswer['log']>['entries'][number];

const logLine = (row: LogRow): string =>
  `  ${row.at === undefined ? '' : `${row.at} `}${row.role}: ${row.title}${whoOf(row)}${row.count > 1 ? `, ${row.count} lines` : ''}: "${row.text}"${row.frame === undefined ? '' : `, in its stack ${row.frame}`}`;

function podGpus({ phase, gpus, pcis, gpusFrom, loggedOn = [] }: FailureAnswer['pod']): string {
  const by = ` (by ${gpusFrom.replace('_', ' ')})`;
  if (gpus.length > 0) return `GPU ${gpus.join(', ')}${by}`;
  if (pcis.length > 0) return `GPU at ${pcis.join(', ')}${by}`;
  if (gpusFrom === 'whole_node') {
    return `${phase === 'Pending' ? 'asks for ' : ''}all GPUs of the node`;
  }
  return loggedOn.length > 0
    ? `GPU at ${loggedOn.join(', ')} by the kernel log; whether it had more is not known`
    : 'its GPUs are not known';
}

/** What a finding of the page tells of the same lines is not told twice. */
const isTold = ({ findings }: FailureAnswer, { root, gpu, ...first }: Incident): boolean =>
  findings.some(({ id }) => id === `xid-${root.xid}:${gpu}@${first.firstTime ?? first.firstLine}`);

/** The pod whose an incident surely is, where that is another one: its process lives there, or ended as that pid. */
function ownerBesides(
  facts: NodeFacts,
  incident: Incident,
  pod: FailureAnswer['pod'],
): { readonly pod: string } | undefined {
  if (incident.blame !== 'application') return undefined;
  const [whose, ...others] = podsOfIncident(facts, incident);
  if (!whose || others.length > 0 || whose.confidence !== 'high') return undefined;
  // Who asks without a namespace means any pod of that name.
  const namespace = pod.namespace ?? whose.namespace;
  if (isSamePod(whose, { ...pod, namespace, podUid: pod.uid })) return undefined;
  return { pod: plainText([whose.namespace, whose.pod].filter(Boolean).join('/'), 320) };
}

const incidentPart = ({ title, gpu, firstTime }: Incident) => ({ title, gpu, time: firstTime });

/** What the node knows of the pod: its uid, and its GPUs by allocation or by its processes. */
function podOnNode(facts: NodeFacts, asked: PodName): FailureAnswer['pod'] {
  const isNamed = (one: { namespace?: string | undefined; pod?: string | undefined }) =>
    one.pod === asked.name && (asked.namespace === undefined || one.namespace === asked.namespace);
  const { allocations, checkpoint, names } = facts.host.pods;
  const used = usedGpus(facts);
  const logged = known(names)?.find(isNamed) ?? loggedPod(facts, isNamed);
  const isOurs = (one: PodAllocation) =>
    isNamed(one) || (logged?.uid !== undefined && one.podUid === logged.uid);
  // The checkpoint keeps what pods had that are gone.
  const now = (known(allocations) ?? []).filter(isOurs);
  const held = (now.length > 0 ? now : (known(checkpoint) ?? []).filter(isOurs)).map(one =>
    allocationRow(facts, one, used),
  );
  const uid = held.flatMap(({ podUid }) => podUid ?? [])[0] ?? logged?.uid;
  const namespace = asked.namespace ?? held[0]?.namespace ?? logged?.namespace;
  const devices = held.flatMap(one => one.devices);
  const allocated = devices.flatMap(({ gpuIndex }) => gpuIndex ?? []);
  const busy = used
    .filter(process => isNamed(process) || isSamePod(process, { podUid: uid }))
    .map(({ gpu }) => gpu);
  const given = allocated.length > 0 || devices.some(({ pci }) => pci !== undefined);
  const gpus = given ? allocated : busy;
  const pcis = given
    ? devices.flatMap(({ pci }) => pci ?? [])
    : facts.driver.gpus.flatMap(gpu => (busy.includes(gpu.index) ? (known(gpu.pci) ?? []) : []));
  return {
    ...optional({ namespace: namespace && plainText(namespace, 63) }),
    pod: asked.name,
    ...optional({ uid: uid && plainText(uid, 64) }),
    gpus: [...new Set(gpus)].toSorted((a, b) => a - b),
    pcis: [...new Set(pcis)],
    ...loggedOn(facts, { uid, isNamed, isKnown: gpus.length + pcis.length > 0 }),
    gpusFrom: given ? 'allocation' : busy.length > 0 ? 'processes' : 'unknown',
  };
}

/** What the containers of other pods see is nothing of this one. */
const withContainersOf = (facts: NodeFacts, { uid }: FailureAnswer['pod']): NodeFacts => ({
  ...facts,
  host: {
    ...facts.host,
    containers: mapReading(facts.host.containers, views =>
      views.filter(({ podUid }) => podUid === uid),
    ),
  },
});

/** Where lines of the kernel log name a process of the pod: it had these GPUs, and perhaps others. */
function loggedOn(
  facts: NodeFacts,
  pod: {
    readonly uid: string | undefined;
    readonly isNamed: (one: EventPod) => boolean;
    readonly isKnown: boolean;
  },
): Pick<FailureAnswer['pod'], 'loggedOn'> {
  if (pod.isKnown) return {};
  const pcis = (facts.log?.events ?? []).flatMap(event => {
    if (event.pci === null || event.xid === null) return [];
    const [whose] = podsOfEvent(facts, event);
    const isOurs = whose && (pod.isNamed(whose) || isSamePod(whose, { podUid: pod.uid }));
    return isOurs && (whose.by === 'process' || whose.by === 'exit') ? [event.pci] : [];
  });
  return pcis.length > 0 ? { loggedOn: [...new Set(pcis)] } : {};
}

/** The uid and namespace of a pod of which only the kubelet's and the runtime's lines tell. */
function loggedPod({ history }: NodeFacts, isNamed: (life: ContainerLife) => boolean) {
  const life = history?.lives.findLast(isNamed);
  return life && { uid: life.podUid, namespace: life.namespace };
}

/**
 * A pod as the node's own logs remember it, in the form in which the cluster would tell it; absent
 * where they tell no end of it. What only the cluster knows (owner, resources, events) is empty.
 */
function podOfHistory(
  { history }: NodeFacts,
  asked: PodName & { readonly uid?: string | undefined },
): ClusterPod | undefined {
  const named = (history?.lives ?? []).filter(
    life =>
      life.pod === asked.name &&
      (asked.namespace === undefined || life.namespace === asked.namespace),
  );
  // A StatefulSet's pod comes again under its name: the one asked for, else the last.
  const uid = asked.uid ?? named.toSorted((a, b) => endOf(b) - endOf(a))[0]?.podUid;
  const lives = named.filter(({ podUid }) => podUid === uid);
  const [first] = lives;
  const ended = lives.filter(({ endedMs }) => endedMs !== undefined);
  if (!first || ended.length === 0) return undefined;
  const starts = lives.flatMap(({ startedMs }) => startedMs ?? []);
  const containers = [...new Set(lives.flatMap(({ container }) => container ?? []))].map(name =>
    containerOf(
      name,
      lives.filter(({ container }) => container === name),
    ),
  );
  const failed = ended.some(({ exitCode }) => exitCode !== undefined && exitCode !== 0);
  return {
    namespace: first.namespace ?? '',
    name: asked.name,
    uid: uid ?? '',
    node: '',
    phase: failed ? 'Failed' : ended.length === lives.length ? 'Succeeded' : 'Unknown',
    ...{ reason: '', message: '', createdAt: '' },
    ...(starts.length === 0 ? {} : { startedAt: isoTime(Math.min(...starts)) }),
    deleting: true,
    gpus: {},
    claims: [],
    containers,
  };
}

const endOf = ({ endedMs, seenMs, startedMs }: ContainerLife): number =>
  endedMs ?? seenMs ?? startedMs ?? 0;

/** The last two runs of a container. */
function containerOf(name: string, lives: readonly ContainerLife[]): ClusterContainer {
  const logged = lives.filter(({ source }) => source !== 'log_files');
  const [last, before] = logged.toSorted((a, b) => endOf(b) - endOf(a));
  const ended = last && containerEnd(last);
  const endedBefore = before && containerEnd(before);
  const startedMs = last?.startedMs;
  return {
    name,
    init: false,
    gpus: {},
    restarts: Math.max(0, logged.length - 1),
    state: ended ? 'terminated' : 'running',
    ...{ reason: '', message: '' },
    ...(startedMs === undefined ? {} : { startedAt: isoTime(startedMs) }),
    ...optional({ ended, endedBefore }),
  };
}

function containerEnd({ startedMs, endedMs, exitCode }: ContainerLife): ContainerEnd | undefined {
  if (endedMs === undefined || exitCode === undefined) return undefined;
  return {
    exitCode,
    // The runtime gives a killed process as 128 and its signal, as Kubernetes does.
    ...{ reason: '', message: '' },
    ...(startedMs === undefined ? {} : { startedAt: isoTime(startedMs) }),
    finishedAt: isoTime(endedMs),
  };
}
