import type { ClusterPod } from '../../contract/cluster-view.ts';
import type { JobLog, PodWord } from '../../contract/job-log.ts';
import { optional } from '../../contract/optional.ts';
import { present } from '../../contract/reading.ts';
import type { TargetJob } from '../../contract/target-job.ts';
import { isHostOf } from './rank-places.ts';

/** Which pod of a job a log means. */
export interface Places {
  /**
   * @param name a host, an address, or a task of TensorFlow or JAX; undefined where none or several bear it.
   * @param by whose log has it: the pod itself, where it may be meant.
   */
  readonly ofName: (name: string, by?: ClusterPod) => ClusterPod | undefined;
  /** @param rank within the whole job. */
  readonly ofRank: (rank: number) => ClusterPod | undefined;
  /** Pods that do the same work, by their index; alone where it has none. */
  readonly peersOf: (pod: ClusterPod) => readonly ClusterPod[];
}

export function placesOf(job: Pick<TargetJob, 'pods'>): Places {
  const grouped = groupsOf(job);
  const groups = grouped.map(({ pods }) => pods);
  const pairs = pairsOf(job);
  const ranked =
    grouped
      .flatMap(({ pods, isIndexed }) => (isIndexed ? [pods] : []))
      .toSorted((a, b) => weightOf(b, pairs) - weightOf(a, pairs))[0] ?? [];
  const ofRank = (rank: number) => rankIn(ranked, pairs, rank);
  const pods = job.pods.map(({ pod }) => pod);
  return {
    ofRank,
    peersOf: pod => groups.find(group => group.includes(pod)) ?? [pod],
    ofName: (name, by) => {
      if (by && isHostOf(name.split('.')[0] ?? '', by)) return by;
      const task = TASK.exec(name);
      if (task) return taskIn(pods, ranked, { job: task[1] ?? '', index: Number(task[2]) });
      return IP.test(name) ? addressIn(job, name) : hostIn(pods, name);
    },
  };
}

/** Whom a word names, by any of it that is the name of a pod. */
export const soughtIn = (
  { names, text }: Pick<PodWord, 'names' | 'text'>,
  places: Places,
): readonly ClusterPod[] =>
  [...names, ...(text.match(/[a-z0-9][\w.-]{3,252}/gi) ?? [])]
    .slice(0, NAMES_MAX)
    .flatMap(name => places.ofName(name) ?? []);
const NAMES_MAX = 40;

/**
 * The same, whose logs call each pod by its name where they mean it by an address, a task or a rank, and that says which
 * pods are alike: of names that are withheld, nobody can tell that any more.
 */
export function inPodNames(job: TargetJob): TargetJob {
  const places = placesOf(job);
  const nameOf = (name: string, by: ClusterPod) => places.ofName(name, by)?.name ?? name;
  const named = (log: JobLog, by: ClusterPod): JobLog => ({
    ...log,
    entries: log.entries.map(one =>
      one.of === undefined ? one : { ...one, of: nameOf(one.of, by) },
    ),
    ...(log.ofPods && {
      ofPods: log.ofPods.map(word => {
        const ofRanks = word.ranks.flatMap(rank => places.ofRank(rank)?.name ?? []);
        const sought = word.kind === 'unreached' ? soughtIn(word, places) : [];
        const names = new Set([
          ...word.names.map(name => nameOf(name, by)),
          ...ofRanks,
          ...sought.map(({ name }) => name),
        ]);
        return { ...word, names: [...names] };
      }),
    }),
  });
  const groups = groupsOf(job);
  const pods = job.pods.map(each => {
    const group = groups.findIndex(one => one.pods.includes(each.pod));
    const index = groups[group]?.isIndexed ? groups[group].pods.indexOf(each.pod) : undefined;
    return {
      ...{ ...each, place: { group, ...optional({ index }) } },
      ...(each.log?.ok && { log: present(named(each.log.value, each.pod)) }),
    };
  });
  return { ...job, pods };
}

const TASK = /^\/job:(\w+)\/replica:\d+\/task:(\d+)$/;
const IP = /^\d{1,3}(?:\.\d{1,3}){3}$/;

const only = <T>(found: readonly T[]): T | undefined => (found.length === 1 ? found[0] : undefined);

/** Its name, else a part at the end of its name: a pod `slurm-compute-hgx-3` is the node hgx-3 of Slurm. */
function hostIn(pods: readonly ClusterPod[], host: string): ClusterPod | undefined {
  const short = host.split('.')[0] ?? '';
  const named = pods.filter(
    pod => pod.name === short || pod.hostname === short || isHostOf(short, { ...pod, node: '' }),
  );
  return (
    only(named) ??
    only(pods.filter(pod => isHostOf(short, pod))) ??
    only(
      // A module of a program is called as a role is, and has no number.
      pods.filter(({ name }) => OF_HOST.test(short) && name.endsWith(`-${short}`)),
    )
  );
}
const OF_HOST = /^(?=.{3}).*\d/;

/** By the cluster, else by what processes said of themselves. */
function addressIn(job: Pick<TargetJob, 'pods'>, ip: string): ClusterPod | undefined {
  const { pods } = job;
  const all = pods.map(({ pod }) => pod);
  const known = only(all.filter(({ ips = [] }) => ips.includes(ip)));
  if (known) return known;
  const found = pods.flatMap(({ pod, log }) =>
    (log?.ok ? (log.value.addresses ?? []) : []).flatMap(each =>
      each.ip === ip ? ((each.host === undefined ? pod : hostIn(all, each.host)) ?? []) : [],
    ),
  );
  return only([...new Set(found)]) ?? byElimination(job, ip);
}

/** An address that all others name, and one pod alone does not: nobody loses itself. */
function byElimination(job: Pick<TargetJob, 'pods'>, ip: string): ClusterPod | undefined {
  const logs = job.pods.flatMap(({ pod, log }) => (log?.ok ? [{ pod, log: log.value }] : []));
  const naming = logs.filter(({ log }) => log.ofPods?.some(({ names }) => names.includes(ip)));
  const group = groupsOf(job).find(
    ({ pods }) => naming.length > 0 && naming.every(({ pod }) => pods.includes(pod)),
  );
  const rest = group?.pods.filter(
    pod =>
      !naming.some(one => one.pod === pod) &&
      !logs.some(one => one.pod === pod && (one.log.addresses?.length ?? 0) > 0),
  );
  return only(rest ?? []);
}

/** `worker-1` of a job with an index for each role; a task of JAX is a process by its number. */
function taskIn(
  pods: readonly ClusterPod[],
  ranked: readonly ClusterPod[],
  task: { readonly job: string; readonly index: number },
): ClusterPod | undefined {
  if (task.job === 'jax_worker') return ranked[task.index];
  const form = new RegExp(`(?:^|-)${task.job}-${task.index}(?:-[a-z0-9]{2,5})?$`);
  return only(pods.filter(({ name }) => form.test(name)));
}

/** A random end, as controllers put it behind an index. */
const RANDOM = /-(?=[a-z\d]*[a-z])[a-z\d]{1,5}$/;
const INDEXES = /(?:-\d{1,6})+$/;
/** Kubeflow's training operator counts the master, or the chief, as the first of the workers. */
const FIRST = /-(?:master|chief)$/;

interface Indexed {
  readonly role: string;
  readonly indexes: readonly number[];
  readonly isFirst: boolean;
}

function indexedOf(name: string): Indexed {
  const indexes = INDEXES.exec(name)?.[0] ?? INDEXES.exec(name.replace(RANDOM, ''))?.[0];
  if (indexes === undefined) {
    return { role: name.replace(RANDOM, ''), indexes: [], isFirst: false };
  }
  const before = name.slice(0, name.lastIndexOf(indexes));
  const isFirst = FIRST.test(before);
  return {
    role: isFirst ? before.replace(FIRST, '-worker') : before,
    indexes: indexes.slice(1).split('-').map(Number),
    isFirst,
  };
}

const compareIndexes = (a: Indexed, b: Indexed): number =>
  Number(b.isFirst) - Number(a.isFirst) ||
  (a.indexes
    .map((index, at) => index - (b.indexes[at] ?? Number.NEGATIVE_INFINITY))
    .find(difference => difference !== 0) ??
    -1);

interface Group {
  readonly pods: readonly ClusterPod[];
  /** All of them have an index. */
  readonly isIndexed: boolean;
}

/** Pods of one role, in the order of their indexes where they have some. */
function groupsOf({ pods }: Pick<TargetJob, 'pods'>): readonly Group[] {
  const indexed = pods.map(({ pod, place }) => ({
    pod,
    of: place
      ? { role: `${place.group}`, indexes: [place.index ?? []].flat(), isFirst: false }
      : indexedOf(pod.name),
  }));
  return [...Map.groupBy(indexed, ({ of }) => of.role).values()].map(group => ({
    pods: group.toSorted((a, b) => compareIndexes(a.of, b.of)).map(({ pod }) => pod),
    isIndexed: group.every(({ of }) => of.indexes.length > 0),
  }));
}

/** A rank that a pod's own lines, or NCCL's, place there. */
interface Pair {
  readonly rank: number;
  readonly pod: ClusterPod;
}
const pairsOf = ({ pods }: Pick<TargetJob, 'pods'>): readonly Pair[] =>
  pods.flatMap(({ pod, log }) =>
    log?.ok ? (log.value.ownRanks ?? []).map(rank => ({ rank, pod })) : [],
  );

/** Those whose lines name ranks are the job's, else those that are most. */
const weightOf = (group: readonly ClusterPod[], pairs: readonly Pair[]): number =>
  group.length +
  RANKS_WEIGHT * new Set(pairs.flatMap(({ pod }) => (group.includes(pod) ? pod : []))).size;
const RANKS_WEIGHT = 100;

/** Launchers give each pod as many ranks, one after another: how many, the ranks tell that its pods have named. */
function rankIn(
  group: readonly ClusterPod[],
  pairs: readonly Pair[],
  rank: number,
): ClusterPod | undefined {
  const own = pairs.filter(({ pod }) => group.includes(pod));
  const itself = only([...new Set(own.flatMap(pair => (pair.rank === rank ? pair.pod : [])))]);
  if (itself) return itself;
  const [gpus = 0] = group.map(pod => Object.values(pod.gpus).reduce((sum, one) => sum + one, 0));
  const fits = [...new Set([...RANKS_OF_A_POD, gpus])]
    .filter(each => each > 0 && rank < each * group.length)
    .map(each => ({
      each,
      fitting: own.filter(pair => group[Math.floor(pair.rank / each)] === pair.pod).length,
    }))
    .filter(({ fitting }) => fitting >= own.length * PAIRS_PART_MIN);
  const most = Math.max(...fits.map(({ fitting }) => fitting));
  const best = fits.filter(({ fitting }) => fitting === most).map(({ each }) => each);
  const pods = [...new Set(best.map(each => group[Math.floor(rank / each)]))];
  if (own.length === 0) return undefined;
  if (pods.length === 1) return pods[0];
  return best.includes(gpus) ? group[Math.floor(rank / gpus)] : undefined;
}
const RANKS_OF_A_POD = [1, 2, 4, 8, 16];
/** A line may name the rank of another pod. */
const PAIRS_PART_MIN = 0.75;
