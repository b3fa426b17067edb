import type { Clock } from '../../src/contract/time.ts';
import { createNvml } from '../../src/nvml/child/driver.ts';
import type { NvmlProcess } from '../../src/nvml/child/hosted.ts';
import type { Timers } from '../../src/nvml/child/waiting.ts';
import type { ChildMessage, ReadRequest } from '../../src/nvml/messages.ts';
import type { Nvml } from '../../src/nvml/port.ts';
import { nvmlSession } from '../../src/nvml/reader/read.ts';
import { type RowCaller, typedLibrary } from '../../src/nvml/table/calls.ts';
import type { Machine } from '../../src/simulation/machine.ts';
import { type Effects, openSimulatedLibrary, rowCaller } from '../../src/simulation/nvml.ts';

/** Time that passes only when someone waits: a hang of two seconds takes none. */
export class VirtualTime implements Clock, Timers {
  #nowMs = Date.parse('2026-03-01T12:00:00Z');
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter(other => other !== timer);
    };
  }

  /** Lets time pass until the next timer fires; false when there is none. */
  next(): boolean {
    const [first] = this.#timers.toSorted((a, b) => a.atMs - b.atMs);
    if (!first) return false;
    this.#timers = this.#timers.filter(other => other !== first);
    this.#nowMs = Math.max(this.#nowMs, first.atMs);
    first.run();
    return true;
  }

  /** Lets so much time pass, with every timer that is due in it. */
  pass(ms: number): void {
    const endMs = this.#nowMs + ms;
    while (this.#timers.some(({ atMs }) => atMs <= endMs)) this.next();
    this.#nowMs = endMs;
  }
}

class Hang extends Error {}
class Crash extends Error {}
class Killed extends Error {}

/** What a test may know of the children that were started. */
export interface Children {
  started: number;
  retired: number;
  killed: number;
  /** Requests that any of them was sent. */
  requests: number;
  /** Calls in their order, as `2 nvmlDeviceGetName`; without a GPU as `nvmlInit_v2`. */
  readonly calls: string[];
  /** False: SIGKILL does not end them, as in uninterruptible sleep. */
  readonly mortal: boolean;
}

export interface InProcessOptions {
  readonly mortal?: boolean;
  /** Stands before every call of the library. */
  readonly disturb?: ((call: RowCaller) => RowCaller) | undefined;
}

/** The whole adapter on a machine made of data, without a process and without waiting. */
export function inProcessNvml(
  machine: Machine,
  options: InProcessOptions = {},
): { nvml: Nvml; time: VirtualTime; children: Children } {
  const time = new VirtualTime();
  const children: Children = {
    started: 0,
    retired: 0,
    killed: 0,
    requests: 0,
    calls: [],
    mortal: options.mortal ?? true,
  };
  const startedMs = time.nowMs();
  const { disturb } = options;
  const spawnChild = () => inProcessChild(machine, { time, startedMs, disturb }, children);
  return { nvml: createNvml({ spawnChild, clock: time, timers: time }), time, children };
}

/** What children told, by all that they had been asked. */
const toldByMachines = new WeakMap<Machine, Map<string, readonly ChildMessage[]>>();

function toldBy(machine: Machine): Map<string, readonly ChildMessage[]> {
  const told = toldByMachines.get(machine) ?? new Map<string, readonly ChildMessage[]>();
  toldByMachines.set(machine, told);
  return told;
}

/** So many of one child; who watches for long asks what nobody asks again. */
const QUESTIONS_KEPT = 3;

/** No call takes time, hangs or kills. */
const isCalm = ({ driver, gpus }: Machine): boolean =>
  [driver, ...gpus, ...gpus.flatMap(({ mig = [] }) => mig)].every(({ faults }) =>
    Object.values(faults).every(
      ({ delayMs, hang, crash }) =>
        delayMs === undefined && hang === undefined && crash === undefined,
    ),
  );

function inProcessChild(
  machine: Machine,
  {
    time,
    startedMs,
    disturb,
  }: Pick<InProcessOptions, 'disturb'> & { readonly time: VirtualTime; readonly startedMs: number },
  children: Children,
): NvmlProcess {
  let state: 'alive' | 'killed' = 'alive';
  let hear: (message: ChildMessage) => void = () => {};
  let end: (why: string) => void = () => {};
  const effects: Effects = {
    delay: ms => time.pass(ms),
    elapsedSeconds: () => (time.nowMs() - startedMs) / 1_000,
    hang: () => {
      throw new Hang();
    },
    crash: () => {
      throw new Crash();
    },
  };
  const session = nvmlSession(async () => {
    const opened = openSimulatedLibrary(machine, effects);
    if (!disturb || !opened.library) return opened;
    return { ...opened, library: typedLibrary(disturb(rowCaller(machine, effects))) };
  });
  const tell = (message: ChildMessage) => {
    if (state === 'killed') throw new Killed();
    if (message.kind === 'call') {
      const { gpu, call } = message;
      children.calls.push(gpu === undefined ? call : `${gpu} ${call}`);
    }
    // JSON makes the same of it: test/nvml/messages.slow.ts.
    hear(message);
  };
  const told = disturb || !isCalm(machine) ? undefined : toldBy(machine);
  const asked: ReadRequest[] = [];
  let read = 0;
  /** The same machine says the same to the same questions: it is read for the first who asks them. */
  const answer = async (request: ReadRequest): Promise<void> => {
    asked.push(request);
    const question = asked.length <= QUESTIONS_KEPT ? JSON.stringify(asked) : '';
    const before = told?.get(question);
    if (before) {
      await Promise.resolve();
      return before.forEach(tell);
    }
    for (const earlier of asked.slice(read, -1)) await session.read(earlier, () => {});
    read = asked.length;
    const messages: ChildMessage[] = [];
    await session.read(request, message => {
      messages.push(message);
      tell(message);
    });
    if (question !== '') told?.set(question, messages);
  };
  children.started++;
  return {
    listen({ onMessage, onEnd }) {
      hear = onMessage;
      end = onEnd;
    },
    send(request) {
      children.requests++;
      // A child that hangs says nothing more; all that happens then is that time passes.
      answer(JSON.parse(JSON.stringify(request))).catch(error => {
        if (error instanceof Hang) time.next();
        else if (error instanceof Crash) end('SIGSEGV');
        else if (!(error instanceof Killed)) throw error;
      });
    },
    retire() {
      children.retired++;
      queueMicrotask(() => end('exit code 0'));
    },
    kill() {
      if (state === 'alive') children.killed++;
      state = 'killed';
      if (children.mortal) queueMicrotask(() => end('SIGKILL'));
    },
  };
}
