import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { ANNOTATIONS, type AnyTool } from './tool.ts';

/** A tool as `tools/list` shows it. */
export function listed(tool: AnyTool) {
  return {
    name: tool.name,
    title: tool.title,
    description: tool.description,
    inputSchema: objectSchema(tool.input, 'input'),
    outputSchema: objectSchema(tool.output, 'output'),
    annotations: ANNOTATIONS,
  };
}

const JsonSchema = z.looseObject({ type: z.literal('object') });

const Brief = z.looseObject({ listedKeys: z.array(z.string()) });

/** A closed set of more words than that is listed as a text: the answer shows the word. */
const LISTED_WORDS_MAX = 4;

/**
 * A schema as JSON Schema. An object whose metadata names `listedKeys` is listed with these alone
 * and stays open; bounds of texts, and of outputs bounds, long word lists and what is required are
 * left out: what a definition costs, every session of a model pays. What is listed stays true of every answer.
 */
function objectSchema(schema: z.ZodType, io: 'input' | 'output') {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    target: 'draft-7',
    io,
    override({ zodSchema, jsonSchema, path }) {
      // Checked by us, with words that say more than a pattern does.
      delete jsonSchema.pattern;
      delete jsonSchema.minLength;
      delete jsonSchema.maxLength;
      if (io === 'output') {
        delete jsonSchema.required;
        delete jsonSchema.propertyNames;
        delete jsonSchema.minimum;
        delete jsonSchema.maximum;
        if ((jsonSchema.enum?.length ?? 0) > LISTED_WORDS_MAX) delete jsonSchema.enum;
        // The answer's own keys are all listed; those of its parts may grow.
        if (path.length > 0) delete jsonSchema.additionalProperties;
      }
      const brief = Brief.safeParse(z.globalRegistry.get(zodSchema));
      if (!brief.success) return;
      const { listedKeys } = brief.data;
      const properties = Object.entries(jsonSchema.properties ?? {});
      jsonSchema.properties = Object.fromEntries(
        properties.filter(([key]) => listedKeys.includes(key)),
      );
      if (listedKeys.length === 0) delete jsonSchema.properties;
      delete jsonSchema.required;
      delete jsonSchema.additionalProperties;
      delete jsonSchema['listedKeys'];
    },
  });
  return JsonSchema.parse(rest);
}

/**
 * Checks a tool's input before anything is started for it.
 *
 * @throws UsageError that names the wrong argument and lists those there are.
 */
export function checkInput(tool: AnyTool, input: unknown): unknown {
  const parsed = tool.input.safeParse(input);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const known = Object.keys(Properties.parse(objectSchema(tool.input, 'input')).properties);
  const expected = known.length === 0 ? 'it takes no arguments' : `expected: ${known.join(', ')}`;
  if (issue?.code === 'unrecognized_keys') {
    const names = issue.keys.map(key => `"${key.slice(0, 40)}"`).join(', ');
    throw new UsageError(
      `unknown argument ${names} for tool "${tool.name}"`,
      `remove it; ${expected}`,
    );
  }
  const where = issue && issue.path.length > 0 ? `argument "${issue.path.join('.')}"` : 'the input';
  throw new UsageError(
    `${where} of tool "${tool.name}" is wrong: ${issue?.message ?? 'not as the schema says'}`,
    expected,
  );
}

const Properties = z.looseObject({ properties: z.record(z.string(), z.unknown()).default({}) });
