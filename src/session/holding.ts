import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ApiError,
  type Cluster,
  type Created,
  type ObjectRef,
  type PodQuery,
  type PodState,
  Unreachable,
} from '../cluster/port.ts';
import { AGENT_EXIT, CONTAINER } from '../contract/labels.ts';
import {
  LATE_CREATE_MS,
  POD_GONE_LOOK_MS,
  POD_GONE_MS_MAX,
  POD_LOOK_MS,
  REAP_MS_MAX,
  REAP_RETRY_MS,
  REMOVE_MS_MAX,
  REMOVE_RETRY_MS,
  REMOVE_TRY_MS_MAX,
} from '../contract/limits.ts';
import type { Reaper } from './reaper.ts';

/** What a session may have left in the cluster. */
export interface Held {
  /** The first that was made, or may have been, for people. */
  readonly name: string | null;
  /** What the cluster keeps of it all the same. */
  readonly stays?: string | undefined;
  /** It cannot be removed, and was not seen to have ended yet. */
  readonly mayRun?: boolean;
  /** Of the same: what ends it then, and when at the latest. */
  readonly ends?: string;
  /** Removes it; true when the API server has confirmed all of it. */
  remove(): Promise<boolean>;
  /** Whether all of it was seen gone, in time. */
  isGone(): Promise<boolean>;
  /** What was made, or may have been, and was not seen gone yet. */
  readonly left: readonly ObjectRef[];
  /** Leaves what is left to a process that outlives this one. */
  guard(): void;
}

/**
 * The Job and pod of one start, from before they are asked for until they are gone. What cannot be
 * removed now is tried again as long as we live, and by the reaper after us.
 */
export class Holding implements Held {
  readonly #cluster: Cluster;
  readonly #startReaper: (() => Reaper) | undefined;
  /** Each object, and whether the API server has confirmed its deletion. */
  readonly #objects = new Map<ObjectRef, 'there' | 'ending'>();
  /** Objects whose create was given up by the API server, and until when it may still be done. */
  readonly #late = new Map<ObjectRef, AbortSignal>();
  /** Finds the pods that may be among them. */
  readonly #pods: PodQuery | undefined;
  /** Whether their end is watched; else they are only looked at. */
  readonly #watches: boolean;
  #reaper: Reaper | undefined;
  #first: string | null = null;
  #onGone: () => void = () => {};
  /** Tries again as long as we live. */
  #goingOn: Promise<void> | undefined;

  constructor(
    cluster: Cluster,
    startReaper: (() => Reaper) | undefined,
    pods?: PodQuery,
    { watches } = { watches: true },
  ) {
    this.#cluster = cluster;
    this.#startReaper = startReaper;
    this.#pods = pods;
    this.#watches = watches;
  }

  get left(): readonly ObjectRef[] {
    return [...this.#objects.keys()];
  }

  get name(): string | null {
    return this.#first;
  }

  /**
   * Creates an object. It is held from before the API server is asked, under its name, which is new: an
   * answer that never comes may have made it. What the API server refuses is not.
   */
  async create(asked: Omit<ObjectRef, 'uid'>, ask: () => Promise<Created>): Promise<Created> {
    const unknown = { ...asked, uid: '' };
    this.add(unknown);
    try {
      const { kind, namespace, name, uid, suspended } = await ask();
      this.#drop(unknown);
      this.add({ kind, namespace, name, uid });
      return { kind, namespace, name, uid, suspended };
    } catch (error) {
      if (isRefusal(error)) {
        this.#drop(unknown);
        if (this.#first === nameOf(unknown)) this.#first = null;
      }
      const late = lateBehind(error);
      if (late) this.#late.set(unknown, late);
      throw error;
    }
  }

  add(object: ObjectRef): void {
    if (this.left.some(({ uid }) => uid !== '' && uid === object.uid)) return;
    this.#objects.set(object, 'there');
    this.#first ??= nameOf(object);
    this.#reaper?.guard(this.left);
  }

  guard(): void {
    if (this.#objects.size > 0 && this.#areEnding()) return;
    this.#reaper ??= this.#startReaper?.();
    this.#reaper?.guard(this.left);
  }

  /** Deletes all at once: the Job, so that it makes no other pod, and its pod. True when each is confirmed. */
  async remove(): Promise<boolean> {
    const within = AbortSignal.timeout(REMOVE_MS_MAX);
    while (!(await this.#removed(within)) && !within.aborted) {
      await sleep(REMOVE_RETRY_MS, undefined, { signal: within }).catch(() => undefined);
    }
    if (this.#isConfirmed()) return true;
    this.guard();
    this.#goingOn ??= this.#goOn();
    return false;
  }

  /** Whether all of it was seen gone, in time; a pod too that a Job made and nobody here has seen. */
  async isGone(): Promise<boolean> {
    if (!(await this.#seenGone(POD_LOOK_MS))) return false;
    if (!this.#pods) return true;
    const signal = AbortSignal.timeout(POD_GONE_MS_MAX);
    const unseen = await this.#unseen(this.#pods, signal);
    if (unseen === undefined) return false;
    if (unseen.length === 0) return true;
    for (const { namespace, name, uid } of unseen) this.add({ kind: 'pod', namespace, name, uid });
    return (await this.remove()) && (await this.#seenGone(POD_LOOK_MS));
  }

  /** Removes it and sees it go, as soon as nothing runs in it any more. Whether it was seen gone. */
  async end(): Promise<boolean> {
    const over = new AbortController();
    const watching = this.#watchEnd(over.signal);
    try {
      return (await this.remove()) && (await this.#seenGone(POD_GONE_LOOK_MS));
    } finally {
      over.abort();
      await watching;
    }
  }

  async #seenGone(everyMs: number): Promise<boolean> {
    const signal = AbortSignal.timeout(POD_GONE_MS_MAX);
    const gone = new Promise<void>(resolve => {
      this.#onGone = resolve;
    });
    try {
      while (this.#objects.size > 0) {
        await Promise.race([gone, sleep(everyMs, undefined, { signal })]);
        for (const object of this.left) {
          const isThere = await orBroken(this.#cluster.isThere(object, signal));
          if (isThere === false) this.#dropGone(object);
        }
      }
      return true;
    } catch {
      // Not seen gone in time, or not allowed to look: we do not claim it.
      return false;
    }
  }

  /** The session's pods; undefined where they were not told in time, or may not be listed. */
  async #unseen(pods: PodQuery, signal: AbortSignal): Promise<readonly PodState[] | undefined> {
    try {
      for (;;) {
        const found = await orBroken(this.#cluster.listPods(pods, signal));
        if (found !== undefined) return found;
        await sleep(POD_LOOK_MS, undefined, { signal });
      }
    } catch {
      return undefined;
    }
  }

  /**
   * A kubelet reports at once that a pod's containers have ended, and takes another second to remove
   * it. A pod in which nothing runs any more needs no kubelet: it is deleted without it.
   */
  async #watchEnd(signal: AbortSignal): Promise<void> {
    if (!this.#pods || !this.#watches) return;
    try {
      for await (const { type, pod } of this.#cluster.watchPods(this.#pods, signal)) {
        const object = this.left.find(({ uid }) => uid !== '' && uid === pod.uid);
        if (!object) continue;
        if (type === 'deleted') this.#drop(object);
        else if (pod.deleting && isProvenEnded(pod)) {
          const outcome = await this.#cluster.deleteObject(object, signal, 'now');
          if (outcome !== 'ending') this.#drop(object);
        }
      }
    } catch {
      // The kubelet removes it all the same, and the looks at it see that.
    }
  }

  /** One try at all that is not confirmed. True when there is nothing more to try. */
  async #removed(within: AbortSignal): Promise<boolean> {
    const there = [...this.#objects].filter(([, state]) => state === 'there');
    const tries = there.map(async ([object]) => {
      // Many in one request take their time.
      const ms = object.kind === 'pods' ? REMOVE_MS_MAX : REMOVE_TRY_MS_MAX;
      const signal = AbortSignal.any([within, AbortSignal.timeout(ms)]);
      const outcome = await this.#cluster.deleteObject(object, signal);
      if (outcome === 'ending' && this.#objects.has(object)) this.#objects.set(object, 'ending');
      else if (outcome === 'gone') this.#dropGone(object);
      else this.#drop(object);
    });
    const results = await Promise.allSettled(tries);
    // What is forbidden stays forbidden.
    return results.every(
      result =>
        result.status === 'fulfilled' ||
        (result.reason instanceof ApiError && result.reason.code === 403),
    );
  }

  async #goOn(): Promise<void> {
    for (let waitedMs = 0; waitedMs < REAP_MS_MAX; waitedMs += REAP_RETRY_MS) {
      await once(AbortSignal.timeout(REAP_RETRY_MS), 'abort');
      await this.#removed(AbortSignal.timeout(REAP_RETRY_MS));
      if (this.#isConfirmed()) break;
    }
    this.#goingOn = undefined;
  }

  #isConfirmed(): boolean {
    const isConfirmed = this.#areEnding();
    if (isConfirmed) {
      this.#reaper?.dismiss();
      this.#reaper = undefined;
    }
    return isConfirmed;
  }

  #areEnding(): boolean {
    return [...this.#objects.values()].every(state => state === 'ending');
  }

  /**
   * What nobody has seen, and is not there, was not made: it is not told as deleted. As long as it may
   * still be made, it is left.
   */
  #dropGone(object: ObjectRef): void {
    if (this.#late.get(object)?.aborted === false) return;
    const isUnseen = object.uid === '' && this.#objects.get(object) === 'there';
    if (isUnseen && this.#first === nameOf(object)) this.#first = null;
    this.#drop(object);
  }

  #drop(object: ObjectRef): void {
    this.#objects.delete(object);
    if (this.#objects.size === 0) this.#onGone();
    this.#reaper?.guard(this.left);
  }
}

/** An answer; undefined where the connection broke, which says nothing of what was asked: ask again. */
async function orBroken<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Unreachable) return undefined;
    throw error;
  }
}

/** The agent's own word that no process of it hangs in the driver, and the kubelet's that it has ended. */
const isProvenEnded = ({ hasEnded, containers }: PodState): boolean =>
  hasEnded &&
  containers.some(({ name, exitCode }) => name === CONTAINER && exitCode === AGENT_EXIT.allEnded);

const nameOf = ({ kind, namespace, name }: Omit<ObjectRef, 'uid'>): string =>
  `${kind} ${namespace}/${name}`;

/**
 * Whether nothing was made. A failure of the API server may come after the deed, whatever it answers
 * when it is asked again; and who else bears a name that is new than what a request made that was sent
 * twice?
 */
export const isRefusal = (error: unknown): boolean =>
  error instanceof ApiError &&
  error.code < 500 &&
  !error.mayBeDone &&
  error.reason !== 'AlreadyExists';

/**
 * Until when what was asked may still be done behind the answer: reasons Timeout (504) and ServerTimeout
 * (500) of k8s.io/apimachinery/pkg/api/errors/errors.go, a write of etcd that timed out (500), and a load
 * balancer that lost the API server (502, 503). Undefined: it is not, as where a webhook was not reached.
 */
export const lateBehind = (error: unknown): AbortSignal | undefined =>
  error instanceof ApiError && isLate(error) ? AbortSignal.timeout(LATE_CREATE_MS) : undefined;

const isLate = ({ code, reason, message }: ApiError): boolean =>
  code === 504 ||
  reason === 'ServerTimeout' ||
  (code >= 500 && !message.includes('failed calling webhook'));
