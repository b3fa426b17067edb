import type { ClusterPod } from '../../contract/cluster-view.ts';
import type { JobLog, RankDevice } from '../../contract/job-log.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import type { Incident } from '../../xid/events.ts';

const RANKS_MAX = 4;

/** Ranks that NCCL's lines place on the node of this pod: a launcher's log has those of other hosts too. */
export const devicesOf = (
  { devices = [] }: Pick<JobLog, 'devices'>,
  pod: Pick<ClusterPod, 'name' | 'node'>,
): readonly RankDevice[] => devices.filter(({ host }) => isHostOf(host, pod));

/**
 * A container's host name is its pod's, cut to 63 characters; a Job with indexes leaves the random end out
 * of it (kubernetes.io, Jobs, completionMode); with hostNetwork it is the node's. NCCL cuts at the dot.
 */
export function isHostOf(host: string, { name, node }: Pick<ClusterPod, 'name' | 'node'>): boolean {
  const beforeDot = (text: string) => text.split('.')[0] ?? '';
  return (
    host === beforeDot(name).slice(0, 63) ||
    name.replace(/-[a-z0-9]{5}$/, '') === host ||
    (node !== '' && host === beforeDot(node))
  );
}

/** Of the pod of one log: which of its ranks a fault struck, and where the rank computes that spoke first. */
export function rankWords(
  log: JobLog | undefined,
  pod: ClusterPod,
  incidents: readonly Pick<Incident, 'gpu'>[],
): string[] {
  if (!log) return [];
  const devices = devicesOf(log, pod);
  const hit = devices.filter(({ pci }) => incidents.some(({ gpu }) => gpu === pci));
  const first = log.entries.find(({ ranks }) => ranks.length > 0)?.ranks[0];
  const spoke = devices.filter(
    ({ rank }) => rank === first && !hit.some(each => each.rank === rank),
  );
  return [
    ...hit.slice(0, RANKS_MAX).map(({ rank, pci }) => `GPU ${pci} is that of rank ${rank}`),
    ...spoke.map(({ rank, pci }) => `rank ${rank} computes on GPU ${pci}`),
  ].map(words => `${words}, by NCCL’s lines in its log`);
}

/** Where the ranks are that a job's logs name first or that others waited for, in words. */
export function awaitedRanks({ pods }: Pick<TargetJob, 'pods'>): string[] {
  const logs = pods.flatMap(({ pod, log }) => (log?.ok ? [{ pod, log: log.value }] : []));
  const behind = new Set(logs.flatMap(({ log }) => log.wait?.behind ?? []));
  // Whose log it is in does not matter: a launcher has the lines of all.
  const places = logs
    .flatMap(({ log }) => log.devices ?? [])
    .flatMap(device => {
      const at = pods.filter(({ pod }) => isHostOf(device.host, pod));
      return at.length === 1 ? at.map(({ pod }) => ({ ...device, pod })) : [];
    });
  const told = [...behind].flatMap(rank => {
    const [first, ...others] = places.filter(place => place.rank === rank);
    return first && others.every(({ pod, pci }) => pod === first.pod && pci === first.pci)
      ? [first]
      : [];
  });
  return told
    .slice(0, RANKS_MAX)
    .map(
      ({ rank, pod, pci }) =>
        `rank ${rank}, which others waited for, is pod ${pod.name} on ${pod.node || 'no node'}, GPU ${pci}, by NCCL’s lines in the logs`,
    );
}
