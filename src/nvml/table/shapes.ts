import { optional } from '../../contract/optional.ts';
/**
 * The forms that inputs, outputs and structs of NVML take, and what they are in TypeScript.
 *
 * All getters of nvml.h read `nvmlReturn_t name(inputs..., output)`; the output is one of these.
 */
import type { Reading } from '../../contract/reading.ts';
import type { ENUMS } from './enums.ts';
import type { FieldAsk, GpmMetric } from './field-ids.ts';

export const SCALAR_BYTES = {
  uint8: 1,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  double: 8,
} as const;
export type Scalar = keyof typeof SCALAR_BYTES;
/** A member of a struct: a number, a text in an array of so many bytes, or bytes, written in hexadecimal. */
export type Member = Scalar | `char[${number}]` | `bytes[${number}]`;

export interface Struct {
  /** As nvml.h names the type. */
  readonly name: string;
  /** Set where the first member is a version word: NVML_STRUCT_VERSION(data, version). */
  readonly version?: number;
  /** Set where that word is a bare number instead, which nvml.h has under a name of its own. */
  readonly bareVersion?: { readonly name: string; readonly number: number };
  readonly byteSize: number;
  /** In the order of nvml.h, by its names. */
  readonly members: Readonly<Record<string, Member>>;
}

/** The opaque pointers of NVML by their types in nvml.h. */
export const HANDLES = {
  device: 'nvmlDevice_t',
  gpuInstance: 'nvmlGpuInstance_t',
  gpmSample: 'nvmlGpmSample_t',
} as const;
export type HandleKind = keyof typeof HANDLES;

/**
 * A kind of handle; `index` is a plain number; `uuid` is that of a GPU, or empty for all; `fields` and `metrics` are what a list of field values
 * or of GPM metrics asks for; the others are enumerations by our names.
 */
export type Input = HandleKind | 'index' | 'uuid' | 'fields' | 'metrics' | keyof typeof ENUMS;

export type Output =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'handle'; readonly of: HandleKind }
  | { readonly kind: 'scalar'; readonly type: Scalar }
  /** Several pointers, one number each. */
  | { readonly kind: 'scalars'; readonly members: Readonly<Record<string, Scalar>> }
  | { readonly kind: 'struct'; readonly struct: Struct }
  /** A buffer and its size; the text ends at the first NUL. */
  | { readonly kind: 'text'; readonly byteSize: number }
  /** A buffer that must be large enough: its size is not passed. */
  | { readonly kind: 'unsizedText'; readonly byteSize: number }
  /** A count and an array of words (unsigned long), whose bits are a set; the scope, if any, follows. */
  | { readonly kind: 'bits'; readonly words: number; readonly scope?: number }
  /** A count (in and out) and an array. */
  | { readonly kind: 'list'; readonly item: Struct | Scalar }
  /**
   * A struct that points to an array: `count` names the member that has the room on the way in and the
   * length on the way out, `pointer` the one with the array's address; `given` are other inputs in it.
   */
  | {
      readonly kind: 'pointedList';
      readonly struct: Struct;
      readonly count: string;
      readonly pointer: string;
      readonly item: Struct;
      readonly given?: Readonly<Record<string, number>>;
    }
  /** Records of any length in a buffer that a struct points to, in one call after the other. */
  | { readonly kind: 'records' }
  /** One nvmlFieldValue_t for each of the last input; each has a reading of its own. */
  | { readonly kind: 'fields' }
  /** One nvmlGpmMetric_t for each of the last input, between the two samples before it. */
  | { readonly kind: 'metrics' };

export interface NvmlFunction {
  /** Newest first; the first that the library has is called. All take the same arguments. */
  readonly symbols: readonly [string, ...string[]];
  readonly inputs: readonly Input[];
  readonly output: Output;
}

export const nothing = { kind: 'nothing' } as const;
export const handle = { kind: 'handle', of: 'device' } as const;
export const handleOf = <const K extends HandleKind>(of: K) => ({ kind: 'handle', of }) as const;
export const records = { kind: 'records' } as const;
export const fields = { kind: 'fields' } as const;
export const metrics = { kind: 'metrics' } as const;
export const int32 = { kind: 'scalar', type: 'int32' } as const;
export const uint32 = { kind: 'scalar', type: 'uint32' } as const;
export const uint64 = { kind: 'scalar', type: 'uint64' } as const;
export const unsizedText = (byteSize: number) => ({ kind: 'unsizedText', byteSize }) as const;
export const bits = (words: number, scope?: number) =>
  ({ kind: 'bits', words, ...optional({ scope }) }) as const;
export const text = (byteSize: number) => ({ kind: 'text', byteSize }) as const;
export const struct = <const S extends Struct>(of: S) => ({ kind: 'struct', struct: of }) as const;
export const list = <const I extends Struct | Scalar>(item: I) => ({ kind: 'list', item }) as const;
export const pointedList = <const I extends Struct>(list: {
  readonly struct: Struct;
  readonly count: string;
  readonly pointer: string;
  readonly item: I;
  readonly given?: Readonly<Record<string, number>>;
}) => ({ kind: 'pointedList', ...list }) as const;
export const scalars = <const M extends Record<string, Scalar>>(members: M) =>
  ({ kind: 'scalars', members }) as const;

declare const brand: unique symbol;
/** An opaque pointer of NVML. Pointers carry no type, so a wrong one would crash: hence the brand. */
export type HandleOf<K extends HandleKind> = bigint & { readonly [brand]: (typeof HANDLES)[K] };
export type Handle = HandleOf<'device'>;
export const isHandle = (address: bigint): address is Handle => address !== 0n;

/** 64-bit numbers stay exact; who wants a number says what happens above 2^53. */
type ScalarValue<S> = S extends 'int64' | 'uint64' ? bigint : number;
type MemberValue<M> = M extends `${'char' | 'bytes'}[${number}]` ? string : ScalarValue<M>;
type Values<M> = { readonly [K in keyof M]: MemberValue<M[K]> };
type ItemValue<I> = I extends { readonly members: infer M } ? Values<M> : ScalarValue<I>;

export type OutputValue<O> = O extends { kind: 'nothing' }
  ? true
  : O extends { kind: 'handle'; of: infer K extends HandleKind }
    ? HandleOf<K>
    : O extends { kind: 'scalar'; type: infer S }
      ? ScalarValue<S>
      : O extends { kind: 'scalars'; members: infer M }
        ? Values<M>
        : O extends { kind: 'struct'; struct: { readonly members: infer M } }
          ? Values<M>
          : O extends { kind: 'text' | 'unsizedText' }
            ? string
            : O extends { kind: 'list' | 'pointedList'; item: infer I }
              ? readonly ItemValue<I>[]
              : O extends { kind: 'bits' }
                ? readonly number[]
                : O extends { kind: 'records' }
                  ? RecordBytes
                  : readonly Reading<number>[];

/** Records one behind the other, in hexadecimal; not whole where there are more than are taken. */
export interface RecordBytes {
  readonly hex: string;
  readonly isWhole: boolean;
}

export type InputValue<I> = I extends HandleKind
  ? HandleOf<I>
  : I extends 'index'
    ? number
    : I extends 'uuid'
      ? string
      : I extends 'fields'
        ? readonly FieldAsk[]
        : I extends 'metrics'
          ? readonly GpmMetric[]
          : I extends keyof typeof ENUMS
            ? keyof (typeof ENUMS)[I]
            : never;
export type InputValues<T> = { readonly [K in keyof T]: InputValue<T[K]> };
