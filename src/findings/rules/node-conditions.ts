import type { ClusterCondition, ClusterNode, ClusterView } from '../../contract/cluster-view.ts';
import { optional } from '../../contract/optional.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import { isoTime } from '../../contract/time.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, nodeClue } from '../clue.ts';
import { rule } from '../rule.ts';
import { type OfferingHost, offeredDevices } from '../support/layers.ts';
import { namedGpus } from '../support/named-gpus.ts';
import { type PlatformWord, platformWord } from '../support/platform-words.ts';

/** What the node itself shows, as far as the cluster's word is compared with it. */
interface SeenOnNode {
  readonly lostGpus: number;
  /** Devices that the kubelet says it may hand out, where it could be asked. */
  readonly offeredDevices?: number;
}

/**
 * What the cluster says of the node: conditions, who cordoned it, and what it may give out. For
 * both halves: by facts where they hold the cluster's view, else on the laptop beside an answer.
 */
const clusterFindings = (node: ClusterNode, seen: SeenOnNode): readonly Clue[] => [
  ...conditions(node),
  ...cordon(node),
  ...withdrawn(node, seen),
];

/** The part of the facts that the cluster's word is compared with. */
export interface ClusterFacts extends OfferingHost {
  readonly cluster?: Pick<ClusterView, 'node'>;
  readonly driver: { readonly gpus: readonly Pick<GpuState, 'handle'>[] };
}

/**
 * What the cluster says of the node: its conditions, who cordoned it, and GPUs that it no longer gives out. Silent
 * where nobody asked the cluster.
 */
export const nodeConditions = rule(
  'node-conditions',
  { gpu: { decides: ['handle'] }, host: { tells: ['pods.allocatable'] }, cluster: true },
  (facts: ClusterFacts) => {
    const node = known(facts.cluster?.node);
    return node ? clusterFindings(node, seenOf(facts)) : [];
  },
);

function seenOf(facts: ClusterFacts): SeenOnNode {
  const { gpus } = facts.driver;
  const offered = offeredDevices(facts);
  return {
    lostGpus: gpus.filter(gpu => !gpu.handle.ok).length,
    ...(offered ? { offeredDevices: offered.length } : {}),
  };
}

/** Conditions of Kubernetes itself; `True` is bad for all but Ready. */
const PRESSURES = ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'NetworkUnavailable'];
/** Conditions for which True is good, of providers' agents that the table does not know. */
const GOOD = /Ready$|Healthy$/;
/** Of agents that the table does not know, as far as GPUs and the kernel go. */
const OF_GPUS = /gpu|nvidia|xid|nvlink|nvswitch|accelerat|infiniband|efa|rdma|kernel|filesystem/i;

function conditions(node: ClusterNode): readonly Clue[] {
  return node.conditions.flatMap(condition => {
    const { type, status } = condition;
    if (type === 'Ready')
      return status === 'True' ? [] : [conditionClue(node, condition, 'critical')];
    const word = platformWord('condition', type);
    // What the platform does is told by the rule on that.
    if (word && word.does !== 'believes') return [];
    if (word) return status === word.bad ? [conditionClue(node, condition, 'warning', word)] : [];
    const concerns = PRESSURES.includes(type) || OF_GPUS.test(type);
    const bad = GOOD.test(type) ? status === 'False' : status === 'True';
    return concerns && bad ? [conditionClue(node, condition, 'warning')] : [];
  });
}

/** By which an agent says that it cannot look, and nothing of any GPU. */
const CANNOT_LOOK = /^(?:DCGMError|GpuDcgmConnectivityFailure)/;

function conditionClue(
  node: ClusterNode,
  { type, status, reason, message, since }: ClusterCondition,
  severity: 'critical' | 'warning',
  word?: PlatformWord,
): Clue {
  const name = plainText(type, 64);
  const isBlind = word !== undefined && CANNOT_LOOK.test(word.bad === 'False' ? reason : type);
  const because =
    reason === '' || reason === `${type}IsNotHealthy` ? '' : `: ${plainText(reason, 64)}`;
  const gpus = word ? namedGpus([message]) : [];
  return nodeClue('node-condition', {
    of: name,
    severity,
    component: 'kubernetes',
    title:
      word === undefined
        ? `The cluster gives this node the condition ${name}=${status}`
        : isBlind
          ? `${capital(word.who)} cannot reach DCGM and says ${name}=${status}`
          : `${capital(word.who)} says ${name}=${status}${because}`,
    action: isBlind ? 'fix_configuration' : 'watch',
    advice: isBlind
      ? `It says nothing of the GPUs: see whether a DCGM host engine runs for it on this node.${repairWords(word, since)}`
      : `Compare with what the node itself shows below; the condition may be older than its cause.${repairWords(word, since)}`,
    blame: isBlind ? 'configuration' : 'unknown',
    confidence: 'medium',
    ...(gpus.length > 0 && { gpus: [...gpus] }),
    wouldChange: 'A condition that is taken back once its cause is gone.',
    evidence: [
      {
        what: `${name}=${status}, ${plainText(reason, 64)}: ${plainText(message, 200)}`,
        source: 'status.conditions of the node',
        time: since,
        command: shell`kubectl describe node ${node.name}`,
      },
    ],
  });
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** EKS repairs by itself after a while; with two reasons by turns its clock begins anew (Karpenter's issue 2833). */
function repairWords(word: PlatformWord | undefined, since: string): string {
  const minutes = word?.repairAfterMinutes;
  const sinceMs = Date.parse(since);
  if (minutes === undefined || Number.isNaN(sinceMs)) return '';
  return ` Where node repair is on, EKS replaces or reboots the node from ${isoTime(sinceMs + minutes * 60_000)} on, ${minutes} minutes after the condition last changed.`;
}

function cordon(node: ClusterNode): readonly Clue[] {
  if (!node.cordoned) return [];
  const by = node.cordonedBy;
  return [
    nodeClue('node-cordoned', {
      severity: 'info',
      component: 'kubernetes',
      title: `The node is cordoned${by ? ` by ${plainText(by.manager, 64)}` : ''}`,
      action: 'watch',
      advice: 'Ask who did it before you act: automation may be at work on this node.',
      blame: 'unknown',
      confidence: 'high',
      evidence: [
        {
          what: by
            ? `spec.unschedulable, last written by ${plainText(by.manager, 64)}`
            : 'spec.unschedulable',
          source: 'metadata.managedFields of the node',
          ...optional({ time: by?.time }),
          command: shell`kubectl get node ${node.name} -o yaml --show-managed-fields`,
        },
      ],
    }),
  ];
}

/** Devices that the kubelet has and may not give out: the device plugin calls them unhealthy. */
function withdrawn(
  node: ClusterNode,
  { lostGpus, offeredDevices: offered }: SeenOnNode,
): readonly Clue[] {
  return Object.entries(node.capacity).flatMap(([resource, capacity]) => {
    const allocatable = node.allocatable[resource] ?? 0;
    if (allocatable >= capacity) return [];
    const name = plainText(resource, 64);
    const lost = lostGpus > 0;
    return [
      nodeClue('fewer-allocatable', {
        severity: lost ? 'info' : 'warning',
        component: 'kubernetes',
        title: `The node has ${capacity} ${name}, of which ${allocatable} may be given to pods`,
        action: lost ? 'watch' : 'fix_configuration',
        advice:
          'The device plugin calls the others unhealthy: find the XID or the reason in its log; it takes none back without a restart.',
        blame: 'unknown',
        confidence: 'medium',
        wouldChange: 'A device plugin that has just started and counts again.',
        evidence: [
          {
            what: `capacity ${capacity}, allocatable ${allocatable}${offered === undefined ? '' : `; the kubelet lists ${offered} devices`}`,
            source: 'status of the node',
            command: shell`kubectl describe node ${node.name}`,
          },
        ],
      }),
    ];
  });
}
