import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import {
  type CallToolResult,
  ErrorCode,
  type Tool as ListedTool,
  ListToolsRequestSchema,
  McpError,
} from '@modelcontextprotocol/sdk/types.js';
import * as z from 'zod';
import { VERSION } from '../contract/version.ts';
import { noValidator } from './no-validator.ts';
import { failure } from './results.ts';

/** One call as both halves handle it: input is an object, nothing else is checked yet. */
export interface ToolCall {
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  /** What the client is asked meanwhile goes the way of this request. */
  readonly requestId?: string | number;
  /** Tells the client that the call goes on; silent where the client asked for no progress. */
  readonly progress: (message: string) => void;
}

interface ToolServerOptions {
  readonly name: string;
  readonly instructions: string;
  /** Asked at every list, for nothing else: making the schemas takes longer than most answers. */
  readonly tools: () => Promise<readonly ListedTool[]>;
  /** What may be called, also what is not listed: one half asks the other. */
  readonly names: () => Promise<readonly string[]>;
  call(call: ToolCall): Promise<CallToolResult>;
}

/**
 * An MCP server (2025-11-25) that offers tools; unconnected.
 *
 * The SDK's high-level server answers an unknown tool with a result and a call without a name with
 * -32603; the specification wants -32602 for both, hence the low-level one and a handler of ours.
 */
export function createToolServer(options: ToolServerOptions): Server {
  const server = new Server(
    { name: options.name, title: 'GPU triage on Kubernetes', version: VERSION },
    {
      capabilities: { tools: {} },
      instructions: options.instructions,
      jsonSchemaValidator: noValidator,
    },
  );
  server.setRequestHandler(ListToolsRequestSchema, async () => ({
    tools: [...(await options.tools())],
  }));
  server.fallbackRequestHandler = async (request, extra) => {
    if (request.method !== 'tools/call') {
      throw new McpError(ErrorCode.MethodNotFound, `Method not found: ${request.method}`);
    }
    const { name, input, token } = callOf(request.params, await options.names());
    let step = 0;
    const progress = (message: string) => {
      if (token === undefined) return;
      step += 1;
      const params = { progressToken: token, progress: step, message };
      // A client that went away is noticed by the transport, not here.
      extra.sendNotification({ method: 'notifications/progress', params }).catch(() => undefined);
    };
    try {
      const { signal, requestId } = extra;
      return await options.call({ tool: name, input, signal, requestId, progress });
    } catch (error) {
      return failure(error);
    }
  };
  return server;
}

const Params = z.looseObject({
  name: z.string(),
  arguments: z.record(z.string(), z.unknown()).optional(),
  _meta: z.looseObject({ progressToken: z.union([z.string(), z.number()]).optional() }).optional(),
});

function callOf(params: unknown, tools: readonly string[]) {
  const parsed = Params.safeParse(params);
  if (!parsed.success) {
    const names = parsed.error.issues.map(issue => issue.path.join('.')).join(', ');
    throw new McpError(
      ErrorCode.InvalidParams,
      `tools/call: wrong or missing ${names || 'params'}`,
    );
  }
  const { name, arguments: input = {}, _meta } = parsed.data;
  if (!tools.includes(name)) {
    throw new McpError(
      ErrorCode.InvalidParams,
      `Unknown tool: ${name.slice(0, 64)}. Tools: ${tools.join(', ')}`,
    );
  }
  return { name, input, token: _meta?.progressToken };
}
