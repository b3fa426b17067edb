import { Agent } from 'node:http';
import { Duplex } from 'node:stream';
import { currentProcess, type SimulatedProcess, type VirtualTime } from './virtual-time.ts';

/**
 * The network between the laptop and the API server: bytes arrive after a while and in order, wait
 * while the link is down, and come back as a reset from a connection that nobody knows any more.
 */
export class Network {
  readonly time: VirtualTime;
  latencyMs = 5;
  /** How many troubles stop all packets; whether the API server's port is open. */
  #downs = 0;
  isListening = true;
  /** Called with the API server's end of each new connection. */
  accept: (end: End) => void = () => {};
  readonly #connections = new Set<Connection>();
  readonly #waiting: (() => void)[] = [];

  constructor(time: VirtualTime) {
    this.time = time;
  }

  connect(owner: SimulatedProcess): End {
    const connection = new Connection(this, owner);
    this.#connections.add(connection);
    owner.whenEnded(() => connection.client.hangUp());
    this.whenUp(() => {
      this.time.after(this.latencyMs, () => {
        if (!this.isListening) connection.reset('ECONNREFUSED');
        else if (!connection.isOver) this.accept(connection.server);
      });
    });
    return connection.client;
  }

  get isUp(): boolean {
    return this.#downs === 0;
  }

  /** At once, or when the link comes back. */
  whenUp(run: () => void): void {
    if (this.isUp) run();
    else this.#waiting.push(run);
  }

  /** The link is dead; `forgets` what was open over it, as a NAT does, or keeps it. */
  down(forgets: boolean): void {
    this.#downs += 1;
    if (forgets) for (const one of this.#connections) one.isForgotten = true;
  }

  up(): void {
    this.#downs = Math.max(0, this.#downs - 1);
    if (!this.isUp) return;
    for (const run of this.#waiting.splice(0)) run();
  }

  /** Resets every connection: an API server that dies. */
  resetAll(): void {
    for (const one of [...this.#connections]) one.reset('ECONNRESET');
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection);
  }

  /**
   * Nobody reads these connections any more. A parser of HTTP is native, lives until its connection is
   * over, and holds all that its socket knows: a process that is killed here never closes one.
   */
  abandon(): void {
    for (const { client, server } of this.#connections) {
      for (const end of [client, server]) end.abandon();
    }
    this.#connections.clear();
  }
}

class Connection {
  readonly client: End;
  readonly server: End;
  /** Nobody in between knows it any more: whoever sends on it is told so. */
  isForgotten = false;
  isOver = false;
  readonly #network: Network;

  constructor(network: Network, owner: SimulatedProcess) {
    this.#network = network;
    this.client = new End(this, owner);
    this.server = new End(this, undefined);
  }

  /** Carries something from one end to the other, after what was sent before it. */
  carry(from: End, deliver: (to: End) => void): void {
    const to = from === this.client ? this.server : this.client;
    this.#network.whenUp(() => {
      const { time, latencyMs } = this.#network;
      if (this.isForgotten) {
        time.after(latencyMs, () => from.broken('ECONNRESET'), from.owner);
        return;
      }
      const arriveMs = Math.max(time.nowMs + latencyMs, to.lastArrivalMs);
      to.lastArrivalMs = arriveMs;
      const arrive = () => {
        if (this.#network.isUp) deliver(to);
        else this.#network.whenUp(() => time.after(latencyMs, () => deliver(to), to.owner));
      };
      time.after(arriveMs - time.nowMs, arrive, to.owner);
    });
  }

  reset(code: string): void {
    const { time, latencyMs } = this.#network;
    this.isOver = true;
    this.#network.forget(this);
    this.server.broken(code);
    this.#network.whenUp(() =>
      time.after(latencyMs, () => this.client.broken(code), this.client.owner),
    );
  }
}

/** One end of a connection, as much of a socket as HTTP and WebSockets ask for. */
export class End extends Duplex {
  readonly owner: SimulatedProcess | undefined;
  lastArrivalMs = 0;
  readonly #connection: Connection;
  #silence: { ms: number; cancel: () => void } | undefined;

  constructor(connection: Connection, owner: SimulatedProcess | undefined) {
    super({ allowHalfOpen: owner === undefined });
    this.#connection = connection;
    this.owner = owner;
    owner?.holds.add(this);
    this.on('close', () => owner?.holds.delete(this));
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#connection.carry(this, to => to.receive(chunk));
    this.#heard();
    done();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#connection.carry(this, to => to.receive(null));
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#silence?.cancel();
    if (!this.#connection.isOver) this.#connection.carry(this, to => to.hungUp());
    // A handle is closed by the event loop: "close" never comes within the same turn.
    const { owner } = this;
    if (owner) owner.time.after(0, () => done(error), owner);
    else done(error);
  }

  receive(chunk: Buffer | null): void {
    if (this.destroyed || this.readableEnded) return;
    this.#heard();
    this.push(chunk);
  }

  /** The other end is gone. */
  hungUp(): void {
    this.receive(null);
    // A second one finds nobody: what is written to it comes back as a reset.
    this.#connection.isForgotten = true;
    if (!this.owner) this.destroy();
  }

  abandon(): void {
    this.#silence?.cancel();
    const parser: unknown = Reflect.get(this, 'parser');
    if (typeof parser !== 'object' || parser === null) return;
    Reflect.set(this, 'parser', null);
    // Deletes the native half; what is called on it from then on does nothing.
    if ('close' in parser && typeof parser.close === 'function') parser.close();
  }

  /** The process of this end has ended: the kernel says so, if the link is there. */
  hangUp(): void {
    if (!this.destroyed) this.#connection.carry(this, to => to.hungUp());
  }

  broken(code: string): void {
    if (this.destroyed) return;
    const error = Object.assign(new Error(code === 'ECONNREFUSED' ? 'connect' : 'read'), { code });
    if (this.owner) this.destroy(error);
    else this.destroy();
  }

  // What a socket has besides a stream.
  setTimeout(ms: number, run?: () => void): this {
    if (run && ms > 0) this.once('timeout', run);
    else if (run) this.off('timeout', run);
    this.#silence?.cancel();
    this.#silence = undefined;
    const { owner } = this;
    if (ms > 0 && owner) {
      const cancel = owner.time.after(ms, () => this.emit('timeout'), owner, true);
      this.#silence = { ms, cancel };
    }
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    this.owner?.holds.add(this);
    return this;
  }
  unref(): this {
    this.owner?.holds.delete(this);
    return this;
  }

  #heard(): void {
    if (this.#silence) this.setTimeout(this.#silence.ms);
  }
}

/** Gives simulated processes this network in the place of the real one; gives what undoes it. */
export function installNetwork(networkOf: (owner: SimulatedProcess) => Network): () => void {
  const real = Object.getOwnPropertyDescriptor(Agent.prototype, 'createConnection');
  const createConnection = function (this: Agent, ...args: readonly unknown[]): unknown {
    const owner = currentProcess();
    if (owner) return networkOf(owner).connect(owner);
    return Reflect.apply(real?.value, this, args);
  };
  Object.assign(Agent.prototype, { createConnection });
  return () => {
    if (real) Object.defineProperty(Agent.prototype, 'createConnection', real);
  };
}
