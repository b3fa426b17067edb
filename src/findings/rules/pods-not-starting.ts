import type { ClusterPod, ClusterView } from '../../contract/cluster-view.ts';
import type { Evidence } from '../../contract/finding.ts';
import { type IdlePod, idlePod } from '../../contract/idle-pods.ts';
import { shell } from '../../contract/printed-command.ts';
import { known, reasonWords } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type Clue, nodeClue } from '../clue.ts';
import { rule } from '../rule.ts';
import { idleEvidence, idleFor } from '../support/idle-words.ts';
import { refusalWords } from '../support/start-words.ts';

interface Idle {
  readonly pod: ClusterPod;
  readonly idle: IdlePod;
}

/**
 * Pods of jobs that were given GPUs of the node and of which nothing begins. What any pod would meet here is
 * a matter of the node; what one asks for is its own, and good to know of one who waits for it.
 */
export const podsNotStarting = rule(
  'pods-not-starting',
  { cluster: true },
  ({ cluster }: { readonly cluster?: Pick<ClusterView, 'pods'> }) => {
    const pods = known(cluster?.pods);
    // Validators ask for a GPU too: the rule on the stack has them.
    const ofStack = new Set(pods?.stack?.map(({ uid }) => uid));
    const idle = (pods?.gpuPods ?? []).flatMap((pod): Idle[] => {
      // Only events say how long a pod has been here that its kubelet has not taken up: it may come from a queue.
      const isOfNow = pod.startedAt !== undefined || pod.events?.ok === true;
      const found = ofStack.has(pod.uid) || !isOfNow ? undefined : idlePod(pod, pods?.readAt);
      return found ? [{ pod, idle: found }] : [];
    });
    const byJob = Map.groupBy(idle, ({ pod }) => `${pod.namespace}/${pod.owner ?? pod.name}`);
    return [...byJob.values()].flatMap(jobClue);
  },
);

/** Its pods wait for the same: one that has events speaks for them. */
function jobClue(group: readonly Idle[]): readonly Clue[] {
  const first =
    group.find(({ idle }) => idle.refusal) ?? group.find(({ pod }) => pod.events) ?? group[0];
  if (!first) return [];
  const { pod, idle } = first;
  const words = idle.refusal && refusalWords(idle.refusal);
  const name = `${plainText(pod.namespace, 63)}/${plainText(pod.name, 253)}`;
  const who =
    group.length === 1 ? `Pod ${name}` : `Pod ${name}, and ${group.length - 1} more of its job,`;
  const minutes = Math.floor(idle.idleMs / 60_000);
  const said = pod.events?.ok ? 'no event says why' : 'why is not known, its events were not read';
  const why = words?.is ?? (idle.refusal ? plainText(idle.refusal.reason, 64) : said);
  const unread = pod.events && !pod.events.ok ? [pod.events.reason] : [];
  return [
    nodeClue('pod-not-starting', {
      of: name,
      severity: words?.isNodes ? 'warning' : 'info',
      component: 'kubernetes',
      title: `${who} has not begun for ${minutes} min: ${why}`,
      action: words?.isNodes ? 'fix_configuration' : 'watch',
      advice:
        words?.advice ??
        'Look at the events of the pod: an image that is being pulled has one, and what is refused another.',
      blame: 'configuration',
      confidence: words ? 'high' : 'medium',
      wouldChange: 'An image that is still being pulled, or a kubelet that is not at work.',
      evidence: [evidenceOf(first, name), ...idleEvidence(pod, idle)],
      counterEvidence: unread.map(reason => `its events were not read: ${reasonWords(reason)}`),
    }),
  ];
}

const evidenceOf = ({ pod, idle }: Idle, name: string): Evidence => ({
  what: `pod ${name}: ${plainText(idleFor(pod, idle), 400)}`,
  source: 'status of the pod',
  command: shell`kubectl describe pod -n ${pod.namespace} ${pod.name}`,
});
