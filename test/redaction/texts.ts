import fc from 'fast-check';
import * as z from 'zod';
import { clusterView } from '../../src/contract/cluster-view.ts';
import { containerLife } from '../../src/contract/container-life.ts';
import { Coverage } from '../../src/contract/coverage.ts';
import { NAMES, type NameOf } from '../../src/contract/names-in-text.ts';
import { reading } from '../../src/contract/reading-schema.ts';
import { partsOf } from '../../src/contract/schema-parts.ts';
import { processOwner } from '../../src/host/readings/processes.ts';
import { hostCounters, hostState } from '../../src/host/readings.ts';
import { driverState } from '../../src/nvml/readings.ts';

/** All that comes through the ports of a node and of its cluster. */
export const PORTS = {
  driver: driverState,
  host: hostState,
  processes: z.array(processOwner),
  counters: hostCounters,
  'container logs': reading(z.array(containerLife)),
  'pod history': z.object({ lives: z.array(containerLife), coverage: z.array(Coverage) }),
  cluster: clusterView,
} as const;

export interface Text {
  readonly path: string;
  readonly mark: NameOf | undefined;
}

/** Kinds of schemas that hold no text of their own. */
const WITHOUT_TEXT = /^(?:number|boolean|enum|literal|object|array|tuple|union|optional|nullable)$/;

/** Every text of a schema, and every part that may hold one for all we can see. */
export function textsOf(schema: z.core.$ZodType, path: string): readonly Text[] {
  if (!(schema instanceof z.ZodType)) throw new TypeError(path);
  if (schema.type === 'string') return [{ path, mark: NAMES.get(schema)?.of }];
  if (schema instanceof z.ZodRecord) {
    return [...textsOf(schema.keyType, `${path} key`), ...textsOf(schema.valueType, path)];
  }
  if (!WITHOUT_TEXT.test(schema.type))
    return [{ path: `${path} (${schema.type})`, mark: undefined }];
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([name, part]) => {
      if (!(part instanceof z.ZodType)) throw new TypeError(path);
      // What a reading tells is called as the reading is.
      const isValue = name === 'value' && 'ok' in schema.shape;
      return textsOf(part, isValue ? path : `${path}.${name}`);
    });
  }
  return partsOf(schema).flatMap(part => textsOf(part, path));
}

const NAT_MAX = 2 ** 31 - 1;

/** Any data of a schema, made of `textOf` what stands where there is text. */
export function dataOf(
  schema: z.core.$ZodType,
  textOf: (mark: NameOf | undefined) => fc.Arbitrary<string>,
): fc.Arbitrary<unknown> {
  const inside = (part: z.core.$ZodType) => dataOf(part, textOf);
  if (!(schema instanceof z.ZodType)) throw new TypeError('no schema');
  if (schema.type === 'string') return textOf(NAMES.get(schema)?.of);
  if (schema instanceof z.ZodNumber) {
    const [min, max] = [schema.minValue ?? 0, schema.maxValue ?? NAT_MAX];
    return fc.integer({ min: Math.max(0, min), max: Math.min(NAT_MAX, max) });
  }
  if (schema instanceof z.ZodBoolean) return fc.boolean();
  if (schema instanceof z.ZodEnum) return fc.constantFrom(...schema.options);
  if (schema instanceof z.ZodLiteral) return fc.constantFrom(...schema.values);
  if (schema instanceof z.ZodArray) return fc.array(inside(schema.element), { maxLength: 2 });
  if (schema instanceof z.ZodRecord) {
    return fc.dictionary(textOf(NAMES.get(schema.keyType)?.of), inside(schema.valueType), {
      maxKeys: 2,
    });
  }
  if (schema instanceof z.ZodTuple) return fc.tuple(...partsOf(schema).map(inside));
  if (schema instanceof z.ZodNullable) return fc.option(inside(schema.unwrap()));
  if (schema instanceof z.ZodUnion) return fc.oneof(...schema.options.map(inside));
  if (schema instanceof z.ZodObject) {
    const optional = (part: unknown) =>
      part instanceof z.ZodOptional || part instanceof z.ZodExactOptional;
    const members = Object.entries(schema.shape);
    return fc.record(
      Object.fromEntries(
        members.map(([name, part]) => [name, inside(optional(part) ? partsOf(part)[0] : part)]),
      ),
      { requiredKeys: members.flatMap(([name, part]) => (optional(part) ? [] : [name])) },
    );
  }
  throw new TypeError(`data of ${schema.type}`);
}
