import { ENUMS } from '../table/enums.ts';
import { HANDLES, type HandleKind, type Input, type NvmlFunction } from '../table/shapes.ts';

/** What a function of NVML takes, as C has it. */

export type Argument = bigint | number | Buffer;
/** The C function with its symbol found: takes its arguments, gives nvmlReturn_t. */
export type Native = (...values: readonly Argument[]) => number;

/** Fields, a UUID, and GPM's metrics with their samples, travel inside the output's structs: no arguments. */
const argumentInputs = ({ inputs, output }: NvmlFunction): readonly Input[] =>
  output.kind === 'metrics' ? [] : inputs.filter(input => input !== 'fields' && input !== 'uuid');

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
    case 'records':
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
export function inputArguments(row: NvmlFunction, inputs: readonly unknown[]): (bigint | number)[] {
  return row.inputs.flatMap((input, place) => {
    if (input === 'fields' || input === 'metrics' || input === 'uuid') return [];
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
