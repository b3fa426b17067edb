import {
  INFOROM_KEPT_MS,
  NVML_CHILDREN_MAX,
  NVML_CLOSE_MS_MAX,
  NVML_HANG_KEPT_MS,
  NVML_OPEN_MS_MAX,
  NVML_OPEN_STALL_MS_MAX,
  NVML_REQUEST_MS_MAX,
  NVML_STARTS_MAX,
} from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import {
  type DriverDepth,
  type MissingReason,
  missing,
  type Reading,
} from '../../contract/reading.ts';
import type { Clock } from '../../contract/time.ts';
import type { ChildMessage, Skip } from '../messages.ts';
import type { DriverState, Nvml, OnDemand, Reached } from '../port.ts';
import { NVML_FUNCTIONS } from '../table/functions.ts';
import { Batch, ChildReader } from './child-reader.ts';
import type { NvmlProcess } from './hosted.ts';
import { deferred, realTimers, type Timers } from './waiting.ts';

export interface NvmlOptions {
  /** Starts the process that hosts NVML; called at the first read, and after one hung or died. */
  readonly spawnChild: () => NvmlProcess;
  readonly clock: Clock;
  readonly timers?: Timers;
}

/** The driver, asked through a child process, so that a wedged driver blocks only that child. */
export const createNvml = (options: NvmlOptions): Nvml => new HostedNvml(options);

interface Running {
  readonly id: number;
  readonly batch: Batch;
  readonly answer: Promise<DriverState>;
  readonly finish: (reason: Reading<never>) => void;
  starts: number;
}

/** A call that did not return. The child in it may still come back. */
interface Hang extends Skip {
  readonly child: ChildReader;
  readonly beganMs: number;
  readonly waitedMs: number;
}

class HostedNvml implements Nvml {
  readonly #spawnChild: () => NvmlProcess;
  readonly #clock: Clock;
  readonly #timers: Timers;
  /** Every child that has not ended, oldest first, with those that hang. */
  readonly #children = new Set<ChildReader>();
  #running: Running | undefined;
  #requests = 0;
  /** GPUs on which a call hung or died the last time: they are read after the others. */
  #suspects: readonly number[] = [];
  /** The newest of all. */
  #hang: Hang | undefined;
  /** Those of the last NVML_HANG_KEPT_MS, oldest first. */
  #hangs: readonly Hang[] = [];
  #closed = false;
  /** When a reading last had the InfoROM in it that was not kept from an earlier one. */
  #inforomMs = Number.NEGATIVE_INFINITY;

  constructor({ spawnChild, clock, timers = realTimers }: NvmlOptions) {
    this.#spawnChild = spawnChild;
    this.#clock = clock;
    this.#timers = timers;
  }

  async read(
    signal: AbortSignal,
    depth: DriverDepth = 'all',
    also: readonly OnDemand[] = [],
  ): Promise<DriverState> {
    signal.throwIfAborted();
    const aborted = deferred<never>();
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await Promise.race([this.#answer(depth, also), aborted.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** A batch under way answers all who ask for no more than it does; others wait for the next. */
  async #answer(depth: DriverDepth, also: readonly OnDemand[]): Promise<DriverState> {
    while (this.#running && !this.#running.batch.covers(depth, also)) await this.#running.answer;
    if (this.#closed) throw new Error('NVML was closed');
    return (this.#running ?? this.#begin(depth, also)).answer;
  }

  reached(): Reached | undefined {
    if (!this.#running) return undefined;
    const at = [...this.#children].find(child => child.at && !child.isIdle)?.at;
    const gpus = this.#running.batch.reached();
    return {
      ...(gpus && { gpus }),
      ...(at && { call: optional({ name: at.call, gpu: at.gpu }) }),
    };
  }

  warm(): void {
    if (!this.#closed && this.#children.size === 0) this.#start();
  }

  async close(): Promise<boolean> {
    this.#closed = true;
    this.#running?.finish(missing('not_read', 'NVML was closed'));
    const children = [...this.#children];
    for (const child of children) {
      if (child.isIdle) child.retire();
      else child.kill();
    }
    const grace = deferred<void>();
    const cancel = this.#timers.after(NVML_CLOSE_MS_MAX, grace.resolve);
    await Promise.race([Promise.all(children.map(child => child.ended)), grace.promise]);
    cancel();
    const left = [...this.#children];
    for (const child of left) child.kill();
    return left.length === 0;
  }

  #begin(depth: DriverDepth, also: readonly OnDemand[]): Running {
    const { promise: answer, resolve } = deferred<DriverState>();
    const takenAtMs = this.#clock.nowMs();
    const inforomAnew = depth === 'all' && takenAtMs - this.#inforomMs >= INFOROM_KEPT_MS;
    if (inforomAnew) this.#inforomMs = takenAtMs;
    const batch = new Batch({ takenAtMs, last: this.#suspects, depth, also, inforomAnew });
    const finish = (reason: Reading<never>) => {
      cancel();
      this.#running = undefined;
      const skipped = batch.skipped.flatMap(({ gpu }) => (gpu === undefined ? [] : [gpu]));
      this.#suspects = [...new Set([...skipped, ...(batch.isComplete() ? [] : this.#suspects)])];
      resolve(batch.finish(reason));
      this.#retireSurplus();
    };
    const cancel = this.#timers.after(NVML_REQUEST_MS_MAX, () => {
      this.#keepWholeGpus();
      finish(missing('timeout', `not read within ${NVML_REQUEST_MS_MAX} ms`));
    });
    const running = { id: ++this.#requests, batch, answer, finish, starts: 0 };
    this.#running = running;
    const init = this.#withoutHangs(batch).find(({ call }) => call === INIT);
    if (init) finish(missing(init.reason, init.detail));
    else this.#proceed();
    return running;
  }

  /** Leaves out of the batch what hung a moment ago, and says so of it. */
  #withoutHangs(batch: Batch): readonly Skip[] {
    const nowMs = this.#clock.nowMs();
    this.#hangs = this.#hangs.filter(({ beganMs }) => nowMs - beganMs < NVML_HANG_KEPT_MS);
    return this.#hangs.map(({ call, gpu, reason, beganMs, waitedMs }) => {
      const place = optional({ call, gpu });
      const seconds = Math.round((nowMs - beganMs) / 1_000);
      const detail = `${call} did not return within ${waitedMs} ms, ${seconds} s ago; not made again so soon`;
      const skip = { ...place, reason, detail };
      batch.hung({ ...place, waitedMs });
      batch.skip(skip);
      return skip;
    });
  }

  /** A GPU that one call after another hangs on would use up the next answer's time as well. */
  #keepWholeGpus(): void {
    const more = this.#hangs.filter(({ gpu }) => gpu !== undefined);
    this.#hangs = [...this.#hangs, ...more.map(hang => ({ ...hang, call: OPEN_GPU }))];
    for (const child of this.#children) {
      const { gpu, opens } = child.at ?? {};
      if (opens === false && more.some(hang => hang.gpu === gpu)) child.kill();
    }
  }

  /** Asks for what is still missing: a child that answers, else a new one, else no one. */
  #proceed(): void {
    const running = this.#running;
    const usable = [...this.#children].find(child => child.isUsable);
    if (!running) {
      this.#retireSurplus();
    } else if (running.batch.isComplete()) {
      running.finish(missing('not_read'));
    } else if (usable) {
      // A child still at work for an earlier request sends readings that count here too.
      if (usable.isIdle) usable.ask(running.batch.request(running.id));
    } else if (this.#children.size >= NVML_CHILDREN_MAX) {
      this.#giveUp(running);
    } else if (running.starts >= NVML_STARTS_MAX) {
      running.finish(missing('crashed', `NVML died ${NVML_STARTS_MAX} times in one request`));
    } else {
      running.starts++;
      this.#start().ask(running.batch.request(running.id));
    }
  }

  #giveUp(running: Running): void {
    const { call, gpu, beganMs } = this.#hang ?? { call: 'NVML', beganMs: this.#clock.nowMs() };
    const waitedMs = Math.max(0, this.#clock.nowMs() - beganMs);
    running.batch.hung({ ...optional({ call, gpu }), waitedMs });
    running.finish(missing('timeout', `${this.#children.size} processes still hang in the driver`));
  }

  #start(): ChildReader {
    const child: ChildReader = new ChildReader(this.#spawnChild(), this.#timers, {
      onMessage: message => {
        // Whatever it hung in has passed.
        this.#hangs = this.#hangs.filter(hang => hang.child !== child);
        this.#take(message);
      },
      onStall: waitedMs => this.#stalled(child, waitedMs),
      onEnd: (why, wasReading) => this.#ended(child, why, wasReading),
    });
    this.#children.add(child);
    return child;
  }

  #take(message: ChildMessage): void {
    const running = this.#running;
    switch (message.kind) {
      case 'call':
        return;
      case 'done':
        // A child sends all that it was asked for: what is missing after its last word stays so.
        if (running?.id === message.id) running.finish(missing('not_read'));
        else this.#proceed();
        return;
      case 'kept':
        if (running?.id === message.id) running.batch.keeps(message.kept);
        return;
      case 'driver':
        if (running && counts(message, running.id)) {
          running.batch.addDriver(message.field, message.reading);
        }
        return;
      case 'gpu':
        if (running && counts(message, running.id)) {
          running.batch.addGpu(message.gpu, message.field, message.reading);
        }
        return;
    }
  }

  #stalled(child: ChildReader, waitedMs: number): void {
    const at = child.at;
    if (at?.opens) child.setAside(NVML_OPEN_MS_MAX - waitedMs);
    else child.kill();
    const running = this.#running;
    const detail = at ? `${at.call} did not return within ${waitedMs} ms` : CHILD_DID_NOT_START;
    if (at && !isOwn(at.call)) {
      const place = optional({ call: at.call, gpu: at.gpu });
      const beganMs = this.#clock.nowMs() - waitedMs;
      this.#hang = { ...place, reason: 'timeout', child, beganMs, waitedMs };
      this.#hangs = [...this.#hangs, this.#hang];
      running?.batch.hung({ ...place, waitedMs });
    }
    this.#goOn(at, 'timeout', detail);
  }

  #ended(child: ChildReader, why: string, wasReading: boolean): void {
    this.#children.delete(child);
    if (!wasReading) return;
    const where = child.at ? ` in ${child.at.call}` : '';
    this.#goOn(child.at, 'crashed', `the process that hosts NVML died${where}: ${why}`);
  }

  /** After a call that will not return: the batch goes on without it, or ends if all hangs on it. */
  #goOn(at: ChildReader['at'], reason: MissingReason, detail: string): void {
    const running = this.#running;
    if (!running) return;
    if (!at || isOwn(at.call) || at.call === INIT) {
      running.finish(missing(reason, detail));
      return;
    }
    const { call, gpu } = at;
    running.batch.skip({ ...optional({ call, gpu }), reason, detail });
    this.#proceed();
  }

  /** One child holds NVML open; others that came of a hang which passed are let go. */
  #retireSurplus(): void {
    const [, ...surplus] = [...this.#children].filter(child => child.isUsable);
    for (const child of surplus) if (child.isIdle) child.retire();
  }
}

/** Without it nothing else can be asked. */
const INIT = NVML_FUNCTIONS.init.symbols[0];

const OPEN_GPU = NVML_FUNCTIONS.deviceGetHandleByIndex.symbols[0];

const CHILD_DID_NOT_START = `the process that hosts NVML said nothing within ${NVML_OPEN_STALL_MS_MAX} ms`;

/** Opening the library is our own step: when it hangs, the file system does, not the driver. */
const isOwn = (call: string): boolean => call === 'dlopen';

/** Readings for an earlier request count, but not what that request had to leave out. */
function counts(message: { id: number; reading?: unknown }, id: number): boolean {
  if (message.id === id) return true;
  const { reading } = message;
  if (typeof reading !== 'object' || reading === null) return true;
  // A group has a reading for each member.
  return ![reading, ...Object.values(reading)].some(
    one =>
      typeof one === 'object' &&
      one !== null &&
      'reason' in one &&
      (one.reason === 'timeout' || one.reason === 'crashed'),
  );
}
