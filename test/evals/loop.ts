import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import * as z from 'zod';
import { type Question, withClient } from './questions.ts';

/** A model of an endpoint that speaks as OpenAI's Chat Completions or Anthropic's Messages do. */
export interface Model {
  /** The address before `/chat/completions` or `/messages`. */
  readonly endpoint: string;
  readonly name: string;
  readonly dialect: 'openai' | 'anthropic';
  readonly key: string;
}

/** What one question may cost: a model that goes round in circles is stopped. */
export interface Budget {
  readonly calls: number;
  /** Of o200k, all that the model is given and says, each time anew. */
  readonly tokens: number;
}

export interface Graded {
  readonly question: string;
  readonly machine: string;
  readonly passed: boolean;
  readonly calls: readonly string[];
  readonly tokens: number;
  /** Why it did not pass: facts that are missing, what misleads, a budget that was spent. */
  readonly faults: readonly string[];
  readonly answer: string;
}

const TASK =
  'Answer the question in a few sentences for whoever is on call: the cause with its figures and names, the action in the tools’ own words, who is hit where it matters. Say only what the tools say.';
const ANSWER_TOKENS_MAX = 1_000;
const ANSWER_MS_MAX = 120_000;

/** Asks the model one question, carries out the calls that it makes, and grades its last word by rule. */
export function asked(model: Model, question: Question, budget: Budget): Promise<Graded> {
  return withClient(question, async client => {
    const { tools } = await client.listTools();
    const system = `${client.getInstructions() ?? ''}\n\n${TASK}`;
    const pasted = [question.about['text'], question.about['query']].filter(Boolean);
    const talk = TALKS[model.dialect](system, tools, [question.question, ...pasted].join('\n\n'));
    const calls: string[] = [];
    let tokens = 0;
    const done = (answer: string, spent: readonly string[] = []): Graded => {
      const faults = [...spent, ...faultsOf(answer, question)];
      const { question: words, machine } = question;
      return {
        question: words,
        machine,
        passed: faults.length === 0,
        calls,
        tokens,
        faults,
        answer,
      };
    };
    for (;;) {
      const body = JSON.stringify({ model: model.name, ...talk.request() });
      tokens += countTokens(body);
      if (tokens > budget.tokens) return done('', [`more than ${budget.tokens} tokens`]);
      const { text, wanted } = talk.heard(await answerOf(model, talk, body));
      tokens += countTokens(text + JSON.stringify(wanted));
      if (wanted.length === 0) return done(text);
      for (const call of wanted) {
        calls.push(call.name);
        if (calls.length > budget.calls) return done('', [`more than ${budget.calls} calls`]);
        talk.told(call, await resultOf(client, call));
      }
    }
  });
}

interface Call {
  readonly id: string;
  readonly name: string;
  readonly input: Record<string, unknown>;
}

async function resultOf(client: Parameters<Parameters<typeof withClient>[1]>[0], call: Call) {
  try {
    const { content } = await client.callTool({ name: call.name, arguments: call.input });
    const parts = z.array(z.looseObject({ text: z.string().optional() })).parse(content);
    return parts.map(({ text }) => text ?? '').join('\n');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function answerOf({ endpoint, key }: Model, talk: Talk, body: string): Promise<unknown> {
  const response = await fetch(`${endpoint.replace(/\/$/, '')}${talk.path}`, {
    ...{ method: 'POST', body, signal: AbortSignal.timeout(ANSWER_MS_MAX) },
    headers: { 'content-type': 'application/json', ...talk.headers(key) },
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the endpoint says ${response.status}: ${text.slice(0, 300)}`);
  return JSON.parse(text);
}

/** A fact is there where each of its words is, in any order: models write "reboot the node". */
function faultsOf(answer: string, { facts, forbidden }: Question): readonly string[] {
  const words = (text: string) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const said = new Set(words(answer));
  const has = (fact: string) => words(fact).every(word => said.has(word));
  return [
    ...facts.filter(fact => !has(fact)).map(fact => `does not say "${fact}"`),
    ...forbidden.filter(has).map(fact => `says "${fact}"`),
  ];
}

/** A conversation in one dialect. */
interface Talk {
  readonly path: string;
  headers(key: string): Readonly<Record<string, string>>;
  request(): object;
  heard(answer: unknown): { readonly text: string; readonly wanted: readonly Call[] };
  told(call: Call, result: string): void;
}

interface Tool {
  readonly name: string;
  readonly description?: string | undefined;
  readonly inputSchema: object;
}

const Input = z.record(z.string(), z.unknown());

const Chat = z.looseObject({
  choices: z.tuple([
    z.looseObject({
      message: z.looseObject({
        content: z.string().nullish(),
        tool_calls: z
          .array(
            z.looseObject({
              id: z.string(),
              function: z.looseObject({ name: z.string(), arguments: z.string() }),
            }),
          )
          .nullish(),
      }),
    }),
  ]),
});

const Message = z.looseObject({
  content: z.array(
    z.union([
      z.looseObject({ type: z.literal('text'), text: z.string() }),
      z.looseObject({
        type: z.literal('tool_use'),
        id: z.string(),
        name: z.string(),
        input: Input,
      }),
      z.looseObject({ type: z.string() }),
    ]),
  ),
});

const TALKS: Record<
  Model['dialect'],
  (system: string, tools: readonly Tool[], question: string) => Talk
> = {
  openai(system, tools, question) {
    const messages: object[] = [
      { role: 'system', content: system },
      { role: 'user', content: question },
    ];
    const offered = tools.map(({ name, description, inputSchema }) => ({
      type: 'function',
      function: { name, description, parameters: inputSchema },
    }));
    return {
      path: '/chat/completions',
      headers: key => ({ authorization: `Bearer ${key}` }),
      request: () => ({ messages, tools: offered }),
      heard(answer) {
        const { message } = Chat.parse(answer).choices[0];
        messages.push({ role: 'assistant', ...message });
        const wanted = (message.tool_calls ?? []).map(
          ({ id, function: { name, arguments: given } }) => ({
            ...{ id, name, input: Input.catch({}).parse(JSON.parse(given || '{}')) },
          }),
        );
        return { text: message.content ?? '', wanted };
      },
      told({ id }, result) {
        messages.push({ role: 'tool', tool_call_id: id, content: result });
      },
    };
  },
  anthropic(system, tools, question) {
    const messages: { role: string; content: unknown }[] = [{ role: 'user', content: question }];
    let results: object[] = [];
    const offered = tools.map(({ name, description, inputSchema }) => ({
      ...{ name, description, input_schema: inputSchema },
    }));
    return {
      path: '/messages',
      headers: key => ({ 'x-api-key': key, 'anthropic-version': '2023-06-01' }),
      request: () => ({ system, messages, tools: offered, max_tokens: ANSWER_TOKENS_MAX }),
      heard(answer) {
        const { content } = Message.parse(answer);
        results = [];
        messages.push({ role: 'assistant', content }, { role: 'user', content: results });
        const texts = content.flatMap(part => ('text' in part ? String(part['text']) : []));
        const wanted = content.flatMap(part =>
          'input' in part
            ? [
                {
                  id: String(part['id']),
                  name: String(part['name']),
                  input: Input.parse(part['input']),
                },
              ]
            : [],
        );
        return { text: texts.join('\n'), wanted };
      },
      told({ id }, result) {
        results.push({ type: 'tool_result', tool_use_id: id, content: result });
      },
    };
  },
};
