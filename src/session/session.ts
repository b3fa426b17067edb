import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { Unreachable } from '../cluster/port.ts';
import { CAPTURE_TOOL } from '../contract/capture-tool.ts';
import { CutOffError, SessionError, TimeOverError } from '../contract/errors.ts';
import type { FirstQuestion } from '../contract/first-question.ts';
import { SHUTDOWN_MS_MAX } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import type { Progress } from '../mcp/tool-call.ts';
import type { AgentClient } from './agent-client.ts';
import type { Held } from './holding.ts';
import { DeadStream, type Link, type LinkClosed, SilentNode } from './link.ts';
import { orAborted } from './or-aborted.ts';
import type { LiveSession, SessionClosed, ToolRequest } from './port.ts';

export type OpenLink = (
  signal: AbortSignal,
  onProgress: Progress,
  /** Is told of everything that the link may leave, before it is made. */
  onHeld: (held: Held) => void,
  /** What it is opened for. */
  first?: FirstQuestion,
) => Promise<Link>;

export interface SessionOptions {
  /** The node's name, `local`, or the simulated machine's name. */
  readonly target: string;
  readonly openLink: OpenLink;
}

/**
 * One node's session: the first call starts the agent, calls during the start share it, a call
 * after the agent's end starts a new one.
 */
export function createSession(options: SessionOptions): LiveSession {
  return new LazySession(options);
}

/** An agent that answered `initialize`. */
interface Open {
  readonly agent: AgentClient;
  readonly link: Link;
}

class LazySession implements LiveSession {
  readonly target: string;
  readonly #openLink: OpenLink;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<Progress>();
  #opening: Promise<Open> | undefined;
  #link: Link | undefined;
  #closed: Promise<SessionClosed> | undefined;
  /** Why the last start came to nothing. */
  #failure: unknown;
  /** The last agent has had its time. */
  #isTimeOver = false;
  /** What each link may have left. */
  #held: readonly Held[] = [];
  /** What is being removed of agents that ended by themselves. */
  #removing: Promise<unknown> = Promise.resolve();

  constructor(options: SessionOptions) {
    this.target = options.target;
    this.#openLink = options.openLink;
  }

  async start(signal: AbortSignal, onProgress: Progress): Promise<void> {
    await this.#opened(signal, onProgress);
  }

  async call(request: ToolRequest): Promise<CallToolResult> {
    try {
      return await this.#ask(request);
    } catch (error) {
      // All tools only read, so one may be asked again; the parts of a bundle are this very agent's.
      if (!(error instanceof DeadStream)) throw error;
      if (request.tool === CAPTURE_TOOL) throw await this.#withoutPod(error);
      request.onProgress(`${error.message}; asking again through a new session`, 'warning');
    }
    try {
      return await this.#ask(request);
    } catch (error) {
      throw await this.#withoutPod(error);
    }
  }

  /** Asks once; a stream that is found dead is forgotten, and its pod removed. */
  async #ask(request: ToolRequest): Promise<CallToolResult> {
    if (request.isLive && this.#isTimeOver) throw new TimeOverError(this.target);
    const { tool, input, signal, onProgress } = request;
    const { agent, link } = await this.#opened(signal, onProgress, { tool, input });
    try {
      return await agent.call(request);
    } catch (error) {
      if (error instanceof DeadStream) this.#abandon(link);
      throw error;
    }
  }

  /** An error that nothing more is tried after is told when the dead stream's pod is gone. */
  async #withoutPod(error: unknown): Promise<unknown> {
    if (error instanceof DeadStream) await this.#removing;
    return error;
  }

  /** Forgets a link that is dead; its pod is removed meanwhile. */
  #abandon(link: Link): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    this.#opening = undefined;
    this.#removing = Promise.all([this.#removing, link.close()]);
  }

  async nodeNowMs(signal: AbortSignal): Promise<number> {
    const { agent } = await this.#opened(signal, () => {});
    return agent.nowMs(signal);
  }

  close(): Promise<SessionClosed> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Nobody asks the cluster about a node for it: this program is about to end. */
  #isClosed(): SessionError {
    return new CutOffError(`the session with ${this.target} is closed`);
  }

  /** Waits for the shared start; a caller who gives up leaves it to the others. */
  async #opened(signal: AbortSignal, onProgress: Progress, first?: FirstQuestion): Promise<Open> {
    signal.throwIfAborted();
    if (this.#closed) throw this.#isClosed();
    this.#opening ??= this.#open(first);
    this.#listeners.add(onProgress);
    try {
      return await orAborted(this.#opening, signal);
    } finally {
      this.#listeners.delete(onProgress);
    }
  }

  #open(first: FirstQuestion | undefined): Promise<Open> {
    this.#failure = undefined;
    const opening = this.#connect(first);
    const forget = () => {
      if (this.#opening === opening) this.#opening = undefined;
    };
    opening.then(
      ({ link, agent }) => {
        this.#link = link;
        // Another agent has its own hour.
        this.#isTimeOver = false;
        void link.ended.then(({ isTimeOver }) => {
          this.#isTimeOver = isTimeOver === true;
          agent.stopPings();
          forget();
          // What is left of an agent that ended by itself: its Job and pod.
          this.#removing = Promise.all([this.#removing, link.close()]);
        });
      },
      (error: unknown) => {
        this.#failure = error;
        forget();
      },
    );
    return opening;
  }

  /** The code that speaks to the agent is loaded while its pod starts. */
  async #connect(first: FirstQuestion | undefined): Promise<Open> {
    const earlier = this.#held.filter(mayBeThere);
    if (earlier.length > 0) await removeEarlier(earlier);
    const { signal } = this.#stop;
    const opening = this.#openLink(
      signal,
      (message, level) => {
        for (const listener of this.#listeners) listener(message, level);
      },
      held => {
        this.#held = [...this.#held.filter(one => mayBeThere(one) || isKept(one)), held];
      },
      first,
    );
    const [link, { connectAgent }] = await Promise.all([opening, import('./agent-client.ts')]);
    return { link, agent: await connectAgent(link, this.target, signal) };
  }

  async #close(): Promise<SessionClosed> {
    const opening = this.#opening;
    this.#stop.abort(this.#isClosed());
    const late = AbortSignal.timeout(SHUTDOWN_MS_MAX);
    const ending = Promise.all([opening ? this.#end(opening) : this.#seeGone(), this.#removing]);
    const [{ removed, verified }] = await orAborted(ending, late).catch(() => [UNSEEN]);
    const held = this.#held.filter(({ left }) => left.length > 0);
    // Whatever we still wait for, another process waits for after us.
    for (const one of held) one.guard();
    const left = held.flatMap(one => one.left);
    return keptOf(this.#held) ?? { removed, verified: verified && left.length === 0, left };
  }

  async #end(opening: Promise<Open>): Promise<LinkClosed> {
    try {
      const { link, agent } = await opening;
      agent.stopPings();
      return await link.close();
    } catch {
      const made = this.#held.filter(({ name }) => name !== null);
      return this.#seeGone(made);
    }
  }

  /** A start that failed or was stopped has removed what it had made: that is seen here. */
  async #seeGone(made = this.#held.filter(mayBeThere)): Promise<LinkClosed> {
    // Nobody is there to remove it, or to tell.
    if (this.#failure instanceof SilentNode || this.#failure instanceof Unreachable) {
      return UNSEEN;
    }
    const gone = await Promise.all(made.map(held => held.isGone()));
    const verified = gone.every(isGone => isGone);
    return { removed: verified ? (made.at(-1)?.name ?? null) : null, verified };
  }
}

const UNSEEN: LinkClosed = { removed: null, verified: false };

/** What nobody saw gone. */
const mayBeThere = ({ left, mayRun }: Held): boolean => left.length > 0 || mayRun === true;

/** What the cluster keeps something of, whatever became of it. */
const isKept = ({ name, stays }: Held): boolean => name !== null && stays !== undefined;

/** All that the cluster keeps something of, of this start and of earlier ones; what may run is told apart. Undefined: nothing. */
function keptOf(held: readonly Held[]): SessionClosed | undefined {
  const kept = held.filter(isKept);
  const { stays } = kept.at(-1) ?? {};
  if (stays === undefined) return undefined;
  const named = (those: readonly Held[]) => those.flatMap(({ name }) => name ?? []).join(', ');
  const ended = named(kept.filter(({ mayRun }) => !mayRun));
  const running = named(kept.filter(({ mayRun }) => mayRun));
  if (running === '') return { removed: ended, verified: true, stays, left: [] };
  const { ends } = kept.findLast(({ mayRun }) => mayRun) ?? {};
  return {
    ...{ removed: running, verified: false, stays, left: [] },
    ...optional({ ends, ended: ended || undefined }),
  };
}

/** No pod is started beside an earlier one that may still run. */
async function removeEarlier(earlier: readonly Held[]): Promise<void> {
  const gone = await Promise.all(
    earlier.map(async held => (await held.remove()) || (await held.isGone())),
  );
  if (gone.every(isGone => isGone)) return;
  const running = earlier.find(({ mayRun }) => mayRun === true);
  if (running) {
    throw new SessionError(`${running.name} of an earlier start was not seen to have ended yet`, {
      hint: 'no second one is added beside it; the next call tries again',
    });
  }
  const names = earlier.flatMap(({ left }) => left.map(({ kind, name }) => `${kind} ${name}`));
  throw new SessionError(`${names.join(' and ')} of an earlier start cannot be removed yet`, {
    hint: 'no second pod is started beside it; the next call tries again',
  });
}
