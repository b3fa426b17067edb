import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import {
  type CallToolResult,
  CallToolResultSchema,
  ErrorCode,
  McpError,
} from '@modelcontextprotocol/sdk/types.js';
import { GpuMcpError, SessionError } from '../contract/errors.ts';
import { NAME } from '../contract/labels.ts';
import { AGENT_PING_MS, TOOL_CALL_MS_MAX } from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';
import { VERSION } from '../contract/version.ts';
import { noValidator } from '../mcp/no-validator.ts';
import type { Link, LinkClosed, LinkEnd } from './link.ts';
import { LinkTransport } from './link-transport.ts';
import type { Session, ToolRequest } from './port.ts';

export type OpenLink = (
  signal: AbortSignal,
  onProgress: (message: string) => void,
) => Promise<Link>;

export interface SessionOptions {
  /** The node's name, `local`, or the simulated machine's name. */
  readonly target: string;
  readonly openLink: OpenLink;
}

/** How long the agent may take from its first byte to its answer to `initialize`. */
const INITIALIZE_MS_MAX = 20_000;

/**
 * One node's session: the first call starts the agent, calls during the start share it, a call
 * after the agent's end starts a new one.
 */
export function createSession(options: SessionOptions): Session {
  return new LazySession(options);
}

/** An agent that answered `initialize`. */
interface Open {
  readonly client: Client;
  readonly link: Link;
  readonly stopPings: () => void;
}

class LazySession implements Session {
  readonly target: string;
  readonly #openLink: OpenLink;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(message: string) => void>();
  #opening: Promise<Open> | undefined;
  #closed: Promise<LinkClosed> | undefined;
  /** What is being removed of agents that ended by themselves. */
  #removing: Promise<unknown> = Promise.resolve();

  constructor(options: SessionOptions) {
    this.target = options.target;
    this.#openLink = options.openLink;
  }

  async start(signal: AbortSignal, onProgress: (message: string) => void): Promise<void> {
    await this.#opened(signal, onProgress);
  }

  async call({ tool, input, signal, onProgress }: ToolRequest): Promise<CallToolResult> {
    const { client, link } = await this.#opened(signal, onProgress);
    try {
      return await client.request(
        { method: 'tools/call', params: { name: tool, arguments: { ...input } } },
        CallToolResultSchema,
        {
          signal,
          timeout: TOOL_CALL_MS_MAX,
          onprogress: ({ message }) => {
            if (message) onProgress(plainText(message));
          },
        },
      );
    } catch (error) {
      signal.throwIfAborted();
      throw await this.#explain(error, tool, link);
    }
  }

  close(): Promise<LinkClosed> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Waits for the shared start; a caller who gives up leaves it to the others. */
  async #opened(signal: AbortSignal, onProgress: (message: string) => void): Promise<Open> {
    signal.throwIfAborted();
    if (this.#closed) throw new SessionError(`the session with ${this.target} is closed`);
    this.#opening ??= this.#open();
    this.#listeners.add(onProgress);
    try {
      return await orAborted(this.#opening, signal);
    } finally {
      this.#listeners.delete(onProgress);
    }
  }

  #open(): Promise<Open> {
    const opening = this.#connect();
    const forget = () => {
      if (this.#opening === opening) this.#opening = undefined;
    };
    opening.then(({ link, stopPings }) => {
      void link.ended.then(() => {
        stopPings();
        forget();
        // What is left of an agent that ended by itself: its Job and pod.
        this.#removing = Promise.all([this.#removing, link.close()]);
      });
    }, forget);
    return opening;
  }

  async #connect(): Promise<Open> {
    const { signal } = this.#stop;
    const link = await this.#openLink(signal, message => {
      for (const listener of this.#listeners) listener(message);
    });
    const client = new Client(
      { name: NAME, version: VERSION },
      { jsonSchemaValidator: noValidator },
    );
    try {
      await client.connect(new LinkTransport(link), { timeout: INITIALIZE_MS_MAX, signal });
      const version = client.getServerVersion()?.version ?? 'unknown';
      if (version !== VERSION) throw otherVersion(this.target, version);
      return { client, link, stopPings: keepAlive(client) };
    } catch (error) {
      const end = await Promise.race([link.ended, link.close().then(() => undefined)]);
      throw error instanceof GpuMcpError ? error : noAnswer(this.target, error, end);
    }
  }

  async #explain(error: unknown, tool: string, link: Link): Promise<SessionError> {
    const code = error instanceof McpError ? error.code : undefined;
    const words = plainText(error instanceof Error ? error.message : String(error), 500);
    if (code === ErrorCode.RequestTimeout) {
      return new SessionError(
        `${this.target} did not answer ${tool} within ${TOOL_CALL_MS_MAX / 1_000} s`,
        { hint: 'a wedged driver can hold a tool up: triage_gpu_node names it', cause: error },
      );
    }
    if (code !== undefined && code !== ErrorCode.ConnectionClosed) {
      const plain = words.replace(/^(MCP error -?\d+: )+/, '');
      return new SessionError(`${this.target} refused ${tool}: ${plain}`, { cause: error });
    }
    const { detail } = await link.ended;
    return new SessionError(`the session with ${this.target} ended during ${tool}: ${detail}`, {
      hint: 'the next call starts a new one',
      cause: error,
    });
  }

  async #close(): Promise<LinkClosed> {
    const opening = this.#opening;
    this.#stop.abort(new SessionError(`the session with ${this.target} is closed`));
    if (!opening) {
      await this.#removing;
      return { removed: null, verified: true };
    }
    try {
      const { link, stopPings } = await opening;
      stopPings();
      return await link.close();
    } catch {
      // The start failed or was stopped, and has removed what it had made.
      return { removed: null, verified: true };
    }
  }
}

async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop: () => void = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** The agent ends itself when it hears nothing: a sleeping laptop sends no FIN. */
function keepAlive(client: Client): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  const beat = async () => {
    while (!signal.aborted) {
      await sleep(AGENT_PING_MS, undefined, { signal, ref: false });
      // A lost answer is the stream's to notice: it has pings of its own.
      await client.ping({ timeout: AGENT_PING_MS, signal }).catch(() => undefined);
    }
  };
  void beat().catch(() => undefined);
  return () => stop.abort();
}

const otherVersion = (target: string, version: string) =>
  new SessionError(
    `the agent on ${target} is version ${plainText(version, 40)}, this plugin is ${VERSION}`,
    { hint: `use the image of version ${VERSION}` },
  );

function noAnswer(target: string, cause: unknown, end: LinkEnd | undefined): SessionError {
  const words = plainText(cause instanceof Error ? cause.message : String(cause), 300);
  const why = end && end.kind !== 'closed' ? end.detail : words;
  return new SessionError(`the agent on ${target} does not answer: ${why}`, {
    hint: 'is it the image of this plugin?',
    cause,
  });
}
