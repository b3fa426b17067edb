import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Json } from '../cluster/fake-objects.ts';
import { node, olderNode } from '../session/fake-kubelet.ts';
import { type Right, SimulatedApiServer } from './api-server.ts';
import { type Fault, requestFaults } from './faults.ts';
import { type ClusterTraits, SimulatedKubernetes } from './kubernetes.ts';
import { installMachine, Laptop } from './laptop.ts';
import { installNetwork, Network } from './network.ts';
import { currentProcess, installTimers, settled, VirtualTime } from './virtual-time.ts';

const START_MS = Date.parse('2026-03-01T12:00:00Z');

/** What the simulations of this process have in common: the patches, and a kubeconfig. */
export class Simulator implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'simulate-'));
  /** Rejections that nobody handled, of the world at hand. */
  readonly unhandled: string[] = [];
  #world: World | undefined;
  readonly #undo: readonly (() => void)[];

  constructor() {
    const document = {
      'current-context': 'fake',
      contexts: [
        { name: 'fake', context: { cluster: 'fake', user: 'alice', namespace: 'gpu-mcp' } },
      ],
      clusters: [{ name: 'fake', cluster: { server: 'http://api.example:6443' } }],
      users: [{ name: 'alice', user: { token: 'secret' } }],
    };
    writeFileSync(this.kubeconfig, JSON.stringify(document));
    const unhandled = (reason: unknown) => {
      if (currentProcess()?.alive === false) return;
      this.unhandled.push(
        reason instanceof Error ? (reason.stack ?? reason.message) : String(reason),
      );
    };
    process.on('unhandledRejection', unhandled);
    this.#undo = [
      installTimers(),
      installMachine(),
      installNetwork(() => {
        if (!this.#world) throw new Error('no simulation runs');
        return this.#world.network;
      }),
      () => process.off('unhandledRejection', unhandled),
    ];
  }

  get kubeconfig(): string {
    return join(this.folder, 'kubeconfig');
  }

  begin(options: WorldOptions): World {
    this.unhandled.length = 0;
    this.#world?.abandon();
    this.#world = new World(options, { KUBECONFIG: this.kubeconfig });
    return this.#world;
  }

  [Symbol.dispose](): void {
    for (const undo of this.#undo) undo();
    rmSync(this.folder, { recursive: true });
  }
}

export interface WorldOptions {
  readonly traits: ClusterTraits;
  readonly denied: readonly Right[];
  readonly latencyMs: number;
  readonly slowMs: number;
  readonly faults: readonly Fault[];
  readonly answerOf: (tool: string, input: Json) => Json | undefined;
  /** node-a alone where nothing else is said. */
  readonly nodes?: readonly string[];
}

/** One simulation: time, network, cluster, and a laptop, with what happened in them. */
export class World {
  readonly time = new VirtualTime(START_MS);
  readonly network: Network;
  readonly kubernetes: SimulatedKubernetes;
  readonly laptop: Laptop;
  readonly trace: string[] = [];
  /** No fault happens any more. */
  isCalm = false;
  requests = 0;
  frames = 0;

  constructor(options: WorldOptions, environment: Readonly<Record<string, string>>) {
    const say = (what: string) => this.say(what);
    this.network = new Network(this.time);
    this.network.latencyMs = options.latencyMs;
    this.kubernetes = new SimulatedKubernetes(this.time, options.traits, options.answerOf, say);
    for (const name of options.nodes ?? ['node-a']) {
      const { status } = options.traits.isOlder ? olderNode() : node();
      this.kubernetes.put('nodes', node({ metadata: { name, labels: {} }, status }));
    }
    const hit = requestFaults(options.faults);
    const server = new SimulatedApiServer({
      kubernetes: this.kubernetes,
      denied: options.denied,
      slowMs: options.slowMs,
      say,
      faultOf: asked => {
        this.requests += 1;
        const fault = hit(asked);
        return this.isCalm ? undefined : fault;
      },
      streamFaultOf: frame => {
        this.frames = Math.max(this.frames, frame);
        const found = options.faults.find(one => one.on === 'stream' && one.nth === frame);
        return this.isCalm || found?.on !== 'stream' ? undefined : found.what;
      },
    });
    this.network.accept = end => server.accept(end);
    this.laptop = new Laptop(this.time, environment, say);
    for (const fault of options.faults) {
      if (fault.on === 'time') this.time.after(fault.atMs, () => this.#strike(fault));
    }
  }

  say(what: string): void {
    this.trace.push(
      `${String(Math.round((this.time.nowMs - START_MS) * 10) / 10).padStart(9)} ${what}`,
    );
  }

  get passedMs(): number {
    return this.time.nowMs - START_MS;
  }

  /** Lets the world go on until this is so, or so much time has passed. */
  async until(isSo: () => boolean, msMax: number): Promise<boolean> {
    const untilMs = this.time.nowMs + msMax;
    for (;;) {
      await settled();
      if (isSo()) return true;
      if (!this.time.next(untilMs)) {
        this.time.nowMs = Math.max(this.time.nowMs, untilMs);
        return isSo();
      }
    }
  }

  /** Nobody looks at it any more: lets go of what Node keeps for processes that go on. */
  abandon(): void {
    for (const one of this.laptop.processes) one.end();
    this.network.abandon();
  }

  /** Every fault that lasts is over. */
  calm(): void {
    if (this.isCalm) return;
    this.isCalm = true;
    this.say('-- no more faults');
    this.network.isListening = true;
    this.kubernetes.thaw();
    while (!this.network.isUp) this.network.up();
  }

  #strike(fault: Fault & { on: 'time' }): void {
    if (this.isCalm) return;
    this.say(`-- ${fault.what} (${fault.forMs} ms)`);
    const later = (end: () => void) =>
      this.time.after(fault.forMs, () => {
        if (!this.isCalm) this.say(`-- over: ${fault.what}`);
        end();
      });
    const { network, kubernetes, laptop } = this;
    switch (fault.what) {
      case 'link down':
      case 'link down and forgotten':
        network.down(fault.what !== 'link down');
        later(() => !this.isCalm && network.up());
        return;
      case 'API server restarts':
        network.isListening = false;
        network.resetAll();
        later(() => {
          network.isListening = true;
        });
        return;
      case 'laptop sleeps':
        for (const one of laptop.processes) this.time.sleep(one, fault.forMs);
        return;
      case 'clock jumps': {
        const skewMs = (fault.forMs % 2 === 0 ? 1 : -1) * fault.forMs * 1_000;
        laptop.skewMs += skewMs;
        for (const one of laptop.processes) one.skewMs += skewMs;
        return;
      }
      case 'eviction':
        kubernetes.evict();
        return;
      case 'pod deleted by another':
        for (const pod of kubernetes.list('pods')) kubernetes.delete('pods', pod);
        return;
      case 'Job deleted by another':
        for (const job of kubernetes.list('jobs')) kubernetes.delete('jobs', job);
        return;
      case 'kubelet is dead':
        kubernetes.freeze();
        later(() => kubernetes.thaw());
        return;
      case 'node is deleted':
        for (const one of kubernetes.list('nodes')) kubernetes.remove('nodes', one);
        for (const pod of kubernetes.list('pods')) kubernetes.delete('pods', pod);
        return;
      case 'agents hang':
        kubernetes.hangAgents();
        return;
      case 'agent crashes':
        for (const agent of [...kubernetes.agents.values()]) agent.end(139, 'Error');
    }
  }
}
