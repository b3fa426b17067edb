import { randomBytes } from 'node:crypto';
import type { JobSource } from '../bridge/ask-job.ts';
import { ConnectionFlags, printedConnection } from '../cluster/connection-flags.ts';
import type { Cluster, NodeState } from '../cluster/port.ts';
import { targetWord } from '../cluster/workloads.ts';
import type { ClusterView } from '../contract/cluster-view.ts';
import { UsageError } from '../contract/errors.ts';
import { EPHEMERAL } from '../contract/labels.ts';
import { JOB_NODES_MAX } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { mapReading } from '../contract/reading.ts';
import type { TargetJob } from '../contract/target-job.ts';
import type { Session } from '../session/port.ts';
import type { Reaper } from '../session/reaper.ts';
import type { RowOrigin } from '../session/row-pods.ts';
import type { OpenLink } from '../session/session.ts';
import type { Cleaned } from '../session/sweep.ts';
import { learnTarget, reachedBy } from './concealed.ts';
import type { TargetFlags } from './flags.ts';
import { podChoices } from './pod-choices.ts';
import {
  podLink,
  podWords,
  type RunningPod,
  recordPod,
  refuseNodes,
  type StartedPod,
  withPodRole,
} from './pod-link.ts';
import type { SessionRecord } from './record.ts';
import { deferredSession, type SessionOptions } from './sessions.ts';

interface NodeSessions {
  readonly sessions: readonly Session[];
  readonly job?: JobSource | undefined;
  /** Lets go of the cluster, where it was connected to. */
  disconnect(): Promise<void>;
}

type Selection = Pick<TargetFlags, 'target' | 'selector' | 'allGpuNodes' | 'contexts'>;

/** Whether the nodes are those that a cluster finds: the answer is then about many, however many there are. */
export const selects = ({ selector, allGpuNodes, contexts = [] }: Selection): boolean =>
  selector !== undefined || allGpuNodes === true || contexts.length > 1;

/**
 * A session for each node that is named; the cluster is connected to when it is first asked. With the
 * word of a job for each of its nodes, and the job itself.
 */
export async function nodeSessions(options: SessionOptions, job?: string): Promise<NodeSessions> {
  const { args } = options;
  const contexts = args.contexts ?? [];
  const isSelected = args.selector !== undefined || args.allGpuNodes === true;
  if (args.profile === EPHEMERAL) refuseNodes(args);
  // A wrong flag is told before a cluster is asked.
  podChoices(options);
  if (args.target.length === 0 && !isSelected) {
    throw new UsageError(
      'name a node',
      'kubectl gpu-mcp nodes lists those with GPUs; --help shows the ways to name one',
    );
  }
  if (contexts.length < 2) return ofOneCluster(options, { job });
  const twice = contexts.find((context, index) => contexts.indexOf(context) !== index);
  if (twice !== undefined)
    throw new UsageError(`context "${twice}" is named twice`, 'name it once');
  if (args.target.length > 0) {
    throw new UsageError(
      'a node is named in several contexts',
      'with several contexts select nodes: -l SELECTOR or --all-gpu-nodes',
    );
  }
  const all = await Promise.all(
    contexts.map(context => ofContext(context, within(options, context))),
  );
  return {
    sessions: all.flatMap(({ sessions }) => sessions),
    disconnect: async () => void (await Promise.all(all.map(({ disconnect }) => disconnect()))),
  };
}

const within = (options: SessionOptions, context: string): SessionOptions => ({
  ...options,
  args: { ...options.args, context },
});

/** One of several clusters: what cannot be listed there is a row of the answer, and not left out. */
async function ofContext(context: string, options: SessionOptions): Promise<NodeSessions> {
  try {
    return await ofOneCluster(options, { targetOf: node => `${context}/${node}` });
  } catch (error) {
    options.io.signal.throwIfAborted();
    return { sessions: [unlisted(`${context}/*`, error)], disconnect: async () => {} };
  }
}

/** In the place of nodes that could not be listed. */
const unlisted = (target: string, error: unknown): Session => ({
  target,
  call: () => Promise.reject(error),
  start: () => Promise.reject(error),
  close: async () => ({ removed: null, verified: true, left: [] }),
});

async function ofOneCluster(
  options: SessionOptions,
  {
    job: word,
    targetOf = node => node,
  }: { readonly job?: string | undefined; readonly targetOf?: (node: string) => string },
): Promise<NodeSessions> {
  const { args, io } = options;
  const areMany = selects(args) || args.target.length > 1 || word !== undefined;
  const { cluster, disconnect } = connection(options, areMany && args.fleet !== true);
  try {
    const isWithin = args.profile === EPHEMERAL;
    const found = async () => {
      const job = word === undefined ? undefined : await jobSource(word, await cluster(), options);
      return { job, names: job?.nodes ?? (await nodeNames(args, cluster, io.signal)) };
    };
    const { job, names } = await (isWithin ? withPodRole(found, cluster, options) : found());
    const within = isWithin ? (await cluster()).access.namespace : undefined;
    const shared: Shared = { areMany, cluster, swept: new Map(), ...optional({ within }) };
    if (args.fleet)
      return { sessions: await rowSessions(names, targetOf, shared, options), disconnect };
    return {
      sessions: names.map(node => nodeSession({ node, target: targetOf(node) }, shared, options)),
      ...optional({ job: job?.source }),
      disconnect,
    };
  } catch (error) {
    await disconnect();
    throw error;
  }
}

/** The job, and the nodes of it that are asked. */
async function jobSource(
  word: string,
  cluster: Cluster,
  { args, io, progress, redaction }: SessionOptions,
): Promise<{ readonly nodes: readonly string[]; readonly source: JobSource }> {
  const { nodesOf } = await import('../tools/support/job-state.ts');
  const found = await cluster.targetJob(word, io.signal);
  const shown = (job: TargetJob) => redaction?.job(job) ?? job;
  const all = nodesOf(found);
  progress.say(
    `${word}: ${found.pods.length} ${found.pods.length === 1 ? 'pod' : 'pods'}, ${all.length} ${all.length === 1 ? 'node' : 'nodes'}`,
  );
  return {
    nodes: all.slice(0, JOB_NODES_MAX),
    source: {
      found: shown(found),
      read: async signal => shown(args.podLogs ? await cluster.targetLogs(found, signal) : found),
    },
  };
}

/** Sessions that are a row each, by pods to which nobody attaches. */
async function rowSessions(
  nodes: readonly string[],
  targetOf: (node: string) => string,
  { cluster }: Shared,
  options: SessionOptions,
): Promise<readonly Session[]> {
  const { args, io, redaction, progress, record } = options;
  if (args.noImage !== undefined) {
    throw new UsageError(
      '--fleet and --no-image exclude each other',
      'a fleet attaches to no pod, so none can be sent its agent; without --fleet each node is attached to',
    );
  }
  const { RowPods, spawnReaper, sweep } = await import('../session/kubernetes.ts');
  const write = record && (await rowRecord(record, cluster));
  const connection = ConnectionFlags.parse(args);
  const pods = new RowPods({
    ...{ cluster, pod: podChoices(options, redaction), lifetime: args.lifetime ?? 'auto' },
    randomSuffix,
    onRow: write,
    foreign: redaction?.known.foreign,
    startReaper: () => spawnReaper(io.program.plugin, { connection }, io.environment),
    onBegin(connected) {
      const { namespace } = connected.access;
      progress.say(`${reachedBy(connected.access)}, namespace ${namespace}`);
      void sweep(connected, namespace);
    },
  });
  const commandWords = printedConnection(args);
  return nodes.map(node => {
    const session = { ...pods.session(node, targetOf(node)), commandWords };
    return redaction?.session(session) ?? session;
  });
}

/** Writes down whose pod left a row. */
async function rowRecord(record: SessionRecord, cluster: () => Promise<Cluster>) {
  const { runningFact } = await import('./record.ts');
  const { access } = await cluster();
  return (pod: RunningPod, { image, node, user, imageId }: RowOrigin) => {
    record.write(runningFact({ node: node.name, pod, image, user, imageId, access }));
  };
}

const randomSuffix = () => randomBytes(5).toString('hex');

/** The cluster of the flags, connected to when it is first asked. */
function connection({ args, io, redaction }: SessionOptions, areMany: boolean) {
  const connected = async () => {
    const { connect } = await import('../cluster/kubernetes-cluster.ts');
    const { environment, clock } = io;
    const { transport } = args;
    const cluster = await connect({ flags: args, environment, clock, transport, areMany });
    const { namespace } = cluster.access;
    for (const word of args.target) if (redaction) learnTarget(redaction.known, word, namespace);
    return cluster;
  };
  let connecting: Promise<Cluster> | undefined;
  const cluster = () => {
    connecting ??= connected();
    return connecting;
  };
  return { cluster, disconnect: async () => (await connecting?.catch(() => undefined))?.close() };
}

/** Any node of the cluster, each with a session that is made when it is asked for. */
export function anyNode(options: SessionOptions) {
  if (options.args.profile === EPHEMERAL) refuseNodes(options.args);
  const { cluster, disconnect } = connection(options, false);
  const shared: Shared = { areMany: false, cluster, swept: new Map() };
  return {
    ...{ cluster, disconnect },
    open: (node: string) => nodeSession({ node, target: node }, shared, options),
  };
}

/** Plain names stay as they are; what must be looked up is looked up. */
async function nodeNames(
  { target: targets, selector, allGpuNodes }: Selection,
  cluster: () => Promise<Cluster>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const named = await Promise.all(
    targets.map(async target => {
      const plain = target.replace(/^(nodes?|no)\//, '');
      if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(plain)) return [plain];
      // Known before a cluster is asked.
      targetWord(target);
      const found = await (await cluster()).resolveTarget(target, signal);
      return found.map(({ node }) => node);
    }),
  );
  const isSelected = selector !== undefined || allGpuNodes === true;
  const selected = isSelected
    ? await selectedNodes(selector ?? '', allGpuNodes === true, await cluster(), signal)
    : [];
  const names = [...named.flat(), ...selected];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`node "${twice}" is named twice`, 'name it once');
  return names;
}

/** @throws UsageError when none fits: nothing was looked at, and that is no all-clear. */
async function selectedNodes(
  selector: string,
  onlyGpus: boolean,
  cluster: Cluster,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const listed = await cluster.listNodes(selector, signal);
  const found = onlyGpus ? listed.filter(hasGpus) : listed;
  if (found.length > 0) return found.map(node => node.name);
  const which = selector === '' ? '' : ` with the labels "${selector}"`;
  throw onlyGpus
    ? new UsageError(
        `none of ${listed.length} nodes${which} offers GPUs or is labelled as having some`,
        'name a node, or kubectl gpu-mcp nodes',
      )
    : new UsageError(`no node has the labels "${selector}"`, 'kubectl get nodes --show-labels');
}

/** Whether the node offers GPUs, or is labelled as having some by the GPU Operator or by hand. */
export const hasGpus = ({ capacity, labels }: NodeState): boolean =>
  capacity['nvidia.com/gpu'] !== undefined ||
  labels['nvidia.com/gpu.count'] !== undefined ||
  labels['nvidia.com/gpu.present'] !== undefined;

/** What the sessions of one cluster have in common. */
interface Shared {
  readonly areMany: boolean;
  readonly cluster: () => Promise<Cluster>;
  /** Of --profile ephemeral: the namespace of the pod. */
  readonly within?: string;
  /** What was found in each namespace that was swept of what earlier sessions left. */
  readonly swept: Map<string, Promise<readonly Cleaned[]>>;
  /** Made with the first session. */
  reaper?: () => Reaper;
}

function nodeSession(
  { node, target }: { readonly node: string; readonly target: string },
  shared: Shared,
  options: SessionOptions,
): Session {
  const { args, redaction } = options;
  const { cluster } = shared;
  /** The names that this session gave its pods. */
  const own = new Set<string>();
  const newSuffix = () => {
    const suffix = randomSuffix();
    own.add(suffix);
    return suffix;
  };
  const openLink =
    args.profile === EPHEMERAL
      ? podLink({ node, cluster, randomSuffix: newSuffix }, options)
      : nodeLink({ node, shared, newSuffix }, options);
  const viewing: Session = {
    ...deferredSession(target, openLink),
    commandWords: shared.within
      ? podWords({ node, namespace: shared.within }, options)
      : printedConnection(args),
    clusterView: async ({ logs, ...question }, signal) =>
      withoutOwn(
        await (await cluster()).view({ node, ...question, logs: logs && args.podLogs }, signal),
        own,
      ),
  };
  return redaction?.session(viewing, signal => podsOf(node, cluster, signal)) ?? viewing;
}

/** How the agent in a pod of ours on the node is reached. */
function nodeLink(
  {
    node,
    shared,
    newSuffix,
  }: { readonly node: string; readonly shared: Shared; readonly newSuffix: () => string },
  options: SessionOptions,
): OpenLink {
  const { args, io, redaction, record } = options;
  const choices = podChoices(options, redaction);
  return async (signal, onProgress, onHeld, first) => {
    const { openKubernetesLink, othersOn, sharedReaper, spawnReaper, sweep } = await import(
      '../session/kubernetes.ts'
    );
    const connected = await shared.cluster();
    const { namespace } = connected.access;
    onProgress(`node ${node}, ${reachedBy(connected.access)}, namespace ${namespace}`);
    const orders = { connection: ConnectionFlags.parse(args) };
    shared.reaper ??= sharedReaper(() => spawnReaper(io.program.plugin, orders, io.environment));
    const pods: StartedPod[] = [];
    const link = await openKubernetesLink(
      {
        onPod: (pod, choices) => pods.push({ pod, choices }),
        cluster: connected,
        node,
        namespace,
        foreign: redaction?.known.foreign,
        pod: { ...choices, firstQuestion: first },
        lifetime: args.lifetime ?? 'auto',
        randomSuffix: newSuffix,
        startReaper: shared.reaper,
        amongMany: shared.areMany,
        // One node's answer comes sooner so; of many each try is a request more.
        attachEarly: !shared.areMany,
        onHeld: held => {
          onHeld(held);
          // What an earlier session left goes while the first pod starts; nobody waits for it.
          const sweeping = shared.swept.get(namespace) ?? sweep(connected, namespace);
          shared.swept.set(namespace, sweeping);
          void sweeping.then(found => {
            for (const words of othersOn(node, found)) onProgress(words);
          });
        },
      },
      signal,
      onProgress,
    );
    await recordPod(record, { node, pods, link, cluster: connected });
    return redaction?.keyed(link) ?? link;
  };
}

/** The view with the sessions of others alone. */
export function withoutOwn(view: ClusterView, own: ReadonlySet<string>): ClusterView {
  const pods = mapReading(view.pods, ({ sessions, ...rest }) => {
    const others = sessions?.filter(({ session }) => !own.has(session)) ?? [];
    return others.length > 0 ? { ...rest, sessions: others } : rest;
  });
  return { ...view, pods };
}

/** All pods of a node; where they may not be listed, those of the user's namespace. */
async function podsOf(node: string, cluster: () => Promise<Cluster>, signal: AbortSignal) {
  const connected = await cluster();
  const list = (namespace: string | null) =>
    connected.listPods({ namespace, fieldSelector: `spec.nodeName=${node}` }, signal);
  return list(null).catch(() => list(connected.access.namespace));
}
