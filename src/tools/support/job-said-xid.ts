import * as z from 'zod';
import type { ClusterPod } from '../../contract/cluster-view.ts';
import { Finding } from '../../contract/finding.ts';
import type { JobLogEntry, SaidXid } from '../../contract/job-log.ts';
import { SAID_FAULT_MS_MAX, SAID_FAULT_WAIT_MS_MAX } from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { xidVerdict } from '../../xid/catalogue.ts';
import { firstEntry } from './failure-log.ts';
import { causeIn, timeOf } from './first-cause.ts';
import type { JobRoot } from './job-root.ts';
import { failedPods, type JobNode } from './job-state.ts';
import {
  hasWaited,
  isBehind,
  isLineOf,
  kernelWord,
  machineXids,
  mayFollow,
  verdictOf,
} from './said-xids.ts';
import { Searched } from './searched.ts';

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
  const isWorker = struck.pod !== by || Object.keys(by.gpus).length + by.claims.length > 0;
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
  const failedMs = timeOf(entry?.at ?? end?.finishedAt);
  const withinMs = entry && hasWaited(entry) ? SAID_FAULT_WAIT_MS_MAX : SAID_FAULT_MS_MAX;
  return isBehind(xid, failedMs, withinMs);
}

const NodeTriage = z.looseObject({
  takenAt: z.string(),
  searched: Searched,
  findings: z.array(Finding),
});

/** Neither holds the kernel log that was read there such a line, which its node tells then, nor does it deny it. */
function isUnread(xid: SaidXid, { node }: ClusterPod, nodes: readonly JobNode[]): boolean {
  const of = nodes.find(each => each.node === node);
  const pcis = of?.failure?.pod.pcis ?? [];
  if (xid.pci !== undefined && pcis.length > 0 && !pcis.includes(xid.pci)) return false;
  const read = NodeTriage.safeParse(of?.triage);
  if (!read.success) return true;
  const { findings, searched, takenAt } = read.data;
  const isTold = findings.some(({ id }) => id.startsWith(`xid-${xid.code}:`));
  return !isTold && kernelWord(xid, { incidents: [], searched, takenAt }) === 'unread';
}
