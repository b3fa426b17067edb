import { missing, present, type Reading } from '../../contract/reading.ts';
import { ENUMS } from '../table/enums.ts';
import type { FieldAsk, GpmMetric } from '../table/field-ids.ts';
import { readMember, readStruct, readText, structBytes } from '../table/layout.ts';
import { missingFor, NVML_SUCCESS } from '../table/return-codes.ts';
import {
  HANDLES,
  type HandleKind,
  type Input,
  isHandle,
  type NvmlFunction,
  SCALAR_BYTES,
} from '../table/shapes.ts';
import { callFields } from './native-fields.ts';
import { type AddressOf, callList, callPointedList } from './native-lists.ts';
import { callMetrics } from './native-metrics.ts';

type Argument = bigint | number | Buffer;
/** The C function with its symbol found: takes its arguments, gives nvmlReturn_t. */
export type Native = (...values: readonly Argument[]) => number;

/** Fields, and GPM's metrics with their samples, travel inside the output's structs: no arguments. */
const argumentInputs = ({ inputs, output }: NvmlFunction): readonly Input[] =>
  output.kind === 'metrics' ? [] : inputs.filter(input => input !== 'fields');

const isHandleKind = (input: Input): input is HandleKind => input in HANDLES;

/** The C types of a row's arguments, as koffi spells them. */
export const argumentTypes = (row: NvmlFunction): string[] => [
  ...argumentInputs(row).map(input => (isHandleKind(input) ? 'void *' : 'uint32_t')),
  ...outputTypes(row),
];

function outputTypes({ output }: NvmlFunction): string[] {
  switch (output.kind) {
    case 'nothing':
      return [];
    case 'handle':
    case 'scalar':
    case 'struct':
    case 'pointedList':
    case 'metrics':
      return ['void *'];
    case 'scalars':
      return Object.keys(output.members).map(() => 'void *');
    case 'text':
      return ['void *', 'uint32_t'];
    case 'list':
      return ['void *', 'void *'];
    case 'unsizedText':
      return ['void *'];
    case 'bits':
      return ['uint32_t', 'void *', ...(output.scope === undefined ? [] : ['uint32_t'])];
    case 'fields':
      return ['int32_t', 'void *'];
  }
}

/**
 * The inputs as C takes them: handles and indexes as they are, our enumeration members as nvml.h's
 * numbers.
 *
 * @throws TypeError for an input that the row does not know; the compiler sees to it that none is.
 */
function inputArguments(row: NvmlFunction, inputs: readonly unknown[]): (bigint | number)[] {
  return row.inputs.flatMap((input, place) => {
    if (input === 'fields' || input === 'metrics') return [];
    const given = inputs[place];
    if (isHandleKind(input)) {
      if (typeof given === 'bigint') return given;
    } else if (input === 'index') {
      if (typeof given === 'number') return given;
    } else if (typeof given === 'string') {
      const members: Readonly<Record<string, { readonly number: number }>> = ENUMS[input];
      const member = members[given];
      if (member) return member.number;
    }
    throw new TypeError(`${row.symbols[0]}: input ${place} is no ${input}`);
  });
}

/** What a row that reads fields or metrics is asked for: its last input. */
const asked = <T>(inputs: readonly unknown[]): readonly T[] => {
  const last = inputs.at(-1);
  return Array.isArray(last) ? last : [];
};

/** Calls with zeroed outputs and decodes them: one way for all forms. */
export function callNative(
  native: Native,
  row: NvmlFunction,
  given: readonly unknown[],
  addressOf: AddressOf,
): Reading<unknown> {
  const { output } = row;
  const inputs = inputArguments(row, given);
  const reading = (outputs: readonly Argument[], decode: () => unknown): Reading<unknown> => {
    const code = native(...inputs, ...outputs);
    return code === NVML_SUCCESS ? present(decode()) : missingFor(code);
  };
  switch (output.kind) {
    case 'nothing':
      return reading([], () => true);
    case 'handle': {
      const bytes = Buffer.alloc(8);
      const found = reading([bytes], () => bytes.readBigUInt64LE());
      return found.ok && (typeof found.value !== 'bigint' || !isHandle(found.value))
        ? missing('unknown', 'the library gave a null handle')
        : found;
    }
    case 'scalar': {
      const bytes = Buffer.alloc(SCALAR_BYTES[output.type]);
      return reading([bytes], () => readMember(bytes, 0, output.type));
    }
    case 'scalars': {
      const members = Object.entries(output.members);
      const cells = members.map(([, type]) => Buffer.alloc(SCALAR_BYTES[type]));
      return reading(cells, () =>
        Object.fromEntries(
          members.map(([name, type], place) => [
            name,
            readMember(cells[place] ?? Buffer.alloc(8), 0, type),
          ]),
        ),
      );
    }
    case 'struct': {
      const bytes = structBytes(output.struct);
      return reading([bytes], () => readStruct(bytes, 0, output.struct));
    }
    case 'text': {
      const bytes = Buffer.alloc(output.byteSize);
      return reading([bytes, output.byteSize], () => readText(bytes));
    }
    case 'unsizedText': {
      const bytes = Buffer.alloc(output.byteSize);
      return reading([bytes], () => readText(bytes));
    }
    case 'bits': {
      const bytes = Buffer.alloc(output.words * 8);
      const scope = output.scope === undefined ? [] : [output.scope];
      return reading([output.words, bytes, ...scope], () => bitsOf(bytes));
    }
    case 'list':
      return callList(native, inputs, output.item);
    case 'pointedList':
      return callPointedList(native, inputs, output, addressOf);
    case 'fields':
      return callFields(native, inputs, asked<FieldAsk>(given));
    case 'metrics':
      return callMetrics(native, inputs, asked<GpmMetric>(given));
  }
}

/** The places of the set bits, ascending. */
function bitsOf(bytes: Buffer): number[] {
  const set: number[] = [];
  for (const [place, byte] of bytes.entries()) {
    for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) set.push(place * 8 + bit);
  }
  return set;
}
