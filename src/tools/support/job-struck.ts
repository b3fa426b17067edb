import * as z from 'zod';
import { asksForGpu, type ClusterPod } from '../../contract/cluster-view.ts';
import { Finding, gpusOf } from '../../contract/finding.ts';
import type { JobLogEntry, SaidXid } from '../../contract/job-log.ts';
import {
  JOB_CLOCKS_MS_MAX,
  SAID_FAULT_MS_MAX,
  SAID_FAULT_WAIT_MS_MAX,
} from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import { present } from '../../contract/reading.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { xidVerdict } from '../../xid/catalogue.ts';
import { killedForMemory, takenByCluster } from './failure-by-cluster.ts';
import { OF_THE_MACHINE } from './failure-facts.ts';
import { firstEntry } from './failure-log.ts';
import { causeIn, timeOf } from './first-cause.ts';
import { type JobRoot, TAKES_OUT } from './job-root.ts';
import { failedPods, focusOf, hasFailed, type JobNode, runsWhole } from './job-state.ts';
import {
  hasWaited,
  isBehind,
  isLineOf,
  kernelWord,
  machineXids,
  mayFollow,
  verdictOf,
  withoutDenied,
} from './said-xids.ts';
import { Searched } from './searched.ts';
import { plural } from './wording.ts';

interface StruckPod {
  /** Whose GPU it may be. */
  readonly struck: ClusterPod;
  /** Whose log tells of it. */
  readonly by: ClusterPod;
  readonly xid: SaidXid;
}

/**
 * The first fault of a GPU that only a log of the job tells of, as a monitor's, where its pods failed after that as
 * pods do whose GPU has failed, and the kernel log of that time was not read. Whose log it is, is not who was struck.
 */
export function bySaidXids(job: TargetJob, nodes: readonly JobNode[]): JobRoot | undefined {
  const [first] = job.pods
    .flatMap(({ pod: by, log, beside = [] }) =>
      [...(log?.ok ? [log.value] : []), ...beside].flatMap(machineXids).map(xid => ({ by, xid })),
    )
    .filter(({ by, xid }) => isUnread(xid, by, nodes))
    .flatMap(({ by, xid }): readonly StruckPod[] => {
      const struck = struckBy(job, by, xid);
      return struck ? [{ struck, by, xid }] : [];
    })
    .toSorted((a, b) => timeOf(a.xid.at) - timeOf(b.xid.at));
  if (!first) return undefined;
  const { struck, by, xid } = first;
  const what = `XID ${xid.code}: ${xidVerdict(xid.code).title}, as the log of pod ${by.name} alone tells`;
  const { why, against, ...said } = verdictOf(
    { xid, by: `the log of pod ${by.name}` },
    'and pods of the job failed after that',
  );
  return {
    ...{ ...said, why: [...why], against: [...against], pod: struck.name },
    first: {
      ...{ node: struck.node, pod: struck.name, what, code: `XID ${xid.code}` },
      ...optional({ time: xid.at, gpu: xid.pci }),
    },
  };
}

/** The pod on that node that failed after it, before one that still runs there; who tells of it where its program did. */
function struckBy(job: TargetJob, by: ClusterPod, xid: SaidXid): ClusterPod | undefined {
  const here = job.pods.filter(({ pod }) => pod.node === by.node);
  const others = here.filter(({ pod }) => pod !== by);
  const failed = failedPods({ pods: here }).map(({ pod }) => pod);
  const struck =
    others.find(({ pod }) => failed.includes(pod)) ??
    here.find(({ pod }) => failed.includes(pod)) ??
    [...others, ...here][0];
  if (!struck) return undefined;
  const entry = entryOf(struck, xid);
  if (entry?.role === 'cause' || failed.includes(struck.pod)) {
    return hasFollowed(job, struck, xid) ? struck.pod : undefined;
  }
  // It hangs, or its log is not there: the others waited for it.
  const isAwaited = job.pods.some(
    each => entryOf(each, xid)?.role === 'consequence' && hasFollowed(job, each, xid),
  );
  const isWorker = struck.pod !== by || asksForGpu(by);
  return isWorker && isAwaited ? struck.pod : undefined;
}

type JobPod = TargetJob['pods'][number];

/** What its program says of its end, beside the line of the XID. */
function entryOf({ log }: JobPod, xid: SaidXid): JobLogEntry | undefined {
  if (!log?.ok) return undefined;
  const entries = log.value.entries.filter(entry => !isLineOf(entry, { xid }));
  const entry = causeIn({ entries }) ?? firstEntry({ ...log.value, entries });
  return entry?.role === 'report' ? undefined : entry;
}

/** Whether it ended, or said what it says of an end, so soon after the XID. */
function hasFollowed({ pods }: TargetJob, of: JobPod, xid: SaidXid): boolean {
  const entry = entryOf(of, xid);
  if (entry?.role === 'cause' && !entry.lastResort && !mayFollow(entry)) return false;
  const end = failedPods({ pods }).find(({ pod }) => pod === of.pod)?.end;
  if (takenByCluster(of.pod) ?? killedForMemory(end)) return false;
  const failedMs = timeOf(entry?.at ?? end?.finishedAt);
  const withinMs = entry && hasWaited(entry) ? SAID_FAULT_WAIT_MS_MAX : SAID_FAULT_MS_MAX;
  return isBehind(xid, failedMs, withinMs);
}

const NodeTriage = z.looseObject({
  takenAt: z.string(),
  searched: Searched,
  findings: z.array(Finding),
});

/** Whether neither the kernel log that was read there holds such a line, which its node tells then, nor denies it. */
function isUnread(xid: SaidXid, { node }: ClusterPod, nodes: readonly JobNode[]): boolean {
  const pcis = nodes.find(each => each.node === node)?.failure?.pod.pcis ?? [];
  const isOfOther = xid.pci !== undefined && pcis.length > 0 && !pcis.includes(xid.pci);
  return !isOfOther && kernelWordAt(xid, node, nodes) === 'unread';
}

function kernelWordAt(xid: SaidXid, node: string, nodes: readonly JobNode[]) {
  const { triage, failure } = nodes.find(each => each.node === node) ?? {};
  const read = NodeTriage.safeParse(triage);
  const isTold =
    read.success && read.data.findings.some(({ id }) => id.startsWith(`xid-${xid.code}:`));
  if (isTold) return 'holds';
  const facts = read.success ? { ...read.data, incidents: failure?.incidents ?? [] } : failure;
  return facts ? kernelWord(xid, facts) : 'unread';
}

/** The job without lines of the driver that the kernel log of their node denies: they began nothing. */
export const withoutDeniedLines = (job: TargetJob, nodes: readonly JobNode[]): TargetJob => ({
  ...job,
  pods: job.pods.map(each => {
    const { pod, log } = each;
    const xids = log?.ok ? machineXids(log.value) : [];
    if (!log?.ok || xids.length === 0) return each;
    const said = xids.map(xid => ({
      ...{ xid, by: pod.name },
      kernelLog: kernelWordAt(xid, pod.node, nodes),
    }));
    return { ...each, log: present(withoutDenied(log.value, said)) };
  }),
});

/**
 * A pod hangs on a GPU of its own that failed while it ran, and the others ended waiting: no container of it has ended,
 * so explain_failure tells nothing of it. That the GPU failed its node shows; that they waited for it, their order.
 */
export function byStandingFault(job: TargetJob, nodes: readonly JobNode[]): JobRoot | undefined {
  const failed = failedPods(job);
  const firstMs = Math.min(
    ...failed.map(({ end, log }) =>
      Math.min(timeOf(end.finishedAt), timeOf(log?.ok ? log.value.entries[0]?.at : undefined)),
    ),
  );
  const hasOwn = failed.some(({ log }) => log?.ok && causeIn(log.value) !== undefined);
  if (failed.length === 0 || hasOwn) return undefined;
  const [first] = nodes
    .flatMap(each => {
      // Beside a monitor of the job it is the one on GPUs; of two nobody knows whose it was.
      const [one, ...others] = job.pods.filter(
        ({ pod }) => pod.node === each.node && asksForGpu(pod),
      );
      const isAlone = one && others.length === 0 && runsWhole(one.pod) && !hasFailed(one.pod);
      if (!isAlone || focusOf(each).indexes.length === 0) return [];
      return focusOf(each)
        .own.filter(finding => isGrave(finding))
        .map(finding => ({ pod: one.pod, finding, atMs: timeOf(finding.began?.time) }))
        .filter(({ pod, atMs }) => atMs >= Date.parse(pod.startedAt ?? ''))
        .filter(({ atMs }) => atMs <= firstMs + JOB_CLOCKS_MS_MAX);
    })
    .toSorted((a, b) => a.atMs - b.atMs);
  if (!first) return undefined;
  const { pod, finding } = first;
  const { blame, action, advice, title, began, counterEvidence } = finding;
  return {
    ...({ fault: blame, confidence: 'medium', action, advice, takeOut: pod.node } as const),
    why: [
      `${title}, since ${began?.time}: pod ${pod.name} runs on it and has not ended, and ${plural(failed.length, 'pod')} failed after that with no error of ${failed.length === 1 ? 'its' : 'their'} own`,
    ],
    against: [...counterEvidence.slice(0, 1)],
    pod: pod.name,
    first: {
      ...{ node: pod.node, pod: pod.name, what: title, ...began },
      ...optional({ gpu: gpusOf(finding)[0]?.pci }),
    },
  };
}

/** Of a GPU, shown by its driver or the kernel log, and so that nothing goes on there. */
const isGrave = (finding: Finding): boolean =>
  finding.severity === 'critical' &&
  finding.confidence !== 'low' &&
  OF_THE_MACHINE.includes(finding.blame) &&
  TAKES_OUT.includes(finding.action) &&
  gpusOf(finding).length > 0;
