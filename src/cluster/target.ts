import { ClusterError, ours, ServerError, told } from '../contract/errors.ts';
import { optional } from '../contract/optional.ts';
import { shell } from '../contract/printed-command.ts';
import { known, mapReading, present, type Reading, reasonWords } from '../contract/reading.ts';
import type { OwnerEnd, TargetJob } from '../contract/target-job.ts';
import { plainText } from '../contract/untrusted.ts';
import { jobOfCronJob } from './cron-jobs.ts';
import { eventsTold, jobsOf, namesMade, ownerEnd, ownerState } from './gone-pods.ts';
import type { ApiServer } from './http.ts';
import { type Json, listAt, objectAt, textOf } from './json.ts';
import { listAll } from './list.ts';
import { noSuchPod } from './names-near.ts';
import { ownSelector, type Selector } from './own-selector.ts';
import { podList, podPath } from './paths.ts';
import { type Cluster, isMissingRight, type PodState, type TargetNode } from './port.ts';
import { readClusterPod } from './read-view.ts';
import { isAbsent, type WorkloadWord, workloadObject } from './workload-object.ts';
import { CRON_JOB, type TargetWord, targetWord } from './workloads.ts';

type Api = Pick<ApiServer, 'object' | 'settings'>;

/**
 * The nodes that a TARGET names: itself, or those where its pods run.
 * A plain name is not looked up: the session does that at its start.
 *
 * @throws UsageError for a kind that we do not follow, ClusterError when nothing runs there.
 */
export async function resolveTarget(
  cluster: Pick<Cluster, 'access' | 'getPod' | 'listPods'>,
  api: Api,
  target: string,
  signal: AbortSignal,
): Promise<readonly TargetNode[]> {
  const word = await followed(api, targetWord(target), signal);
  if (word.of === 'node') return [{ node: word.name }];
  const { namespace } = cluster.access;
  if (word.of === 'pod') {
    const pod = await cluster.getPod({ namespace, name: word.name }, signal);
    if (!pod) throw await noSuchPod(api, word.name, signal);
    return [nodeOf(pod)];
  }
  const { selector, foreign } = await selectorOf(api, word, signal);
  const pods = await cluster.listPods({ namespace, labelSelector: selector }, signal);
  const placed = pods.filter(pod => pod.node !== '' && !pod.deleting);
  if (placed.length === 0) {
    throw new ServerError(
      told`${ours(target)} has no pod on any node in namespace "${ours(namespace)}"`,
      { hint: shell`kubectl get pods -n ${namespace} -l ${selector}`, foreign },
    );
  }
  // Nodes where one of them runs come first.
  const rank = (pod: PodState) => (pod.phase === 'Running' ? 1 : 0);
  const nodes = placed.toSorted((a, b) => rank(b) - rank(a)).map(({ node }) => node);
  return [...new Set(nodes)].map(node => ({ node }));
}

function nodeOf(pod: PodState): TargetNode {
  if (pod.node === '') {
    throw new ClusterError(`pod "${pod.name}" runs on no node: it is ${pod.phase}`, {
      hint: shell`kubectl describe pod ${pod.name} -n ${pod.namespace}`,
    });
  }
  return { node: pod.node };
}

/**
 * A job, another workload or a pod as a target: its pods as they are, and those of it that are gone and
 * of which events still tell. Some pod of it has, or had, a node.
 *
 * @throws UsageError for a kind that we do not follow; ClusterError where there is none of that name,
 * where it has no pods, and where all of them wait: then with what they wait for.
 */
export async function findTargetJob(
  api: Api,
  target: string,
  signal: AbortSignal,
): Promise<TargetJob> {
  const word = await followed(api, targetWord(target), signal);
  const { namespace } = api.settings;
  const { object, pods: found } = await podsOf(api, word, signal);
  const pods = found.map(json => {
    const waitsFor = waitWords(json);
    return { pod: readClusterPod(json), ...(waitsFor !== '' && { waitsFor }) };
  });
  const owners = pods.flatMap(({ pod }) => pod.owner?.split('/')[1] ?? []);
  const there = pods.map(({ pod }) => pod.name);
  const kind = word.of === 'workload' ? word.workload.kind : 'Pod';
  const made = namesMade(kind, object);
  const jobs =
    pods.length === 0 ? await jobsOf(api, { kind, name: word.name }, signal) : present([]);
  const ends = endsOf(`${kind}/${word.name}`, object, known(jobs) ?? []);
  // Those that failed first: events are read of few.
  const others = [...ends.map(({ owner }) => owner.split('/')[1] ?? ''), ...made.owners];
  const of = {
    owners: [...new Set([word.name, ...owners, ...(pods.length === 0 ? others : [])])],
    ...{ there, named: made.pods },
    madeAt: textOf(objectAt(object, 'metadata'), 'creationTimestamp'),
  };
  const told = await eventsTold(api, of, signal);
  const gone = mapReading(told, ({ gone }) => gone);
  const job = {
    ...{ name: `${kind}/${word.name}`, namespace, pods, gone },
    ...(ends.length > 0 && { ends }),
    ...optional({ controller: ownerState(object) }),
    ...(!jobs.ok && { jobsUnread: reasonWords(jobs.reason) }),
  };
  const isPlaced =
    pods.some(({ pod }) => pod.node !== '') ||
    (gone.ok && gone.value.some(({ node }) => node !== undefined));
  if (isPlaced) return job;
  if (word.of === 'pod' && pods.length === 0) throw await noSuchPod(api, word.name, signal);
  // kubectl takes a bare word for a kind.
  const podOrWorkload = word.of === 'workload' ? target : `pod/${word.name}`;
  throw withoutNode(
    { target, podOrWorkload },
    job,
    mapReading(told, ({ warning }) => warning),
  );
}

/** Of the object and the Jobs that it made, those that say that they failed; the first of them that did before the others. */
function endsOf(
  name: string,
  object: Json | undefined,
  jobs: readonly Json[],
): readonly OwnerEnd[] {
  const inner = jobs
    .flatMap(job => ownerEnd(`Job/${textOf(objectAt(job, 'metadata'), 'name')}`, job) ?? [])
    .toSorted((a, b) => (a.at ?? '').localeCompare(b.at ?? ''));
  return [...[ownerEnd(name, object) ?? []].flat(), ...inner].slice(0, ENDS_MAX);
}

const ENDS_MAX = 8;

/** A CronJob is followed to one of its Jobs; any other word stays. */
async function followed(api: Api, word: TargetWord, signal: AbortSignal): Promise<TargetWord> {
  if (word.of !== 'workload' || word.workload.kind !== CRON_JOB) return word;
  const job = await jobOfCronJob(api, word, signal);
  if (job) return job;
  await workloadObject(api, word, signal);
  throw new ClusterError(`${word.written} has no Job, and so no pods`, {
    hint: shell`kubectl describe ${word.written} -n ${api.settings.namespace}`,
  });
}

/** Nothing to look at: no pods, or none that has a node. */
function withoutNode(
  { target, podOrWorkload }: { readonly target: string; readonly podOrWorkload: string },
  { namespace, pods, ends: [end] = [], controller }: TargetJob,
  warning: Reading<string | undefined>,
): ClusterError {
  const hint = shell`kubectl describe ${podOrWorkload} -n ${namespace}`;
  if (pods.length > 0) {
    const [why] = pods.flatMap(({ waitsFor }) => waitsFor ?? []);
    const count = `${pods.length} of ${pods.length} pending${why === undefined ? '' : ': '}`;
    return new ServerError(told`no pod of ${ours(target)} has a node: ${ours(count)}${why}`, {
      hint,
    });
  }
  const failed =
    end && `${end.owner} failed: ${[end.reason, end.message].filter(Boolean).join(', ')}`;
  const warned = failed ?? (warning.ok ? warning.value : undefined);
  const why =
    controller === 'suspended'
      ? ours('it is suspended (Kueue and others hold a job back so)')
      : controller === 'ended_well'
        ? ours('it has ended well')
        : warned === undefined && !warning.ok
          ? ours(
              `its pods may have been removed; events could not be read (${reasonWords(warning.reason)})`,
            )
          : (warned ?? ours('its pods may have been removed, and no event tells of them any more'));
  return new ServerError(
    told`${ours(target)} has no pods in namespace "${ours(namespace)}": ${why}`,
    { hint },
  );
}

/** What the pod waits for, before it has a node. */
function waitWords(pod: unknown): string {
  if (textOf(objectAt(pod, 'spec'), 'nodeName') !== '') return '';
  const gates = listAt(pod, 'spec', 'schedulingGates').map(gate => textOf(gate, 'name'));
  const condition = listAt(pod, 'status', 'conditions').find(
    one => textOf(one, 'type') === 'PodScheduled' && textOf(one, 'status') === 'False',
  );
  const words = gates.length > 0 ? `held by ${gates.join(', ')}` : textOf(condition, 'message');
  return plainText(words, 300);
}

async function podsOf(
  api: Api,
  word: TargetWord,
  signal: AbortSignal,
): Promise<{ readonly object: Json | undefined; readonly pods: readonly unknown[] }> {
  const { namespace } = api.settings;
  if (word.of !== 'workload') {
    const path = podPath({ namespace, name: word.name });
    const asked = { path, doing: `get pod "${word.name}" in namespace "${namespace}"` };
    const pod = await api
      .object({ method: 'GET', ...asked, kinds: ['Pod'], name: word.name }, signal)
      .catch(error => {
        if (isAbsent(error)) return undefined;
        throw error;
      });
    return { object: undefined, pods: pod ? [pod] : [] };
  }
  const { object, selector } = await selectorOf(api, word, signal);
  return {
    object,
    pods: await listAll(api, podList({ namespace, labelSelector: selector }), signal),
  };
}

/** How the pods of a workload are selected, and the object where it could be read. */
async function selectorOf(
  api: Api,
  { name, workload, written }: WorkloadWord,
  signal: AbortSignal,
): Promise<{ readonly object: Json | undefined } & Selector> {
  const { label, valueAt } = workload;
  const object = await workloadObject(api, { name, workload, written }, signal).catch(error => {
    // Its pods can be found without it.
    if (label !== undefined && valueAt === undefined && isMissingRight(error)) return undefined;
    throw error;
  });
  if (label === undefined) return { object, ...ownSelector(object, written) };
  const value =
    valueAt === undefined
      ? name
      : (valueAt
          .map(path => textOf(objectAt(object, ...path.slice(0, -1)), path.at(-1) ?? ''))
          .find(text => text !== '') ?? '');
  // Its own name was said by whoever asks; that of another object was not.
  if (value !== '') return { object, selector: `${label}=${value}`, foreign: [value] };
  throw new ClusterError(`${written} has no RayCluster yet, and so no pods`, {
    hint: shell`kubectl describe ${written} -n ${api.settings.namespace}`,
  });
}
