import { AsyncLocalStorage } from 'node:async_hooks';
import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';

/**
 * Virtual time: every timer that a simulated process sets fires when the simulation gets there, and
 * nothing waits. Code outside of a simulated process keeps the real timers.
 */

/** A program of ours on a machine, as the operating system sees it: it can end at any moment. */
export class SimulatedProcess {
  readonly name: string;
  readonly #time: VirtualTime;
  readonly #onEnd: (() => void)[] = [];
  /** How far its machine's wall clock is ahead of the true time. */
  skewMs = 0;
  alive = true;
  /** Its machine sleeps until then. */
  asleepUntilMs = 0;
  /** What keeps it running: timers, sockets and children that are not unref'd. */
  readonly holds = new Set<object>();

  constructor(name: string, time: VirtualTime) {
    this.name = name;
    this.#time = time;
  }

  get time(): VirtualTime {
    return this.#time;
  }

  nowMs(): number {
    return this.#time.nowMs + this.skewMs;
  }

  /** Runs what belongs to this process; a dead one runs nothing. */
  run(work: () => void): void {
    if (this.alive) context.run(this, work);
  }

  whenEnded(run: () => void): void {
    this.#onEnd.push(run);
  }

  /** Ends at once, as by SIGKILL: no code of its own runs any more. */
  end(): void {
    if (!this.alive) return;
    this.alive = false;
    for (const run of this.#onEnd.splice(0)) run();
  }
}

const context = new AsyncLocalStorage<SimulatedProcess>();
export const currentProcess = (): SimulatedProcess | undefined => context.getStore();

interface Event {
  atMs: number;
  readonly order: number;
  readonly run: () => void;
  readonly owner: SimulatedProcess | undefined;
  readonly isTimer: boolean;
  cancelled: boolean;
}

export class VirtualTime {
  /** Milliseconds since 1970. */
  nowMs: number;
  readonly startMs: number;
  readonly #heap: Event[] = [];
  #orders = 0;

  constructor(startMs: number) {
    this.nowMs = startMs;
    this.startMs = startMs;
  }

  /** Runs this after so many milliseconds, in the process that owns it; gives what cancels it. */
  after(ms: number, run: () => void, owner?: SimulatedProcess, isTimer = false): () => void {
    const wait = Number.isFinite(ms) ? Math.max(0, ms) : 0;
    this.#orders += 1;
    const event = {
      atMs: this.nowMs + wait,
      order: this.#orders,
      run,
      owner,
      isTimer,
      cancelled: false,
    };
    this.#push(event);
    return () => {
      event.cancelled = true;
    };
  }

  /** A machine sleeps: its timers stand still, as CLOCK_MONOTONIC does. */
  sleep(owner: SimulatedProcess, ms: number): void {
    owner.asleepUntilMs = this.nowMs + ms;
    for (const event of this.#heap) if (event.owner === owner && event.isTimer) event.atMs += ms;
    this.#heap.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
  }

  /** Lets the next event happen; false when there is none up to then. */
  next(untilMs: number): boolean {
    for (;;) {
      const [first] = this.#heap;
      if (!first || first.atMs > untilMs) return false;
      this.#pop();
      const { owner } = first;
      if (first.cancelled || owner?.alive === false) continue;
      if (owner && owner.asleepUntilMs > first.atMs) {
        // What comes for a sleeping machine waits.
        first.atMs = owner.asleepUntilMs;
        this.#push(first);
        continue;
      }
      this.nowMs = Math.max(this.nowMs, first.atMs);
      if (owner) owner.run(first.run);
      else first.run();
      return true;
    }
  }

  #before(a: number, b: number): boolean {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (!one || !other) return false;
    return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (!one || !other) return;
    this.#heap[a] = other;
    this.#heap[b] = one;
  }

  #push(event: Event): void {
    this.#heap.push(event);
    let at = this.#heap.length - 1;
    for (let above = (at - 1) >> 1; at > 0 && this.#before(at, above); above = (at - 1) >> 1) {
      this.#swap(at, above);
      at = above;
    }
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (!last || this.#heap.length === 0) return;
    this.#heap[0] = last;
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      const least = this.#before(right, left) ? right : left;
      if (!this.#before(least, at)) return;
      this.#swap(least, at);
      at = least;
    }
  }
}

const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
};
const realSleep = timersPromises.setTimeout;
/** Work that the real event loop still has to do for simulated processes: files, immediates. */
let outstanding = 0;

/** Counts what takes real time although no virtual time passes: a file that is read. */
export async function counted<T>(work: () => Promise<T>): Promise<T> {
  outstanding += 1;
  try {
    return await work();
  } finally {
    outstanding -= 1;
  }
}

/** Until everything that can happen now has happened. */
export async function settled(): Promise<void> {
  do {
    await new Promise<void>(resolve => real.setImmediate(resolve));
  } while (outstanding > 0);
}

/** A timer as Node gives it. */
class Timer {
  readonly #owner: SimulatedProcess;
  readonly #ms: number;
  readonly #run: () => void;
  #cancel: () => void = () => {};
  constructor(owner: SimulatedProcess, ms: number, run: () => void, isKept = true) {
    this.#owner = owner;
    this.#ms = ms;
    this.#run = run;
    if (isKept) owner.holds.add(this);
    this.refresh();
  }
  refresh(): this {
    this.#cancel();
    this.#cancel = this.#owner.time.after(this.#ms, this.#run, this.#owner, true);
    return this;
  }
  ref(): this {
    this.#owner.holds.add(this);
    return this;
  }
  unref(): this {
    this.#owner.holds.delete(this);
    return this;
  }
  hasRef(): boolean {
    return this.#owner.holds.has(this);
  }
  cancel(): void {
    this.#cancel();
    this.#owner.holds.delete(this);
  }
  [Symbol.dispose](): void {
    this.cancel();
  }
}

type Call = (...args: unknown[]) => void;

function virtualTimeout(run: Call, ms = 1, ...args: unknown[]): unknown {
  const owner = currentProcess();
  if (!owner) return real.setTimeout(run, ms, ...args);
  const timer = new Timer(owner, Math.max(1, ms), () => {
    owner.holds.delete(timer);
    run(...args);
  });
  return timer;
}

function virtualInterval(run: Call, ms = 1, ...args: unknown[]): unknown {
  const owner = currentProcess();
  if (!owner) return real.setInterval(run, ms, ...args);
  const timer = new Timer(owner, Math.max(1, ms), () => {
    timer.refresh();
    run(...args);
  });
  return timer;
}

const clear = (timer: unknown) => {
  if (timer instanceof Timer) timer.cancel();
  else if (typeof timer === 'object' && timer && 'hasRef' in timer)
    Reflect.apply(real.clearTimeout, undefined, [timer]);
};

function virtualImmediate(run: Call, ...args: unknown[]): unknown {
  if (currentProcess()) outstanding += 1;
  const isCounted = currentProcess() !== undefined;
  return real.setImmediate(() => {
    if (isCounted) outstanding -= 1;
    run(...args);
  });
}

function virtualSleep(
  ms: number,
  value?: unknown,
  options: { readonly signal?: AbortSignal; readonly ref?: boolean } = {},
): Promise<unknown> {
  const owner = currentProcess();
  if (!owner) return realSleep(ms, value, options);
  const { signal, ref = true } = options;
  return new Promise((resolve, reject) => {
    const abort = () => {
      timer.cancel();
      reject(new DOMException('The operation was aborted', 'AbortError'));
    };
    const timer = new Timer(
      owner,
      Math.max(1, ms),
      () => {
        timer.cancel();
        signal?.removeEventListener('abort', abort);
        resolve(value);
      },
      ref,
    );
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}

/** Puts the virtual timers in the place of Node's, for simulated processes; gives what undoes it. */
export function installTimers(): () => void {
  const realDeadline = AbortSignal.timeout;
  const deadline = (ms: number): AbortSignal => {
    const owner = currentProcess();
    if (!owner) return realDeadline.call(AbortSignal, ms);
    const controller = new AbortController();
    const words = 'The operation was aborted due to timeout';
    new Timer(owner, ms, () => controller.abort(new DOMException(words, 'TimeoutError')), false);
    return controller.signal;
  };
  const realAnyOf = AbortSignal.any;
  // Node keeps a composite that is listened to until it is aborted: one of a killed process never is.
  const anyOf = (signals: Iterable<AbortSignal>): AbortSignal => {
    const owner = currentProcess();
    if (!owner) return realAnyOf.call(AbortSignal, [...signals]);
    const controller = new AbortController();
    for (const signal of signals) {
      const pass = () => controller.abort(signal.reason);
      if (signal.aborted) pass();
      else signal.addEventListener('abort', pass, { once: true });
      // One that never comes to an end is the module's, and outlives the process.
      owner.whenEnded(() => signal.removeEventListener('abort', pass));
    }
    return controller.signal;
  };
  AbortSignal.timeout = deadline;
  AbortSignal.any = anyOf;
  Object.assign(globalThis, {
    setTimeout: virtualTimeout,
    clearTimeout: clear,
    setInterval: virtualInterval,
    clearInterval: clear,
    setImmediate: virtualImmediate,
  });
  Object.assign(timersPromises, { setTimeout: virtualSleep });
  syncBuiltinESMExports();
  return () => {
    AbortSignal.timeout = realDeadline;
    AbortSignal.any = realAnyOf;
    Object.assign(globalThis, real);
    Object.assign(timersPromises, { setTimeout: realSleep });
    syncBuiltinESMExports();
  };
}
