import type {
  ClusterContainer,
  ClusterNode,
  ClusterView,
  StackPod,
} from '../../contract/cluster-view.ts';
import { STACK_PARTS } from '../../contract/cluster-view.ts';
import type { Evidence } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type Clue, nodeClue } from '../clue.ts';
import { rule } from '../rule.ts';

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
    const stack = known(cluster?.pods)?.stack ?? [];
    return [...stuckPart(stack), ...(node ? [...migState(node), ...upgradeState(node)] : [])];
  },
);

interface Stuck {
  readonly pod: StackPod;
  readonly container: ClusterContainer | undefined;
}

/** Without these parts pods get no GPU; the others only watch and label. */
const NEEDED: readonly StackPod['part'][] = [
  'driver',
  'container toolkit',
  'validator',
  'device plugin',
  'DRA driver',
  'MIG manager',
];

function stuckPart(stack: readonly StackPod[]): readonly Clue[] {
  const stuck = stack
    .filter(pod => !pod.deleting)
    .flatMap((pod): Stuck[] => {
      const container = stuckContainer(pod);
      return container || isStuck(pod) ? [{ pod, container }] : [];
    })
    .toSorted(
      (a, b) =>
        STACK_PARTS.indexOf(a.pod.part) - STACK_PARTS.indexOf(b.pod.part) || waits(a) - waits(b),
    );
  const [first, ...others] = stuck;
  if (!first) return [];
  const { pod, container } = first;
  const waiting = [...new Set(others.map(other => other.pod.part))].filter(
    part => part !== pod.part,
  );
  const why = container ? reasonOf(container) : pod.reason || pod.phase;
  const name = `${plainText(pod.namespace, 63)}/${plainText(pod.name, 253)}`;
  return [
    nodeClue('gpu-stack-stuck', {
      severity: NEEDED.includes(pod.part) ? 'warning' : 'info',
      component: 'kubernetes',
      title: `The ${pod.part} of the node is stuck: ${plainText(why, 120)}`,
      action: 'fix_configuration',
      advice: adviceFor(first),
      blame: 'configuration',
      confidence: container?.state === 'waiting' ? 'high' : 'medium',
      wouldChange: 'A part that has just been started and still comes up.',
      evidence: [
        evidenceOf(first, name),
        ...(waiting.length > 0
          ? [{ what: `wait behind it: ${waiting.join(', ')}`, source: 'pods of the node' }]
          : []),
      ],
    }),
  ];
}

/** Who waits for another part comes behind that part, also within one kind of pod. */
const waits = ({ container }: Stuck): number => (container?.init && waitsFor(container) ? 1 : 0);

/**
 * A container that waits for a reason cannot start; an init container that runs waits for something, but
 * for a sidecar among them, which runs for good (kubernetes.io, Sidecar Containers).
 */
const stuckContainer = ({ phase, containers }: StackPod): ClusterContainer | undefined =>
  containers.find(({ state, reason }) => state === 'waiting' && !BEGINS.test(reason)) ??
  containers.find(({ init, state }) => init && state === 'running' && phase === 'Pending');

/** What every container says while it comes up, and one that waits for the init containers. */
const BEGINS = /^(?:|ContainerCreating|PodInitializing)$/;

const isStuck = ({ phase, reason }: StackPod): boolean => phase === 'Failed' && reason !== '';

function reasonOf({ name, init, state, reason, message, ended, endedBefore }: ClusterContainer) {
  const exit = ended ?? endedBefore;
  const kind = init ? 'init container' : 'container';
  return [
    `${kind} ${name} ${state === 'running' ? 'waits' : reason}`,
    ...(exit && exit.exitCode !== 0 ? [`exit code ${exit.exitCode}`] : []),
    ...(message || exit?.message ? [message || exit?.message] : []),
  ].join(', ');
}

function evidenceOf({ pod, container }: Stuck, name: string): Evidence {
  const restarts = container && container.restarts > 0 ? `, ${container.restarts} restarts` : '';
  const why = container ? reasonOf(container) : `${pod.phase} ${pod.reason}`;
  const logs = shell`kubectl logs -n ${pod.namespace} ${pod.name}`;
  return {
    what: `pod ${name}: ${plainText(why, 250)}${restarts}`,
    source: 'status of the pod',
    ...optional({ time: container?.startedAt }),
    command: container ? logs + shell` -c ${container.name}` : logs,
  };
}

/** The part that an init container of GPU Operator waits for, by its name. */
function waitsFor({ name }: ClusterContainer): StackPod['part'] | undefined {
  if (/^driver-/.test(name)) return 'driver';
  if (/^toolkit-/.test(name)) return 'container toolkit';
  if (/^plugin-/.test(name)) return 'device plugin';
  return undefined;
}

/** NVIDIA/k8s-driver-manager: before a driver is installed it frees the node of the one before. */
const DRIVER_MANAGER = 'k8s-driver-manager';

function adviceFor({ pod, container }: Stuck): string {
  const reason = container?.reason ?? '';
  if (IMAGE.test(reason)) {
    return pod.part === 'driver'
      ? 'There is no such driver image: its tag names driver version, kernel and OS of the node. Choose a version that is published for them, or check the pull secret.'
      : 'Check the tag, the registry and the pull secret of its image.';
  }
  if (container?.init && container.state === 'running') {
    if (container.name === DRIVER_MANAGER) {
      return 'It evicts the pods that use GPUs and unloads the old driver, and waits while a program still holds it: see its log.';
    }
    const part = waitsFor(container);
    return part
      ? `It waits for the ${part}: look whether that runs on this node, and whether the operator is to deploy it (label nvidia.com/gpu.deploy.*).`
      : 'It waits for what its init container checks: see its log.';
  }
  if (/CreateContainer|RunContainer|StartError/.test(reason)) {
    return 'The runtime could not start it: mostly the runtime class nvidia or its hook is not set up on the node. See the container toolkit.';
  }
  if (pod.part === 'driver') {
    return 'See its log: mostly a kernel without headers, nouveau or another driver that is loaded, or Secure Boot with an unsigned module.';
  }
  return 'See the log of that container; delete the pod once its cause is gone, so that it begins anew.';
}

/** Why the kubelet could not get an image: pkg/kubelet/images/types.go, and the runtimes' own words. */
const IMAGE = /Image(?:Pull|Inspect)|ErrImage|InvalidImage|RegistryUnavailable|SignatureValidation/;

const MIG_STATE = 'nvidia.com/mig.config.state';
const MIG_CONFIG = 'nvidia.com/mig.config';

/** The label of the MIG manager: success, pending, rebooting, failed. */
function migState(node: ClusterNode): readonly Clue[] {
  const state = node.labels[MIG_STATE];
  if (state === undefined || state === 'success') return [];
  const wanted = plainText(node.labels[MIG_CONFIG] ?? 'a configuration', 64);
  const wouldChange = 'A MIG manager that is gone leaves a stale label behind.';
  return [
    state === 'failed'
      ? stateClue(node, MIG_STATE, {
          ...{ rule: 'mig-configuration', hasFailed: true, wouldChange },
          title: `MIG could not be set to ${wanted}`,
          advice:
            'See the log of nvidia-mig-manager on this node: mostly a process still holds a GPU, or the profile does not fit its product.',
        })
      : stateClue(node, MIG_STATE, {
          ...{ rule: 'mig-configuration', hasFailed: false, wouldChange },
          title: `MIG is being set to ${wanted}: ${plainText(state, 32)}`,
          advice: 'Pods get no GPU of this node until it is done.',
        }),
  ];
}

const UPGRADE_STATE = 'nvidia.com/gpu-driver-upgrade-state';

/** The label of GPU Operator's upgrade controller. */
function upgradeState(node: ClusterNode): readonly Clue[] {
  const state = node.labels[UPGRADE_STATE];
  if (state === undefined || state === '' || state === 'upgrade-done') return [];
  return [
    state === 'upgrade-failed'
      ? stateClue(node, UPGRADE_STATE, {
          ...{ rule: 'driver-upgrade', hasFailed: true },
          title: 'The operator could not upgrade the driver of this node',
          advice:
            'See the driver pod of this node and the events of the operator; set the label to upgrade-required to begin anew.',
        })
      : stateClue(node, UPGRADE_STATE, {
          ...{ rule: 'driver-upgrade', hasFailed: false },
          title: `The operator is upgrading the driver of this node: ${plainText(state, 48)}`,
          advice:
            'Wait for it before you act: it cordons, drains and restarts the driver by itself.',
        }),
  ];
}

/** What a controller notes in a label of the node: that it could not do something, or still does it. */
const stateClue = (
  node: ClusterNode,
  key: string,
  {
    rule: name,
    hasFailed,
    ...words
  }: Pick<Clue, 'title' | 'advice' | 'wouldChange'> & {
    readonly rule: string;
    readonly hasFailed: boolean;
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
    ],
  });
