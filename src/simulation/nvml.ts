import { missing, present, type Reading } from '../contract/reading.ts';
import { type RowCaller, typedLibrary } from '../nvml/caller.ts';
import type { NvmlFunctionName, NvmlLibrary, OpenedLibrary } from '../nvml/functions.ts';
import {
  isHandle,
  type Member,
  type NvmlFunction,
  type Scalar,
  type Struct,
} from '../nvml/shapes.ts';
import type { Answer, Fault, Machine, Part } from './machine.ts';

/** What a simulated call does to the process that makes it, beside giving an answer. */
export interface Effects {
  /** Blocks for so many milliseconds. */
  readonly delay: (ms: number) => void;
  /** Blocks for ever. */
  readonly hang: () => never;
  /** Ends the process as a fault of memory would. */
  readonly crash: () => never;
}

/** The library of a machine made of data, as openHostLibrary gives the node's. */
export function openSimulatedLibrary(machine: Machine, effects: Effects): OpenedLibrary {
  if (machine.library === null) {
    const detail = 'the simulated machine has no libnvidia-ml.so.1';
    return { path: missing('library_not_found', detail), library: undefined };
  }
  return { path: present(machine.library), library: simulatedLibrary(machine, effects) };
}

/** NVML made of data: the same functions, values and return codes as the machine's file tells. */
const simulatedLibrary = (machine: Machine, effects: Effects): NvmlLibrary =>
  typedLibrary(rowCaller(machine, effects));

/** The same, row by row, for who writes down every answer of a machine. */
export function rowCaller(machine: Machine, effects: Effects): RowCaller {
  return (name, row, inputs) => {
    const part = partOf(machine, name, inputs);
    if (!part) return missing('invalid_argument');
    const keys = keysOf(name, inputs);
    const fault = faultOf(part, keys);
    if (fault?.delayMs !== undefined) effects.delay(fault.delayMs);
    if (fault?.hang) effects.hang();
    if (fault?.crash) effects.crash();
    if (fault?.return !== undefined) return missing(fault.return);
    return answerOf(machine, part, keys, row, inputs);
  };
}

/** GPUs are told apart by their handle, which is their index plus one. */
function partOf(
  machine: Machine,
  name: NvmlFunctionName,
  inputs: readonly unknown[],
): Part | undefined {
  const [first] = inputs;
  if (typeof first === 'bigint') return machine.gpus[Number(first) - 1];
  if (name === 'deviceGetHandleByIndex' && typeof first === 'number') return machine.gpus[first];
  return machine.driver;
}

/** Most exact first: `deviceGetClockInfo sm`, `deviceGetClockInfo`. */
function keysOf(name: NvmlFunctionName, inputs: readonly unknown[]): string[] {
  const members = inputs.filter(input => typeof input === 'string');
  return members.length === 0 ? [name] : [`${name} ${members.join(' ')}`, name];
}

const faultOf = (part: Part, keys: readonly string[]): Fault | undefined =>
  [...keys, '*'].map(key => part.faults[key]).find(fault => fault !== undefined);

function answerOf(
  machine: Machine,
  part: Part,
  keys: readonly string[],
  { output }: NvmlFunction,
  inputs: readonly unknown[],
): Reading<unknown> {
  if (output.kind === 'nothing') return present(true);
  if (output.kind === 'handle') {
    const handle = BigInt(Number(inputs[0]) + 1);
    return isHandle(handle) ? present(handle) : missing('invalid_argument');
  }
  const answer = answered(machine, part, keys);
  if (answer === undefined) return missing('not_supported');
  switch (output.kind) {
    case 'scalar':
      return present(scalar(output.type, answer));
    case 'text':
      return present(String(answer));
    case 'field':
      return present(Number(answer));
    case 'scalars':
      return present(members(output.members, answer));
    case 'struct':
      return present(structValue(output.struct, answer));
    case 'list':
      return present(
        (Array.isArray(answer) ? answer : []).map(item =>
          typeof output.item === 'string'
            ? scalar(output.item, item)
            : structValue(output.item, item),
        ),
      );
  }
}

/** The machine's own word; the number of GPUs is told by their list. */
function answered(machine: Machine, part: Part, keys: readonly string[]): Answer | undefined {
  const own = keys.map(key => part.answers[key]).find(answer => answer !== undefined);
  return own ?? (keys.includes('deviceGetCount') ? machine.gpus.length : undefined);
}

const structValue = (struct: Struct, answer: Answer) => members(struct.members, answer);

/** Members in the struct's order; those that the data leaves out are zero, as in a cleared struct. */
function members(shape: Readonly<Record<string, Member>>, answer: Answer) {
  const given: Readonly<Record<string, Answer>> =
    typeof answer === 'object' && !Array.isArray(answer) ? answer : {};
  return Object.fromEntries(
    Object.entries(shape).map(([name, member]) => [
      name,
      member.startsWith('char') ? String(given[name] ?? '') : scalar(member, given[name] ?? 0),
    ]),
  );
}

const scalar = (type: Member | Scalar, answer: Answer): number | bigint =>
  type === 'uint64' || type === 'int64' ? BigInt(String(answer)) : Number(answer);
