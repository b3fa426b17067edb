import type { ClusterPod } from '../../contract/cluster-view.ts';
import { type Evidence, recordTimes } from '../../contract/finding.ts';
import type { IdlePod } from '../../contract/idle-pods.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';

/** `container main has not begun for 25 min, FailedMount, MountVolume.SetUp failed …`. */
export function idleFor(
  { startedAt }: ClusterPod,
  { container, idleMs, refusal }: IdlePod,
): string {
  const { name, init } = container;
  return [
    `${init ? 'init container' : 'container'} ${name} has not begun for ${Math.floor(idleMs / 60_000)} min`,
    ...(startedAt === undefined ? ['the kubelet has not taken the pod up'] : []),
    ...(refusal ? [`${refusal.reason}, ${refusal.message}`] : []),
  ].join(', ');
}

/** The kubelet's last word on it. */
export function idleEvidence(
  { namespace, name, events }: ClusterPod,
  { refusal }: IdlePod,
): readonly Evidence[] {
  const last = refusal ?? known(events)?.[0];
  if (!last) return [];
  const { reason, message, count, firstAt, lastAt } = last;
  return [
    {
      what: `event ${plainText(reason, 64)}: ${plainText(message, 300)}`,
      source: 'events of the pod',
      ...recordTimes([firstAt, lastAt]),
      ...(count > 1 && { count }),
      command: shell`kubectl describe pod -n ${namespace} ${name}`,
    },
  ];
}
