import {
  type CallToolResult,
  type InputRequiredResult,
  isInputRequiredResult,
  ProtocolError,
  ProtocolErrorCode,
} from '@modelcontextprotocol/server';
import { failureText, textOfResult } from '../mcp/results.ts';
import { AskFirst, type Client, type ClientCall, type ClientServer } from './client-server.ts';
import { listedPrompts, promptOf } from './prompts.ts';
import { listedResources, PART_NAMES, RESOURCE_TEMPLATES, resourceCall } from './resources.ts';

interface Offering {
  readonly targets: readonly string[];
  readonly nodeNames?: () => Promise<readonly string[]>;
  /** The tools that there are. */
  offers(): Promise<ReadonlySet<string>>;
  call(call: ClientCall): Promise<CallToolResult>;
}

const COMPLETIONS_MAX = 100;

/** Prompts and resources of a server: both bring the answers of its tools. */
export function offerPrompts(
  { server, clientOf }: ClientServer,
  { targets, nodeNames, offers, call }: Offering,
): void {
  const isOneNode = targets.length === 1;
  const ask = async (
    { tool, input }: Pick<ClientCall, 'tool' | 'input'>,
    client: Client,
  ): Promise<CallToolResult> => {
    if (!(await offers()).has(tool)) {
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, `tool ${tool} is not offered here`);
    }
    const { node, ...rest } = input;
    return call({ ...client, tool, input: isOneNode ? rest : input });
  };
  server.registerCapabilities({ prompts: {}, resources: {}, completions: {} });
  server.setRequestHandler('prompts/list', async () => ({
    prompts: listedPrompts(await offers(), isOneNode),
  }));
  server.setRequestHandler('prompts/get', ({ params }, context) =>
    orQuestion(
      promptOf(params.name, params.arguments ?? {}, {
        isOneNode,
        // A node that cannot be read is what the prompt is about, too.
        call: each => ask(each, clientOf(context)).then(textOfResult, toldUnlessQuestion),
      }),
    ),
  );
  server.setRequestHandler('resources/list', () => ({
    resources: listedResources(targets),
  }));
  server.setRequestHandler('resources/templates/list', () => ({
    resourceTemplates: RESOURCE_TEMPLATES,
  }));
  server.setRequestHandler('resources/read', async ({ params: { uri } }, context) => {
    const wanted = resourceCall(uri);
    const { node } = wanted.input;
    if (isOneNode && node !== undefined && !targets.includes(node)) {
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `only node ${targets[0]} is served here`,
      );
    }
    const result = await orQuestion(ask(wanted, clientOf(context)));
    if (isInputRequiredResult(result)) return result;
    if (result.isError === true) {
      throw new ProtocolError(ProtocolErrorCode.InternalError, textOfResult(result));
    }
    const text = JSON.stringify(result.structuredContent);
    return { contents: [{ uri, mimeType: 'application/json', text }] };
  });
  server.setRequestHandler('completion/complete', async ({ params: { argument } }) => {
    const known = await wordsFor(argument.name, targets, nodeNames);
    // Of several nodes with commas between the last is being written.
    const [, before = '', written = ''] = /^(.*,\s*)?([^,]*)$/s.exec(argument.value) ?? [];
    const found = known.filter(word => word.startsWith(written.trim()));
    const values = found.slice(0, COMPLETIONS_MAX).map(word => before + word);
    return { completion: { values, total: found.length, hasMore: found.length > values.length } };
  });
}

/** An answer, or the question to the client's user that stands before it. */
async function orQuestion<T>(answer: Promise<T>): Promise<T | InputRequiredResult> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof AskFirst) return error.answer;
    throw error;
  }
}

function toldUnlessQuestion(error: unknown): string {
  if (error instanceof AskFirst) throw error;
  return failureText(error);
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
