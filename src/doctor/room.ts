import type { PlacedPod, Quantities } from '../cluster/survey.ts';
import type { Check } from '../contract/doctor.ts';
import { ANNOTATIONS, LABELS, MANAGED_BY } from '../contract/labels.ts';
import { shell } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import { podSpec } from '../session/pod-spec.ts';
import type { Facts, NodeFacts } from './facts.ts';
import { answered, broken, good, UNREAD, unanswered, unproven } from './found.ts';

/** What the node has left for one more pod, and whose sessions it has: both by the list of its pods. */
export function roomChecks(facts: Facts, node: NodeFacts): readonly Check[] {
  return [roomCheck(facts, node), sessionsCheck(facts, node)];
}

/** It holds its room until its end: k8s.io/kubernetes/pkg/kubelet/kubelet_pods.go, filterOutInactivePods. */
const isActive = ({ phase }: PlacedPod) => phase !== 'Succeeded' && phase !== 'Failed';

function roomCheck(facts: Facts, { machine, pods }: NodeFacts): Check {
  const allocatable = answered(machine)?.allocatable;
  if (!machine.ok || allocatable === undefined) return unproven('room', UNREAD);
  if (!pods.ok) {
    return unproven(
      'room',
      `what other pods take is not known: ${unanswered('room', pods).message}`,
    );
  }
  const active = pods.value.filter(isActive);
  const most = amount(allocatable['pods']);
  const [own] = podSpec(facts.pod).spec?.containers ?? [];
  const lacking: string[] = [];
  if (most !== undefined && active.length >= most) {
    lacking.push(`${active.length} of ${most} pods are there`);
  }
  for (const resource of ['cpu', 'memory'] as const) {
    const all = amount(allocatable[resource]);
    const ours = amount(own?.resources?.requests?.[resource]);
    const taken = active.map(pod => requestOf(pod, resource));
    if (all === undefined || ours === undefined || taken.includes(undefined)) {
      return unproven('room', `the node or its pods do not say how much ${resource} they have`);
    }
    const free = all - taken.reduce<number>((sum, one) => sum + (one ?? 0), 0);
    if (free < ours) {
      const asked = own?.resources?.requests?.[resource];
      lacking.push(
        `${resource} ${allocatable[resource]} is all asked for, and the pod wants ${asked}`,
      );
    }
  }
  if (most === undefined) return unproven('room', 'the node does not say how many pods it takes');
  if (lacking.length > 0) {
    return broken('room', 4, `the node is full: ${lacking.join('; ')}`, {
      hint: 'a higher --priority-class would evict another pod; these are there:',
      commands: [shell`kubectl get pods -A --field-selector spec.nodeName=${machine.value.name}`],
    });
  }
  return good('room', `${active.length} of ${most} pods; CPU and memory are left`);
}

/** The sum of what runs side by side or the largest of what runs before, and the overhead. */
function requestOf({ requests }: PlacedPod, resource: string): number | undefined {
  const sum = requests.sum.map(of => quantity(of, resource));
  const initial = requests.initial.map(of => quantity(of, resource));
  const overhead = quantity(requests.overhead, resource);
  if (overhead === undefined || [...sum, ...initial].includes(undefined)) return undefined;
  const add = (total: number, one: number | undefined) => total + (one ?? 0);
  return overhead + Math.max(sum.reduce<number>(add, 0), ...initial.map(one => one ?? 0));
}

/** What is not asked for is nothing. */
const quantity = (of: Quantities, resource: string) =>
  of[resource] === undefined ? 0 : amount(of[resource]);

const SCALES: Readonly<Record<string, number>> = {
  ...{ n: 1e-9, u: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
};

/** Kubernetes' quantity as a number: k8s.io/apimachinery/pkg/api/resource/quantity.go. */
export function amount(words: string | undefined): number | undefined {
  const [, digits, exponent = '', suffix = ''] =
    /^(\d+\.?\d*|\.\d+)(e[+-]?\d+|E[+-]?\d+)?(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE])?$/.exec(words ?? '') ??
    [];
  const scale = SCALES[suffix];
  return digits === undefined || scale === undefined
    ? undefined
    : Number(`${digits}${exponent}`) * scale;
}

function sessionsCheck(
  { user, connection }: Facts,
  { machine, pods, podsOfNamespace }: NodeFacts,
): Check {
  if (!machine.ok) return unproven('sessions', UNREAD);
  const found = podsOfNamespace ?? pods;
  if (!found.ok) return unanswered('sessions', found);
  const sessions = found.value.filter(
    pod => isActive(pod) && pod.labels[LABELS.managedBy] === MANAGED_BY,
  );
  const { namespace = '' } = answered(connection) ?? {};
  const where = podsOfNamespace ? ` in namespace "${namespace}"; others may not be listed` : '';
  if (sessions.length === 0) return good('sessions', `nobody has one on this node${where}`);
  const whose = sessions.slice(0, SESSIONS_MAX).map(({ annotations, createdAt, ...pod }) => {
    const name = annotations[ANNOTATIONS.user] ?? '';
    const who =
      name !== '' && name === answered(user) ? 'you' : `"${plainText(name || 'nobody', 80)}"`;
    return `${who} since ${createdAt} (${pod.namespace}/${pod.name})`;
  });
  const more = sessions.length > SESSIONS_MAX ? ` and ${sessions.length - SESSIONS_MAX} more` : '';
  return good('sessions', `${whose.join(', ')}${more}; several at a time are fine${where}`);
}

const SESSIONS_MAX = 2;
