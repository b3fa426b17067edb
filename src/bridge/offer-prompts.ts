import {
  type CallToolResult,
  type InputRequiredResult,
  isInputRequiredResult,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
} from '@modelcontextprotocol/server';
import * as z from 'zod';
import { AGENT_LINE_BYTES_MAX } from '../contract/limits.ts';
import { failureText, textOfResult } from '../mcp/results.ts';
import { AskFirst, type Client, type ClientCall, type ClientServer } from './client-server.ts';
import { completed, type Words, Written } from './completions.ts';
import { listedPrompts, promptOf } from './prompts.ts';
import {
  listedResources,
  noSnapshot,
  RESOURCE_TEMPLATES,
  resourceCall,
  SNAPSHOT_TEMPLATE,
  snapshotName,
} from './resources.ts';

interface Offering extends Words {
  /** The tools that there are. */
  offers(): Promise<ReadonlySet<string>>;
  call(call: ClientCall): Promise<CallToolResult>;
}

const PromptParams = z.object({
  name: z.string(),
  arguments: z.record(z.string(), z.string()).default({}),
});
const Uri = z.object({ uri: z.string() });

/** Prompts and resources of a server: both bring the answers of its tools. */
export function offerPrompts(
  { server, clientOf }: ClientServer,
  { offers, call, ...words }: Offering,
): void {
  const { targets } = words.nodes;
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
  server.setRequestHandler('prompts/get', { params: PromptParams }, (params, context) =>
    orQuestion(
      promptOf(params.name, params.arguments, {
        isOneNode,
        // A node that cannot be read is what the prompt is about, too.
        call: each => ask(each, clientOf(context)).then(textOfResult, toldUnlessQuestion),
      }),
    ),
  );
  server.setRequestHandler('resources/list', () => ({
    resources: listedResources(targets),
  }));
  server.setRequestHandler('resources/templates/list', async () => ({
    resourceTemplates: [
      ...RESOURCE_TEMPLATES,
      ...((await words.kept()) ? [SNAPSHOT_TEMPLATE] : []),
    ],
  }));
  server.setRequestHandler('resources/read', { params: Uri }, async ({ uri }, context) => {
    const kept = await words.kept();
    const snapshot = snapshotName(uri);
    if (kept && snapshot !== undefined) {
      const blob = kept.read(snapshot)?.toString('base64');
      if (blob === undefined) throw new ResourceNotFoundError(uri, noSnapshot(snapshot));
      if (blob.length > AGENT_LINE_BYTES_MAX) {
        throw new ProtocolError(
          ProtocolErrorCode.InternalError,
          'the snapshot is longer than a client takes: start the server with --snapshots FOLDER',
        );
      }
      return { contents: [{ uri, mimeType: SNAPSHOT_TEMPLATE.mimeType, blob }] };
    }
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
  server.setRequestHandler('completion/complete', { params: Written }, (params, context) =>
    completed(params, words, context.mcpReq.signal),
  );
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
