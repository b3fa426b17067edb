import * as z from 'zod';
import { ANNOTATIONS, type AnyTool } from './tool.ts';

/** A tool as `tools/list` shows it. */
export const listed = (tool: AnyTool) => ({
  ...listedInput(tool),
  outputSchema: objectSchema(tool.output, 'output'),
});

/** The same without its answer. */
export const listedInput = (tool: Pick<AnyTool, 'name' | 'title' | 'description' | 'input'>) => ({
  name: tool.name,
  title: tool.title,
  description: tool.description,
  inputSchema: objectSchema(tool.input, 'input'),
  annotations: ANNOTATIONS,
});

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
  return JsonSchema.parse(JSON.parse(JSON.stringify(rest), oneTypeEach));
}

const SeveralTypes = z.looseObject({ type: z.array(z.string()) });

/** Clients that map a schema onto types of their own take one type at a place. */
function oneTypeEach(_key: string, value: unknown): unknown {
  const { data } = SeveralTypes.safeParse(value);
  if (data === undefined) return value;
  const { type: types, ...rest } = data;
  return { ...rest, anyOf: types.map(type => ({ type })) };
}
