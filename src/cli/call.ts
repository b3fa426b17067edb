import type { Options } from 'yargs';
import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { optional } from '../contract/optional.ts';
import { TOOLS } from '../tools/index.ts';
import { listed } from '../tools/listing.ts';
import { askAll, exitOf } from './ask.ts';
import type { Command } from './command.ts';
import { CONNECTION, OUTPUT, POD, TARGET } from './options.ts';

/** One tool from a shell. */
export const call: Command = {
  command: 'call <words..>',
  description: 'Calls one tool: call TARGET TOOL [--KEY VALUE | --input JSON]',
  examples: [
    ['$0 call gpu-node-3 get_gpu_inventory --detail full', 'one tool of one node'],
    ['$0 call gpu-node-3 explain_failure --pod team-a/train-0', 'whose fault a failed pod was'],
    ['$0 call --simulate lost-gpu analyze_xid_errors -o json', 'a simulated machine'],
  ],
  options: yargs =>
    yargs
      .positional('words', { type: 'string', array: true, describe: 'TARGET... TOOL' })
      .options({ ...CONNECTION, ...TARGET, ...POD, ...OUTPUT, ...inputOptions() })
      .option('input', { type: 'string', describe: "The tool's input as JSON", requiresArg: true }),
  async run(invocation) {
    const { raw } = invocation;
    const words = z.array(z.coerce.string()).parse(raw['words']);
    const tool = words.at(-1) ?? '';
    if (!TOOLS.some(other => other.name === tool)) {
      throw new UsageError(
        `there is no tool "${tool.slice(0, 64)}"`,
        `the tool is the last word; there are ${TOOLS.map(other => other.name).join(', ')}`,
      );
    }
    const input = inputOf(tool, raw);
    return exitOf(await askAll(invocation, { targets: words.slice(0, -1), tool, input }), 0);
  },
};

const Properties = z.record(
  z.string(),
  z.looseObject({ type: z.string().optional(), description: z.string().optional() }),
);

const propertiesOf = (tool: (typeof TOOLS)[number]) =>
  Properties.parse(listed(tool).inputSchema['properties'] ?? {});

/** Flags of kubectl's that keep their meaning; a tool's key of that name goes into --input. */
const isTaken = (key: string): boolean => key in CONNECTION || key in TARGET || key in POD;

/** Every key that any tool takes, as a flag; which tool takes it is checked by its schema. */
function inputOptions(): Record<string, Options> {
  const options: Record<string, Options> = {};
  for (const tool of TOOLS) {
    for (const [key, { description }] of Object.entries(propertiesOf(tool))) {
      if (isTaken(key)) continue;
      options[key] = {
        type: 'string',
        requiresArg: true,
        group: 'Input of the tools:',
        ...optional({ description }),
      };
    }
  }
  return options;
}

function inputOf(tool: string, raw: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const keys = TOOLS.flatMap(other => Object.entries(propertiesOf(other))).filter(
    ([key]) => !isTaken(key),
  );
  const flags: Record<string, unknown> = {};
  for (const [key, { type }] of keys) {
    const value = raw[key];
    if (value === undefined) continue;
    flags[key] = type === 'integer' || type === 'number' ? asNumber(value) : value;
  }
  return { ...jsonInput(tool, raw['input']), ...flags };
}

/** A number where the text is one; else the text, for the schema to refuse by name. */
const asNumber = (value: unknown): unknown =>
  typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value))
    ? Number(value)
    : value;

function jsonInput(tool: string, text: unknown): Record<string, unknown> {
  if (text === undefined) return {};
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(String(text)));
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof z.ZodError)) throw cause;
    throw new UsageError(
      `--input of tool "${tool}" is no JSON object`,
      `--input '{"since":"24h"}'`,
    );
  }
}
