import type { ClusterNode, ClusterView } from '../../contract/cluster-view.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import { isoTime } from '../../contract/time.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type Clue, nodeClue } from '../clue.ts';
import { rule } from '../rule.ts';

/** What the platform has announced or begun: maintenance, interruption, scale-down, repair. */
export const platformActions = rule(
  'platform-actions',
  { cluster: true },
  ({ cluster }: { readonly cluster?: Pick<ClusterView, 'node'> }) => {
    const node = known(cluster?.node);
    return node ? [...maintenance(node), ...takenAway(node)] : [];
  },
);

/**
 * GKE: Unix time in seconds of the next maintenance of the VM, which ends all that runs on it
 * (docs.cloud.google.com, "Manage disruption to GKE nodes that don't live migrate").
 */
const MAINTENANCE = 'cloud.google.com/scheduled-maintenance-time';
const IN_MAINTENANCE = 'cloud.google.com/active-node-maintenance';
/** AKS' node-problem-detector: scheduled events of the VM (learn.microsoft.com). */
const OF_AKS = /^(?:VMEvent|Freeze|Reboot|Redeploy|Preempt|Terminate)Scheduled$/;

function maintenance(node: ClusterNode): readonly Clue[] {
  const seconds = Number(node.labels[MAINTENANCE]);
  const active = node.labels[IN_MAINTENANCE] !== undefined;
  const planned = Number.isInteger(seconds) && seconds > 0 && seconds < 4e9;
  const events = node.conditions.filter(
    ({ type, status }) => OF_AKS.test(type) && status === 'True',
  );
  return [
    ...(planned || active
      ? [
          announced(node, {
            of: 'maintenance',
            title: active
              ? 'The platform maintains this node now'
              : `The platform maintains this node from ${isoTime(seconds * 1_000)} on`,
            what: active ? IN_MAINTENANCE : `${MAINTENANCE}=${seconds}`,
            source: 'labels of the node',
          }),
        ]
      : []),
    ...events.map(({ type, reason, message, since }) =>
      announced(node, {
        of: plainText(type, 64),
        title: `The platform has announced ${plainText(type, 64)} for this node`,
        what: `${plainText(type, 64)}, ${plainText(reason, 64)}: ${plainText(message, 200)}`,
        source: 'status.conditions of the node',
        since,
      }),
    ),
  ];
}

/** Taints by which the platform or an autoscaler takes a node, and what each means. */
const TAKEN: readonly (readonly [RegExp, string])[] = [
  [/^cloud\.google\.com\/impending-node-termination$/, 'GKE ends this node'],
  [/^aws-node-termination-handler\/spot-itn$/, 'AWS takes back this spot instance'],
  [/^aws-node-termination-handler\/scheduled-maintenance$/, 'AWS maintains this instance'],
  [
    /^aws-node-termination-handler\/rebalance-recommendation$/,
    'AWS expects to take back this spot instance',
  ],
  [
    /^aws-node-termination-handler\/asg-lifecycle-termination$/,
    'The Auto Scaling group ends this instance',
  ],
  [/^karpenter\.sh\/(?:disrupted|disruption)$/, 'Karpenter replaces or removes this node'],
  [/^ToBeDeletedByClusterAutoscaler$/, 'The cluster autoscaler removes this node'],
  [
    /^node\.cloudprovider\.kubernetes\.io\/shutdown$/,
    'The instance is shut down, by the cloud provider',
  ],
  [/^node\.kubernetes\.io\/out-of-service$/, 'Somebody has declared this node out of service'],
];

const takenAway = (node: ClusterNode): readonly Clue[] =>
  node.taints.flatMap(({ key, value, effect, since }) => {
    const words = TAKEN.find(([of]) => of.test(key))?.[1];
    if (words === undefined) return [];
    return announced(node, {
      of: plainText(key, 128),
      title: words,
      what: `taint ${plainText(key, 128)}${value && `=${plainText(value, 64)}`}:${effect}`,
      source: 'spec.taints of the node',
      since,
    });
  });

const announced = (
  node: ClusterNode,
  said: {
    readonly of: string;
    readonly title: string;
    readonly what: string;
    readonly source: string;
    readonly since?: string | undefined;
  },
): Clue =>
  nodeClue('platform-action', {
    of: said.of,
    severity: 'warning',
    component: 'kubernetes',
    title: said.title,
    action: 'watch',
    advice:
      'Jobs on it will end, or have ended, by that and by no fault: save their state and let them run elsewhere.',
    blame: 'host',
    confidence: 'high',
    wouldChange: 'A mark that its controller has forgotten to take back.',
    evidence: [
      {
        what: said.what,
        source: said.source,
        ...(said.since === undefined ? {} : { time: said.since }),
        command: shell`kubectl describe node ${node.name}`,
      },
    ],
  });
