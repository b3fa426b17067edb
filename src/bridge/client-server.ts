import {
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  inputRequired,
  inputResponse,
  type Tool as ListedTool,
  LOG_LEVEL_META_KEY,
  type McpRequestContext,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import * as z from 'zod';
import { CONFIRM_MS_MAX, LISTS_KEPT_MS } from '../contract/limits.ts';
import { VERSION } from '../contract/version.ts';
import { noValidator } from '../mcp/no-validator.ts';
import { failure } from '../mcp/results.ts';
import { callOf, NoCall, type ToolCall } from '../mcp/tool-call.ts';

/** The revision that a server is made for: 2025-11-25 and before, or 2026-07-28. */
export type Era = McpRequestContext['era'];

/** What a request can ask and tell the client that made it. */
export interface Client extends Pick<ToolCall, 'signal' | 'progress'> {
  /** What only a log should have. */
  warn(message: string): void;
  /**
   * What the client's user says to a question; undefined where the client cannot ask.
   *
   * @throws AskFirst in the revision where a question is an answer: the client asks, and calls again.
   */
  ask(question: string): Promise<'accept' | 'decline' | 'cancel' | undefined>;
}

export interface ClientCall extends ToolCall, Client {}

/** A question to the client's user, in the place of an answer. */
export class AskFirst extends Error {
  constructor(question: string) {
    super(question);
  }

  /** The answer of a request that it was thrown in. */
  get answer() {
    return inputRequired({ inputRequests: { [this.message]: elicitation(this.message) } });
  }
}

/** A client that may keep a list for so long asks less. None changes while this process lives. */
const KEPT = { ttlMs: LISTS_KEPT_MS, cacheScope: 'private' } as const;

interface ClientServerOptions {
  readonly name: string;
  readonly instructions: string;
  readonly tools: () => Promise<readonly ListedTool[]>;
  readonly names: () => Promise<readonly string[]>;
  call(call: ClientCall): Promise<CallToolResult>;
}

/** What a request says of its client since 2026-07-28. */
const Envelope = z.looseObject({
  [LOG_LEVEL_META_KEY]: z.string().optional(),
  [CLIENT_CAPABILITIES_META_KEY]: z
    .looseObject({ elicitation: z.looseObject({}).optional() })
    .optional(),
});

/** An MCP server as the AI client sees it, and what each of its requests can ask that client. */
export interface ClientServer {
  readonly server: Server;
  clientOf(context: ServerContext): Client;
}

/** The SDK's low-level server: the high-level one answers an unknown tool with a result, not with -32602. */
class LeanServer extends Server {
  /** Answers of tools are ours: they are not checked once more, nor are their keys put into another order. */
  protected override _wrapHandler(...[method, handler]: Parameters<Server['_wrapHandler']>) {
    return method === 'tools/call' ? handler : super._wrapHandler(method, handler);
  }
}

/** The MCP server of one connection, or over HTTP since 2026-07-28 of one request; unconnected. */
export function createClientServer(era: Era, options: ClientServerOptions): ClientServer {
  const server = new LeanServer(
    { name: options.name, title: 'GPU triage on Kubernetes', version: VERSION },
    {
      capabilities: { tools: {}, logging: {} },
      instructions: options.instructions,
      jsonSchemaValidator: noValidator,
      cacheHints: {
        'server/discover': KEPT,
        'tools/list': KEPT,
        'prompts/list': KEPT,
        'resources/list': KEPT,
        'resources/templates/list': KEPT,
      },
    },
  );
  let level: string | undefined;
  // Before 2026-07-28 of the connection, since then of each request. Nobody is told who did not ask.
  server.setRequestHandler('logging/setLevel', ({ params }) => {
    level = params.level;
    return {};
  });
  const clientOf = (context: ServerContext): Client => {
    const { signal, envelope = {} } = context.mcpReq;
    const said = era === 'legacy' ? undefined : Envelope.parse(envelope);
    const capabilities = said ? said[CLIENT_CAPABILITIES_META_KEY] : server.getClientCapabilities();
    const ask = said ? askBefore : askNow;
    return {
      signal,
      ...telling(context, options.name, said ? said[LOG_LEVEL_META_KEY] : level),
      ask: async question =>
        capabilities?.elicitation === undefined ? undefined : ask(context, question),
    };
  };
  server.setRequestHandler('tools/list', async () => ({ tools: [...(await options.tools())] }));
  server.setRequestHandler('tools/call', { params: z.looseObject({}) }, async (params, context) => {
    const { name, input } = calledOf(params, await options.names());
    try {
      return await options.call({ tool: name, input, ...clientOf(context) });
    } catch (error) {
      return error instanceof AskFirst ? error.answer : failure(error);
    }
  });
  return { server, clientOf };
}

function calledOf(params: unknown, tools: readonly string[]) {
  try {
    return callOf(params, tools);
  } catch (error) {
    if (!(error instanceof NoCall)) throw error;
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, error.message);
  }
}

const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

/** Tells the client that a request goes on: as progress, and in its log, where it asked for either. */
function telling(
  { mcpReq }: ServerContext,
  logger: string,
  wanted: string | undefined,
): Pick<Client, 'progress' | 'warn'> {
  const progressToken = mcpReq._meta?.progressToken;
  // A client that went away is noticed by the transport, not here.
  const notify = (method: string, params: Record<string, unknown>) =>
    void mcpReq.notify({ method, params }).catch(() => undefined);
  const log = (level: string, data: string) => {
    if (wanted === undefined || LEVELS.indexOf(level) < LEVELS.indexOf(wanted)) return;
    notify('notifications/message', { level, logger, data });
  };
  let progress = 0;
  return {
    progress(message, level) {
      log(level ?? 'debug', message);
      if (progressToken === undefined) return;
      progress += 1;
      notify('notifications/progress', { progressToken, progress, message });
    },
    warn: message => log('warning', message),
  };
}

const NOTHING_ELSE = { type: 'object' as const, properties: {} };

const elicitation = (message: string) =>
  inputRequired.elicit({ message, requestedSchema: NOTHING_ELSE });

async function askNow({ mcpReq }: ServerContext, message: string) {
  const { action } = await mcpReq.send(
    { method: 'elicitation/create', params: { message, requestedSchema: NOTHING_ELSE } },
    { signal: mcpReq.signal, timeout: CONFIRM_MS_MAX },
  );
  return action;
}

/** An answer counts for the question that it names, and for no other. */
async function askBefore({ mcpReq }: ServerContext, question: string) {
  const given = inputResponse(mcpReq.inputResponses, question);
  if (given.kind !== 'elicit') throw new AskFirst(question);
  return given.action;
}
