import { randomBytes } from 'node:crypto';
import type { Redaction } from '../bridge/redacted-session.ts';
import type { Cluster } from '../cluster/port.ts';
import { UsageError } from '../contract/errors.ts';
import { DEFAULT_IMAGE, IMAGE_ENVIRONMENT } from '../contract/image.ts';
import { SHUTDOWN_MS_MAX } from '../contract/limits.ts';
import type { Session } from '../session/port.ts';
import { MACHINE_NAMES } from '../simulation/names.ts';
import { type Arguments, connectionFlags } from './arguments.ts';
import { deferredSession } from './deferred-session.ts';
import type { Io, Progress } from './io.ts';

/** The sessions that a command line names; none of them has started anything yet. */
export interface Targets {
  readonly sessions: readonly Session[];
  /** Ends them all and says what could not be verified as removed. */
  close(): Promise<void>;
}

interface Asked {
  readonly args: Arguments;
  readonly io: Io;
  readonly progress: Progress;
}

export interface Wanted extends Asked {
  /** With --redact-names. */
  readonly redaction: Redaction | undefined;
}

/**
 * Names to sessions. A plain node name asks nothing of the cluster; a selector or a workload is
 * looked up here.
 *
 * @throws UsageError when nothing or the same node twice is named, ClusterError from a look-up.
 */
export async function openTargets(asked: Asked): Promise<Targets> {
  const { args } = asked;
  const wanted = { ...asked, redaction: args.redactNames ? await newRedaction() : undefined };
  if (args.from.length > 0) {
    const { replaySessions } = await import('./replay-sessions.ts');
    return closing(await replaySessions(wanted), wanted);
  }
  const here = args.local === true || args.simulate !== undefined;
  if (here && (args.target.length > 0 || args.selector !== undefined)) {
    throw new UsageError('--local and --simulate take no node', 'leave out the node or the flag');
  }
  if (args.local === true && args.simulate !== undefined) {
    throw new UsageError('--local and --simulate exclude each other', 'leave out one of them');
  }
  return here ? closing([localSession(wanted)], wanted) : clusterTargets(wanted);
}

/** A key of its own for each run of the program: tokens of two runs have nothing in common. */
async function newRedaction(): Promise<Redaction> {
  const { createRedaction } = await import('../bridge/redacted-session.ts');
  return createRedaction(randomBytes(16).toString('hex'));
}

function localSession({ args, io, redaction }: Wanted): Session {
  const { simulate } = args;
  if (simulate !== undefined && !MACHINE_NAMES.includes(simulate)) {
    throw new UsageError(
      `there is no simulated machine "${simulate.slice(0, 64)}"`,
      `--simulate ${MACHINE_NAMES.join(' | ')}`,
    );
  }
  const agentArguments = [
    ...(simulate === undefined ? driverRootArguments(args) : ['--simulate', simulate]),
    ...(redaction?.agentArguments ?? []),
  ];
  const session = deferredSession(simulate ?? 'local', async signal => {
    const { openLocalLink } = await import('../session/local-link.ts');
    const agent = { agentFile: io.program.agent, agentArguments, environment: io.environment };
    return openLocalLink(agent, signal);
  });
  return redaction?.session(session) ?? session;
}

const driverRootArguments = ({ driverRoot }: Arguments): readonly string[] =>
  driverRoot === undefined ? [] : ['--driver-root', driverRoot];

async function clusterTargets(wanted: Wanted): Promise<Targets> {
  const { args, io } = wanted;
  if (args.target.length === 0 && args.selector === undefined) {
    throw new UsageError(
      'name a node',
      'kubectl gpu-mcp nodes lists those with GPUs; --help shows the ways to name one',
    );
  }
  let connection: Promise<Cluster> | undefined;
  const cluster = () => {
    connection ??= import('../cluster/connect.ts').then(({ connect }) =>
      connect({
        flags: connectionFlags(args),
        environment: io.environment,
        clock: io.clock,
        transport: args.transport,
      }),
    );
    return connection;
  };
  const names = await nodeNames(args, cluster, io.signal);
  const sessions = names.map(node => nodeSession(node, cluster, wanted));
  return closing(sessions, wanted, async () => (await connection?.catch(() => undefined))?.close());
}

/** Plain names stay as they are; what must be looked up is looked up. */
async function nodeNames(
  args: Arguments,
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

function nodeSession(node: string, cluster: () => Promise<Cluster>, wanted: Wanted): Session {
  const { args, io, redaction } = wanted;
  const session = deferredSession(node, async (signal, onProgress) => {
    const { openKubernetesLink, spawnReaper, sweep } = await import('../session/kubernetes.ts');
    const connected = await cluster();
    const { namespace, context, server } = connected.access;
    onProgress(`node ${node}, context ${context ?? server}, namespace ${namespace}`);
    const connection = connectionFlags(args);
    const link = await openKubernetesLink(
      {
        cluster: connected,
        node,
        namespace,
        pod: podChoices(wanted, redaction),
        lifetime: args.lifetime ?? 'auto',
        clock: io.clock,
        randomSuffix: () => randomBytes(5).toString('hex'),
        startReaper: guarded =>
          spawnReaper(io.program.plugin, { connection, ...guarded }, io.environment),
      },
      signal,
      onProgress,
    );
    // What an earlier session left goes with this one; nobody waits for it.
    void sweep(connected, namespace, io.clock);
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
  { args, io }: { readonly args: Arguments; readonly io: Pick<Io, 'environment'> },
  redaction?: Redaction,
) {
  return {
    image: args.image ?? io.environment[IMAGE_ENVIRONMENT] ?? DEFAULT_IMAGE,
    imagePullSecrets: args.imagePullSecret,
    priorityClassName: args.priorityClass,
    serviceAccountName: args.serviceAccount,
    ...(args.reason === undefined ? {} : { annotations: { 'gpu-mcp/reason': args.reason } }),
    agentArguments: [...driverRootArguments(args), ...(redaction?.agentArguments ?? [])],
  };
}

const UNSEEN = { removed: 'the session', verified: false } as const;

function closing(
  sessions: readonly Session[],
  { progress }: Wanted,
  after?: () => Promise<void>,
): Targets {
  return {
    sessions,
    async close() {
      await Promise.all(
        sessions.map(async session => {
          const late = new Promise<undefined>(resolve => {
            setTimeout(() => resolve(undefined), SHUTDOWN_MS_MAX).unref();
          });
          const { removed, verified } = (await Promise.race([session.close(), late])) ?? UNSEEN;
          if (removed === null) return;
          progress.say(
            verified
              ? `${removed} deleted, verified`
              : `${removed}: deletion not verified; check with kubectl gpu-mcp clean --dry-run`,
          );
        }),
      );
      await after?.();
    },
  };
}
