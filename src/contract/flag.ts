import type * as z from 'zod';

/** What every command line needs of flags: zod, which makes their schemas, is not loaded for it. */

/** What a flag says of itself beside the schema of its value, in the words of yargs. */
export interface FlagOption {
  readonly description?: string;
  readonly type?: 'string' | 'boolean' | 'array';
  readonly alias?: string;
  readonly choices?: readonly string[];
  /** As the help shows it; what is not shown stands in the schema. */
  readonly default?: string | number | boolean;
  readonly demandOption?: true;
  readonly group?: string;
  /** A word that is told by its place, as `<file>` in `analyze <file>`. */
  readonly isWord?: true;
  /** Given more than once, it is a list. */
  readonly isRepeated?: true;
  /** What its value is the name of, for completion. */
  readonly names?: NameKind;
  /** Taken only beside one of these words, with the values that completion offers there. */
  readonly beside?: Readonly<Record<string, readonly string[]>>;
  /** Values that completion offers although others may stand there too. */
  readonly offers?: readonly string[];
}

/** What a value can be the name of. */
export type NameKind =
  | 'cluster'
  | 'container'
  | 'context'
  | 'file'
  | 'machine'
  | 'namespace'
  | 'node'
  | 'node_or_file'
  | 'pod'
  | 'session'
  | 'target'
  | 'target_or_tool'
  | 'user'
  | 'zone';

/** Flags by their names in camel case, each as the schema of its value. */
export type Flags = Readonly<Record<string, z.ZodType>>;

const OPTIONS = new WeakMap<z.ZodType, FlagOption>();

/** A flag in one place: the schema checks its value, and the option is what the help says of it. */
export function flag<Schema extends z.ZodType>(schema: Schema, option: FlagOption): Schema {
  OPTIONS.set(schema, option);
  return schema;
}

export const optionOf = (schema: z.ZodType): FlagOption => OPTIONS.get(schema) ?? {};

/** `--request-timeout` of `requestTimeout`. */
export const dashed = (name: string): string =>
  name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
