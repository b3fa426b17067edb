import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import * as z from 'zod';

/** One turn of the script: a tool by its own name, or the last word. */
export type Turn = { readonly tool: string; readonly input: object } | { readonly text: string };

/** What a client has asked of the model, in whichever of the dialects. */
export interface ModelRequest {
  readonly path: string;
  /** The names of the tools that it was offered. */
  readonly tools: readonly string[];
  /** What it was given of each call so far, as text. */
  readonly results: readonly string[];
}

export interface ScriptedModel {
  readonly url: string;
  readonly heard: readonly ModelRequest[];
  close(): Promise<void>;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * A model that says what it is told to: a server on this machine which speaks as Anthropic's Messages,
 * OpenAI's Chat Completions and Responses, and Gemini do. The turn is found from how many results of
 * tools the request holds, so a client may ask again.
 */
export async function scriptedModel(script: readonly Turn[]): Promise<ScriptedModel> {
  const heard: ModelRequest[] = [];
  const server = createServer((request, response) => {
    answer(request, response, { script, heard }).catch(error => {
      response.writeHead(500, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message: String(error) } }));
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = z.object({ port: z.int() }).parse(server.address());
  return {
    ...{ url: `http://127.0.0.1:${port}`, heard },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Script {
  readonly script: readonly Turn[];
  readonly heard: ModelRequest[];
}

async function answer(request: IncomingMessage, response: ServerResponse, told: Script) {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  const path = request.url ?? '';
  const dialect = Object.values(DIALECTS).find(({ at }) => at.test(path));
  if (request.method !== 'POST' || dialect === undefined) {
    response.writeHead(request.method === 'POST' ? 404 : 200, {
      'content-type': 'application/json',
    });
    response.end('{}');
    return;
  }
  const body = z
    .looseObject({ stream: z.boolean().default(false) })
    .parse(JSON.parse(Buffer.concat(chunks).toString()));
  const tools = namesIn(body['tools']);
  const results = resultsIn(body);
  told.heard.push({ path, tools, results });
  const turn = told.script[results.length] ?? { text: 'The script is over.' };
  // A request without tools is one for a title or a summary.
  const said = tools.length === 0 ? { text: 'A title' } : named(turn, tools, results.length);
  const streams = body.stream || path.includes('stream');
  response.writeHead(200, { 'content-type': streams ? 'text/event-stream' : 'application/json' });
  response.end(
    streams
      ? dialect
          .stream(said)
          .map(({ event, data }) => `${event ? `event: ${event}\n` : ''}data: ${data}\n\n`)
          .join('')
      : JSON.stringify(dialect.whole(said)),
  );
}

type ModelTurn =
  | { readonly text: string }
  | {
      readonly name: string;
      readonly input: object;
      readonly id: string;
      readonly namespace?: string;
    };

/** The tool as the client calls it: clients put the server's name in front. */
function named(turn: Turn, tools: readonly string[], at: number): ModelTurn {
  if ('text' in turn) return turn;
  const known = tools.find(name => name.endsWith(turn.tool));
  const [namespace, name = namespace] = known?.includes(' ')
    ? known.split(' ')
    : [undefined, known];
  return {
    ...{ name: name ?? `mcp__gpu__${turn.tool}`, input: turn.input, id: `call_${at}` },
    ...(namespace && { namespace }),
  };
}

const Named = z.union([
  z.looseObject({ function: z.looseObject({ name: z.string() }) }),
  z.looseObject({ functionDeclarations: z.array(z.looseObject({ name: z.string() })) }),
  z.looseObject({
    type: z.literal('namespace'),
    name: z.string(),
    tools: z.array(z.looseObject({ name: z.string() })),
  }),
  z.looseObject({ name: z.string() }),
]);

/** Names of the tools, behind their namespace where the dialect has them. */
function namesIn(tools: unknown): readonly string[] {
  const listed = z.array(z.unknown()).safeParse(tools).data ?? [];
  return listed.flatMap(tool => {
    const { data } = Named.safeParse(tool);
    if (data === undefined) return [];
    if ('function' in data) return [z.string().parse(Reflect.get(data.function ?? {}, 'name'))];
    if ('functionDeclarations' in data) {
      return z
        .array(z.looseObject({ name: z.string() }))
        .parse(data.functionDeclarations)
        .map(({ name }) => name);
    }
    if ('tools' in data && data['type'] === 'namespace') {
      return z
        .array(z.looseObject({ name: z.string() }))
        .parse(data.tools)
        .map(({ name }) => `${data['name']} ${name}`);
    }
    return [z.string().parse(data['name'])];
  });
}

/** What the request holds of results of tools, in each dialect. */
const resultsIn = (body: Json) =>
  resultsUnder(body['messages'] ?? body['input'] ?? body['contents']);

function resultsUnder(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(resultsUnder);
  const { data } = z.record(z.string(), z.unknown()).safeParse(value);
  if (data === undefined) return [];
  const { type, role, content, output, functionResponse } = data;
  if (type === 'tool_result' || role === 'tool') return [JSON.stringify(content)];
  if (type === 'function_call_output') return [JSON.stringify(output)];
  if (functionResponse !== undefined) return [JSON.stringify(functionResponse)];
  return Object.values(data).flatMap(resultsUnder);
}

interface Dialect {
  readonly at: RegExp;
  whole(said: ModelTurn): Json;
  stream(said: ModelTurn): readonly { readonly event?: string; readonly data: string }[];
}

const USAGE = { input_tokens: 10, output_tokens: 5 };
const event = (data: Json) => ({ event: String(data['type']), data: JSON.stringify(data) });

const DIALECTS: Readonly<Record<string, Dialect>> = {
  anthropic: {
    at: /\/messages(\?|$)/,
    whole: said => ({
      ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'scripted', usage: USAGE },
      ...{ stop_reason: 'text' in said ? 'end_turn' : 'tool_use', stop_sequence: null },
      content: [
        'text' in said
          ? { type: 'text', text: said.text }
          : { type: 'tool_use', id: said.id, name: said.name, input: said.input },
      ],
    }),
    stream(said) {
      const { content, ...message } = this.whole(said);
      const [block] = z.array(z.record(z.string(), z.unknown())).parse(content);
      const isText = 'text' in said;
      return [
        { type: 'message_start', message: { ...message, content: [], stop_reason: null } },
        {
          type: 'content_block_start',
          index: 0,
          content_block: { ...block, ...(isText ? { text: '' } : { input: {} }) },
        },
        {
          ...{ type: 'content_block_delta', index: 0 },
          delta: isText
            ? { type: 'text_delta', text: said.text }
            : { type: 'input_json_delta', partial_json: JSON.stringify(said.input) },
        },
        { type: 'content_block_stop', index: 0 },
        {
          type: 'message_delta',
          delta: { stop_reason: message['stop_reason'], stop_sequence: null },
          usage: USAGE,
        },
        { type: 'message_stop' },
      ].map(event);
    },
  },
  chat: {
    at: /\/chat\/completions/,
    whole: said => ({
      ...{ id: 'chat_1', object: 'chat.completion', created: 1, model: 'scripted' },
      choices: [
        {
          ...{ index: 0, finish_reason: 'text' in said ? 'stop' : 'tool_calls' },
          message: { role: 'assistant', content: null, ...chatDelta(said) },
        },
      ],
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
    }),
    stream(said) {
      const chunk = (choice: Json) => ({
        data: JSON.stringify({
          ...{ id: 'chat_1', object: 'chat.completion.chunk', created: 1, model: 'scripted' },
          choices: [{ index: 0, finish_reason: null, ...choice }],
        }),
      });
      return [
        chunk({ delta: { role: 'assistant', content: '', ...chatDelta(said) } }),
        chunk({ delta: {}, finish_reason: 'text' in said ? 'stop' : 'tool_calls' }),
        { data: '[DONE]' },
      ];
    },
  },
  responses: {
    at: /\/responses/,
    whole: said => ({
      ...{
        id: 'resp_1',
        object: 'response',
        created_at: 1,
        status: 'completed',
        model: 'scripted',
      },
      ...{ output: [responseItem(said)], usage: { ...USAGE, total_tokens: 15 } },
    }),
    stream(said) {
      const whole = this.whole(said);
      const item = responseItem(said);
      return [
        { type: 'response.created', response: { ...whole, status: 'in_progress', output: [] } },
        {
          type: 'response.output_item.added',
          output_index: 0,
          item: { ...item, status: 'in_progress' },
        },
        { type: 'response.output_item.done', output_index: 0, item },
        { type: 'response.completed', response: whole },
      ].map(event);
    },
  },
  gemini: {
    at: /[gG]enerateContent/,
    whole: said => ({
      candidates: [
        {
          ...{ index: 0, finishReason: 'STOP' },
          content: {
            role: 'model',
            parts: [
              'text' in said
                ? { text: said.text }
                : { functionCall: { name: said.name, args: said.input } },
            ],
          },
        },
      ],
      usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 },
    }),
    stream(said) {
      return [{ data: JSON.stringify(this.whole(said)) }];
    },
  },
};

const chatDelta = (said: ModelTurn): Json =>
  'text' in said
    ? { content: said.text }
    : {
        tool_calls: [
          {
            ...{ index: 0, id: said.id, type: 'function' },
            function: { name: said.name, arguments: JSON.stringify(said.input) },
          },
        ],
      };

const responseItem = (said: ModelTurn): Json =>
  'text' in said
    ? {
        ...{ id: 'item_1', type: 'message', role: 'assistant', status: 'completed' },
        content: [{ type: 'output_text', text: said.text, annotations: [] }],
      }
    : {
        ...{ id: 'item_1', type: 'function_call', status: 'completed', call_id: said.id },
        ...{ name: said.name, arguments: JSON.stringify(said.input) },
        ...(said.namespace && { namespace: said.namespace }),
      };
