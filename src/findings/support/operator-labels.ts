import type { ClusterNode, StackPod } from '../../contract/cluster-view.ts';
import type { Evidence } from '../../contract/finding.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import { hasRun } from '../../contract/stuck-stack.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type Clue, nodeClue } from '../clue.ts';
import { logEvidence, STACK_WORDS } from './stack-causes.ts';

/** The pods of NVIDIA's software on a node; undefined where not all pods could be listed. */
type Stack = readonly StackPod[] | undefined;

/** What the operators' controllers note in labels of the node: how far they are, and what they hold back. */
export function labelClues(node: ClusterNode, stack: Stack): readonly Clue[] {
  const own = stack?.filter(({ deleting, isClaim }) => !deleting && !isClaim);
  return [...migState(node, own), ...upgradeStates(node, own), ...heldBack(node, own)];
}

const MIG_STATE = 'nvidia.com/mig.config.state';
const MIG_CONFIG = 'nvidia.com/mig.config';

/** The label of the MIG manager: success, pending, rebooting, failed (NVIDIA/mig-parted, pkg/mig/reconfigure). */
function migState(node: ClusterNode, stack: Stack): readonly Clue[] {
  const state = node.labels[MIG_STATE];
  if (state === undefined || state === 'success') return [];
  const wanted = plainText(node.labels[MIG_CONFIG] ?? 'a configuration', 64);
  const wouldChange = 'A MIG manager that is gone leaves a stale label behind.';
  const paused = pausedEvidence(node, MIG_CHANGE);
  if (state === 'failed') {
    const manager = stack?.find(({ part }) => part === 'MIG manager');
    const cause = manager?.log && known(manager.log)?.cause;
    const words = cause && STACK_WORDS[cause];
    return [
      stateClue(node, MIG_STATE, {
        ...{ rule: 'mig-configuration', hasFailed: true, wouldChange },
        told: [...(manager ? logEvidence(manager) : []), ...paused, ...podOf(stack, 'MIG manager')],
        title: `MIG could not be set to ${wanted}${words ? `: ${words.is}` : ''}`,
        advice: `${words?.advice ?? 'Read the log of the MIG manager on this node: mostly a process still holds a GPU, or the profile does not fit its product.'}${paused.length > 0 ? ' What it has paused stays so until a configuration is applied.' : ''}`,
      }),
    ];
  }
  const isAlone = stack?.every(({ part }) => part !== 'MIG manager') === true;
  if (!isAlone) {
    return [
      stateClue(node, MIG_STATE, {
        ...{ rule: 'mig-configuration', hasFailed: false, wouldChange, told: paused },
        title: `MIG is being set to ${wanted}: ${plainText(state, 32)}`,
        advice: 'Pods get no GPU of this node until it is done.',
      }),
    ];
  }
  return [
    stateClue(node, MIG_STATE, {
      ...{ rule: 'mig-configuration', hasFailed: true, told: paused },
      title: `MIG was to be set to ${wanted} and is ${plainText(state, 32)}, but no MIG manager runs on this node`,
      advice:
        'Nobody goes on with it: look whether the operator is to deploy a MIG manager here (label nvidia.com/gpu.deploy.mig-manager). The GPUs themselves say how they are configured: get_gpu_inventory.',
      confidence: 'medium',
      wouldChange: 'A MIG manager that runs as a service of the host, or a pod that is just made.',
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

interface UpgradeState {
  /** Behind "The operator"; WHAT is what it upgrades. */
  readonly does: string;
  readonly advice: string;
}

/** Pods lose their GPUs in it, and get them back after it. */
const TAKES =
  'Jobs on this node end by that and by no fault: let it be done before anything else is done to the node.';

/** pkg/upgrade/consts.go and docs/automatic-ofed-upgrade.md of that library. */
const UPGRADE_STATES: Readonly<Record<string, UpgradeState>> = {
  'upgrade-required': {
    does: 'is to upgrade WHAT of this node and has not begun',
    advice:
      'The node waits for its turn (maxParallelUpgrades, maxUnavailable), or is left out (its label *-driver-upgrade.skip): nothing is done to it before. Start no long job here.',
  },
  'cordon-required': {
    does: 'is upgrading WHAT of this node: it cordons the node',
    advice: TAKES,
  },
  'wait-for-jobs-required': {
    does: 'is to upgrade WHAT of this node and waits for its jobs to end',
    advice:
      'It goes on when they have ended, or after waitForCompletion.timeoutSeconds of its upgradePolicy: without one it waits for as long as they run.',
  },
  'pod-deletion-required': {
    does: 'is upgrading WHAT of this node: it deletes the pods that use GPUs',
    advice: TAKES,
  },
  'drain-required': { does: 'is upgrading WHAT of this node: it drains the node', advice: TAKES },
  'node-maintenance-required': {
    does: 'is to upgrade WHAT of this node and waits for the maintenance operator',
    advice: 'See the NodeMaintenance of this node: that operator cordons and drains it.',
  },
  'post-maintenance-required': {
    does: 'is upgrading WHAT of this node: its maintenance is done',
    advice: TAKES,
  },
  'pod-restart-required': {
    does: 'is upgrading WHAT of this node: it starts the driver pod anew',
    advice: TAKES,
  },
  'validation-required': {
    does: 'is upgrading WHAT of this node: the new one is being validated',
    advice: 'It has ten minutes for that: see the validator of this node.',
  },
  'uncordon-required': {
    does: 'has upgraded WHAT of this node and is about to uncordon it',
    advice: 'Wait for it: it uncordons the node by itself.',
  },
};

const upgradeStates = (node: ClusterNode, stack: Stack): readonly Clue[] =>
  UPGRADES.flatMap(({ key, rule: name, part, what }) => {
    const state = node.labels[key];
    if (state === undefined || state === '' || state === 'upgrade-done') return [];
    if (state === 'upgrade-failed') {
      return [
        stateClue(node, key, {
          ...{ rule: name, hasFailed: true },
          told: [...pausedEvidence(node, DRIVER_UPGRADE), ...podOf(stack, part)],
          title: `The operator could not upgrade ${what} of this node`,
          advice:
            'Read the log of the driver pod of this node, and the events of the operator; set the label to upgrade-required to begin anew.',
        }),
      ];
    }
    const { does, advice } = UPGRADE_STATES[state] ?? {
      does: `notes ${plainText(state, 48)} of the upgrade of WHAT of this node`,
      advice: 'Look what that state is to the version of the operator that runs here.',
    };
    return [
      stateClue(node, key, {
        ...{ rule: name, hasFailed: false },
        title: `The operator ${does.replace('WHAT', what)}`,
        advice,
      }),
    ];
  });

/** NVIDIA/gpu-operator, controllers/state_manager.go: a part is deployed where its label is `true`. */
const DEPLOY = /^nvidia\.com\/gpu\.deploy\.([\w-]{1,64})$/;
/** NVIDIA/mig-parted, pkg/mig/reconfigure, and NVIDIA/k8s-driver-manager, cmd/driver-manager/main.go. */
const MIG_CHANGE = 'paused-for-mig-change';
const DRIVER_UPGRADE = 'paused-for-driver-upgrade';
/** Without one of these pods get no GPU; `operands` is all of them. */
const SERVES = ['device-plugin', 'dra-driver', 'container-toolkit', 'operands'];

const deployed = ({ labels }: ClusterNode, isOf: (value: string) => boolean): readonly string[] =>
  Object.entries(labels).flatMap(([key, value]) => {
    const part = DEPLOY.exec(key)?.[1];
    return part !== undefined && isOf(value) ? [part] : [];
  });

const pausedFor = (node: ClusterNode, why: string): readonly string[] =>
  deployed(node, value => value.includes(why));

function pausedEvidence(node: ClusterNode, why: string): Evidence[] {
  const parts = pausedFor(node, why);
  if (parts.length === 0) return [];
  return [
    {
      what: `${why} of nvidia.com/gpu.deploy.*: ${parts.join(', ')}`,
      source: 'labels of the node',
      command: shell`kubectl get node ${node.name} --show-labels`,
    },
  ];
}

/** Whether a label of the node keeps the operator from deploying what pods get their GPUs by. */
export const isHeldBack = (node: ClusterNode): boolean =>
  deployed(node, value => value === 'false' || /paused-for-/.test(value)).some(part =>
    SERVES.includes(part),
  );

/** Parts that the operator does not deploy here: left paused by who has ended before it was done, or switched off. */
function heldBack(node: ClusterNode, stack: Stack): readonly Clue[] {
  const mig = node.labels[MIG_STATE];
  // While MIG is changed, and after it failed, that is what is told.
  const isOfMig = mig !== undefined && mig !== 'success';
  const left = [
    ...(isOfMig ? [] : [MIG_CHANGE]),
    ...(isUnloading(node, stack) ? [] : [DRIVER_UPGRADE]),
  ].filter(why => pausedFor(node, why).length > 0);
  const paused = [...new Set(left.flatMap(why => pausedFor(node, why)))];
  const off = deployed(node, value => value === 'false').filter(part => SERVES.includes(part));
  return [
    ...(paused.length > 0
      ? [
          nodeClue('operator-paused', {
            ...LABELLED,
            severity: paused.some(part => SERVES.includes(part)) ? 'warning' : 'info',
            title: `Parts of GPU Operator are left paused on this node, and nothing is at work that would take that back: ${paused.join(', ')}`,
            action: 'fix_configuration',
            advice:
              'The operator does not deploy them here while their labels say so. If neither MIG nor the driver is being changed, set these labels back to true.',
            wouldChange: 'A MIG manager or a driver manager that works on this node unseen.',
            evidence: left.flatMap(why => pausedEvidence(node, why)),
          }),
        ]
      : []),
    ...(off.length > 0
      ? [
          nodeClue('operator-switched-off', {
            ...LABELLED,
            severity: 'info',
            title: `GPU Operator is told to leave this node without ${off.map(part => (part === 'operands' ? 'any of its parts' : part)).join(', ')}`,
            action: 'watch',
            advice: 'Ask who set that label, if pods are to get GPUs here by the operator.',
            evidence: [
              {
                what: off.map(part => `nvidia.com/gpu.deploy.${part}=false`).join(', '),
                source: 'labels of the node',
                command: shell`kubectl get node ${node.name} --show-labels`,
              },
            ],
          }),
        ]
      : []),
  ];
}

const LABELLED = {
  component: 'kubernetes',
  blame: 'configuration',
  confidence: 'medium',
} as const;

/** The driver manager pauses the others while it works, and no longer; who sees no pods knows nothing of it. */
function isUnloading(node: ClusterNode, stack: Stack): boolean {
  const upgrade = node.labels['nvidia.com/gpu-driver-upgrade-state'] ?? '';
  return (
    stack === undefined ||
    !/^(?:|upgrade-done)$/.test(upgrade) ||
    stack.some(
      ({ part, phase, containers }) =>
        part === 'driver' &&
        (phase === 'Pending' ||
          containers.some(
            ({ name, state }) => name === 'k8s-driver-manager' && state !== 'terminated',
          )),
    )
  );
}

/** The pod of this part that is there, as evidence of where its log is. */
function podOf(stack: Stack = [], part: StackPod['part']): Evidence[] {
  const pod = stack.find(each => each.part === part);
  if (!pod) return [];
  const { namespace, name, phase, containers } = pod;
  const container = containers.find(each => !each.init && hasRun(each));
  return [
    {
      what: `pod ${plainText(namespace, 63)}/${plainText(name, 253)} is ${phase}`,
      source: 'pods of the node',
      command: container
        ? shell`kubectl logs -n ${namespace} ${name} -c ${container.name}`
        : shell`kubectl describe pod -n ${namespace} ${name}`,
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
  }: Pick<Clue, 'title' | 'advice'> & {
    readonly rule: string;
    readonly hasFailed: boolean;
    readonly told?: readonly Evidence[];
    readonly confidence?: Clue['confidence'];
    readonly wouldChange?: string;
  },
): Clue =>
  nodeClue(name, {
    ...{ severity: hasFailed ? 'warning' : 'info', component: 'kubernetes' },
    ...{ action: hasFailed ? 'fix_configuration' : 'watch', blame: 'configuration' },
    confidence: 'high',
    ...words,
    evidence: [
      {
        what: `${key}=${node.labels[key]}`,
        source: 'labels of the node',
        command: shell`kubectl get node ${node.name} --show-labels`,
      },
      ...told,
    ],
  });
