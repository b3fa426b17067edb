import type {
  ClusterContainer,
  ClusterPods,
  ClusterView,
  StackPod,
} from '../../contract/cluster-view.ts';
import type { Evidence } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { shell } from '../../contract/printed-command.ts';
import { known, reasonWords } from '../../contract/reading.ts';
import {
  awaitedBy,
  hasRun,
  isInitRunning,
  type StuckPart,
  stuckParts,
} from '../../contract/stuck-stack.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type Clue, nodeClue } from '../clue.ts';
import { rule } from '../rule.ts';
import { idleEvidence, idleFor } from '../support/idle-words.ts';
import { labelClues } from '../support/operator-labels.ts';
import { logEvidence, STACK_WORDS } from '../support/stack-causes.ts';
import { imageWords, refusalWords } from '../support/start-words.ts';

/**
 * Where NVIDIA's software on the node is stuck. Its parts wait for each other by init containers
 * (driver, toolkit, validations, device plugin), so that one broken part shows as many pods that do
 * not start: the first of them is told, the others stand behind it.
 */
export const gpuStack = rule(
  'gpu-stack',
  { cluster: true },
  ({ cluster }: { readonly cluster?: Pick<ClusterView, 'node' | 'pods'> }) => {
    const node = known(cluster?.node);
    const pods = known(cluster?.pods);
    // Who may not list all pods does not see those of the operator.
    const stack = pods?.namespace === null ? pods.stack : undefined;
    return [...stuckPart(pods), ...(node ? labelClues(node, stack) : [])];
  },
);

/** The id of the finding that a part is stuck. */
export const STACK_STUCK = 'gpu-stack-stuck';

/** Without these parts pods get no GPU; the others only watch and label. */
const NEEDED: readonly StackPod['part'][] = [
  'driver',
  'container toolkit',
  'validator',
  'MPS control daemon',
  'device plugin',
  'DRA driver',
  'MIG manager',
  'vGPU device manager',
];

/** The daemon of a ComputeDomain is only where a pod of that claims a channel, and waits for it. */
const isNeeded = ({ pod, helper }: StuckPart): boolean =>
  !pod.isClaim &&
  !helper?.isOptional &&
  (NEEDED.includes(pod.part) || pod.name.startsWith('computedomain-daemon'));

function stuckPart(pods: ClusterPods | undefined): readonly Clue[] {
  const parts = stuckParts(pods);
  const [first, ...others] = parts;
  if (!first) return [];
  const { pod, idle } = first;
  const events = idle && pod.events;
  return [
    nodeClue(STACK_STUCK, {
      severity: parts.some(isNeeded) ? 'warning' : 'info',
      component: 'kubernetes',
      blame: 'configuration',
      ...(pod.isClaim ? claimed(first) : toldOf(first)),
      evidence: [
        evidenceOf(first),
        ...(idle ? idleEvidence(pod, idle) : []),
        ...logEvidence(first.pod),
        ...waitEvidence(pod, others),
      ],
      counterEvidence: [
        ...(events && !events.ok
          ? [`its events were not read: ${reasonWords(events.reason)}`]
          : []),
        ...(pod.log && !pod.log.ok ? [`its log was not read: ${reasonWords(pod.log.reason)}`] : []),
        ...(known(pod.log)?.newestUnread
          ? ['the last lines of its log are too long to be read']
          : []),
      ],
    }),
  ];
}

/** What it is stuck for, and what is to be done, as far as something that was read tells it. */
function toldOf(part: StuckPart) {
  const { pod, container, helper, idle } = part;
  const name = helper ? `${capital(helper.name)} beside the ${pod.part}` : `The ${pod.part}`;
  const cause = wordsOf(part);
  const image = container && imageWords(container);
  const why = (cause ?? image)?.is || plainText(whyOf(part), 120);
  const isShown = cause !== undefined || (!idle && container?.state === 'waiting');
  return {
    title: `${name} of the node is stuck: ${why}`,
    action: 'fix_configuration',
    advice: [
      ...(helper ? [helper.lacks] : []),
      (cause ?? image)?.advice ?? adviceFor(part),
      ...(image && !cause && !helper && pod.part === 'driver' ? [DRIVER_TAG] : []),
    ].join(' '),
    confidence: isShown ? 'high' : 'medium',
    wouldChange: idle
      ? 'An image that is still being pulled, or a kubelet that is not at work.'
      : 'A part that has just been started and still comes up.',
  } as const;
}

/** NVIDIA/gpu-operator, internal/image and the driver's documentation. */
const DRIVER_TAG =
  'The tag of a driver image names driver version, OS and, precompiled, the kernel of the node: choose a version that is published for them.';

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Nothing is to be done on a node for what anybody who may create a pod can claim. */
const claimed = ({ pod }: StuckPart) =>
  ({
    title: `A pod that calls itself the ${pod.part} of the node is stuck`,
    action: 'watch',
    advice:
      'Only its labels or its name say that it is NVIDIA’s software: no DaemonSet that is given the node owns it, and its namespace is none where that software is known to run. See whose pod it is before anything is done on the node.',
    confidence: 'low',
    wouldChange: 'A part of an operator that is given nothing of the node.',
  }) as const;

/** Who waits is well again once this one is; who is stuck for itself has a cause of its own. */
function waitEvidence(pod: StackPod, others: readonly StuckPart[]): Evidence[] {
  const own = others.filter(other => !other.pod.isClaim && other.pod.part !== pod.part);
  const told = (words: string, parts: readonly StuckPart[]): Evidence[] =>
    parts.length === 0
      ? []
      : [
          {
            what: `${words}: ${[...new Set(parts.map(other => other.pod.part))].join(', ')}`,
            source: 'pods of the node',
          },
        ];
  const { waits = [], fails = [] } = Object.groupBy(own, other =>
    awaitedBy(other) === undefined ? 'fails' : 'waits',
  );
  return [...told('wait behind it', waits), ...told('stuck as well', fails)];
}

/** What its own log gives as the cause, or the kubelet of one of which nothing begins. */
const wordsOf = ({ pod: { log }, idle }: StuckPart) => {
  const cause = known(log)?.cause;
  return (cause && STACK_WORDS[cause]) ?? (idle?.refusal && refusalWords(idle.refusal));
};

const whyOf = (part: StuckPart): string => {
  const { pod, container, idle } = part;
  if (idle) return idleFor(pod, idle);
  return container ? stateOf(container, part) : pod.reason || pod.phase;
};

/** `container nvidia-driver-ctr CrashLoopBackOff, exit code 1`, and what the runtime says of it. */
function stateOf(container: ClusterContainer, { loops }: Pick<StuckPart, 'loops'>): string {
  const { name, init, state, reason, message, ended, endedBefore } = container;
  const goesOn = state === 'running' && !loops;
  // A run that goes on has got over the end of the one before it.
  const exit = ended ?? (goesOn ? undefined : endedBefore);
  // The kubelet says of it how long it waits, and names the pod again.
  const words = (reason === 'CrashLoopBackOff' ? '' : message) || exit?.message;
  const waits = isInitRunning(container) ? 'waits' : 'runs and is not ready';
  const doing = goesOn ? waits : 'runs again after its end';
  return [
    `${init ? 'init container' : 'container'} ${name} ${state === 'running' ? doing : reason || 'has ended'}`,
    ...(exit && KILLED.test(exit.reason) && exit.reason !== reason ? [exit.reason] : []),
    ...(exit && exit.exitCode !== 0 ? [`exit code ${exit.exitCode}`] : []),
    ...(words ? [words] : []),
  ].join(', ');
}

/** Reasons of an end that say more than its exit code. */
const KILLED = /^OOMKilled$/;

function evidenceOf(part: StuckPart): Evidence {
  const { pod, container, idle } = part;
  const name = `${plainText(pod.namespace, 63)}/${plainText(pod.name, 253)}`;
  const restarts = container && container.restarts > 0 ? `, ${container.restarts} restarts` : '';
  const why = container || idle ? whyOf(part) : `${pod.phase} ${pod.reason}`;
  return {
    what: `pod ${name}: ${plainText(why, 400)}${restarts}`,
    source: 'status of the pod',
    ...optional({ time: container?.startedAt }),
    command: commandFor(pod, container),
  };
}

/** Where its own words are: in the log of the container, and of one that never ran in the pod's events. */
const commandFor = (pod: StackPod, container: ClusterContainer | undefined): string =>
  container && hasRun(container)
    ? shell`kubectl logs -n ${pod.namespace} ${pod.name} -c ${container.name}`
    : shell`kubectl describe pod -n ${pod.namespace} ${pod.name}`;

/** What init containers do that wait for no other part. */
const HOLDS: Readonly<Record<string, string>> = {
  // NVIDIA/k8s-driver-manager: before a driver is installed it frees the node of the one before.
  'k8s-driver-manager':
    'The driver manager evicts the pods that use GPUs and unloads the old driver, and waits while a program still holds it: its log names it.',
  // Mellanox/network-operator-init-container, cmd/…/app.go: safe driver loading.
  'network-operator-init-container':
    'The network’s driver is not loaded before the node is drained: the operator then takes the annotation nvidia.com/ofed-driver-upgrade.driver-wait-for-safe-load from the node. Look how far its upgrade is (label nvidia.com/ofed-driver-upgrade-state).',
};

/** Who deploys what a part waits for, where it is not GPU Operator. */
const DEPLOYED: Readonly<Partial<Record<StackPod['part'], string>>> = {
  'network operator':
    'a NicClusterPolicy is to deploy it (ofedDriver); with a driver of the host, set driver.rdma.useHostMofed in the ClusterPolicy',
};

function adviceFor(stuck: StuckPart): string {
  const { pod, container, loops, idle } = stuck;
  if (idle) {
    return idle.refusal
      ? 'Look at the events of the pod: the last one says what is refused.'
      : 'Look at the events of the pod: an image that is being pulled has one, and what is refused another.';
  }
  // Between its runs the kubelet says of a container that the runtime cannot start only that it waits.
  const reasons = [container, container?.ended, container?.endedBefore];
  const reason = reasons.map(each => each?.reason).join(' ');
  const goesOn = container?.state === 'running' && !loops;
  if (goesOn && isInitRunning(container)) {
    const part = awaitedBy(stuck);
    return (
      HOLDS[container.name] ??
      (part
        ? `The ${pod.part} waits for the ${part}: look whether that runs on this node, and whether ${DEPLOYED[part] ?? 'the operator is to deploy it (label nvidia.com/gpu.deploy.*)'}.`
        : `The ${pod.part} waits for what its init container checks: the log of that container says what.`)
    );
  }
  if (/CreateContainer|RunContainer|ContainerCannotRun|StartError/.test(reason)) {
    return 'The runtime could not start it: mostly the runtime class nvidia or its hook is not set up on the node. See the container toolkit.';
  }
  if (/OOMKilled/.test(reason)) {
    return 'Raise the memory limit of that container: the kernel ends it for that.';
  }
  if (pod.part === 'driver' && container && !stuck.helper && !goesOn) {
    return 'Read the log of its driver container: mostly a kernel without headers, nouveau or another driver that is loaded, or Secure Boot with an unsigned module.';
  }
  return container
    ? 'Read the log of that container; delete the pod once its cause is gone, so that it begins anew.'
    : 'Look at the events of the pod; delete it once its cause is gone, so that it begins anew.';
}
