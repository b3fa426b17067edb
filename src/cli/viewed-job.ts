import type { JobSource } from '../bridge/ask-job.ts';
import { targetWord } from '../cluster/workloads.ts';
import type { ClusterPod } from '../contract/cluster-view.ts';
import { UsageError } from '../contract/errors.ts';
import { namesLike } from '../contract/names-like.ts';
import { known, missing, present } from '../contract/reading.ts';
import type { TargetJob } from '../contract/target-job.ts';
import type { Session } from '../session/port.ts';

interface ViewedJobChoice {
  readonly word: string;
  readonly namespace: string | undefined;
  /** With --redact-names: the same by tokens, as the views have them. */
  readonly shown?: ((job: TargetJob) => TargetJob) | undefined;
}

/**
 * A job of simulated machines or bundles: those of their pods whose owner it is, or the one pod. Each
 * pod is on the node that its session calls itself.
 *
 * @throws UsageError where none of them knows it, with those that they know.
 */
export async function viewedJob(
  sessions: readonly Session[],
  { word, namespace, shown = job => job }: ViewedJobChoice,
  signal: AbortSignal,
): Promise<JobSource> {
  const views = await Promise.all(
    sessions.map(async ({ target, clusterView }) => {
      const { pods } = (await clusterView?.({}, signal)) ?? {};
      const listed = pods?.ok ? pods.value.gpuPods : [];
      return listed.map(pod => ({ ...pod, node: pod.node === '' ? '' : target }));
    }),
  );
  const all = views.flat();
  const wanted = targetWord(word);
  const kind = wanted.of === 'workload' ? wanted.workload.kind : 'Pod';
  const {
    name,
    namespace: space,
    gone: alone,
  } = shown({
    ...{ name: `${kind}/${wanted.name}`, namespace: namespace ?? '', pods: [] },
    gone: present([{ pod: wanted.name }]),
  });
  const podName = known(alone)?.[0]?.pod;
  const named = all.filter(pod =>
    wanted.of === 'pod' ? pod.name === podName : pod.owner === name,
  );
  const within = namespace === undefined ? named[0]?.namespace : space;
  const pods = named.filter(pod => pod.namespace === within);
  if (within === undefined || pods.length === 0) throw unknownJob(word, all);
  const gone = missing('not_read', 'a simulated machine and a bundle hold no events of pods');
  const found: TargetJob = { name, namespace: within, pods: pods.map(pod => ({ pod })), gone };
  return {
    found,
    read: async () => ({ ...found, pods: await Promise.all(pods.map(withLog)) }),
  };

  async function withLog(pod: ClusterPod): Promise<TargetJob['pods'][number]> {
    const session = sessions.find(({ target }) => target === pod.node);
    const question = { pod: { name: pod.name, namespace: pod.namespace }, logs: true };
    const view = await session?.clusterView?.(question, signal);
    return view?.log ? { pod, log: view.log } : { pod };
  }
}

function unknownJob(word: string, pods: readonly ClusterPod[]): UsageError {
  const owners = pods.map(
    ({ owner, name }) => owner?.replace(/^\w+/, kind => kind.toLowerCase()) ?? `pod/${name}`,
  );
  const there = [...new Set(owners)];
  const alike = namesLike(word, there);
  return new UsageError(
    `no pod of ${word} is on what was named`,
    alike.length > 0
      ? `did you mean ${alike.join(' or ')}?`
      : there.length > 0
        ? `${there.length === 1 ? 'there is' : 'there are'} ${there.slice(0, 8).join(', ')}`
        : 'it holds no pods: name a machine that has some, as job-lost-gpu',
  );
}
