import type {
  ClusterEvent,
  ClusterNode,
  ClusterView,
  NodeClaim,
  QuarantineEvent,
} from '../../contract/cluster-view.ts';
import { type Evidence, recordTimes } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import { isoTime } from '../../contract/time.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type Clue, nodeClue } from '../clue.ts';
import { rule } from '../rule.ts';
import { namedGpus } from '../support/named-gpus.ts';
import { type PlatformWord, platformWord } from '../support/platform-words.ts';

type Facts = {
  readonly cluster?: Pick<ClusterView, 'node' | 'nodeEvents' | 'nodeClaim'> &
    Partial<Pick<ClusterView, 'pods'>>;
};

/**
 * What the platform has announced or begun: maintenance, interruption, scale-down, repair. It is what
 * others do with the node, and never by itself a fault of its GPUs.
 */
export const platformActions = rule('platform-actions', { cluster: true }, ({ cluster }: Facts) => {
  const node = known(cluster?.node);
  if (!node) return [];
  const events = known(cluster?.nodeEvents) ?? [];
  const said = [
    ...planned(node, cluster?.pods && known(cluster.pods)?.readAt),
    ...byLabels(node),
    ...byTaints(node),
    ...byConditions(node),
    ...byClaim(cluster?.nodeClaim && known(cluster.nodeClaim)),
    ...byEvents(events),
  ];
  // One matter is told once, by its first word: an event tells of a taint, a taint of a label.
  return [...Map.groupBy(said, ({ word }) => word.says).values()].flatMap(words =>
    clueOf(node, words),
  );
});

interface PlatformSign {
  readonly word: Omit<PlatformWord, 'on' | 'key' | 'source'>;
  /** Names it among the findings of the rule. */
  readonly of: string;
  readonly evidence: Evidence;
  /** Why it is no matter of now, or not yet. */
  readonly against?: string;
}

/**
 * GKE: Unix time in seconds of the next maintenance of the VM, which ends all that runs on it
 * (docs.cloud.google.com, "Manage disruption to GKE nodes that don't live migrate").
 */
const MAINTENANCE = 'cloud.google.com/scheduled-maintenance-time';
const IN_MAINTENANCE = 'cloud.google.com/active-node-maintenance';

/** Nearer than this, and later than this after it, it is a matter of now. */
const SOON_MS = 86_400_000;

function planned(node: ClusterNode, readAt: string | undefined): readonly PlatformSign[] {
  const seconds = Number(node.labels[MAINTENANCE]);
  const isPlanned = Number.isInteger(seconds) && seconds > 0 && seconds < 4e9;
  if (!isPlanned || node.labels[IN_MAINTENANCE] !== undefined) return [];
  const at = isoTime(seconds * 1_000);
  const inMs = readAt === undefined ? 0 : seconds * 1_000 - Date.parse(readAt);
  const isOver = inMs < -SOON_MS;
  return [
    {
      word: {
        who: 'GKE',
        says: isOver
          ? `The platform was to maintain this node from ${at} on`
          : `The platform maintains this node from ${at} on`,
        does: inMs > SOON_MS || isOver ? 'may-end' : 'ends',
      },
      of: 'maintenance',
      evidence: ofLabel(node, MAINTENANCE),
      ...(isOver && { against: 'that time is over, and the label says nothing newer' }),
    },
  ];
}

const ofLabel = (node: ClusterNode, key: string): Evidence => ({
  what: `${plainText(key, 128)}=${plainText(node.labels[key] ?? '', 64)}`,
  source: 'labels of the node',
  command: shell`kubectl describe node ${node.name}`,
});

const byLabels = (node: ClusterNode): readonly PlatformSign[] =>
  Object.entries(node.labels).flatMap(([key, value]) => {
    const word = platformWord('label', key, { value });
    const of = key === IN_MAINTENANCE ? 'maintenance' : plainText(key, 128);
    return word ? [{ word, of, evidence: ofLabel(node, key) }] : [];
  });

/** The taint's time, which only those that evict have; cluster-autoscaler writes it as the value. */
function timeOf({ key, value, since }: ClusterNode['taints'][number]): string | undefined {
  if (since !== undefined) return since;
  const seconds = /^(?:ToBeDeletedBy|DeletionCandidateOf)ClusterAutoscaler$/.test(key)
    ? Number(value)
    : Number.NaN;
  return Number.isInteger(seconds) && seconds > 1e9 && seconds < 4e9
    ? isoTime(seconds * 1_000)
    : undefined;
}

const byTaints = (node: ClusterNode): readonly PlatformSign[] =>
  node.taints.flatMap(taint => {
    const { key, value, effect } = taint;
    const word = platformWord('taint', key);
    if (!word) return [];
    const time = timeOf(taint);
    return {
      ...{ word, of: plainText(key, 128) },
      evidence: {
        what: `taint ${plainText(key, 128)}${value && `=${plainText(value, 64)}`}:${plainText(effect, 32)}`,
        source: 'spec.taints of the node',
        ...optional({ time }),
        command: shell`kubectl describe node ${node.name}`,
      },
    };
  });

const byConditions = (node: ClusterNode): readonly PlatformSign[] =>
  node.conditions.flatMap(({ type, status, reason, message, since }) => {
    const word = platformWord('condition', type);
    if (!word || word.does === 'believes' || status !== word.bad) return [];
    return {
      ...{ word, of: plainText(type, 64) },
      evidence: {
        what: `${plainText(type, 64)}, ${plainText(reason, 64)}: ${plainText(message, 200)}`,
        source: 'status.conditions of the node',
        time: since,
        command: shell`kubectl describe node ${node.name}`,
      },
    };
  });

/** Karpenter deletes a NodeClaim to end its node, and says in its conditions why and how far it is. */
function byClaim(claim: NodeClaim | undefined): readonly PlatformSign[] {
  if (!claim) return [];
  const command = shell`kubectl describe nodeclaim ${claim.name}`;
  const deleted: PlatformSign = {
    word: { who: 'Karpenter', says: 'Karpenter replaces or removes this node', does: 'ends' },
    of: 'karpenter.sh/disrupted',
    evidence: {
      what: `NodeClaim ${plainText(claim.name, 253)} is deleted${claim.endsAt === undefined ? '' : `: its pods end by ${plainText(claim.endsAt, 64)}, whatever they ask for`}`,
      ...{ source: 'metadata of the NodeClaim', command },
    },
  };
  return [
    ...(claim.deleting ? [deleted] : []),
    ...claim.conditions.flatMap(({ type, status, reason, message, since }) => {
      const word = platformWord('claim', type);
      if (!word || status !== word.bad) return [];
      const what = `${plainText(type, 64)}=${status}, ${plainText(reason, 64)}${message === '' || message === reason ? '' : `: ${plainText(message, 200)}`}`;
      const evidence = { what, source: 'status.conditions of the NodeClaim', command };
      return {
        ...{ word, of: plainText(type, 64) },
        evidence: { ...evidence, ...(since !== '' && { time: since }) },
      };
    }),
  ];
}

/** The kubelet writes it when it finds itself in another boot: pkg/kubelet/events/event.go, NodeRebooted. */
const REBOOTED = 'Rebooted';

/** Events stay for an hour, where nobody has set that otherwise; what a boot has taken up is over by then. */
const byEvents = (events: readonly ClusterEvent[]): readonly PlatformSign[] =>
  events.flatMap(({ reason, message, from, firstAt, lastAt }) => {
    const word = platformWord('event', reason, { from });
    if (!word) return [];
    const since = events.find(
      other => other.reason === REBOOTED && lastAt !== undefined && (other.lastAt ?? '') > lastAt,
    )?.lastAt;
    const isOver = since !== undefined && word.does === 'ends';
    return {
      word: isOver ? { ...word, does: 'may-end' as const } : word,
      of: plainText(reason, 64),
      evidence: {
        what: `event ${plainText(reason, 64)} of ${plainText(from, 64)}: ${plainText(message, 200)}`,
        source: 'events of the node',
        ...recordTimes([firstAt, lastAt]),
        command: 'kubectl get events -n default',
      },
      ...(isOver && { against: `the node has been booted since, at ${plainText(since, 40)}` }),
    };
  });

const ADVICE: Readonly<Record<Exclude<PlatformWord['does'], 'believes'>, string>> = {
  ends: 'Jobs on it will end, or have ended, by that and by no fault: save their state and let them run elsewhere.',
  'may-end':
    'It may take the node from its jobs: let them save their state, and start nothing long here.',
  pauses:
    'Nothing on it ends by that, but collectives may wait or time out meanwhile: compare the times before a GPU is suspected.',
  repairs:
    'Leave the node to it: do not uncordon, reboot or reset before it is done, or two act at once.',
  stuck: 'It does no more by itself: a person has to act, by the findings on the GPUs.',
  starts: 'The node is new: wait until its startup taint is gone.',
};

function clueOf(node: ClusterNode, words: readonly PlatformSign[]): readonly Clue[] {
  const [first] = words;
  if (!first) return [];
  const { word, of } = first;
  const does = word.does === 'believes' ? 'may-end' : word.does;
  const isQuiet = does === 'may-end' || does === 'pauses' || does === 'starts';
  const clue = nodeClue('platform-action', {
    of,
    severity: isQuiet ? 'info' : 'warning',
    component: 'kubernetes',
    title: word.says,
    action: 'watch',
    advice: ADVICE[does],
    blame: 'host',
    confidence: 'high',
    wouldChange: 'A mark that its controller has forgotten to take back.',
    counterEvidence: first.against === undefined ? [] : [first.against],
    evidence: [
      ...words.slice(0, 4).map(({ evidence }) => evidence),
      ...(node.taintsBy && first.evidence.source.startsWith('spec.taints')
        ? [
            {
              what: `taints were last written by ${plainText(node.taintsBy.manager, 64)}`,
              source: 'metadata.managedFields of the node',
              ...optional({ time: node.taintsBy.time }),
            },
          ]
        : []),
    ],
  });
  return [clue];
}

/**
 * NVSentinel's node label and what each state means: NVIDIA/NVSentinel,
 * commons/pkg/statemanager/statemanager.go.
 */
const SENTINEL_STATE = 'dgxc.nvidia.com/nvsentinel-state';
const SENTINEL_STATES: Readonly<
  Record<string, { readonly title: string; readonly advice: keyof typeof SENTINEL_ADVICE }>
> = {
  quarantined: { title: 'has quarantined this node', advice: 'works' },
  draining: { title: 'drains this node', advice: 'works' },
  'drain-succeeded': { title: 'has drained this node and will repair it', advice: 'works' },
  remediating: { title: 'repairs this node', advice: 'works' },
  'remediation-succeeded': {
    title: 'has repaired this node and waits for its checks',
    advice: 'works',
  },
  'drain-failed': { title: 'could not drain this node', advice: 'ended' },
  'remediation-failed': { title: 'could not repair this node', advice: 'ended' },
};
const SENTINEL_ADVICE = {
  works:
    'Leave the node to NVSentinel: do not uncordon, reboot or reset it before its conditions are False again, when it uncordons the node by itself.',
  ended:
    'NVSentinel does no more by itself: a person has to act, by the findings on the GPUs and the action that its condition recommends.',
  left: 'None of its conditions is bad now: the mark was left behind, or another check still holds the node. If no finding speaks against a GPU, uncordon the node and take the label away.',
} as const;

/** Where its mark is: the prefix is a setting, `k8saas.nvidia.com/` by default (docs/configuration/fault-quarantine.md). */
const CORDON = /\/cordon-(by|reason|timestamp)$/;

/** What NVSentinel does with the node: its state, why, since when, and whether that still holds. */
export const nvsentinel = rule('nvsentinel', { cluster: true }, ({ cluster }: Facts) => {
  const node = known(cluster?.node);
  if (!node) return [];
  const marks = Object.entries(node.labels).flatMap(([key, value]) => {
    const part = CORDON.exec(key)?.[1];
    return part === undefined ? [] : [[part, value] as const];
  });
  const mark = Object.fromEntries(marks);
  const state = node.labels[SENTINEL_STATE];
  const isOurs = mark['by'] === 'NVSentinel';
  const quarantine = node.quarantine && known(node.quarantine);
  const kept = quarantine?.events;
  if (state === undefined && !isOurs && !kept?.length) return [];
  const { title, advice } = SENTINEL_STATES[state ?? ''] ?? {
    title:
      state === undefined
        ? isOurs || node.cordoned
          ? 'has cordoned this node'
          : 'holds faults against this node and has not cordoned it'
        : `notes ${plainText(state, 48)} of this node`,
    advice: 'works' as const,
  };
  const bad = node.conditions.filter(isSentinels).filter(({ status }) => status === 'True');
  // What it keeps it takes back when its check says so; where it keeps nothing that can be read, its conditions tell.
  const isLeft = bad.length === 0 && !(node.quarantine && (!kept || kept.length > 0));
  const since = cordonTime(mark['timestamp']);
  const because = isOurs && mark['reason'] ? `: ${plainText(mark['reason'], 64)}` : '';
  const gpus = namedGpus([
    ...bad.map(({ message }) => message),
    ...(kept ?? []).map(({ entities }) => entities.join(' ')),
  ]);
  return [
    nodeClue('nvsentinel', {
      severity: 'warning',
      component: 'kubernetes',
      title: `NVSentinel ${title}${since === undefined ? '' : ` since ${since}`}${because}${isLeft ? '; nothing that it watches is bad now' : ''}`,
      action: isLeft ? 'fix_configuration' : 'watch',
      advice: SENTINEL_ADVICE[isLeft ? 'left' : advice],
      blame: isLeft ? 'configuration' : 'unknown',
      confidence: isLeft ? 'medium' : 'high',
      ...(gpus.length > 0 && { gpus: [...gpus] }),
      wouldChange: kept
        ? 'A check that has run since, whose word is still under way.'
        : 'What NVSentinel itself has kept of the node: kubectl get node -o yaml, its annotation quarantineHealthEvent.',
      evidence: [
        ...(state === undefined ? [] : [ofLabel(node, SENTINEL_STATE)]),
        ...(since === undefined
          ? []
          : [{ what: 'cordoned', source: 'labels of the node', time: since }]),
        ...(kept ?? []).slice(0, TOLD_MAX).map(event => ofQuarantine(node, event)),
        ...moreOf((kept?.length ?? 0) + (quarantine?.leftOut ?? 0)),
        ...bad.slice(0, TOLD_MAX).map(({ type, message, since: at }) => ({
          what: `${plainText(type, 64)}: ${plainText(message, 200)}`,
          source: 'status.conditions of the node',
          time: at,
        })),
      ],
    }),
  ];
});

const TOLD_MAX = 4;

/** What it keeps beyond those that are told. */
const moreOf = (all: number): readonly Evidence[] =>
  all > TOLD_MAX
    ? [{ what: `${all - TOLD_MAX} more faults are held against it`, source: QUARANTINE_SOURCE }]
    : [];

const QUARANTINE_SOURCE = 'annotation quarantineHealthEvent of the node';

const ofQuarantine = (
  { name }: ClusterNode,
  { check, codes, entities, action, message, since }: QuarantineEvent,
): Evidence => ({
  what: [
    `${plainText(check, 64)} holds it`,
    ...(codes.length > 0 ? [`code ${plainText(codes.join(' '), 64)}`] : []),
    ...(entities.length > 0 ? [plainText(entities.join(' '), 128)] : []),
    ...(action === undefined ? [] : [`it recommends ${plainText(action, 64)}`]),
    ...(message === '' ? [] : [plainText(message, 200)]),
  ].join(', '),
  source: QUARANTINE_SOURCE,
  ...optional({ time: since }),
  command: shell`kubectl get node ${name} -o jsonpath={.metadata.annotations.quarantineHealthEvent}`,
});

/** Its conditions end so, whatever the check is called: platform-connectors' process_node_events.go. */
const isSentinels = ({ type, reason }: ClusterNode['conditions'][number]): boolean =>
  reason === `${type}IsNotHealthy` || reason === `${type}IsHealthy`;

/** `2026-03-01T11-40-10Z`: a label's value has no colons. */
function cordonTime(text: string | undefined): string | undefined {
  const [, day, hour, minute, second] =
    /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)Z$/.exec(text ?? '') ?? [];
  return day === undefined ? undefined : `${day}T${hour}:${minute}:${second}Z`;
}
