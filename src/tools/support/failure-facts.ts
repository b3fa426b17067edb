import type {
  ClusterContainer,
  ClusterEvent,
  ClusterPod,
  ContainerEnd,
  PodJob,
} from '../../contract/cluster-view.ts';
import type { Action, Blame, Confidence, Finding } from '../../contract/finding.ts';
import type { JobLog, JobLogEntry, SaidXid } from '../../contract/job-log.ts';
import type { Incident } from '../../xid/events.ts';
import type { FailureAnswer } from './failure-answer.ts';

/** What is known of a pod that failed, and of its node at that time. */
export interface FailureFacts {
  readonly pod: ClusterPod;
  readonly container: ClusterContainer | undefined;
  readonly end: ContainerEnd | undefined;
  readonly podEvents: readonly ClusterEvent[];
  /** Incidents within the container's life, worst first; of its own GPUs where these are known. */
  readonly incidents: readonly Incident[];
  /** The same of programs of other pods. */
  readonly ofOthers?: FailureAnswer['ofOthers'];
  /** False: the incidents are those of all GPUs of the node. */
  readonly ownGpusKnown: boolean;
  /** PCI addresses of GPUs that its own program says it computes on: anybody can print that. */
  readonly saidGpus?: readonly string[];
  /** Whether the kernel log that was searched reaches back to the container's start. */
  readonly logCovers: boolean;
  /** Of its GPUs and containers and of the node, as they are now. */
  readonly findings: readonly Finding[];
  /** What the container's own log says. */
  readonly log?: JobLog | undefined;
  readonly job?: PodJob | undefined;
  /** XIDs that logs of its node tell of. */
  readonly saidFaults?: readonly SaidFault[];
}

/**
 * An XID that a log tells of. Whoever runs a container wrote it: that a line stands there proves no fault of a
 * machine. The kernel log of the node holds the same line, or was read and does not, or was not read so far back.
 */
export interface SaidFault {
  readonly xid: SaidXid;
  /** `container dcgm`, `pod npd-7 on its node`. */
  readonly by: string;
  readonly kernelLog: 'holds' | 'denies' | 'unread';
}

export interface FailureVerdict {
  readonly fault: Blame;
  readonly confidence: Confidence;
  readonly action: Action;
  readonly advice: string;
  readonly why: readonly string[];
  readonly against: readonly string[];
  /** Another pod of its job, where it began there. */
  readonly began?: { readonly pod: string; readonly node: string } | undefined;
}

/** A verdict, and where it is what a log says: the entry that it quotes. */
export interface Judgement extends FailureVerdict {
  readonly quotes?: JobLogEntry | undefined;
}

/** Says whose fault it was, or has no opinion. */
export type Judge = (facts: FailureFacts) => Judgement | undefined;

export const OF_THE_MACHINE: readonly Blame[] = ['hardware', 'driver', 'fabric', 'host'];

/** The signal that ended it: 128 + n is how a shell tells signal n. */
export const signalOf = ({
  exitCode,
  signal,
}: Pick<ContainerEnd, 'exitCode' | 'signal'>): number | undefined =>
  signal ?? (exitCode > 128 && exitCode < 160 ? exitCode - 128 : undefined);
