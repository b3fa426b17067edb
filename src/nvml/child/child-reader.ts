import { NVML_OPEN_STALL_MS_MAX, NVML_STALL_MS_MAX } from '../../contract/limits.ts';
import type { ChildMessage, ReadRequest } from '../messages.ts';
import type { NvmlProcess } from './hosted.ts';
import { deferred, type Timers } from './waiting.ts';

interface Events {
  readonly onMessage: (message: ChildMessage) => void;
  /** The call in `at` did not return for so long; called once per call. */
  readonly onStall: (waitedMs: number) => void;
  /** `wasReading`: it owed an answer and was not given up before. */
  readonly onEnd: (why: string, wasReading: boolean) => void;
}

/**
 * One child with what the parent knows of it: idle, reading (in which call), stuck and set aside,
 * or killed and perhaps still there, in the kernel.
 */
export class ChildReader {
  readonly ended: Promise<void>;
  readonly #process: NvmlProcess;
  readonly #timers: Timers;
  readonly #events: Events;
  #state: 'idle' | 'reading' | 'aside' | 'gone' = 'idle';
  #at: { readonly call: string; readonly gpu?: number; readonly opens: boolean } | undefined;
  #cancelTimer: () => void = () => {};

  constructor(process: NvmlProcess, timers: Timers, events: Events) {
    this.#process = process;
    this.#timers = timers;
    this.#events = events;
    const { promise, resolve } = deferred<void>();
    this.ended = promise;
    process.listen({
      onMessage: message => this.#hear(message),
      onEnd: why => {
        this.#cancelTimer();
        const wasReading = this.#state === 'reading';
        this.#state = 'gone';
        resolve();
        events.onEnd(why, wasReading);
      },
    });
  }

  /** The call that it has begun and not ended. */
  get at() {
    return this.#at;
  }

  get isIdle(): boolean {
    return this.#state === 'idle';
  }

  /** Answers, now or when it has done what it is at. */
  get isUsable(): boolean {
    return this.#state === 'idle' || this.#state === 'reading';
  }

  ask(request: ReadRequest): void {
    this.#state = 'reading';
    this.#at = undefined;
    this.#wait(NVML_OPEN_STALL_MS_MAX);
    this.#process.send(request);
  }

  /** No longer counted on, but given this much more time before it is killed. */
  setAside(forMs: number): void {
    this.#state = 'aside';
    this.#cancelTimer();
    this.#cancelTimer = this.#timers.after(forMs, () => this.kill());
  }

  retire(): void {
    this.#state = 'gone';
    this.#process.retire();
  }

  kill(): void {
    this.#cancelTimer();
    this.#state = 'gone';
    this.#process.kill();
  }

  #hear(message: ChildMessage): void {
    if (this.#state === 'gone') return;
    // Whatever it hung in has passed: a GPU that took long to open is open now.
    if (this.#state === 'aside') this.#state = 'reading';
    this.#cancelTimer();
    switch (message.kind) {
      case 'call':
        this.#at = message;
        this.#wait(message.opens ? NVML_OPEN_STALL_MS_MAX : NVML_STALL_MS_MAX);
        break;
      case 'driver':
      case 'gpu':
        this.#at = undefined;
        this.#wait(NVML_STALL_MS_MAX);
        break;
      case 'done':
        this.#at = undefined;
        this.#state = 'idle';
        break;
    }
    this.#events.onMessage(message);
  }

  #wait(ms: number): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#timers.after(ms, () => this.#events.onStall(ms));
  }
}
