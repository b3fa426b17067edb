import { once } from 'node:events';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import {
  ApiError,
  type Cluster,
  isMissingRight,
  type NodeState,
  type ObjectName,
  type PodState,
} from '../cluster/port.ts';
import { SessionError, type Shown } from '../contract/errors.ts';
import { CONTAINER, LABELS } from '../contract/labels.ts';
import {
  FIRST_ROW_POD_MS_MAX,
  POD_LOOK_AGAIN_MS,
  REMOVE_TRY_MS_MAX,
  ROW_SILENCE_MS,
  ROWS_REMOVED_AT_ONCE,
  SHUTDOWN_MS_MAX,
  WHO_AM_I_MS_MAX,
} from '../contract/limits.ts';
import { Holding } from './holding.ts';
import { ownerSpec } from './job.ts';
import type { Lifetime } from './kubernetes-link.ts';
import { orAborted } from './or-aborted.ts';
import { type PodChoices, type PodOptions, podName, podSpec, SESSION_LABEL } from './pod-spec.ts';
import type { Session, SessionClosed, ToolRequest } from './port.ts';
import type { Reaper } from './reaper.ts';
import { withRuntimeClass } from './runtime-class.ts';
import { whoIsSilent } from './silence.ts';
import { readRowSign, unusableNode } from './start-signs.ts';

export interface RowPodsOptions {
  readonly cluster: () => Promise<Cluster>;
  readonly pod: PodChoices;
  /** Whether an owner is made first; auto: where it may be. */
  readonly lifetime: Lifetime;
  readonly randomSuffix: () => string;
  readonly startReaper: () => Reaper;
  /** What may be said of a text of others: a kubelet's, an admission rule's. */
  readonly foreign?: Shown | undefined;
  /** Once, before anything is made. */
  readonly onBegin: (cluster: Cluster) => void;
  /** Is told of each pod that left a row; what it throws is the end of that node's question. */
  readonly onRow?: ((pod: ObjectName & { uid: string }, origin: RowOrigin) => void) | undefined;
}

/** What a pod was made of, and which image its runtime says it runs. */
export interface RowOrigin extends Pick<PodOptions, 'image' | 'node' | 'user'> {
  readonly imageId: string | undefined;
}

/** What all of them share, from the first question on. */
interface Begun {
  readonly cluster: Cluster;
  readonly pod: PodChoices;
  readonly namespace: string;
  readonly session: string;
  readonly user: string | undefined;
  /** By name; empty where nodes may not be listed. */
  readonly nodes: ReadonlyMap<string, NodeState>;
  readonly owner: { readonly name: string; readonly uid: string } | undefined;
}

/** Pods that are removed together, once none of them is waited for. */
interface Part {
  readonly name: string;
  begun: number;
  over: number;
}

/** Who waits for a pod. */
interface Waiting {
  isMade: boolean;
  last: PodState | undefined;
  hear(pod: PodState, isDeleted: boolean): void;
  fail(error: unknown): void;
}

const NOTHING: SessionClosed = { removed: null, verified: true, left: [] };

/**
 * Many nodes read by pods to which nobody attaches: each reads its node once, leaves a row as its last
 * words, and ends. One watch hears them all. They are named to their nodes, as every pod of ours, and made
 * at the pace of our client: a Job for each would wait for a controller that makes a few a second, and
 * the pods of one Job cannot be told which node is theirs. One Job that asks for no pod owns them, so
 * that the cluster removes what we cannot.
 */
export class RowPods {
  readonly #options: RowPodsOptions;
  readonly #stop = new AbortController();
  readonly #waiting = new Map<string, Waiting>();
  readonly #creating = new Set<Promise<unknown>>();
  #open = 0;
  #made = 0;
  #begun: Promise<Begun> | undefined;
  #ready: Begun | undefined;
  #holding: Holding | undefined;
  /** The first pod: what refuses it refuses all. */
  #first: Promise<unknown> | undefined;
  #isHeard = false;
  #part: Part = { name: '1', begun: 0, over: 0 };

  constructor(options: RowPodsOptions) {
    this.#options = options;
  }

  /** One node's part; what was made is removed when the last of them is closed. */
  session(node: string, target: string): Session {
    this.#open += 1;
    let closed: Promise<SessionClosed> | undefined;
    const close = async () => {
      this.#open -= 1;
      return this.#open === 0 ? this.#end() : NOTHING;
    };
    return {
      target,
      call: request => this.#read(node, request),
      start: async () => {},
      close: () => {
        closed ??= close();
        return closed;
      },
    };
  }

  async #read(node: string, request: ToolRequest): Promise<CallToolResult> {
    const { signal, onProgress } = request;
    this.#begun ??= this.#begin(node, request);
    const begun = await orAborted(this.#begun, signal);
    const { cluster, namespace, nodes } = begun;
    const state = nodes.get(node) ?? (await cluster.getNode(node, signal));
    const unusable = unusableNode(state, this.#options.foreign);
    if (unusable) throw new SessionError(unusable.sentence, { hint: unusable.hint });
    const part = this.#nextPart();
    const pod = this.#podOf(state, begun, request, part.name);
    const over = new AbortController();
    const until = AbortSignal.any([signal, this.#stop.signal, over.signal]);
    const row = this.#rowOf(pod, onProgress, until);
    row.catch(() => undefined);
    onProgress(`pod ${namespace}/${pod.name} is being created on ${node}`);
    try {
      // An API server that does not answer takes no longer than the node has.
      await Promise.race([this.#create(pod, begun, until), row]);
      void this.#nameSilence(pod, cluster, { signal: until, onProgress });
      return await row;
    } finally {
      over.abort();
      this.#waiting.delete(pod.name);
      this.#leave(part, begun);
    }
  }

  #nextPart(): Part {
    if (this.#part.begun === ROWS_REMOVED_AT_ONCE) {
      this.#part = { name: String(Number(this.#part.name) + 1), begun: 0, over: 0 };
    }
    this.#part.begun += 1;
    return this.#part;
  }

  /** Whose rows are read need their pods no longer: a thousand at the end would keep whoever asked waiting. */
  #leave(part: Part, { cluster, namespace, session }: Begun): void {
    part.over += 1;
    if (part.over < ROWS_REMOVED_AT_ONCE || this.#stop.signal.aborted) return;
    const pods = { ...allOf(namespace, session), part: part.name };
    // Let run to its own time-out: a busy server works on. What fails goes with the others at the end.
    cluster.deleteObject(pods, UNSTOPPED).catch(() => undefined);
  }

  async #begin(node: string, { input, tool, onProgress }: ToolRequest): Promise<Begun> {
    const { lifetime, randomSuffix, startReaper, onBegin } = this.#options;
    const { signal } = this.#stop;
    const cluster = await this.#options.cluster();
    const { namespace } = cluster.access;
    onBegin(cluster);
    const within = AbortSignal.any([signal, AbortSignal.timeout(WHO_AM_I_MS_MAX)]);
    const [user, listed, pod] = await Promise.all([
      cluster.whoAmI(within).catch(() => undefined),
      cluster.listNodes('', signal).catch(unlessForbidden),
      withRuntimeClass(this.#options.pod, cluster, signal, onProgress),
    ]);
    // What ended the questions ended that of the user too, and nothing is made for it.
    signal.throwIfAborted();
    const nodes = new Map(listed.map(state => [state.name, state]));
    const session = randomSuffix();
    const holding = new Holding(cluster, startReaper);
    this.#holding = holding;
    holding.add(allOf(namespace, session));
    holding.guard();
    // The Job asks for no pod: a first node that is not there is no end of the others.
    const state = nodes.get(node) ?? { name: node, osImage: '', labels: {}, kubeletVersion: '' };
    const common = { cluster, pod, namespace, session, user, nodes };
    const request = { input, tool };
    const name = podName('fleet', session);
    const spec = { ...this.#podOf(state, { ...common, owner: undefined }, request, '0'), name };
    const owner = lifetime === 'pod' ? undefined : await this.#own(spec, cluster);
    void this.#watch(common);
    this.#ready = { ...common, owner };
    return this.#ready;
  }

  /** The Job that owns the pods; undefined where there may be none, or where something holds it back. */
  async #own(options: PodOptions, cluster: Cluster): Promise<Begun['owner']> {
    const asked = { kind: 'job', namespace: options.namespace, name: options.name } as const;
    try {
      return await this.#holding?.create(asked, () =>
        cluster.createJob(ownerSpec(options), UNSTOPPED),
      );
    } catch (error) {
      if (this.#options.lifetime === 'auto' && isMissingRight(error)) return undefined;
      throw error;
    }
  }

  #podOf(
    state: PodOptions['node'],
    { cluster, pod, namespace, session, user, owner }: Omit<Begun, 'nodes'>,
    { input, tool }: Pick<ToolRequest, 'input' | 'tool'>,
    part: string,
  ): PodOptions {
    return {
      ...pod,
      labels: { [LABELS.part]: part },
      // Long names of nodes may differ in what a pod's name has no room for.
      name: podName(state.name, this.#options.randomSuffix()),
      ...{ namespace, session, user, node: state, nowMs: cluster.nowMs() },
      firstQuestion: { tool, input },
      row: { owner: owner && { name: owner.name, uid: owner.uid } },
    };
  }

  /** One of them goes first, and is waited for a while: a refusal of it would be that of all. */
  async #create(pod: PodOptions, { cluster }: Begun, signal: AbortSignal): Promise<void> {
    const isFirst = this.#first === undefined;
    if (this.#first) {
      const late = once(AbortSignal.timeout(FIRST_ROW_POD_MS_MAX), 'abort');
      await Promise.race([this.#first.catch(throwForbidden), late]);
    }
    signal.throwIfAborted();
    const creating = cluster.createPod(podSpec(pod), UNSTOPPED);
    if (isFirst) this.#first = creating;
    this.#creating.add(creating);
    try {
      await creating;
      this.#made += 1;
      const waiting = this.#waiting.get(pod.name);
      if (waiting) waiting.isMade = true;
    } finally {
      this.#creating.delete(creating);
    }
  }

  #rowOf(
    pod: PodOptions,
    onProgress: (words: string) => void,
    signal: AbortSignal,
  ): Promise<CallToolResult> {
    const { onRow, foreign } = this.#options;
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      let pullsFailed = 0;
      this.#waiting.set(pod.name, {
        isMade: false,
        last: undefined,
        hear(seen, isDeleted) {
          this.last = seen;
          const container = seen.containers.find(({ name }) => name === CONTAINER);
          const now = { ...seen, deleting: seen.deleting || isDeleted };
          const sign = readRowSign(now, pod.node.name, pullsFailed, foreign);
          if (container?.reason === 'ImagePullBackOff') pullsFailed += 1;
          if (sign.kind === 'waiting') return onProgress(sign.words);
          if (sign.kind === 'failed') return reject(sign.error);
          try {
            onRow?.(seen, { ...pod, imageId: container?.imageId });
          } catch (error) {
            return reject(error);
          }
          resolve(sign.row);
        },
        fail: reject,
      });
    });
  }

  /**
   * Of a pod that no kubelet takes note of: who is silent. Its time goes on, for nobody waits for it alone
   * and a busy node may come back.
   */
  async #nameSilence(
    pod: PodOptions,
    cluster: Cluster,
    { signal, onProgress }: Pick<ToolRequest, 'signal' | 'onProgress'>,
  ): Promise<void> {
    try {
      await once(AbortSignal.timeout(ROW_SILENCE_MS), 'abort', { signal });
      const { last } = this.#waiting.get(pod.name) ?? {};
      if (last && (last.containers.length > 0 || last.startedAt !== '')) return;
      const silence = await whoIsSilent(cluster, pod.node.name, signal, this.#options.foreign);
      // An API server that is away for a moment is the watch's to bear.
      if (!silence || silence.who === 'link') return;
      onProgress(silence.sentence);
    } catch {
      // Over, or nobody knows more than that there is no answer.
    }
  }

  async #watch({ cluster, namespace, session }: Omit<Begun, 'owner'>): Promise<void> {
    const { signal } = this.#stop;
    const query = { namespace, labelSelector: `${SESSION_LABEL}=${session}` };
    const hear = (pod: PodState, isDeleted: boolean) => {
      this.#isHeard = true;
      this.#waiting.get(pod.name)?.hear(pod, isDeleted);
    };
    const watching = async () => {
      for await (const { type, pod } of cluster.watchPods(query, signal)) {
        hear(pod, type === 'deleted');
      }
    };
    // A watch may fall silent without an end.
    const looking = async () => {
      for (;;) {
        await once(AbortSignal.timeout(POD_LOOK_AGAIN_MS), 'abort', { signal });
        const isSilent = !this.#isHeard;
        this.#isHeard = false;
        if (this.#waiting.size === 0 || !isSilent) continue;
        const awaited = [...this.#waiting].filter(([, { isMade }]) => isMade);
        const pods = await cluster.listPods(query, signal).catch(() => undefined);
        if (!pods) continue;
        for (const pod of pods) hear(pod, false);
        for (const [name, waiting] of awaited) {
          if (!pods.some(pod => pod.name === name)) waiting.fail(wasDeleted(namespace, name));
        }
      }
    };
    void looking().catch(() => undefined);
    await watching().catch(error => {
      for (const waiting of this.#waiting.values()) waiting.fail(error);
    });
  }

  async #end(): Promise<SessionClosed> {
    this.#stop.abort(new SessionError('the pods of these nodes are being removed'));
    const ending = this.#removed();
    const isGone = await orAborted(ending, AbortSignal.timeout(SHUTDOWN_MS_MAX)).catch(() => false);
    const holding = this.#holding;
    if (!holding) return NOTHING;
    const { owner, namespace = '', session = '' } = this.#ready ?? {};
    // What was asked for without an answer may yet be made.
    if (this.#creating.size > 0) holding.add(allOf(namespace, session));
    const { left } = holding;
    if (left.length > 0) holding.guard();
    const pods = this.#made === 1 ? '1 pod' : `${this.#made} pods`;
    const made = this.#made === 0 ? null : pods;
    const removed = owner ? `job ${namespace}/${owner.name} and its ${pods}` : made;
    return { removed, verified: isGone && left.length === 0, left };
  }

  /** Whether all of it was seen gone. */
  async #removed(): Promise<boolean> {
    await this.#begun?.catch(() => undefined);
    const late = AbortSignal.timeout(REMOVE_TRY_MS_MAX);
    await orAborted(Promise.allSettled(this.#creating), late).catch(() => undefined);
    return (await this.#holding?.end()) ?? true;
  }
}

const allOf = (namespace: string, session: string) =>
  ({ kind: 'pods', namespace, name: session, uid: '' }) as const;

const wasDeleted = (namespace: string, name: string) =>
  new SessionError(`pod ${namespace}/${name} was deleted before it told anything`, {
    hint: 'who deleted it? kubectl get events',
  });

/** A create that is broken off half-way may have been done: it is let run to its own time-out. */
const UNSTOPPED = new AbortController().signal;

function unlessForbidden(error: unknown): readonly NodeState[] {
  if (isMissingRight(error)) return [];
  throw error;
}

function throwForbidden(error: unknown): void {
  if (error instanceof ApiError && error.code === 403) throw error;
}
