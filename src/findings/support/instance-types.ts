import * as z from 'zod';
import table from './instance-types.json' with { type: 'json' };

/** What a cloud sells under the name of an instance type. */
export const InstanceType = z.strictObject({
  /** As in the label node.kubernetes.io/instance-type. */
  type: z.string().regex(/^[\w.-]+$/),
  gpus: z.int().min(1).max(16),
  /** A word of the name that NVML gives such a GPU. */
  product: z.string().regex(/^[A-Z]{1,2}\d{1,3}[A-Z]?$/),
  /** Keys of the file's table of sources. */
  source: z.array(z.string()).min(1),
});
export type InstanceType = z.infer<typeof InstanceType>;

export const INSTANCE_TYPE_SOURCES: Readonly<Record<string, string>> = table.sources;

const rows = new Map<string, unknown>(table.entries.map(row => [row.type.toLowerCase(), row]));

/** The row of a type, checked at its use; undefined for a type that the table does not have. */
export function instanceType(name: string | undefined): InstanceType | undefined {
  const row = name === undefined ? undefined : rows.get(name.toLowerCase());
  return row === undefined ? undefined : InstanceType.parse(row);
}

/** True where every GPU that told its name is of the type's product. */
export const isProductOf = ({ product }: InstanceType, names: readonly string[]): boolean =>
  names.every(name => new RegExp(`\\b${product}\\b`).test(name));
