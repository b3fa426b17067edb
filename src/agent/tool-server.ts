import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import {
  type CallToolResult,
  ErrorCode,
  type Tool as ListedTool,
  ListToolsRequestSchema,
  McpError,
} from '@modelcontextprotocol/sdk/types.js';
import { VERSION } from '../contract/version.ts';
import { noValidator } from '../mcp/no-validator.ts';
import { failure } from '../mcp/results.ts';
import { callOf, NoCall, type ToolCall } from '../mcp/tool-call.ts';

interface ToolServerOptions {
  readonly name: string;
  readonly instructions: string;
  /** Asked at every list, for nothing else: making the schemas takes longer than most answers. */
  readonly tools: () => Promise<readonly ListedTool[]>;
  /** What may be called, also what is not listed: one half asks the other. */
  readonly names: () => Promise<readonly string[]>;
  call(call: ToolCall): Promise<CallToolResult>;
}

/** The MCP server (2025-11-25) of the agent, which the bridge's client speaks to; unconnected. */
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
    const { name, input, token } = calledOf(request.params, await options.names());
    let step = 0;
    const progress = (message: string) => {
      if (token === undefined) return;
      step += 1;
      const params = { progressToken: token, progress: step, message };
      // A client that went away is noticed by the transport, not here.
      extra.sendNotification({ method: 'notifications/progress', params }).catch(() => undefined);
    };
    try {
      return await options.call({ tool: name, input, signal: extra.signal, progress });
    } catch (error) {
      return failure(error);
    }
  };
  return server;
}

function calledOf(params: unknown, tools: readonly string[]) {
  try {
    return callOf(params, tools);
  } catch (error) {
    throw error instanceof NoCall ? new McpError(ErrorCode.InvalidParams, error.message) : error;
  }
}
