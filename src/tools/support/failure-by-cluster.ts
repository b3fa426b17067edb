import type { ClusterEvent, ClusterPod, ContainerEnd } from '../../contract/cluster-view.ts';
import type { Blame } from '../../contract/finding.ts';
import { hookWords } from '../../contract/hook-words.ts';
import { cdiAdvice } from '../../findings/support/cdi-words.ts';
import type { FailureAnswer } from './failure-answer.ts';
import { type FailureFacts, type FailureVerdict, type Judge, signalOf } from './failure-facts.ts';

export const takenAway: Judge = ({ pod, podEvents }) => takenByCluster(pod, podEvents);

/** What the cluster says of a pod that it ended itself: evicted, preempted, of a node that shut down. */
export function takenByCluster(
  pod: Pick<ClusterPod, 'reason' | 'message'>,
  podEvents: readonly ClusterEvent[] = [],
): FailureVerdict | undefined {
  const said = [pod, ...podEvents].find(
    ({ reason, message }) =>
      (TAKEN_AWAY.test(reason) || reason === DEADLINE) && !NOT_TAKEN.test(message),
  );
  if (said === undefined) return undefined;
  const why = [`${ENDED_BY_CLUSTER}: ${said.reason}${pod.message && ` ("${pod.message}")`}`];
  if (said.reason === DEADLINE) return { ...OVER_DEADLINE, confidence: 'high', why, against: [] };
  if (OWN_LIMIT.test(`${said.message} ${pod.message}`)) {
    return {
      ...{ fault: 'configuration', confidence: 'high', action: 'fix_configuration' },
      advice: 'It wrote more than it may: raise the limit that the message names, or write less.',
      ...{ why, against: [] },
    };
  }
  return {
    fault: 'host',
    // A node is not ready for a moment as well, and its pods stay.
    confidence: said.reason === 'NodeNotReady' ? 'low' : 'high',
    action: 'restart_app',
    advice: 'The cluster ended this pod. See the node: its conditions, pressure and taints.',
    ...{ why, against: [] },
  };
}

/** The pod's own activeDeadlineSeconds: Kubernetes, pkg/kubelet/active_deadline.go; a Job's deadline deletes its pods. */
const DEADLINE = 'DeadlineExceeded';
export const OVER_DEADLINE = {
  ...({ fault: 'configuration', action: 'fix_configuration' } as const),
  advice:
    'It ran longer than activeDeadlineSeconds lets it: raise that, or find out what it waited for.',
};

/** The pod's own limits of disk: Kubernetes, pkg/kubelet/eviction/helpers.go. */
const OWN_LIMIT =
  /\bephemeral local storage usage exceeds\b|\bexceeded its local ephemeral storage limit\b|\bUsage of EmptyDir volume .{1,300} exceeds the limit\b/i;

const ENDED_BY_CLUSTER = 'the cluster ended the pod';

/** Whether it was ended from outside: by the cluster, or by a signal that asks it to stop. */
export const isEndedFromOutside = ({
  why: [first = ''],
  fault,
  containers,
}: Pick<FailureAnswer, 'why' | 'fault' | 'containers'>): boolean =>
  first.startsWith(ENDED_BY_CLUSTER) ||
  (fault === 'unknown' &&
    containers.some(({ exitCode, signal }) =>
      ASKED_TO_STOP.includes(signal ?? (exitCode ?? 0) - 128),
    ));

/** signal(7): SIGTERM, and SIGKILL where its time was over. */
const ASKED_TO_STOP: readonly number[] = [15, 9];

const TAKEN_AWAY =
  /^(?:Evicted|NodeShutdown|NodeLost|Preempt|TerminationByKubelet|DeletionByTaintManager|DeletionByPodGC|Shutdown|Terminated|TaintManagerEviction|NodeNotReady|EvictionByEvictionAPI|Disrupted$|ScaleDown$)/;
/** The taint is gone, and the pod stays: Kubernetes, pkg/controller/tainteviction/taint_eviction.go. */
const NOT_TAKEN = /^Cancelling deletion of Pod/;

export const outOfMemory: Judge = ({ end }) => killedForMemory(end);

/** That a container was killed at its own limit, as its runtime tells. */
export function killedForMemory(
  end: Pick<ContainerEnd, 'reason'> | undefined,
): FailureVerdict | undefined {
  if (end?.reason !== 'OOMKilled') return undefined;
  return {
    fault: 'application',
    confidence: 'high',
    action: 'restart_app',
    advice: 'Raise the memory limit or lower the use: this is host memory, not GPU memory.',
    why: ['the kernel killed it for the memory limit of its container (OOMKilled)'],
    against: [],
  };
}

/** A container that never ran: by what the cluster, the kubelet or the runtime says of its start. */
export const neverStarted: Judge = ({ pod, container, podEvents, end, findings }) => {
  const waiting = container?.state === 'waiting' ? container : undefined;
  const reason = [pod.reason, end?.reason ?? '', waiting?.reason ?? ''].find(one =>
    NEVER_STARTED.test(one),
  );
  const event = podEvents.find(one => one.type === 'Warning' && NEVER_STARTED.test(one.reason));
  const hook = hookMessage([end, waiting, ...(end ? [] : podEvents)]);
  if (reason === undefined && !(event && !end) && hook === undefined) return undefined;
  const words = hook ?? waiting?.message ?? (pod.message || event?.message) ?? '';
  const said = `the container never ran: ${reason ?? event?.reason ?? 'refused'}${words && `, ${words}`}`;
  const { why = [], ...judged } = ofHook(hook, findings);
  return { ...judged, action: 'fix_configuration', why: [said, ...why], against: [] };
};

/** Why a pod has not begun to run, in one word of the kubelet or the scheduler; undefined where it has. */
export function heldBack({ phase, reason, node, containers }: ClusterPod): string | undefined {
  if (node === '') return reason || 'no node';
  const waiting = containers.find(one => one.state === 'waiting' && NEVER_STARTED.test(one.reason));
  if (waiting) return waiting.reason;
  return NEVER_STARTED.test(reason) || phase === 'Pending' ? reason || phase : undefined;
}

/**
 * Whose matter it is that NVIDIA's runtime could not serve a container. Of a CDI device that it does not find
 * only that is shown: the specification is old, not written yet, or of other devices than are asked for.
 */
function ofHook(
  hook: string | undefined,
  findings: FailureFacts['findings'],
): Pick<FailureVerdict, 'fault' | 'confidence' | 'advice'> & { readonly why?: readonly string[] } {
  if (hook === undefined) {
    return {
      ...{ fault: 'configuration', confidence: 'medium' },
      advice:
        'The container never ran. Compare what it asks for with what the node offers: get_pod_gpu_allocation.',
    };
  }
  const advice = cdiAdvice(hook);
  const shown = findings.find(({ id }) => id === 'cdi-stale' || id === 'driver-not-loaded');
  if (advice === undefined || shown?.id === 'driver-not-loaded') {
    return {
      ...{ fault: 'driver', confidence: 'high' },
      advice:
        'The NVIDIA runtime could not give the container its GPU. Ask triage_gpu_node for the driver.',
    };
  }
  return shown
    ? { fault: 'configuration', confidence: 'high', advice: shown.advice, why: [shown.title] }
    : { fault: 'configuration', confidence: 'medium', advice };
}

/** The message in which the NVIDIA runtime says why it could not serve the container. */
const hookMessage = (
  said: readonly ({ readonly reason: string; readonly message: string } | undefined)[],
): string | undefined =>
  said.find(one => one && OF_RUNTIME.test(one.reason) && hookWords(one.message) !== undefined)
    ?.message;

const NEVER_STARTED =
  /^(?:UnexpectedAdmissionError|OutOf|CreateContainer|ContainerCannotRun|RunContainerError|StartError|ImagePull|ErrImage|InvalidImageName|FailedScheduling|FailedCreatePodSandBox|FailedMount)/;
/** Reasons for which the runtime speaks, and no program of the pod's has run: kubelet, events/event.go; containerd, StartError. */
const OF_RUNTIME =
  /^(?:Failed|FailedCreatePodSandBox|CreateContainer\w*|RunContainerError|ContainerCannotRun|StartError)$/;

interface Meaning {
  readonly fault: Blame;
  readonly text: string;
  readonly advice: string;
}

/** signal(7): what usually sends each to a GPU program. 128 + n is how a shell tells signal n. */
const SIGNALS: Readonly<Record<number, Omit<Meaning, 'text'> & { readonly name: string }>> = {
  4: { name: 'SIGILL', fault: 'application', advice: 'Built for another CPU? Check the image.' },
  6: {
    name: 'SIGABRT',
    fault: 'application',
    advice: 'The program gave up itself; its last lines say why: kubectl logs --previous.',
  },
  7: {
    name: 'SIGBUS',
    fault: 'configuration',
    advice: 'Often /dev/shm is too small for its workers: mount a memory emptyDir there.',
  },
  8: {
    name: 'SIGFPE',
    fault: 'application',
    advice: 'A fault of the program: see its last lines.',
  },
  9: {
    name: 'SIGKILL',
    fault: 'unknown',
    advice: 'Killed from outside: see the events for a probe, a deletion or memory pressure.',
  },
  11: {
    name: 'SIGSEGV',
    fault: 'application',
    advice: 'A fault of the program or a library of it: take a core dump or see its last lines.',
  },
  15: {
    name: 'SIGTERM',
    fault: 'unknown',
    advice: 'Asked to stop: see the events for who did: a rollout, a drain, a preemption.',
  },
};

const BY_ITSELF = 'the program ended itself with exit code';
/** Whether nothing but its exit code tells of its end. */
export const isByExitCode = ({ why: [first = ''] }: Pick<FailureAnswer, 'why'>): boolean =>
  first.startsWith(BY_ITSELF);

/** What an exit code or signal says of whose fault it is, without anything else known. */
export function exitMeaning(end: Pick<ContainerEnd, 'exitCode' | 'signal'>): Meaning {
  const { exitCode } = end;
  const number = signalOf(end);
  const known = number === undefined ? undefined : SIGNALS[number];
  if (known) {
    const { name, fault, advice } = known;
    return { fault, advice, text: `it ended by ${name} (exit code ${exitCode})` };
  }
  if (exitCode === 126 || exitCode === 127) {
    return {
      fault: 'configuration',
      text: `its command could not be run (exit code ${exitCode})`,
      advice: 'Check the command and the image.',
    };
  }
  return {
    fault: 'application',
    text: `${BY_ITSELF} ${exitCode}`,
    advice: 'Read its last lines: kubectl logs --previous.',
  };
}
