import { SHARED_WATCH_MS } from '../contract/limits.ts';
import type { PodChange, PodState } from './port.ts';

interface Listener {
  hear(change: PodChange): void;
  fail(error: unknown): void;
}

/** After so many answers from the watch one is asked for: a deletion in a gap of the watch is not seen. */
const TRUSTED_ANSWERS_MAX = 10;

/**
 * One watch over the pods of many sessions, open while one of them listens and a little longer. What
 * it has seen answers whether a pod is there, where each session would ask again and again.
 */
export class SharedWatch {
  readonly #open: (signal: AbortSignal) => AsyncIterable<PodChange>;
  readonly #present = new Map<string, PodState>();
  readonly #gone = new Set<string>();
  readonly #listeners = new Set<Listener>();
  readonly #answers = new Map<string, number>();
  #stop: AbortController | undefined;

  constructor(open: (signal: AbortSignal) => AsyncIterable<PodChange>) {
    this.#open = open;
  }

  /** The pods that match, those already there first; ends with the signal, fails with the watch. */
  async *changes(
    matches: (pod: PodState) => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<PodChange> {
    const heard: PodChange[] = [...this.#present.values()].map(pod => ({ type: 'present', pod }));
    let wake = () => {};
    let failure: { readonly error: unknown } | undefined;
    const listener: Listener = {
      hear(change) {
        heard.push(change);
        wake();
      },
      fail(error) {
        failure = { error };
        wake();
      },
    };
    const onAbort = () => wake();
    signal.addEventListener('abort', onAbort);
    this.#listeners.add(listener);
    this.#start();
    try {
      while (!signal.aborted) {
        const change = heard.shift();
        if (change && matches(change.pod)) yield change;
        if (change) continue;
        if (failure) throw failure.error;
        await new Promise<void>(resolve => {
          wake = resolve;
        });
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#endLater();
    }
  }

  /** Whether that pod is there, as far as the watch can tell now. */
  isThere(uid: string): boolean | undefined {
    if (!this.#stop) return undefined;
    if (this.#gone.has(uid)) return false;
    if (!this.#present.has(uid)) return undefined;
    const answers = (this.#answers.get(uid) ?? 0) + 1;
    this.#answers.set(uid, answers);
    return answers % TRUSTED_ANSWERS_MAX === 0 ? undefined : true;
  }

  close(): void {
    this.#stop?.abort();
    this.#stop = undefined;
    this.#present.clear();
  }

  #start(): void {
    if (this.#stop) return;
    const stop = new AbortController();
    this.#stop = stop;
    void this.#run(stop);
  }

  async #run(stop: AbortController): Promise<void> {
    try {
      for await (const change of this.#open(stop.signal)) {
        const { uid } = change.pod;
        if (change.type === 'present') this.#present.set(uid, change.pod);
        else {
          this.#present.delete(uid);
          this.#gone.add(uid);
        }
        for (const listener of this.#listeners) listener.hear(change);
      }
    } catch (error) {
      for (const listener of this.#listeners) listener.fail(error);
    }
    if (this.#stop === stop) this.close();
  }

  #endLater(): void {
    AbortSignal.timeout(SHARED_WATCH_MS).addEventListener(
      'abort',
      () => this.#listeners.size === 0 && this.close(),
      { once: true },
    );
  }
}
