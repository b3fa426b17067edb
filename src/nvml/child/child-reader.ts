import type * as z from 'zod';
import { NVML_OPEN_STALL_MS_MAX, NVML_STALL_MS_MAX } from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import { type DriverDepth, missing, type Reading } from '../../contract/reading.ts';
import type { ChildMessage, ReadRequest, Skip } from '../messages.ts';
import type { Reached } from '../port.ts';
import {
  DRIVER,
  DRIVER_FIELDS,
  type DriverField,
  DriverReadings,
  type DriverState,
  fieldsAt,
  GPU,
  GPU_FIELDS,
  type GpuField,
  GpuReadings,
  isFirst,
  type Kept,
  type OnDemand,
  unread,
} from '../readings.ts';
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
      case 'kept':
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

/** GPUs beyond this are no answer of a driver. */
const GPUS_MAX = 1024;

/**
 * What one batch of readings has so far. Pure: it decides what is asked next and what the answer is
 * when no more comes; driver.ts does the rest.
 */
export class Batch {
  readonly #takenAtMs: number;
  readonly #driver = new Map<DriverField, unknown>();
  readonly #gpus = new Map<number, Map<GpuField, unknown>>();
  readonly #skip: Skip[] = [];
  readonly #last: readonly number[];
  readonly #depth: DriverDepth;
  readonly #also: readonly OnDemand[];
  readonly #inforomAnew: boolean;
  #unresponsive: DriverState['unresponsive'];
  #kept: readonly Kept[] | undefined;

  /** @param options.last GPUs on which a call hung before: they are read after the others. */
  constructor(options: {
    takenAtMs: number;
    last: readonly number[];
    depth: DriverDepth;
    also: readonly OnDemand[];
    inforomAnew?: boolean;
  }) {
    this.#inforomAnew = options.inforomAnew === true;
    this.#depth = options.depth;
    this.#also = options.also;
    this.#takenAtMs = options.takenAtMs;
    this.#last = options.last;
  }

  /**
   * Whether it, under way, also answers a request for this. Counters alone are wanted as they are from
   * now on: a deeper reading that began before does not have them.
   */
  covers(depth: DriverDepth, also: readonly OnDemand[]): boolean {
    const deepEnough = this.#depth === depth || (this.#depth === 'all' && depth === 'first');
    return deepEnough && also.every(name => this.#also.includes(name));
  }

  /** Keeps a reading of the driver. Its form is checked at the end, once for all. */
  addDriver(field: DriverField, reading: unknown): void {
    this.#driver.set(field, reading);
  }

  addGpu(gpu: number, field: GpuField, reading: unknown): void {
    const fields = this.#gpus.get(gpu) ?? new Map<GpuField, unknown>();
    fields.set(field, reading);
    this.#gpus.set(gpu, fields);
  }

  /** What a child answers from before; the first that says it stands for the batch. */
  keeps(kept: readonly Kept[]): void {
    this.#kept ??= kept;
  }

  /** From now on the call is not made: its reading is known to be missing. */
  skip(skip: Skip): void {
    this.#skip.push(skip);
  }

  /** The first call that did not answer stands for the batch. */
  hung(at: { call: string; gpu?: number; waitedMs: number }): void {
    this.#unresponsive ??= at;
  }

  get skipped(): readonly Skip[] {
    return this.#skip;
  }

  request(id: number): ReadRequest {
    return {
      id,
      takenAtMs: this.#takenAtMs,
      had: {
        driver: [...this.#driver.keys()],
        gpus: Object.fromEntries(
          [...this.#gpus].map(([gpu, fields]) => [String(gpu), [...fields.keys()]]),
        ),
      },
      skip: [...this.#skip],
      last: [
        ...new Set([
          ...this.#last,
          ...this.#skip.flatMap(({ gpu }) => (gpu === undefined ? [] : [gpu])),
        ]),
      ],
      depth: this.#depth,
      also: [...this.#also],
      ...(this.#inforomAnew ? { inforomAnew: true as const } : {}),
    };
  }

  isComplete(): boolean {
    const { driver, gpu: wanted } = fieldsAt(this.#depth, this.#also);
    return (
      driver.every(field => this.#driver.has(field)) &&
      this.#gpusWith(wanted) === this.#indexes().length
    );
  }

  /** GPUs of which all is read that is read at first, and then all, of those that the driver counts. */
  reached(): Reached['gpus'] {
    const { gpu: wanted } = fieldsAt(this.#depth, this.#also);
    const all = this.#indexes().length;
    if (all === 0) return undefined;
    const first = this.#gpusWith(this.#depth === 'all' ? wanted.filter(isFirst) : wanted);
    return first < all ? { read: first, all } : { read: this.#gpusWith(wanted), all };
  }

  #gpusWith(fields: readonly GpuField[]): number {
    return this.#indexes().filter(gpu => fields.every(field => this.#gpus.get(gpu)?.has(field)))
      .length;
  }

  /** The answer; what was wanted and not read is missing for the given reason. */
  finish(reason: Reading<never>): DriverState {
    const driver = wholeDriver(filled(DRIVER_FIELDS, this.#driver, () => reason));
    const { gpu: wanted } = fieldsAt(this.#depth, this.#also);
    const reasonOf = (field: GpuField) => (wanted.includes(field) ? reason : missing('not_read'));
    return {
      takenAtMs: this.#takenAtMs,
      ...driver,
      ...optional({ unresponsive: this.#unresponsive, kept: this.#kept && [...this.#kept] }),
      gpus: this.#indexes().map(index => ({
        index,
        ...wholeGpu(filled(GPU_FIELDS, this.#gpus.get(index), reasonOf)),
      })),
    };
  }

  /** One per GPU that the driver counts: a GPU that says nothing is a row and never a gap. */
  #indexes(): number[] {
    const count = DRIVER.count.schema.safeParse(this.#driver.get('count'));
    const length = count.success && count.data.ok ? Math.min(count.data.value, GPUS_MAX) : 0;
    return Array.from({ length }, (_, index) => index);
  }
}

/** Of the right form as a whole, or else reading by reading: one of the wrong form is `unreadable`. */
function wholeDriver(readings: Record<string, unknown>): z.infer<typeof DriverReadings> {
  const whole = DriverReadings.safeParse(readings);
  if (whole.success) return whole.data;
  const each = DRIVER_FIELDS.map(
    field => [field, checked(field, DRIVER[field].schema, readings[field])] as const,
  );
  return DriverReadings.parse(Object.fromEntries(each));
}

function wholeGpu(readings: Record<string, unknown>): z.infer<typeof GpuReadings> {
  const whole = GpuReadings.safeParse(readings);
  if (whole.success) return whole.data;
  const each = GPU_FIELDS.map(
    field => [field, checked(field, GPU[field].schema, readings[field])] as const,
  );
  return GpuReadings.parse(Object.fromEntries(each));
}

function checked(field: DriverField | GpuField, schema: z.ZodType, reading: unknown): unknown {
  const result = schema.safeParse(reading);
  return result.success ? result.data : unread(field, missing('unreadable'));
}

const filled = <F extends DriverField | GpuField>(
  fields: readonly F[],
  had: ReadonlyMap<F, unknown> | undefined,
  reasonOf: (field: F) => Reading<never>,
): Record<string, unknown> =>
  Object.fromEntries(
    fields.map(field => [field, had?.get(field) ?? unread(field, reasonOf(field))]),
  );
