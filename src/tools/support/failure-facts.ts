import type {
  ClusterContainer,
  ClusterEvent,
  ClusterPod,
  ContainerEnd,
  PodJob,
} from '../../contract/cluster-view.ts';
import type { Action, Blame, Confidence, Finding } from '../../contract/finding.ts';
import type { JobLog, JobLogEntry } from '../../contract/job-log.ts';
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
}

export interface FailureVerdict {
  readonly fault: Blame;
  readonly confidence: Confidence;
  readonly action: Action;
  readonly advice: string;
  readonly why: readonly string[];
  readonly against: readonly string[];
}

/** A verdict, and where it is what a log says: the entry that it quotes, and whether it is another pod's. */
export interface Judgement extends FailureVerdict {
  readonly quotes?: JobLogEntry | undefined;
  readonly ofPeer?: true;
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
