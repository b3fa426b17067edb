import { randomBytes } from 'node:crypto';
import type { Redaction } from '../bridge/redacted-session.ts';
import { ConnectionFlags } from '../cluster/connection-flags.ts';
import type { Cluster } from '../cluster/port.ts';
import { UsageError } from '../contract/errors.ts';
import { DEFAULT_IMAGE, IMAGE_ENVIRONMENT } from '../contract/version.ts';
import type { Session } from '../session/port.ts';
import type { PodFlags, TargetFlags } from './flags.ts';
import type { Io } from './io.ts';
import { deferredSession, type SessionOptions } from './sessions.ts';

interface NodeSessions {
  readonly sessions: readonly Session[];
  /** Lets go of the cluster, where it was connected to. */
  disconnect(): Promise<void>;
}

/** A session for each node that is named; the cluster is connected to when it is first asked. */
export async function nodeSessions(options: SessionOptions): Promise<NodeSessions> {
  const { args, io } = options;
  if (args.target.length === 0 && args.selector === undefined) {
    throw new UsageError(
      'name a node',
      'kubectl gpu-mcp nodes lists those with GPUs; --help shows the ways to name one',
    );
  }
  let connection: Promise<Cluster> | undefined;
  const cluster = () => {
    connection ??= import('../cluster/kubernetes-cluster.ts').then(({ connect }) =>
      connect({
        flags: args,
        environment: io.environment,
        clock: io.clock,
        transport: args.transport,
      }),
    );
    return connection;
  };
  const names = await nodeNames(args, cluster, io.signal);
  return {
    sessions: names.map(node => nodeSession(node, cluster, options)),
    disconnect: async () => (await connection?.catch(() => undefined))?.close(),
  };
}

/** Plain names stay as they are; what must be looked up is looked up. */
async function nodeNames(
  args: Pick<TargetFlags, 'target' | 'selector'>,
  cluster: () => Promise<Cluster>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const named = await Promise.all(
    args.target.map(async target => {
      const plain = target.replace(/^(nodes?|no)\//, '');
      if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(plain)) return [plain];
      const found = await (await cluster()).resolveTarget(target, signal);
      return found.map(({ node }) => node);
    }),
  );
  const selected =
    args.selector === undefined ? [] : await selectedNodes(args.selector, await cluster(), signal);
  const names = [...named.flat(), ...selected];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`node "${twice}" is named twice`, 'name it once');
  return names;
}

async function selectedNodes(selector: string, cluster: Cluster, signal: AbortSignal) {
  const found = await cluster.listNodes(selector, signal);
  if (found.length > 0) return found.map(node => node.name);
  throw new UsageError(`no node has the labels "${selector}"`, 'kubectl get nodes --show-labels');
}

function nodeSession(
  node: string,
  cluster: () => Promise<Cluster>,
  options: SessionOptions,
): Session {
  const { args, io, redaction } = options;
  const session = deferredSession(node, async (signal, onProgress) => {
    const { openKubernetesLink, spawnReaper, sweep } = await import('../session/kubernetes.ts');
    const connected = await cluster();
    const { namespace, context, server } = connected.access;
    onProgress(`node ${node}, context ${context ?? server}, namespace ${namespace}`);
    const connection = ConnectionFlags.parse(args);
    const link = await openKubernetesLink(
      {
        cluster: connected,
        node,
        namespace,
        pod: podChoices(options, redaction),
        lifetime: args.lifetime ?? 'auto',
        randomSuffix: () => randomBytes(5).toString('hex'),
        startReaper: guarded =>
          spawnReaper(io.program.plugin, { connection, ...guarded }, io.environment),
      },
      signal,
      onProgress,
    );
    // What an earlier session left goes with this one; nobody waits for it.
    void sweep(connected, namespace);
    return link;
  });
  const viewing: Session = {
    ...session,
    clusterView: async (question, signal) => (await cluster()).view({ node, ...question }, signal),
  };
  return redaction?.session(viewing, signal => podsOf(node, cluster, signal)) ?? viewing;
}

/** All pods of a node; where they may not be listed, those of the user's namespace. */
async function podsOf(node: string, cluster: () => Promise<Cluster>, signal: AbortSignal) {
  const connected = await cluster();
  const list = (namespace: string | null) =>
    connected.listPods({ namespace, fieldSelector: `spec.nodeName=${node}` }, signal);
  return list(null).catch(() => list(connected.access.namespace));
}

/** What the flags say of the pod. */
export function podChoices(
  { args, io }: { readonly args: PodFlags; readonly io: Pick<Io, 'environment'> },
  redaction?: Redaction,
) {
  return {
    image: args.image ?? io.environment[IMAGE_ENVIRONMENT] ?? DEFAULT_IMAGE,
    profile: args.profile,
    imagePullSecrets: args.imagePullSecret,
    priorityClassName: args.priorityClass,
    serviceAccountName: args.serviceAccount,
    ...(args.reason === undefined ? {} : { annotations: { 'gpu-mcp/reason': args.reason } }),
    agentArguments: [...driverRootArguments(args), ...(redaction?.agentArguments ?? [])],
  };
}

export const driverRootArguments = ({ driverRoot }: PodFlags): readonly string[] =>
  driverRoot === undefined ? [] : ['--driver-root', driverRoot];
