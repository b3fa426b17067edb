import type {
  ClusterContainer,
  ClusterNode,
  ClusterPods,
  ClusterView,
  StackPod,
} from '../../contract/cluster-view.ts';
import type { Evidence } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { shell } from '../../contract/printed-command.ts';
import { known, reasonWords } from '../../contract/reading.ts';
import {
  hasRun,
  isInitRunning,
  partAwaitedBy,
  type StuckPart,
  stuckParts,
} from '../../contract/stuck-stack.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type Clue, nodeClue } from '../clue.ts';
import { rule } from '../rule.ts';
import { STACK_WORDS } from '../support/stack-causes.ts';

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
    const stack = pods?.stack ?? [];
    return [
      ...stuckPart(pods),
      ...(node ? [...migState(node, stack), ...upgradeStates(node, stack)] : []),
    ];
  },
);

/** The id of the finding that a part is stuck. */
export const STACK_STUCK = 'gpu-stack-stuck';

/** Without these parts pods get no GPU; the others only watch and label. */
const NEEDED: readonly StackPod['part'][] = [
  'driver',
  'container toolkit',
  'validator',
  'device plugin',
  'DRA driver',
  'MIG manager',
];

function stuckPart(pods: ClusterPods | undefined): readonly Clue[] {
  const parts = stuckParts(pods);
  const [first, ...others] = parts;
  if (!first) return [];
  const isNeeded = parts.some(({ pod }) => !pod.isClaim && NEEDED.includes(pod.part));
  const { pod, container } = first;
  const cause = wordsOf(pod);
  const why = container ? stateOf(container, first) : pod.reason || pod.phase;
  return [
    nodeClue(STACK_STUCK, {
      severity: isNeeded ? 'warning' : 'info',
      component: 'kubernetes',
      blame: 'configuration',
      ...(pod.isClaim
        ? claimed(first)
        : {
            title: `The ${pod.part} of the node is stuck: ${cause?.is ?? plainText(why, 120)}`,
            action: 'fix_configuration',
            advice: cause?.advice ?? adviceFor(first),
            confidence: cause || container?.state === 'waiting' ? 'high' : 'medium',
            wouldChange: 'A part that has just been started and still comes up.',
          }),
      evidence: [evidenceOf(first), ...logEvidence(first), ...waitEvidence(pod, others)],
      counterEvidence: [
        ...(pod.log && !pod.log.ok ? [`its log was not read: ${reasonWords(pod.log.reason)}`] : []),
        ...(known(pod.log)?.newestUnread
          ? ['the last lines of its log are too long to be read']
          : []),
      ],
    }),
  ];
}

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

function waitEvidence(pod: StackPod, others: readonly StuckPart[]): Evidence[] {
  const parts = others.filter(other => !other.pod.isClaim).map(other => other.pod.part);
  const waiting = [...new Set(parts)].filter(part => part !== pod.part);
  return waiting.length > 0
    ? [{ what: `wait behind it: ${waiting.join(', ')}`, source: 'pods of the node' }]
    : [];
}

/** What its own log gives as the cause. */
const wordsOf = ({ log }: StackPod) => {
  const cause = known(log)?.cause;
  return cause && STACK_WORDS[cause];
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
    ...(exit && exit.exitCode !== 0 ? [`exit code ${exit.exitCode}`] : []),
    ...(words ? [words] : []),
  ].join(', ');
}

function evidenceOf(part: StuckPart): Evidence {
  const { pod, container } = part;
  const name = `${plainText(pod.namespace, 63)}/${plainText(pod.name, 253)}`;
  const restarts = container && container.restarts > 0 ? `, ${container.restarts} restarts` : '';
  const why = container ? stateOf(container, part) : `${pod.phase} ${pod.reason}`;
  return {
    what: `pod ${name}: ${plainText(why, 250)}${restarts}`,
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

function logEvidence({ pod }: StuckPart): Evidence[] {
  const log = known(pod.log);
  if (!log || log.text === '') return [];
  const run = log.previous ? ' of the run before' : '';
  const named = log.cause === undefined ? 'its log ends' : 'its log says';
  return [
    {
      what: `${named}: "${plainText(log.text, 200)}"`,
      source: `log of container ${plainText(log.container, 64)}${run}, ${log.lines} lines`,
      ...optional({ time: log.at }),
      command:
        shell`kubectl logs -n ${pod.namespace} ${pod.name} -c ${log.container}` +
        (log.previous ? ' --previous' : ''),
    },
  ];
}

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

function adviceFor({ pod, container, loops }: StuckPart): string {
  // Between its runs the kubelet says of a container that the runtime cannot start only that it waits.
  const reasons = [container, container?.ended, container?.endedBefore];
  const reason = reasons.map(each => each?.reason).join(' ');
  if (IMAGE.test(reason)) {
    return pod.part === 'driver'
      ? 'There is no such driver image: its tag names driver version, kernel and OS of the node. Choose a version that is published for them, or check the pull secret.'
      : 'Check the tag, the registry and the pull secret of its image.';
  }
  const goesOn = container?.state === 'running' && !loops;
  if (goesOn && isInitRunning(container)) {
    const part = partAwaitedBy(container);
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
  if (pod.part === 'driver' && container && !goesOn) {
    return 'Read the log of its driver container: mostly a kernel without headers, nouveau or another driver that is loaded, or Secure Boot with an unsigned module.';
  }
  return container
    ? 'Read the log of that container; delete the pod once its cause is gone, so that it begins anew.'
    : 'Look at the events of the pod; delete it once its cause is gone, so that it begins anew.';
}

/** Why the kubelet could not get an image: pkg/kubelet/images/types.go, and the runtimes' own words. */
const IMAGE = /Image(?:Pull|Inspect)|ErrImage|InvalidImage|RegistryUnavailable|SignatureValidation/;

const MIG_STATE = 'nvidia.com/mig.config.state';
const MIG_CONFIG = 'nvidia.com/mig.config';

/** The label of the MIG manager: success, pending, rebooting, failed. */
function migState(node: ClusterNode, stack: readonly StackPod[]): readonly Clue[] {
  const state = node.labels[MIG_STATE];
  if (state === undefined || state === 'success') return [];
  const wanted = plainText(node.labels[MIG_CONFIG] ?? 'a configuration', 64);
  const wouldChange = 'A MIG manager that is gone leaves a stale label behind.';
  return [
    state === 'failed'
      ? stateClue(node, MIG_STATE, {
          ...{ rule: 'mig-configuration', hasFailed: true, wouldChange },
          told: podOf(stack, 'MIG manager'),
          title: `MIG could not be set to ${wanted}`,
          advice:
            'Read the log of the MIG manager on this node: mostly a process still holds a GPU, or the profile does not fit its product.',
        })
      : stateClue(node, MIG_STATE, {
          ...{ rule: 'mig-configuration', hasFailed: false, wouldChange },
          title: `MIG is being set to ${wanted}: ${plainText(state, 32)}`,
          advice: 'Pods get no GPU of this node until it is done.',
        }),
  ];
}

/** The labels of the upgrade controllers of GPU Operator and Network Operator (NVIDIA/k8s-operator-libs). */
const UPGRADES: readonly {
  readonly key: string;
  readonly rule: string;
  readonly part: StackPod['part'];
  readonly what: string;
}[] = [
  {
    ...{ key: 'nvidia.com/gpu-driver-upgrade-state', rule: 'driver-upgrade' },
    ...{ part: 'driver', what: 'the driver' },
  },
  {
    ...{ key: 'nvidia.com/ofed-driver-upgrade-state', rule: 'network-driver-upgrade' },
    ...{ part: 'network operator', what: 'the network’s driver (DOCA-OFED)' },
  },
];

const upgradeStates = (node: ClusterNode, stack: readonly StackPod[]): readonly Clue[] =>
  UPGRADES.flatMap(({ key, rule: name, part, what }) => {
    const state = node.labels[key];
    if (state === undefined || state === '' || state === 'upgrade-done') return [];
    return [
      state === 'upgrade-failed'
        ? stateClue(node, key, {
            ...{ rule: name, hasFailed: true },
            told: podOf(stack, part),
            title: `The operator could not upgrade ${what} of this node`,
            advice:
              'Read the log of the driver pod of this node, and the events of the operator; set the label to upgrade-required to begin anew.',
          })
        : stateClue(node, key, {
            ...{ rule: name, hasFailed: false },
            title: `The operator is upgrading ${what} of this node: ${plainText(state, 48)}`,
            advice:
              'Wait for it before you act: it cordons, drains and restarts the driver by itself.',
          }),
    ];
  });

/** The pod of this part that is there, as evidence of where its log is. */
function podOf(stack: readonly StackPod[], part: StackPod['part']): Evidence[] {
  const pod = stack.find(each => each.part === part && !each.deleting && !each.isClaim);
  if (!pod) return [];
  const container = pod.containers.find(each => !each.init && hasRun(each));
  return [
    {
      what: `pod ${plainText(pod.namespace, 63)}/${plainText(pod.name, 253)} is ${pod.phase}`,
      source: 'pods of the node',
      command: commandFor(pod, container),
    },
  ];
}

/** What a controller notes in a label of the node: that it could not do something, or still does it. */
const stateClue = (
  node: ClusterNode,
  key: string,
  {
    rule: name,
    hasFailed,
    told = [],
    ...words
  }: Pick<Clue, 'title' | 'advice' | 'wouldChange'> & {
    readonly rule: string;
    readonly hasFailed: boolean;
    readonly told?: readonly Evidence[];
  },
): Clue =>
  nodeClue(name, {
    ...words,
    severity: hasFailed ? 'warning' : 'info',
    component: 'kubernetes',
    action: hasFailed ? 'fix_configuration' : 'watch',
    blame: 'configuration',
    confidence: 'high',
    evidence: [
      {
        what: `${key}=${node.labels[key]}`,
        source: 'labels of the node',
        command: shell`kubectl get node ${node.name} --show-labels`,
      },
      ...told,
    ],
  });
