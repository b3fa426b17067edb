import { UsageError } from '../contract/errors.ts';
import { NODE_IDLE_MS, NODES_OPEN_MAX } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Session } from '../session/port.ts';
import type { Client } from './client-server.ts';

/** The nodes that a server answers for. */
export interface NodePool {
  /** Those named when the server was started; none: any node of the cluster. */
  readonly targets: readonly string[];
  /** Whether names in answers are tokens. */
  readonly namesAreTokens: boolean;
  /** The pod that is looked at from within, where no pod of ours is started: `pod/train-0`. */
  readonly within?: string;
  /**
   * Works with the sessions of the nodes that a call names, and keeps their pods while it works.
   *
   * @throws UsageError when a call names no node of these, what `work` throws.
   */
  use<T>(
    node: unknown,
    signal: AbortSignal,
    work: (sessions: readonly Session[]) => Promise<T>,
  ): Promise<T>;
  close(): Promise<void>;
}

/** Nodes that were named at the start. Their sessions stay open until the server's end. */
export function namedNodes(
  sessions: readonly Session[],
  close: () => Promise<void> = async () => {},
): NodePool {
  return {
    targets: sessions.map(({ target }) => target),
    namesAreTokens: sessions.some(({ concealInput }) => concealInput !== undefined),
    ...optional({ within: withinOf(sessions[0]?.commandWords) }),
    use: async (node, _signal, work) => work(chosen(sessions, node)),
    close,
  };
}

/** A bundle of such a pod starts nothing in it. */
const withinOf = (words?: Session['commandWords']): string | undefined =>
  words?.instead ? undefined : words?.within?.pod;

/** The sessions that `node` names; all of them without one. */
function chosen(sessions: readonly Session[], node: unknown): readonly Session[] {
  const names = namesIn(node);
  if (names.length === 0) return sessions;
  const found = sessions.filter(({ target }) => names.includes(target));
  const unknown = names.find(name => !found.some(({ target }) => target === name));
  if (found.length > 0 && unknown === undefined) return found;
  throw new UsageError(
    `no session for node "${(unknown ?? '').slice(0, 64)}"`,
    `nodes here: ${sessions.map(({ target }) => target).join(', ')}`,
  );
}

/** `a`, `node/a`, `a, b`: as models write it; none where there is nothing. */
const namesIn = (node: unknown): readonly string[] => {
  const list = Array.isArray(node) ? node : String(node ?? '').split(',');
  const names = list.map(name => plainText(String(name).trim(), 253).replace(/^(nodes?|no)\//, ''));
  return [...new Set(names.filter(name => name !== ''))];
};

interface ClusterNodes {
  /** A session of a node of the cluster, not started yet. */
  open(node: string): Session;
  /** Rejects with what to try where the cluster has no such node. */
  check(node: string, signal: AbortSignal): Promise<unknown>;
  /** Runs something later, unless the returned function is called before. */
  after(ms: number, run: () => void): () => void;
  /** How long a node's pod stays when nothing is asked of it, in milliseconds. */
  readonly idleMs?: number;
  readonly namesAreTokens: boolean;
  /** After the last session. */
  readonly disconnect?: () => Promise<void>;
  /** Told what became of a session that was closed. */
  closed(session: Session, ended: Awaited<ReturnType<Session['close']>>): Promise<void>;
}

interface OpenNode {
  readonly session: Session;
  /** Calls that work with it now. */
  uses: number;
  /** Since when none does: the smallest was left first. */
  idleSince: number;
  cancelEnd: () => void;
}

/**
 * Any node of the cluster: a session is made at the first call that names its node, ends when nothing
 * was asked of it for a while, and makes room for another node's where too many are open.
 */
export const clusterNodes = (cluster: ClusterNodes): NodePool => new ClusterPool(cluster);

class ClusterPool implements NodePool {
  readonly targets = [];
  readonly namesAreTokens: boolean;
  readonly #cluster: ClusterNodes;
  readonly #open = new Map<string, OpenNode>();
  readonly #closing = new Set<Promise<void>>();
  #turn = 0;

  constructor(cluster: ClusterNodes) {
    this.#cluster = cluster;
    this.namesAreTokens = cluster.namesAreTokens;
  }

  async use<T>(
    node: unknown,
    signal: AbortSignal,
    work: (sessions: readonly Session[]) => Promise<T>,
  ): Promise<T> {
    const names = namesIn(node);
    if (names.length === 0) {
      throw new UsageError('which node?', 'list_gpu_nodes lists them; give one as "node"');
    }
    const held: (readonly [string, OpenNode])[] = [];
    try {
      for (const name of names) held.push([name, await this.#hold(name, signal)]);
      return await work(held.map(([, { session }]) => session));
    } finally {
      for (const [name, open] of held) this.#release(name, open);
    }
  }

  async close(): Promise<void> {
    for (const [name, open] of this.#open) this.#end(name, open);
    await Promise.all(this.#closing);
    await this.#cluster.disconnect?.();
  }

  async #hold(name: string, signal: AbortSignal): Promise<OpenNode> {
    if (!this.#open.has(name)) await this.#cluster.check(name, signal);
    // Another call may have opened it meanwhile.
    const open = this.#open.get(name) ?? this.#fresh(name);
    open.cancelEnd();
    open.uses += 1;
    return open;
  }

  #fresh(name: string): OpenNode {
    this.#makeRoom();
    const session = this.#cluster.open(name);
    const open = { session, uses: 0, idleSince: 0, cancelEnd: () => {} };
    this.#open.set(name, open);
    return open;
  }

  #makeRoom(): void {
    if (this.#open.size < NODES_OPEN_MAX) return;
    const [oldest] = [...this.#open]
      .filter(([, { uses }]) => uses === 0)
      .toSorted(([, a], [, b]) => a.idleSince - b.idleSince);
    if (!oldest) {
      throw new UsageError(
        `${NODES_OPEN_MAX} nodes are being asked already`,
        `wait for one of them, and ask at most ${NODES_OPEN_MAX} at once`,
      );
    }
    this.#end(...oldest);
  }

  #release(name: string, open: OpenNode): void {
    open.uses -= 1;
    if (open.uses > 0) return;
    this.#turn += 1;
    open.idleSince = this.#turn;
    const idleMs = this.#cluster.idleMs ?? NODE_IDLE_MS;
    open.cancelEnd = this.#cluster.after(idleMs, () => this.#end(name, open));
  }

  #end(name: string, { session, cancelEnd }: OpenNode): void {
    cancelEnd();
    this.#open.delete(name);
    const ended = session.close().then(closed => this.#cluster.closed(session, closed));
    this.#closing.add(ended);
    void ended.finally(() => this.#closing.delete(ended));
  }
}

interface Question {
  /** What would be started: ASKS. */
  readonly what: string;
  /** The nodes that somebody has agreed to. */
  readonly confirmed: Set<string>;
  readonly ask: Client['ask'];
}

/**
 * The same nodes, of which none gets a pod before the client's user has agreed to it, once a node.
 * A client that cannot ask gets no pod: the flag is a promise to whoever set it.
 */
export function confirming(nodes: NodePool, { confirmed, ...question }: Question): NodePool {
  return {
    targets: nodes.targets,
    namesAreTokens: nodes.namesAreTokens,
    ...optional({ within: nodes.within }),
    close: () => nodes.close(),
    use: (node, signal, work) =>
      nodes.use(node, signal, async sessions => {
        const fresh = sessions.map(({ target }) => target).filter(name => !confirmed.has(name));
        if (fresh.length > 0) {
          await agreed(fresh, nodes.within, question);
          for (const name of fresh) confirmed.add(name);
        }
        return work(sessions);
      }),
  };
}

/** @throws UsageError where nobody agreed. */
async function agreed(
  names: readonly string[],
  within: string | undefined,
  { what, ask }: Pick<Question, 'what' | 'ask'>,
): Promise<void> {
  const where = within ?? names.join(', ');
  const said = await ask(
    within === undefined
      ? `Start ${what}, on ${where}? It only reads, and is removed at the end of this session.`
      : `Add ${what}, to ${where}? It only reads, and ends with this session; its entry stays in the pod until the pod is deleted.`,
  );
  if (said === undefined) {
    throw new UsageError(
      `nothing was started on ${where}: --confirm is set, and this client cannot ask its user`,
      'use a client with elicitation, or start the server without --confirm',
    );
  }
  if (said !== 'accept') {
    throw new UsageError(`nothing was started on ${where}: the user did not agree`);
  }
}
