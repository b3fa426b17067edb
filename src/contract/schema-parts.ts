import * as z from 'zod';

/**
 * The same schema made of other parts: the members of a record, the items of a list, the values of a
 * dictionary, the alternatives of a union. What has no parts stays as it is.
 */
export function replaceParts(
  schema: z.ZodType,
  replace: (part: z.ZodType) => z.ZodType,
): z.ZodType {
  const replaced = (part: unknown) => replace(asSchema(part));
  if (schema instanceof z.ZodObject) {
    const shape = Object.entries(schema.shape).map(([name, part]) => [name, replaced(part)]);
    return schema.clone({ ...schema.def, shape: Object.fromEntries(shape) });
  }
  if (schema instanceof z.ZodArray) {
    return schema.clone({ ...schema.def, element: replaced(schema.element) });
  }
  if (schema instanceof z.ZodRecord) {
    return schema.clone({ ...schema.def, valueType: replaced(schema.valueType) });
  }
  if (schema instanceof z.ZodTuple) {
    return schema.clone({ ...schema.def, items: schema.def.items.map(replaced) });
  }
  if (schema instanceof z.ZodUnion) {
    return schema.clone({ ...schema.def, options: schema.options.map(replaced) });
  }
  if (schema instanceof z.ZodNullable) {
    return schema.clone({ ...schema.def, innerType: replaced(schema.unwrap()) });
  }
  if (schema instanceof z.ZodExactOptional || schema instanceof z.ZodOptional) {
    return schema.clone({ ...schema.def, innerType: replaced(schema.unwrap()) });
  }
  return schema;
}

/** What a schema is made of. */
export function partsOf(schema: z.ZodType): readonly z.ZodType[] {
  if (schema instanceof z.ZodObject) return Object.values(schema.shape).map(asSchema);
  if (schema instanceof z.ZodArray) return [asSchema(schema.element)];
  if (schema instanceof z.ZodRecord) return [asSchema(schema.valueType)];
  if (schema instanceof z.ZodTuple) return schema.def.items.map(asSchema);
  if (schema instanceof z.ZodUnion) return schema.options.map(asSchema);
  if (
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodExactOptional ||
    schema instanceof z.ZodOptional
  ) {
    return [asSchema(schema.unwrap())];
  }
  return [];
}

function asSchema(part: unknown): z.ZodType {
  if (part instanceof z.ZodType) return part;
  throw new TypeError('a schema has a part that is none');
}
