import * as z from 'zod';
import { CONNECTION } from '../cluster/connection-flags.ts';
import { UsageError } from '../contract/errors.ts';
import { type Flags, flag } from '../contract/flag.ts';
import { text } from '../contract/flag-values.ts';
import { namesLike } from '../contract/names-like.ts';
import { optional } from '../contract/optional.ts';
import { plainText } from '../contract/untrusted.ts';
import { TOOLS } from '../tools/index.ts';
import { listedInput } from '../tools/listing.ts';
import { askAll, exitOf, inContexts } from './ask-nodes.ts';
import { defineCommand } from './command.ts';
import { CONTEXTS, DETAILS, FLEET, OUTPUT, POD, TARGET, words } from './flags.ts';
import { SUMMARIES } from './summaries.ts';

const Properties = z.record(
  z.string(),
  z.looseObject({
    type: z.string().optional(),
    description: z.string().optional(),
    enum: z.array(z.string()).optional(),
  }),
);

/** Every key that any tool takes, but for flags of kubectl's that keep their meaning: these go into --input. */
const INPUT_KEYS = inputKeys();

/** One tool from a shell. */
export const call = defineCommand({
  ...SUMMARIES.call,
  examples: [
    ['$0 call gpu-node-3 get_gpu_inventory --detail full', 'one tool of one node'],
    ['$0 call gpu-node-3 explain_failure --pod team-a/train-0', 'whose fault a failed pod was'],
    ['$0 call --simulate lost-gpu analyze_xid_errors -o json', 'a simulated machine'],
  ],
  flags: {
    words: words('TARGET... TOOL', { names: 'target_or_tool' }),
    ...CONNECTION,
    ...CONTEXTS,
    ...TARGET,
    ...POD,
    ...FLEET,
    ...OUTPUT,
    ...DETAILS,
    ...inputFlags(),
    input: text("The tool's input as JSON"),
  },
  async run(invocation) {
    const { args } = invocation;
    const target = args.words.slice(0, -1);
    const tool = args.words.at(-1) ?? '';
    const found = TOOLS.find(({ name }) => name === tool);
    if (!found) {
      const names = TOOLS.map(({ name }) => name);
      const [alike] = namesLike(tool, names);
      throw new UsageError(
        `there is no tool "${plainText(tool, 64)}"`,
        `${alike === undefined ? '' : `did you mean ${alike}? `}The tool is the last word; there are ${names.join(', ')}`,
      );
    }
    const input = { ...jsonInput(tool, args.input), ...inputOf(args) };
    return exitOf(
      await askAll(inContexts({ ...invocation, args: { ...args, target } }), found.question(input)),
      0,
    );
  },
});

function inputKeys() {
  const taken: Flags = { ...CONNECTION, ...TARGET, ...POD };
  return TOOLS.flatMap(tool =>
    Object.entries(Properties.parse(listedInput(tool).inputSchema['properties'] ?? {})).map(
      ([key, property]) => ({ ...{ key, tool: tool.name }, ...property }),
    ),
  ).filter(({ key }) => !(key in taken));
}

/** Which tool takes it is checked by its schema, and so is the value. */
function inputFlags(): Readonly<Record<string, z.ZodOptional<z.ZodUnknown>>> {
  const group = 'Input of the tools:';
  return Object.fromEntries(
    INPUT_KEYS.map(({ key, description }) => {
      const takers = INPUT_KEYS.filter(other => other.key === key && other.type !== 'boolean');
      const beside = Object.fromEntries(takers.map(taker => [taker.tool, taker.enum ?? []]));
      const names = key === 'pod' ? { names: 'pod' as const } : {};
      const option = { type: 'string' as const, group, beside, ...names };
      return [key, flag(z.unknown().optional(), { ...option, ...optional({ description }) })];
    }),
  );
}

function inputOf(args: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const given = INPUT_KEYS.filter(({ key }) => args[key] !== undefined);
  return Object.fromEntries(
    given.map(({ key, type }) => [
      key,
      type === 'integer' || type === 'number' ? asNumber(args[key]) : args[key],
    ]),
  );
}

/** A number where the text is one; else the text, for the schema to refuse by name. */
const asNumber = (value: unknown): unknown =>
  typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value))
    ? Number(value)
    : value;

function jsonInput(tool: string, json: string | undefined): Record<string, unknown> {
  if (json === undefined) return {};
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(json));
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof z.ZodError)) throw cause;
    throw new UsageError(
      `--input of tool "${tool}" is not a JSON object`,
      `--input '{"since":"24h"}'`,
    );
  }
}
