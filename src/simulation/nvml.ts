import { missing, present, type Reading } from '../contract/reading.ts';
import {
  type NvmlLibrary,
  type OpenedLibrary,
  type RowCaller,
  typedLibrary,
} from '../nvml/table/calls.ts';
import type { NvmlFunctionName } from '../nvml/table/functions.ts';
import {
  type HandleKind,
  isHandle,
  type Member,
  type NvmlFunction,
  type Scalar,
  type Struct,
} from '../nvml/table/shapes.ts';
import type { Machine } from './machine.ts';
import { type Answer, type Fault, moved, type Part } from './part.ts';

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

/** The same, row by row: test/sim-nvml writes down every answer of a machine. */
export function rowCaller(
  machine: Machine,
  effects: Effects,
  samples: GpmSamples = new Map(),
): RowCaller {
  return (name, row, given) => {
    const inputs = ofGpu(row, given, samples);
    const part = partOf(machine, name, inputs);
    if (!part) return missing('invalid_argument');
    const keys = keysOf(name, inputs);
    const fault = suffer(faultOf(part, keys), effects);
    if (fault !== undefined) return missing(fault);
    const [device, sample] = given;
    switch (row.output.kind) {
      case 'fields':
      case 'metrics':
        return present(manyAnswers(part, row.output.kind, inputs.at(-1), effects));
      case 'records':
        return recordsOf(machine, String(given[0] ?? ''));
      case 'handle':
        return row.output.of === 'gpmSample'
          ? present(allocateSample(samples))
          : handleOf(part, row.output.of, inputs);
      case 'nothing':
        if (typeof device === 'bigint' && typeof sample === 'bigint') samples.set(sample, device);
        return present(true);
      default:
        return answerOf(machine, part, keys, row, effects.elapsedSeconds());
    }
  };
}

/** What is asked of a GPU instance, or of two samples, is asked of their GPU. */
function ofGpu(
  { inputs: [kind] }: NvmlFunction,
  given: readonly unknown[],
  samples: GpmSamples,
): readonly unknown[] {
  const [first, second, ...rest] = given;
  if (typeof first !== 'bigint') return given;
  if (kind === 'gpuInstance') {
    const { gpu, id } = gpuInstanceOf(first);
    return [gpu, id];
  }
  if (kind !== 'gpmSample') return given;
  // One that is given back is of no GPU: the driver as a whole answers.
  if (typeof second !== 'bigint') return [undefined];
  const isPair = first !== second && samples.get(first) === samples.get(second);
  return [isPair ? samples.get(second) : 0n, ...rest];
}

function partOf(
  machine: Machine,
  name: NvmlFunctionName,
  inputs: readonly unknown[],
): Part | undefined {
  const [first] = inputs;
  if (typeof first === 'bigint') {
    const { gpu, mig } = deviceOf(first);
    return mig === undefined ? machine.gpus[gpu] : machine.gpus[gpu]?.mig?.[mig];
  }
  if (name === 'deviceGetHandleByIndex' && typeof first === 'number') return machine.gpus[first];
  return machine.driver;
}

/**
 * Most exact first: `deviceGetP2PStatus 3 nvlink`, `deviceGetP2PStatus nvlink`, `deviceGetP2PStatus`.
 * A number is a link, a fan or the other GPU of a pair.
 */
function keysOf(name: NvmlFunctionName, inputs: readonly unknown[]): readonly string[] {
  const [first, ...others] = inputs;
  // Lists are no part of a key; a device is none either.
  let call: string = typeof first === 'string' ? `${name} ${first}` : name;
  for (const input of others) if (typeof input !== 'object') call += ` ${input}`;
  const keys = keysOfCalls.get(call) ?? keysMade(name, inputs);
  if (keysOfCalls.size < KEYS_KEPT) keysOfCalls.set(call, keys);
  return keys;
}

/** Made once: there are thousands of calls in one reading of a machine. */
const keysOfCalls = new Map<string, readonly string[]>();
const KEYS_KEPT = 10_000;

function keysMade(name: NvmlFunctionName, inputs: readonly unknown[]): readonly string[] {
  const words = inputs.filter(input => typeof input === 'string');
  const numbers = inputs
    .slice(1)
    .flatMap(input =>
      typeof input === 'bigint' ? [Number(input) - 1] : typeof input === 'number' ? [input] : [],
    );
  const keys = [[name, ...numbers, ...words], [name, ...words], [name]];
  return [...new Set(keys.map(key => key.join(' ')))];
}

const faultOf = ({ faults }: Part, keys: readonly string[]): Fault | undefined =>
  firstOf(faults, keys) ?? faults['*'];

/** What stands under the first of these keys that is there. */
function firstOf<Value>(
  table: Readonly<Record<string, Value>>,
  keys: readonly string[],
): Value | undefined {
  for (const key of keys) {
    const value = table[key];
    if (value !== undefined) return value;
  }
  return undefined;
}

function answerOf(
  machine: Machine,
  part: Part,
  keys: readonly string[],
  { output }: NvmlFunction,
  seconds: number,
): Reading<unknown> {
  const still = answered(machine, part, keys);
  if (still === undefined) return missing('not_supported');
  const answer = moved(keys, still, part, seconds);
  switch (output.kind) {
    case 'scalar':
      return present(scalar(output.type, answer));
    case 'text':
    case 'unsizedText':
      return present(String(answer));
    case 'bits':
      return present(placesOf(String(answer)));
    case 'scalars':
      return present(members(output.members, answer));
    case 'struct':
      return present(structValue(output.struct, answer));
    case 'list':
    case 'pointedList':
      return present(
        (Array.isArray(answer) ? answer : []).map(item =>
          typeof output.item === 'string'
            ? scalar(output.item, item)
            : structValue(output.item, item),
        ),
      );
    case 'nothing':
    case 'handle':
    case 'records':
    case 'fields':
    case 'metrics':
      return missing('not_supported');
  }
}

/** Records of the GPU with this UUID, or of all and of the machine; a driver that knows of none has not the call. */
function recordsOf(machine: Machine, uuid: string): Reading<unknown> {
  const parts = [machine.driver, ...machine.gpus];
  const told = parts.map(({ answers }) => answers['systemGetCPER']);
  if (told.every(answer => answer === undefined)) return missing('not_supported');
  const own = told.filter((_, at) => uuid === '' || parts[at]?.answers['deviceGetUUID'] === uuid);
  return present({ hex: own.map(answer => answer ?? '').join(''), isWhole: true });
}

/** The handle of a GPU by its index, or of a MIG device or a GPU instance by its GPU and number. */
function handleOf(
  part: Part,
  kind: HandleKind,
  [first, second]: readonly unknown[],
): Reading<unknown> {
  const number = Number(second);
  if (typeof first === 'bigint' && kind === 'gpuInstance') {
    const isThere = part.answers[`gpuInstanceGetInfo ${number}`] !== undefined;
    return isThere ? present(gpuInstanceHandle(first, number)) : missing('not_found');
  }
  if (typeof first === 'bigint') {
    if (part.mig?.[number] === undefined) return missing('not_found');
    return present(migHandle(first, number));
  }
  const handle = BigInt(Number(first) + 1);
  return isHandle(handle) ? present(handle) : missing('invalid_argument');
}

/** The machine's own word; the number of GPUs is that of their list. */
function answered(machine: Machine, part: Part, keys: readonly string[]): Answer | undefined {
  const own = firstOf(part.answers, keys);
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

/** Bytes are written in hexadecimal. */
const unset = (member: Member): string =>
  member.startsWith('bytes') ? '00'.repeat(Number(member.slice(member.indexOf('[') + 1, -1))) : '';

const scalar = (type: Member | Scalar, answer: Answer): number | bigint =>
  type === 'uint64' || type === 'int64' ? BigInt(String(answer)) : Number(answer);

/**
 * Handles of a simulated library. GPUs are told apart by their index plus one; MIG devices stand above,
 * GPU instances and GPM samples far above.
 */
const MIG_STEP = 4096n;
const GPU_INSTANCES = 1n << 40n;
const INSTANCE_STEP = 65_536n;
const GPM_SAMPLES = 1n << 48n;

/** MIG device `index` of a GPU. */
const migHandle = (gpu: bigint, index: number): bigint => gpu + MIG_STEP * BigInt(index + 1);

/** The index of a device's GPU, and of the MIG device in it where it is one. */
const deviceOf = (handle: bigint): { readonly gpu: number; readonly mig?: number } => ({
  gpu: Number(handle % MIG_STEP) - 1,
  ...(handle < MIG_STEP ? {} : { mig: Number(handle / MIG_STEP) - 1 }),
});

export const gpuInstanceHandle = (gpu: bigint, id: number): bigint =>
  GPU_INSTANCES + gpu * INSTANCE_STEP + BigInt(id);

/** The GPU's handle and the instance's id. */
const gpuInstanceOf = (handle: bigint): { readonly gpu: bigint; readonly id: number } => ({
  gpu: (handle - GPU_INSTANCES) / INSTANCE_STEP,
  id: Number((handle - GPU_INSTANCES) % INSTANCE_STEP),
});

/** Samples by their handle, with the device that each was taken of. */
export type GpmSamples = Map<bigint, bigint>;

function allocateSample(samples: GpmSamples): bigint {
  const handle = GPM_SAMPLES + BigInt(samples.size);
  samples.set(handle, 0n);
  return handle;
}

/** Field values and metrics of GPM: one call brings many, each with an answer and a fault of its own. */
function manyAnswers(
  part: Part,
  kind: 'fields' | 'metrics',
  wanted: unknown,
  effects: Effects,
): Reading<unknown>[] {
  const asks: readonly unknown[] = Array.isArray(wanted) ? wanted : [];
  return kind === 'fields'
    ? asks.filter(isFieldAsk).map(ask => fieldReading(part, ask, effects))
    : asks
        .filter(ask => typeof ask === 'string')
        .map(metric => readingOf(part, [`gpmMetric ${metric}`], effects));
}

/** One field value: `deviceGetFieldValue nvlinkState 3`, or without the scope for all of them. */
const fieldReading = (part: Part, ask: FieldAsk, effects: Effects): Reading<unknown> =>
  readingOf(part, keysOfField(ask), effects);

const keysOfFields = new Map<string, Map<number, readonly string[]>>();

/** Made once: there are thousands of fields in one reading of a machine with NVLinks. */
function keysOfField({ field, scope }: FieldAsk): readonly string[] {
  const scopes = keysOfFields.get(field) ?? new Map<number, readonly string[]>();
  const keys = scopes.get(scope) ?? [`${FIELD} ${field} ${scope}`, `${FIELD} ${field}`, FIELD];
  keysOfFields.set(field, scopes.set(scope, keys));
  return keys;
}

/** The fault or the answer under the first key that has one. */
function readingOf(part: Part, keys: readonly string[], effects: Effects): Reading<unknown> {
  const fault = suffer(firstOf(part.faults, keys), effects);
  if (fault !== undefined) return missing(fault);
  const answer = firstOf(part.answers, keys);
  return answer === undefined
    ? missing('not_supported')
    : present(Number(moved(keys, answer, part, effects.elapsedSeconds())));
}

/** In machines, a field's answers and faults stand apart from those of the call that brings many. */
const FIELD = 'deviceGetFieldValue';

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

/** What a simulated call does to the process that makes it, beside giving an answer. */
export interface Effects {
  /** Blocks for so many milliseconds. */
  readonly delay: (ms: number) => void;
  /** Blocks for ever. */
  readonly hang: () => never;
  /** Ends the process as a fault of memory would. */
  readonly crash: () => never;
  /** How long the machine has been looked at: by that its values move. */
  readonly elapsedSeconds: () => number;
}

/** Does to the process what the fault does; the return code to give, if any. */
function suffer(fault: Fault | undefined, effects: Effects): Fault['return'] {
  if (fault?.delayMs !== undefined) effects.delay(fault.delayMs);
  if (fault?.hang) effects.hang();
  if (fault?.crash) effects.crash();
  return fault?.return;
}
