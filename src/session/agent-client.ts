import { once } from 'node:events';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  type CallToolResult,
  CallToolResultSchema,
  ErrorCode,
  type JSONRPCMessage,
  JSONRPCMessageSchema,
  McpError,
} from '@modelcontextprotocol/sdk/types.js';
import { CutOffError, GpuMcpError, SessionError, TimeOverError } from '../contract/errors.ts';
import { AGENT_HELLO, NAME } from '../contract/labels.ts';
import {
  AGENT_FOREIGN_MS,
  AGENT_INITIALIZE_MS_MAX,
  AGENT_LINE_BYTES_MAX,
  AGENT_LOG_MS_MAX,
  AGENT_PING_MS,
  AGENT_SILENT_MS,
  CALL_PING_AFTER_MS,
  CALL_PONG_MS_MAX,
  CLOCK_ANSWER_MS_MAX,
  TOOL_CALL_MS_MAX,
} from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';
import { VERSION } from '../contract/version.ts';
import { CLOCK_METHOD, ClockResult } from '../mcp/clock.ts';
import { lineSplitter } from '../mcp/line-splitter.ts';
import { noValidator } from '../mcp/no-validator.ts';
import { DeadStream, type Link, type LinkEnd } from './link.ts';
import type { ToolRequest } from './port.ts';

/** An agent that answered `initialize`, of our version, and is kept awake by pings. */
export interface AgentClient {
  call(request: ToolRequest): Promise<CallToolResult>;
  /** Milliseconds since 1970 by the node's clock. */
  nowMs(signal: AbortSignal): Promise<number>;
  stopPings(): void;
}

/**
 * Speaks MCP with the agent at the other end of a link. This file brings the SDK's client with it,
 * so it is loaded while the pod starts.
 *
 * @throws SessionError when it does not answer or is of another version; the link is closed then.
 */
export async function connectAgent(
  link: Link,
  target: string,
  signal: AbortSignal,
): Promise<AgentClient> {
  const client = new Client({ name: NAME, version: VERSION }, { jsonSchemaValidator: noValidator });
  const transport = new LinkTransport(link);
  try {
    await Promise.race([
      client.connect(transport, { timeout: AGENT_INITIALIZE_MS_MAX, signal }),
      foreignWords(transport, target),
      silentProgram(transport, link, target),
    ]);
    const version = client.getServerVersion()?.version ?? 'unknown';
    if (version !== VERSION) throw otherVersion(target, version);
  } catch (error) {
    const closed = link.close();
    const end = await Promise.race([link.ended, closed.then(() => undefined)]);
    await closed;
    throw error instanceof GpuMcpError ? error : noAnswer(target, error, end);
  }
  return {
    call: request => call(client, request, { link, target, transport }),
    nowMs: signal => nodeNowMs(client, signal),
    stopPings: keepAlive(client),
  };
}

/** Rejects soon after a line that is no message: whatever runs in the pod is no agent of ours. */
async function foreignWords(transport: LinkTransport, target: string): Promise<never> {
  const line = await new Promise<string>(resolve => {
    transport.onForeign = resolve;
  });
  // Noise does no harm to an agent that answers.
  await once(AbortSignal.timeout(AGENT_FOREIGN_MS), 'abort');
  throw foreign(target, `it says "${plainText(line, 200)}"`);
}

/** Rejects where a program is silent and nothing that it wrote before we listened is an agent's. */
async function silentProgram(transport: LinkTransport, link: Link, target: string): Promise<never> {
  await once(AbortSignal.timeout(AGENT_SILENT_MS), 'abort');
  const isHeard = () => transport.heard > 0;
  const words = isHeard()
    ? undefined
    : await link.firstWords?.(AbortSignal.timeout(AGENT_LOG_MS_MAX));
  if (isHeard() || words === undefined || words.includes(AGENT_HELLO)) {
    return new Promise(() => {});
  }
  const said = plainText(words, 200);
  throw foreign(
    target,
    `it answers nothing in ${AGENT_SILENT_MS / 1_000} s, and ${said === '' ? 'its log is empty' : `its log says "${said}"`}`,
  );
}

const foreign = (target: string, why: string) =>
  new SessionError(`the program in the pod on ${target} is not an agent of this plugin: ${why}`, {
    hint: 'is it the image of this plugin?',
  });

async function nodeNowMs(client: Client, signal: AbortSignal): Promise<number> {
  const within = AbortSignal.timeout(CLOCK_ANSWER_MS_MAX);
  const options = { signal: AbortSignal.any([signal, within]) };
  const { nowMs } = await client.request({ method: CLOCK_METHOD }, ClockResult, options);
  return nowMs;
}

async function call(
  client: Client,
  { tool, input, signal, onProgress }: ToolRequest,
  at: At,
): Promise<CallToolResult> {
  const over = new AbortController();
  try {
    const answered = client.request(
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
    return await Promise.race([
      answered,
      silence(client, tool, at, AbortSignal.any([signal, over.signal])),
    ]);
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof SessionError ? error : await explained(error, tool, at);
  } finally {
    over.abort();
  }
}

interface At {
  readonly link: Link;
  readonly target: string;
  readonly transport: LinkTransport;
}

/**
 * Rejects when nothing of the agent is heard while a call waits, not even an answer to a ping, and
 * says who is silent. A driver that hangs is none of these: its agent answers.
 */
async function silence(
  client: Client,
  tool: string,
  { link, target, transport }: At,
  signal: AbortSignal,
): Promise<never> {
  if (!link.whoIsSilent) return new Promise(() => {});
  const stopped = once(signal, 'abort');
  for (;;) {
    await once(AbortSignal.timeout(CALL_PING_AFTER_MS), 'abort', { signal });
    const before = transport.heard;
    // An answer that is long in coming is heard too.
    const ponged = client.ping({ timeout: CALL_PONG_MS_MAX }).catch(() => undefined);
    await Promise.race([ponged, stopped]);
    signal.throwIfAborted();
    if (transport.heard === before) break;
  }
  const silent = await link.whoIsSilent(signal);
  const waited = `no word from the agent on ${target} for ${CALL_PONG_MS_MAX / 1_000} s during ${tool}, not to a ping either`;
  if (silent) {
    const Kind = silent.who === 'link' ? CutOffError : SessionError;
    throw new Kind(`${silent.sentence}; ${waited}`, { hint: silent.hint });
  }
  throw new DeadStream(
    `the stream to the agent is dead: ${waited}, while the API server answers and the node is ready`,
    {
      hint: 'a firewall or proxy that drops connections in silence? --transport kubectl goes another way',
    },
  );
}

async function explained(
  error: unknown,
  tool: string,
  { link, target }: At,
): Promise<SessionError> {
  const code = error instanceof McpError ? error.code : undefined;
  const words = plainText(error instanceof Error ? error.message : String(error), 500);
  if (code === ErrorCode.RequestTimeout) {
    return new SessionError(
      `${target} did not answer ${tool} within ${TOOL_CALL_MS_MAX / 1_000} s`,
      { hint: 'a wedged driver can hold a tool up: triage_gpu_node names it', cause: error },
    );
  }
  if (code !== undefined && code !== ErrorCode.ConnectionClosed) {
    const plain = words.replace(/^(MCP error -?\d+: )+/, '');
    return new SessionError(`${target} refused ${tool}: ${plain}`, { cause: error });
  }
  const { detail, isTimeOver } = await link.ended;
  if (isTimeOver) return new TimeOverError(target, { cause: error });
  return new SessionError(`the session with ${target} ended during ${tool}: ${detail}`, {
    hint: 'the next call starts a new one',
    cause: error,
  });
}

/** The agent ends itself when it hears nothing: a sleeping laptop sends no FIN. */
function keepAlive(client: Client): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  const beat = async () => {
    while (!signal.aborted) {
      await once(AbortSignal.timeout(AGENT_PING_MS), 'abort', { signal });
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

/**
 * MCP over a Link: one JSON message a line.
 */
export class LinkTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  /** Is told of a line that is no message before there was any message. */
  onForeign: (line: string) => void = () => {};
  /** How often something came from the agent. */
  heard = 0;
  #messages = 0;
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
  }

  async start(): Promise<void> {
    const feed = lineSplitter({
      bytesMax: AGENT_LINE_BYTES_MAX,
      onLine: line => this.#deliver(line),
      onTooLong: () => {
        const words = `the agent sent a line of more than ${AGENT_LINE_BYTES_MAX} bytes`;
        this.onerror?.(new Error(words));
        void this.#link.close();
      },
    });
    this.#link.fromAgent.on('data', chunk => {
      this.heard += 1;
      feed(chunk);
    });
    this.#link.fromAgent.on('error', error => this.onerror?.(error));
    void this.#link.ended.then(() => this.onclose?.());
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const { toAgent } = this.#link;
    if (!toAgent.writable) throw new Error('the stream to the agent is over');
    if (toAgent.write(`${JSON.stringify(message)}\n`)) return;
    await new Promise<void>(resolve => {
      const done = () => {
        toAgent.off('drain', done).off('close', done);
        resolve();
      };
      toAgent.on('drain', done).on('close', done);
    });
  }

  async close(): Promise<void> {
    await this.#link.close();
  }

  #deliver(line: string): void {
    try {
      const message = JSONRPCMessageSchema.parse(JSON.parse(line));
      this.#messages += 1;
      this.onmessage?.(message);
    } catch (error) {
      if (this.#messages === 0) this.onForeign(line);
      this.onerror?.(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
