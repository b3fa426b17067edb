import type { JobLog } from '../../contract/job-log.ts';
import { JOB_WENT_ON_MS } from '../../contract/limits.ts';
import { CONTAINER_FINDING } from '../../findings/support/container-faults.ts';
import type { Incident } from '../../xid/events.ts';
import { exitMeaning, neverStarted, outOfMemory, takenAway } from './failure-by-cluster.ts';
import {
  type FailureFacts,
  type FailureVerdict,
  type Judge,
  OF_THE_MACHINE,
} from './failure-facts.ts';
import { beside, incidentsBeside, lastResort, ownLog } from './failure-log.ts';
import { byPriors } from './failure-priors.ts';
import { fullSharedMemory } from './failure-shared-memory.ts';
import { causeIn, isAmbiguous } from './first-cause.ts';
import { bySaidXid } from './said-xids.ts';

/** Whose fault it is that the pod failed: the first judge that has an opinion. Pure. */
export function failureVerdict(facts: FailureFacts): FailureVerdict {
  for (const judge of JUDGES) {
    const judgement = judge(facts);
    if (!judgement) continue;
    const { quotes: _, ...verdict } = judgement;
    const { why, against } = beside(facts, judgement);
    return {
      ...verdict,
      why: [...verdict.why, ...why],
      against: [...verdict.against, ...against, ...besideNeighbours(facts), ...doubts(facts)],
    };
  }
  return {
    fault: 'unknown',
    confidence: 'low',
    action: 'watch',
    advice: 'Read the log of the container before this run: kubectl logs --previous.',
    why: ['neither the cluster nor the node shows a cause'],
    against: doubts(facts),
  };
}

/** It runs, and a container of it does not see the GPUs that it was given. */
const seesNoGpu: Judge = ({ pod, end, findings }) => {
  const found = findings.find(
    ({ id, severity }) => id.startsWith(CONTAINER_FINDING) && severity !== 'info',
  );
  if (!found || end || pod.phase !== 'Running') return undefined;
  const { blame: fault, confidence, action, advice, title } = found;
  return { fault, confidence, action, advice, why: [title], against: ['the pod still runs'] };
};

const notFailed: Judge = ({ pod, end }) => {
  if (end || pod.phase === 'Failed' || pod.phase === 'Pending') return undefined;
  if (pod.phase === 'Unknown') return undefined;
  return {
    fault: 'unknown',
    confidence: 'high',
    action: 'none',
    advice: 'Nothing to explain: this pod has not failed.',
    why: [`the pod is ${pod.phase} and no container of it has ended with an error`],
    against: [],
  };
};

/** A fault of the machine on the pod's own GPUs outweighs whatever it led to. */
const ownFault: Judge = facts =>
  facts.ownGpusKnown
    ? incidentVerdict(
        facts,
        facts.incidents.filter(({ blame }) => OF_THE_MACHINE.includes(blame)),
      )
    : undefined;

const anyIncident: Judge = facts => incidentVerdict(facts, facts.incidents);

/** Worst first: the first of them, but where another is as well shown and its cause more frequent. */
function incidentVerdict(
  facts: FailureFacts,
  incidents: readonly Incident[],
): FailureVerdict | undefined {
  const prior = byPriors(incidents);
  const worst = prior?.incident ?? incidents[0];
  if (!worst || worst.severity === 'info') return undefined;
  const { ownGpusKnown, end } = facts;
  const near = end === undefined || isBefore(worst.firstTime, end.finishedAt);
  return {
    fault: worst.blame,
    confidence: ownGpusKnown && near ? worst.confidence : 'low',
    action: worst.action,
    advice: worst.advice ?? 'Ask triage_gpu_node for the state of this GPU now.',
    why: [incidentWords(worst), worst.why, ...(prior ? [prior.why] : [])],
    against: [
      ...(ownGpusKnown ? [] : [isOfSaid(facts, worst) ? BY_LOG_ALONE : NOBODY_KNOWS]),
      ...worst.counterEvidence,
    ],
  };
}

/** Whether its program says that it computes on that GPU. */
const isOfSaid = ({ saidGpus = [] }: FailureFacts, { gpu }: Incident): boolean =>
  gpu !== null && saidGpus.includes(gpu);

const BY_LOG_ALONE = 'that it computes on this GPU only its own log says';
const NOBODY_KNOWS = 'which GPUs the pod had is not known: the incident may be of another pod';

/** An incident as the reason that a verdict gives for it. */
const incidentWords = ({ title, gpu, firstTime }: Incident): string =>
  `${title}${gpu === null ? '' : ` on GPU ${gpu}`} at ${firstTime ?? 'an unknown time'}, while the container ran`;

/** The incident that a verdict was judged by; undefined where it was by anything else. */
export const judgedIncident = <I extends Incident>({
  why,
  incidents,
}: {
  readonly why: readonly string[];
  readonly incidents: readonly I[];
}): I | undefined => incidents.find(incident => why[0] === incidentWords(incident));

/** Its log tells that another did not come or has gone; what can have begun it by itself was judged before. */
const hasFollowed = ({ entries }: JobLog): boolean =>
  entries.some(({ role }) => role === 'consequence');

const ownExit: Judge = facts => {
  const { end, logCovers, ownGpusKnown } = facts;
  if (!end || (end.exitCode === 0 && end.signal === undefined)) return undefined;
  const { fault, text, advice } = exitMeaning(end);
  // Who ended because another did not come, or has gone, says nothing of whose fault that was.
  if (fault === 'application' && facts.log && hasFollowed(facts.log)) {
    return {
      ...({ fault: 'unknown', confidence: 'low', action: 'watch' } as const),
      advice:
        'It ended because of another of its job: look at the pod that ended first, and at one that still runs.',
      why: [text, incidentsBeside(facts)],
      against: [],
    };
  }
  return {
    fault,
    confidence: logCovers && ownGpusKnown ? 'medium' : 'low',
    action: fault === 'application' ? 'restart_app' : 'watch',
    advice,
    why: [text, incidentsBeside(facts)],
    against: [],
  };
};

/**
 * Where it is not known which GPUs were its own, a critical incident of the machine as the pod ended, unless
 * the program names another cause of that moment. Where the program names such a fault itself, or that GPU as
 * its own, two that do not know of each other say so.
 */
const incidentAtEnd: Judge = facts => {
  const { ownGpusKnown, incidents, end, log } = facts;
  if (ownGpusKnown || !end) return undefined;
  const cause = log && causeIn(log);
  const endMs = Date.parse(end.finishedAt ?? '');
  const isNear = (time: string | null | undefined) =>
    typeof time === 'string' && Math.abs(Date.parse(time) - endMs) <= JOB_WENT_ON_MS;
  const near = incidents.filter(
    ({ blame, severity, firstTime, lastTime }) =>
      OF_THE_MACHINE.includes(blame) &&
      severity === 'critical' &&
      (isNear(firstTime) || isNear(lastTime)),
  );
  const said = near.filter(incident => isOfSaid(facts, incident));
  const isOfGpu = cause?.layer === 'hardware' || cause?.layer === 'driver';
  const mayBeOfGpu = isOfGpu || (cause && said.length > 0 && isAmbiguous(cause));
  if (cause && !mayBeOfGpu && (cause.at === undefined || isNear(cause.at))) return undefined;
  const of = said.length > 0 ? said : near;
  const verdict = incidentVerdict(facts, of);
  const judged = verdict && judgedIncident({ why: verdict.why, incidents: of });
  if (!verdict || judged?.confidence === 'low') return verdict;
  const isSaid = said.length > 0 || (verdict.fault === cause?.layer && isNear(cause?.at));
  return isSaid ? { ...verdict, confidence: 'medium' } : verdict;
};

/**
 * What its log holds possible at most stands beside how it ended and what the kernel log shows. A line of the
 * program's own does not explain who killed it from outside.
 */
const lastResortAndExit: Judge = facts => {
  const judgement = lastResort(facts);
  const exit = ownExit(facts);
  if (!judgement || !exit) return judgement;
  if (exit.fault === 'unknown' && judgement.fault === 'application') return undefined;
  // What the exit code says by itself is not weaker for a line that says the same.
  const confidence = exit.fault === judgement.fault ? exit.confidence : judgement.confidence;
  return { ...judgement, confidence, why: [...judgement.why, ...exit.why] };
};

/** Where it is not known which GPUs were its own, its log knows more than an incident of any of them. */
const ownLogFirst: Judge = facts => (facts.ownGpusKnown ? undefined : ownLog(facts));

const JUDGES: readonly Judge[] = [
  ownFault,
  seesNoGpu,
  fullSharedMemory,
  notFailed,
  takenAway,
  neverStarted,
  outOfMemory,
  incidentAtEnd,
  bySaidXid,
  ownLogFirst,
  anyIncident,
  ownLog,
  lastResortAndExit,
  ownExit,
];

/**
 * What another pod's program did on the same GPU as this one ended. Under MPS a fatal fault is told to all clients
 * of that GPU, without whose it was (NVIDIA, Multi-Process Service, Volta MPS limited execution resource and error containment).
 */
function besideNeighbours({ ofOthers = [], end }: FailureFacts): string[] {
  const endMs = Date.parse(end?.finishedAt ?? '');
  const near = ofOthers.filter(
    ({ time }) => time !== null && Math.abs(Date.parse(time) - endMs) <= JOB_WENT_ON_MS,
  );
  return near
    .slice(0, 1)
    .map(
      ({ pod, title, gpu, time }) =>
        `${title}${gpu === null ? '' : ` on GPU ${gpu}`} at ${time} was of pod ${pod}: under MPS the fault of one program ends the others on its GPU too`,
    );
}

const doubts = ({ logCovers, end }: FailureFacts): string[] =>
  logCovers || !end
    ? []
    : ['the kernel log that could be searched does not reach back to the start of this run'];

/** Times are ISO 8601 in UTC; what has none may have been before. */
const isBefore = (time: string | null, end: string | undefined): boolean =>
  time === null || end === undefined || Date.parse(time) <= Date.parse(end) + 60_000;
