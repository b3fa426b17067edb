import childProcess from 'node:child_process';
import crypto from 'node:crypto';
import { EventEmitter } from 'node:events';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { PassThrough, Writable } from 'node:stream';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { counted, currentProcess, SimulatedProcess, type VirtualTime } from './virtual-time.ts';

/** One run of our plugin, as a shell sees it. */
export interface Run {
  readonly process: SimulatedProcess;
  readonly stdin: PassThrough;
  readonly out: () => string;
  readonly err: () => string;
  /** Ctrl-C. */
  interrupt(): void;
  code: number | undefined;
  endedMs: number | undefined;
}

const PLUGIN = '/plugin/kubectl-gpu_mcp.mjs';

/** Hears of every operation on the world; an error that it gives is what the operation fails with. */
export type Disturb = (operation: string) => Error | 'hang' | undefined;

/** The machine of a person: starts our plugin, which starts its reaper. */
export class Laptop {
  readonly time: VirtualTime;
  readonly environment: Readonly<Record<string, string>>;
  readonly processes: SimulatedProcess[] = [];
  readonly say: (what: string) => void;
  skewMs = 0;
  onOutput: (run: Run, text: string) => void = () => {};
  onWords: (run: Run, text: string) => void = () => {};
  #names = 0;
  disturb: Disturb = () => undefined;

  constructor(
    time: VirtualTime,
    environment: Readonly<Record<string, string>>,
    say: (what: string) => void,
  ) {
    this.time = time;
    this.environment = environment;
    this.say = say;
  }

  run(argv: readonly string[], stdin = new PassThrough()): Run {
    const owner = new SimulatedProcess(argv[0] ?? 'serve', this.time);
    owner.skewMs = this.skewMs;
    this.processes.push(owner);
    owners.set(owner, this);
    const abort = new AbortController();
    const out: string[] = [];
    const err: string[] = [];
    const run: Run = {
      process: owner,
      stdin,
      out: () => out.join(''),
      err: () => err.join(''),
      code: undefined,
      endedMs: undefined,
      interrupt: () =>
        owner.run(() => {
          if (abort.signal.aborted) return finish(130);
          abort.abort(new Error('interrupted by SIGINT'));
        }),
    };
    const finish = (code: number) => {
      if (!owner.alive) return;
      run.code = code;
      run.endedMs = this.time.nowMs;
      this.say(`${owner.name} ends with ${code}`);
      owner.end();
    };
    const stream = (into: string[], name: string) =>
      new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          const text = chunk.toString('utf8');
          into.push(text);
          if (name === 'stderr') {
            this.say(`${owner.name}: ${text.trimEnd().split('\n')[0]}`);
            this.onWords(run, text);
          } else this.onOutput(run, text);
          done();
        },
      });
    owner.run(() => {
      void runCommandLine(argv, {
        stdin,
        stdout: stream(out, 'stdout'),
        stderr: stream(err, 'stderr'),
        environment: this.environment,
        stdoutIsTerminal: false,
        signal: abort.signal,
        clock: { nowMs: () => owner.nowMs() },
        program: { plugin: PLUGIN, agent: '/plugin/agent.mjs' },
      }).then(finish);
    });
    return run;
  }

  /** Bytes for a name, the same in each simulation of a seed. */
  nextName(bytes: number): Buffer {
    this.#names += 1;
    const name = Buffer.alloc(bytes);
    name.writeUInt8(this.#names % 256, 0);
    return name;
  }

  /** The child processes that our plugin starts. */
  spawn(parent: SimulatedProcess, file: string, args: readonly string[]): SimulatedChild {
    const child = new SimulatedChild();
    const failure = this.disturb(`spawn ${file.split('/').at(-1)} ${args[1] ?? args[0] ?? ''}`);
    const isReaper = args[0] === PLUGIN && args[1] === 'reap';
    if (failure || !isReaper) {
      if (failure === 'hang') return child;
      const error = failure ?? Object.assign(new Error(`spawn ${file} ENOENT`), { code: 'ENOENT' });
      this.time.after(1, () => child.emit('error', error), parent);
      return child;
    }
    this.time.after(1, () => child.emit('spawn'), parent);
    // The pipe's end reaches the reaper whatever ended its parent.
    const stdin = new PassThrough();
    child.stdin.on('data', chunk => stdin.writable && stdin.write(chunk));
    child.stdin.on('end', () => stdin.end());
    parent.whenEnded(() => stdin.end());
    this.time.after(40, () => this.run(['reap'], stdin));
    return child;
  }
}

class SimulatedChild extends EventEmitter {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  kill(): boolean {
    return true;
  }
  ref(): void {}
  unref(): void {}
}

const owners = new WeakMap<SimulatedProcess, Laptop>();
const laptopOf = () => {
  const owner = currentProcess();
  const laptop = owner && owners.get(owner);
  return owner && laptop ? { owner, laptop } : undefined;
};

const FILES = ['readFile', 'access', 'lstat', 'stat', 'link', 'rename', 'rm', 'open'] as const;
const HANDLE = ['writeFile', 'readFile', 'sync', 'close', 'stat'] as const;

/** A function of the world that a simulated process calls, with its faults before it. */
function disturbed(name: string, real: unknown) {
  return async (...args: readonly unknown[]): Promise<unknown> => {
    const here = laptopOf();
    const call = async (): Promise<unknown> => Reflect.apply(asFunction(real), undefined, args);
    if (!here) return call();
    const failure = here.laptop.disturb(name);
    if (failure === 'hang') return new Promise(() => {});
    // A close that fails has closed all the same.
    if (failure && name === 'file close') await counted(call);
    if (failure) throw failure;
    const found = await counted(call);
    if (name !== 'open' || typeof found !== 'object' || found === null) return found;
    for (const method of HANDLE) {
      const own = asFunction(Reflect.get(found, method));
      Object.assign(found, { [method]: disturbed(`file ${method}`, own.bind(found)) });
    }
    return found;
  };
}

type Anything = (...args: readonly unknown[]) => unknown;
function asFunction(value: unknown): Anything {
  if (typeof value !== 'function') throw new TypeError('no function');
  return (...args) => Reflect.apply(value, undefined, args);
}

/** Puts files and child processes of the simulation in the place of Node's; gives what undoes it. */
export function installMachine(): () => void {
  const { spawn } = childProcess;
  const { randomBytes } = crypto;
  const files = Object.fromEntries(FILES.map(name => [name, fsPromises[name]]));
  const simulated = (...args: readonly unknown[]): unknown => {
    const here = laptopOf();
    if (!here) return Reflect.apply(spawn, childProcess, args);
    const [file, words] = args;
    return here.laptop.spawn(
      here.owner,
      String(file),
      Array.isArray(words) ? words.map(String) : [],
    );
  };
  const named = (size: number) => laptopOf()?.laptop.nextName(size) ?? randomBytes(size);
  Object.assign(crypto, { randomBytes: named });
  Object.assign(childProcess, { spawn: simulated });
  Object.assign(
    fsPromises,
    Object.fromEntries(FILES.map(name => [name, disturbed(name, files[name])])),
  );
  syncBuiltinESMExports();
  return () => {
    Object.assign(childProcess, { spawn });
    Object.assign(crypto, { randomBytes });
    Object.assign(fsPromises, files);
    syncBuiltinESMExports();
  };
}
