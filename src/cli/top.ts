import { setTimeout as sleep } from 'node:timers/promises';
import type * as z from 'zod';
import { glanceAt } from '../bridge/ask-apart.ts';
import { CONNECTION } from '../cluster/connection-flags.ts';
import { TimeOverError, UsageError } from '../contract/errors.ts';
import { toggle } from '../contract/flag-values.ts';
import {
  GLANCE_LATE_MS,
  GLANCE_MS,
  GLANCE_MS_MAX,
  GLANCE_NODES_MAX,
  GLANCE_RETRY_MS,
} from '../contract/limits.ts';
import { HISTORY_MAX } from '../report/top-columns.ts';
import {
  keyOf,
  type NodeView,
  SORTS,
  type Sort,
  scrolledMost,
  type TopState,
  topFrame,
  topText,
} from '../report/top-frame.ts';
import type { Session } from '../session/port.ts';
import type { Glance } from '../tools/glance.ts';
import { failureWords } from './ask-nodes.ts';
import { defineCommand, type Invocation } from './command.ts';
import { FLEET, interval, NODES, OUTPUT, POD, TARGET, type TargetFlags } from './flags.ts';
import { type ExitCode, write } from './io.ts';
import { wantsColour, widthOf } from './print.ts';
import { openScreen, type Screen } from './screen.ts';
import { SUMMARIES } from './summaries.ts';
import { aborted, untilAborted } from './until-aborted.ts';

const { from: _, ...LIVE } = TARGET;
const BOUNDS = { minMs: GLANCE_MS, maxMs: GLANCE_MS_MAX };

/** A live view of nodes. */
export const top = defineCommand({
  ...SUMMARIES.top,
  examples: [
    ['$0 top gpu-node-3', 'live; q quits and removes the debug pod, ? lists the keys'],
    ['$0 top gpu-node-3 gpu-node-4', 'several nodes on one screen'],
    ['$0 top gpu-node-3 --once', 'one look as text, for a script or a ticket'],
    ['$0 top --simulate training-job', 'see it without any cluster'],
  ],
  flags: {
    ...NODES,
    ...CONNECTION,
    ...LIVE,
    ...POD,
    allGpuNodes: FLEET.allGpuNodes,
    color: OUTPUT.color,
    once: toggle('One look as text, and the end'),
    interval: interval(
      'interval',
      'How far apart looks are: 500ms, 5s; without a terminal each is printed as text',
      BOUNDS,
    ),
  },
  ownsStreams: true,
  async run(invocation) {
    const { args, io } = invocation;
    const isLive = io.terminal !== undefined && !args.once;
    if (!isLive && !args.once && args.interval === undefined) {
      throw new UsageError(
        'top is a live view and needs a terminal',
        '--once for one look as text, --interval 5s for one every 5 s',
      );
    }
    return untilAborted<ExitCode>(invocation, async ({ sessions }) => {
      if (sessions.length > GLANCE_NODES_MAX) {
        throw new UsageError(
          `${sessions.length} nodes are more than top shows, which is ${GLANCE_NODES_MAX}`,
          'kubectl gpu-mcp triage for many nodes, or a narrower selector',
        );
      }
      const view = new View(sessions, invocation);
      return isLive ? view.live() : view.printed();
    });
  },
});

type Viewing = Invocation<
  TargetFlags & {
    readonly once: boolean;
    readonly interval?: number | undefined;
    readonly color: z.output<typeof OUTPUT.color>;
  }
>;

/** What is known of each node, and how it is shown. */
class View {
  readonly #sessions: readonly Session[];
  readonly #invocation: Viewing;
  readonly #everyMs: number;
  readonly #nodes = new Map<string, NodeView>();
  /** When each node that is being asked was asked, and what it was last heard doing. */
  readonly #asked = new Map<string, { readonly sinceMs: number; readonly words: string }>();
  #screen: Screen | undefined;
  #sort: Sort = 'gpu';
  #showsProcesses: boolean;
  #isPaused = false;
  #showsHelp = false;
  #scrolled = 0;
  /** What was on the screen when it was paused. */
  #still: TopState | undefined;

  constructor(sessions: readonly Session[], invocation: Viewing) {
    this.#sessions = sessions;
    this.#invocation = invocation;
    this.#everyMs = invocation.args.interval ?? GLANCE_MS;
    this.#showsProcesses = sessions.length === 1;
    for (const { target } of sessions) this.#nodes.set(target, { target, history: new Map() });
  }

  /** Until a key or a signal ends it. */
  async live(): Promise<ExitCode> {
    const { io } = this.#invocation;
    if (!io.terminal) return 2;
    const over = new AbortController();
    const signal = AbortSignal.any([io.signal, over.signal]);
    const screen = openScreen(io.terminal, {
      key: name => {
        if (name === 'q') over.abort();
        else this.#pressed(name);
      },
      resized: () => this.#draw(),
    });
    this.#screen = screen;
    // The words of an end, and of a crash, belong on the screen that was there before.
    io.signal.addEventListener('abort', () => screen.close(), { once: true });
    const ticking = setInterval(() => this.#draw(), GLANCE_MS);
    this.#draw();
    try {
      const followed = this.#sessions.map(session => this.#follow(session, signal));
      await Promise.race([aborted(signal), Promise.all(followed)]);
      return 0;
    } finally {
      clearInterval(ticking);
      over.abort();
      screen.close();
    }
  }

  /** As text, once or again and again. */
  async printed(): Promise<ExitCode> {
    const { args, io } = this.#invocation;
    for (;;) {
      const askedMs = io.clock.nowMs();
      await Promise.all(this.#sessions.map(session => this.#look(session, io.signal)));
      io.signal.throwIfAborted();
      await write(io.stdout, `${topText(this.#state(), widthOf(io))}\n`);
      const isWhole = [...this.#nodes.values()].every(({ failure }) => failure === undefined);
      if (args.once) return isWhole ? 0 : 5;
      await write(io.stdout, '\n');
      await this.#rest(askedMs, io.signal);
      io.signal.throwIfAborted();
    }
  }

  async #follow(session: Session, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const askedMs = this.#invocation.io.clock.nowMs();
      if (!this.#isPaused) {
        await this.#look(session, signal);
        if (this.#sessions.length === 1) this.#draw();
      }
      await this.#rest(askedMs, signal);
      const failure = this.#nodes.get(session.target)?.failure;
      if (failure) await this.#rest(askedMs, signal, GLANCE_RETRY_MS);
    }
  }

  /** Waits out what is left of the time between two looks. */
  async #rest(askedMs: number, signal: AbortSignal, everyMs = this.#everyMs): Promise<void> {
    const restMs = askedMs + everyMs - this.#invocation.io.clock.nowMs();
    if (restMs <= 0) return;
    await sleep(restMs, undefined, { signal }).catch(() => undefined);
  }

  /** One look at a node. @throws what its session throws where it is the only one and never answered, or is over. */
  async #look(session: Session, signal: AbortSignal): Promise<void> {
    const { target } = session;
    const { clock } = this.#invocation.io;
    const before: NodeView = this.#nodes.get(target) ?? { target, history: new Map() };
    this.#asked.set(target, { sinceMs: clock.nowMs(), words: '' });
    try {
      const glance = await glanceAt(session, {
        signal,
        onProgress: words => {
          const { sinceMs } = this.#asked.get(target) ?? { sinceMs: clock.nowMs() };
          this.#asked.set(target, { sinceMs, words });
        },
      });
      this.#nodes.set(target, { target, glance, history: longer(before.history, glance) });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof TimeOverError) throw error;
      if (this.#sessions.length === 1 && !before.glance) throw error;
      const againAtMs = clock.nowMs() + GLANCE_RETRY_MS;
      this.#nodes.set(target, { ...before, failure: { words: failureWords(error), againAtMs } });
    } finally {
      this.#asked.delete(target);
    }
  }

  #state(): TopState {
    const { args, io } = this.#invocation;
    const nowMs = io.clock.nowMs();
    return {
      nodes: [...this.#nodes.values()].map(node => {
        const asked = this.#asked.get(node.target);
        const isLate = asked && (!node.glance || nowMs - asked.sinceMs >= GLANCE_LATE_MS);
        return isLate ? { ...node, waiting: asked } : node;
      }),
      nowMs,
      colour: wantsColour(args.color, io),
      showsProcesses: this.#showsProcesses,
      sort: this.#sort,
      isPaused: this.#isPaused,
      showsHelp: this.#showsHelp,
      scrolled: this.#scrolled,
    };
  }

  #draw(): void {
    if (!this.#screen) return;
    const { nodes, nowMs } = this.#still ?? this.#state();
    const state = { ...this.#state(), nodes, nowMs };
    this.#scrolled = Math.min(this.#scrolled, scrolledMost(state, this.#screen.size()));
    this.#screen.draw(topFrame({ ...state, scrolled: this.#scrolled }, this.#screen.size()));
  }

  #pressed(name: string): void {
    if (this.#showsHelp) this.#showsHelp = false;
    else this.#did(name);
    this.#draw();
  }

  #did(name: string): void {
    const { rows } = this.#screen?.size() ?? { rows: 0 };
    switch (name) {
      case 'p':
        this.#showsProcesses = !this.#showsProcesses;
        break;
      case 's':
        this.#sort = SORTS[(SORTS.indexOf(this.#sort) + 1) % SORTS.length] ?? 'gpu';
        break;
      case 'space':
        this.#isPaused = !this.#isPaused;
        this.#still = this.#isPaused ? this.#state() : undefined;
        break;
      case '?':
      case 'h':
        this.#showsHelp = true;
        break;
      default:
        this.#scrolled = Math.max(0, this.#scrolled + (SCROLLS[name]?.(rows) ?? 0));
    }
  }
}

/** How far keys scroll on a screen of so many rows. */
const SCROLLS: Readonly<Record<string, (rows: number) => number>> = {
  j: () => 1,
  down: () => 1,
  k: () => -1,
  up: () => -1,
  pagedown: rows => rows - 2,
  pageup: rows => 2 - rows,
  home: () => Number.NEGATIVE_INFINITY,
  g: () => Number.NEGATIVE_INFINITY,
  end: () => Number.POSITIVE_INFINITY,
  G: () => Number.POSITIVE_INFINITY,
};

/** How busy each GPU was before, with how busy it is now. */
const longer = (history: NodeView['history'], { gpus }: Glance): NodeView['history'] =>
  new Map(
    gpus.map(gpu => {
      const before = history.get(keyOf(gpu)) ?? [];
      return [keyOf(gpu), [...before, gpu.gpuUtilizationPercent].slice(-HISTORY_MAX)];
    }),
  );
