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
    const fault = suffer(faultOf(part, keys), effects);
    if (fault !== undefined) return missing(fault);
    if (row.output.kind !== 'fields') return answerOf(machine, part, keys, row, inputs);
    return present(fieldAsks(inputs.at(-1)).map(ask => fieldReading(part, ask, effects)));
  };
}

/** Does to the process what the fault does; the return code to give, if any. */
function suffer(fault: Fault | undefined, effects: Effects): Fault['return'] {
  if (fault?.delayMs !== undefined) effects.delay(fault.delayMs);
  if (fault?.hang) effects.hang();
  if (fault?.crash) effects.crash();
  return fault?.return;
}

/** One field value: `deviceGetFieldValue nvlinkState 3`, or without the scope for all of them. */
function fieldReading(part: Part, { field, scope }: FieldAsk, effects: Effects): Reading<unknown> {
  const keys = [`${FIELD} ${field} ${scope}`, `${FIELD} ${field}`, FIELD];
  const fault = suffer(
    keys.map(key => part.faults[key]).find(found => found !== undefined),
    effects,
  );
  if (fault !== undefined) return missing(fault);
  const answer = keys.map(key => part.answers[key]).find(found => found !== undefined);
  return answer === undefined ? missing('not_supported') : present(Number(answer));
}

/** In machines, a field's answers and faults stand apart from those of the call that brings many. */
const FIELD = 'deviceGetFieldValue';

const fieldAsks = (input: unknown): readonly FieldAsk[] =>
  Array.isArray(input) ? input.filter(isFieldAsk) : [];

const isFieldAsk = (ask: unknown): ask is FieldAsk =>
  typeof ask === 'object' &&
  ask !== null &&
  'field' in ask &&
  typeof ask.field === 'string' &&
  'scope' in ask &&
  typeof ask.scope === 'number';

interface FieldAsk {
  readonly field: string;
  readonly scope: number;
}

/** GPUs are told apart by their handle, which is their index plus one; MIG devices stand above. */
const MIG_STEP = 4096n;

function partOf(
  machine: Machine,
  name: NvmlFunctionName,
  inputs: readonly unknown[],
): Part | undefined {
  const [first] = inputs;
  if (typeof first === 'bigint') {
    const gpu = machine.gpus[Number(first % MIG_STEP) - 1];
    return first < MIG_STEP ? gpu : gpu?.mig?.[Number(first / MIG_STEP) - 1];
  }
  if (name === 'deviceGetHandleByIndex' && typeof first === 'number') return machine.gpus[first];
  return machine.driver;
}

/**
 * Most exact first: `deviceGetP2PStatus 3 nvlink`, `deviceGetP2PStatus nvlink`, `deviceGetP2PStatus`.
 * A number is a link, a fan or the other GPU of a pair.
 */
function keysOf(name: NvmlFunctionName, inputs: readonly unknown[]): string[] {
  const words = inputs.filter(input => typeof input === 'string');
  const numbers = inputs
    .slice(1)
    .flatMap(input =>
      typeof input === 'bigint' ? [Number(input) - 1] : typeof input === 'number' ? [input] : [],
    );
  const keys = [[name, ...numbers, ...words], [name, ...words], [name]];
  return [...new Set(keys.map(key => key.join(' ')))];
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
  if (output.kind === 'handle') return handleOf(part, inputs);
  const answer = answered(machine, part, keys);
  if (answer === undefined) return missing('not_supported');
  switch (output.kind) {
    case 'scalar':
      return present(scalar(output.type, answer));
    case 'text':
    case 'unsizedText':
      return present(String(answer));
    case 'bits':
      return present(placesOf(String(answer)));
    case 'fields':
      return missing('not_supported');
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

/** The handle of a GPU by its index, or of a MIG device by its GPU and index. */
function handleOf(part: Part, [first, second]: readonly unknown[]): Reading<unknown> {
  if (typeof first === 'bigint') {
    if (part.mig?.[Number(second)] === undefined) return missing('not_found');
    return present(first + MIG_STEP * BigInt(Number(second) + 1));
  }
  const handle = BigInt(Number(first) + 1);
  return isHandle(handle) ? present(handle) : missing('invalid_argument');
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
      text(member) ? String(given[name] ?? unset(member)) : scalar(member, given[name] ?? 0),
    ]),
  );
}

/** The bits of a set, written as `0-47,96`. */
const placesOf = (list: string): number[] =>
  list.split(',').flatMap(range => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, place) => first + place);
  });

const text = (member: Member): boolean => member.startsWith('char') || member.startsWith('bytes');

/** Bytes are told in hexadecimal. */
const unset = (member: Member): string =>
  member.startsWith('bytes') ? '00'.repeat(Number(member.slice(member.indexOf('[') + 1, -1))) : '';

const scalar = (type: Member | Scalar, answer: Answer): number | bigint =>
  type === 'uint64' || type === 'int64' ? BigInt(String(answer)) : Number(answer);
