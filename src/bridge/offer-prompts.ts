import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import {
  type CallToolResult,
  CompleteRequestSchema,
  ErrorCode,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  McpError,
  ReadResourceRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { optional } from '../contract/optional.ts';
import { failureText, textOfResult } from '../mcp/results.ts';
import type { ToolCall } from '../mcp/tool-server.ts';
import { listedPrompts, promptOf } from './prompts.ts';
import { listedResources, PART_NAMES, RESOURCE_TEMPLATES, resourceCall } from './resources.ts';

interface Offering {
  readonly targets: readonly string[];
  readonly nodeNames?: () => Promise<readonly string[]>;
  /** The tools that there are. */
  offers(): Promise<ReadonlySet<string>>;
  call(call: ToolCall): Promise<CallToolResult>;
}

const COMPLETIONS_MAX = 100;

/** Prompts and resources of a server: both bring the answers of its tools. */
export function offerPrompts(server: Server, { targets, nodeNames, offers, call }: Offering): void {
  const isOneNode = targets.length === 1;
  const ask = async (
    { tool, input }: Pick<ToolCall, 'tool' | 'input'>,
    { signal, requestId }: Pick<ToolCall, 'signal' | 'requestId'>,
  ): Promise<CallToolResult> => {
    if (!(await offers()).has(tool)) {
      throw new McpError(ErrorCode.InvalidParams, `tool ${tool} is not offered here`);
    }
    const { node, ...rest } = input;
    return call({
      ...{ tool, input: isOneNode ? rest : input, signal, progress: () => {} },
      ...optional({ requestId }),
    });
  };
  server.registerCapabilities({ prompts: {}, resources: {}, completions: {} });
  server.setRequestHandler(ListPromptsRequestSchema, async () => ({
    prompts: listedPrompts(await offers(), isOneNode),
  }));
  server.setRequestHandler(GetPromptRequestSchema, ({ params }, extra) =>
    promptOf(params.name, params.arguments ?? {}, {
      isOneNode,
      // A node that cannot be read is what the prompt is about, too.
      call: each => ask(each, extra).then(textOfResult, failureText),
    }),
  );
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: listedResources(targets),
  }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: RESOURCE_TEMPLATES,
  }));
  server.setRequestHandler(ReadResourceRequestSchema, async ({ params: { uri } }, extra) => {
    const wanted = resourceCall(uri);
    const { node } = wanted.input;
    if (isOneNode && node !== undefined && !targets.includes(node)) {
      throw new McpError(ErrorCode.InvalidParams, `only node ${targets[0]} is served here`);
    }
    const result = await ask(wanted, extra);
    if (result.isError === true) {
      throw new McpError(ErrorCode.InternalError, textOfResult(result));
    }
    const text = JSON.stringify(result.structuredContent);
    return { contents: [{ uri, mimeType: 'application/json', text }] };
  });
  server.setRequestHandler(CompleteRequestSchema, async ({ params: { argument } }) => {
    const known = await wordsFor(argument.name, targets, nodeNames);
    // Of several nodes with commas between the last is being written.
    const [, before = '', written = ''] = /^(.*,\s*)?([^,]*)$/s.exec(argument.value) ?? [];
    const found = known.filter(word => word.startsWith(written.trim()));
    const values = found.slice(0, COMPLETIONS_MAX).map(word => before + word);
    return { completion: { values, total: found.length, hasMore: found.length > values.length } };
  });
}

async function wordsFor(
  argument: string,
  targets: readonly string[],
  nodeNames: Offering['nodeNames'],
): Promise<readonly string[]> {
  if (argument === 'part') return PART_NAMES;
  if (argument !== 'node') return [];
  // A cluster that does not answer completes nothing, and says so at the call.
  return targets.length > 0 ? targets : ((await nodeNames?.().catch(() => [])) ?? []);
}
