import * as z from 'zod';
import { MissingReason, type Reading } from '../../src/contract/reading.ts';
import { ENUMS } from '../../src/nvml/table/enums.ts';
import {
  FIELD_IDS,
  type FieldAsk,
  type FieldName,
  fieldNumber,
  GPM_METRICS,
} from '../../src/nvml/table/field-ids.ts';
import { NVML_FUNCTIONS, type NvmlFunctionName } from '../../src/nvml/table/functions.ts';
import { RETURN_CODES } from '../../src/nvml/table/return-codes.ts';
import type { Input, NvmlFunction } from '../../src/nvml/table/shapes.ts';
import type { Machine } from '../../src/simulation/machine.ts';
import {
  type Effects,
  type GpmSamples,
  gpuInstanceHandle,
  rowCaller,
} from '../../src/simulation/nvml.ts';

class Stop extends Error {}

/** Numbers that a call may be made with: links, fans, the other GPU of a pair. */
const INDEXES = Array.from({ length: 36 }, (_, index) => index);
/** In the file, MIG device N of a GPU is the GPU's number and N + 1 times this. */
const MIG_STEP = 1024;

/**
 * A machine as the simulated library in C reads it (machine.c tells the form): what the simulation
 * in TypeScript answers to every call that there is, written down. What is the same for every link,
 * fan or other GPU has one line, without `@INDEX`.
 *
 * @throws Error for a return code that nvml.h does not have.
 */
export function flatten(machine: Machine): string {
  const lines = [`# ${machine.name}: ${machine.title}`];
  for (const [name, row] of rows()) {
    const [first, ...others] = row.inputs;
    if (first === 'gpuInstance' || first === 'gpmSample') {
      machine.gpus.forEach((_, gpu) => {
        lines.push(...opaqueLines(machine, gpu, name, row));
      });
      continue;
    }
    if (first === 'uuid') {
      lines.push(...linesOf(machine, '-', name, row, ['']));
      machine.gpus.forEach(({ answers }, gpu) => {
        lines.push(...linesOf(machine, gpu, name, row, [String(answers['deviceGetUUID'])]));
      });
      continue;
    }
    if (first !== 'device' && first !== 'index') {
      lines.push(...linesOf(machine, '-', name, row, []));
      continue;
    }
    machine.gpus.forEach(({ mig = [] }, gpu) => {
      lines.push(...linesOf(machine, gpu, name, row, [first === 'device' ? BigInt(gpu + 1) : gpu]));
      if (first !== 'device' || others.length > 0) return;
      mig.forEach((_, device) => {
        const handle = BigInt(gpu + 1 + 4096 * (device + 1));
        lines.push(...linesOf(machine, gpu + MIG_STEP * (device + 1), name, row, [handle]));
      });
    });
  }
  return `${lines.join('\n')}\n`;
}

/** Every row by its name; a row of the table is a name of it. */
const rows = (): [NvmlFunctionName, NvmlFunction][] =>
  FUNCTION_NAMES.map(name => [name, NVML_FUNCTIONS[name]]);

const isFunctionName = (name: string): name is NvmlFunctionName => name in NVML_FUNCTIONS;
const FUNCTION_NAMES = Object.keys(NVML_FUNCTIONS).filter(isFunctionName);

/** All lines of one function and one GPU. */
function linesOf(
  machine: Machine,
  gpu: number | string,
  name: NvmlFunctionName,
  row: NvmlFunction,
  given: readonly unknown[],
): string[] {
  const line = (key: string, words: readonly string[]) => [gpu, key, ...words].join('\t');
  if (row.output.kind === 'fields') {
    return [line(name, callWords(machine, name, row, [...given, []])), ...fieldLines()];
  }
  const indexed = row.inputs.slice(1).find(input => input === 'index' || input === 'device');
  return combinations(row.inputs.filter(isEnum)).flatMap(members => {
    const key = [name, ...members.map(({ number }) => number)].join(':');
    const names = members.map(({ member }) => member);
    const words = (index: number) => {
      const place = indexed === 'device' ? BigInt(index + 1) : index;
      const inputs = [...given, ...(indexed === undefined ? [] : [place]), ...names];
      return moving(machine, seconds => callWords(machine, name, row, inputs, { seconds }));
    };
    const usual = words(NO_INDEX);
    const indexes = indexed === undefined ? [] : INDEXES;
    const unusual = indexes.filter(index => words(index).join() !== usual.join());
    return [line(key, usual), ...unusual.map(index => line(`${key}@${index}`, words(index)))];
  });

  function fieldLines(): string[] {
    return FIELD_NAMES.flatMap(field => {
      const { numbers } = FIELD_IDS[field];
      const words = (scope: number) =>
        moving(machine, seconds =>
          fieldWords(machine, name, row, given, { ask: { field, scope }, seconds }),
        );
      const usual = words(NO_INDEX).join('\t');
      const scopes = INDEXES.filter(scope => words(scope).join('\t') !== usual);
      return [
        ...numbers.map(number => line(`deviceGetFieldValue:${number}`, [usual])),
        ...scopes.flatMap(scope => {
          const number = fieldNumber({ field, scope });
          return number === undefined
            ? []
            : [line(`deviceGetFieldValue:${number}@${scope}`, words(scope))];
        }),
      ];
    });
  }
}

/** What is asked of a handle that belongs to a GPU has its lines with the GPU. */
function opaqueLines(
  machine: Machine,
  gpu: number,
  name: NvmlFunctionName,
  row: NvmlFunction,
): string[] {
  const device = BigInt(gpu + 1);
  const line = (key: string, words: readonly string[]) => [gpu, key, ...words].join('\t');
  if (row.output.kind === 'metrics') {
    const given = [1n, 2n];
    const samples = new Map(given.map(sample => [sample, device]));
    return [
      line(name, callWords(machine, name, row, [...given, []], { samples })),
      ...Object.entries(GPM_METRICS).map(([metric, { number }]) => {
        const { delayMs, effect, reading } = callOf(machine, name, row, [...given, [metric]], {
          samples,
        });
        return line(`gpmMetric:${number}`, askedWords(reading, delayMs, effect, metric));
      }),
    ];
  }
  // Given back: there is nothing to answer.
  if (row.output.kind === 'nothing') return [];
  const words = (id: number) => callWords(machine, name, row, [gpuInstanceHandle(device, id)]);
  const usual = words(NO_INDEX);
  const unusual = INDEXES.filter(id => words(id).join() !== usual.join());
  return [line(name, usual), ...unusual.map(id => line(`${name}@${id}`, words(id)))];
}

/** No link, fan or GPU has it: the answer is the one for all. */
const NO_INDEX = 9_999;

const isFieldName = (name: string): name is FieldName => name in FIELD_IDS;
const FIELD_NAMES = Object.keys(FIELD_IDS).filter(isFieldName);

type EnumName = keyof typeof ENUMS;
const isEnum = (input: Input): input is EnumName => input in ENUMS;

interface Member {
  readonly member: string;
  readonly number: number;
}

/** All ways to choose one member of each enumeration. */
function combinations(enums: readonly EnumName[]): Member[][] {
  return enums.reduce<Member[][]>(
    (chosen, name) =>
      chosen.flatMap(before =>
        Object.entries(ENUMS[name]).map(([member, { number }]) => [...before, { member, number }]),
      ),
    [[]],
  );
}

/** One field out of the call that brings many: its own return code, and those of its process. */
function fieldWords(
  machine: Machine,
  name: NvmlFunctionName,
  row: NvmlFunction,
  given: readonly unknown[],
  { ask, seconds }: { readonly ask: FieldAsk; readonly seconds: number },
): string[] {
  const asked = [...given, [ask]];
  const { reading, delayMs, effect } = callOf(machine, name, row, asked, { seconds });
  return askedWords(reading, delayMs, effect, ask.field);
}

/** The first of many that a call brings. */
function askedWords(
  reading: Reading<unknown>,
  delayMs: number,
  effect: string,
  asked: string,
): string[] {
  const answer: unknown = reading.ok && Array.isArray(reading.value) ? reading.value[0] : reading;
  const { success, data } = FieldReading.safeParse(answer);
  if (effect !== '-') return ['0', String(delayMs), effect];
  if (!success) throw new Error(`no answer for ${asked}`);
  const values = data.ok ? [String(data.value)] : [];
  return [String(returnCode(data)), String(delayMs), effect, ...values];
}

const FieldReading = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), value: z.number() }),
  z.object({ ok: z.literal(false), reason: MissingReason }),
]);

/** Return code, delay, effect and values of one call. */
function callWords(
  machine: Machine,
  name: NvmlFunctionName,
  row: NvmlFunction,
  inputs: readonly unknown[],
  when: When = {},
): string[] {
  const { reading, delayMs, effect } = callOf(machine, name, row, inputs, when);
  const values = reading.ok && effect === '-' ? valueWords(row, reading.value) : [];
  return [String(returnCode(reading)), String(delayMs), effect, ...values];
}

/** When a call is made, and what samples there are by then. */
interface When {
  readonly samples?: GpmSamples;
  readonly seconds?: number;
}

/** The library in C moves for so long; then all stands still. */
const MOVING_SECONDS = 60;

/** The words of a call; one that moves has its values of each second, `~58~59~60`. */
function moving(machine: Machine, words: (seconds: number) => string[]): string[] {
  const still = words(0);
  const parts = [machine.driver, ...machine.gpus, ...machine.gpus.flatMap(({ mig = [] }) => mig)];
  if (parts.every(({ moves }) => Object.keys(moves).length === 0)) return still;
  const later = Array.from({ length: MOVING_SECONDS - 1 }, (_, second) => words(second + 1));
  return still.map((word, place) => {
    const all = [word, ...later.map(each => each[place] ?? word)];
    return all.every(each => each === word) ? word : `~${all.join('~')}`;
  });
}

/** What a call gives and does. */
function callOf(
  machine: Machine,
  name: NvmlFunctionName,
  row: NvmlFunction,
  inputs: readonly unknown[],
  { samples, seconds = 0 }: When = {},
): { reading: Reading<unknown>; delayMs: number; effect: string } {
  let delayMs = 0;
  let effect = '-';
  const stop = (what: string) => (): never => {
    effect = what;
    throw new Stop();
  };
  const effects: Effects = {
    delay: ms => {
      delayMs = ms;
    },
    hang: stop('hang'),
    crash: stop('crash'),
    elapsedSeconds: () => seconds,
  };
  let reading: Reading<unknown> = { ok: true, value: true };
  try {
    reading = rowCaller(machine, effects, samples)(name, row, inputs);
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
  }
  return { reading, delayMs, effect };
}

function returnCode(reading: Reading<unknown>): number {
  if (reading.ok) return 0;
  const code = RETURN_CODES[reading.reason];
  if (code === undefined) throw new Error(`nvml.h has no return code for "${reading.reason}"`);
  return code;
}

/** Members in their order; a list begins with its length. */
function valueWords({ output }: NvmlFunction, value: unknown): string[] {
  if (['nothing', 'handle', 'fields', 'metrics'].includes(output.kind)) return [];
  if (Array.isArray(value)) return [String(value.length), ...value.flatMap(words)];
  return words(value);
}

function words(value: unknown): string[] {
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(words);
  return [encoded(String(value))];
}

/** Tabs and ends of lines divide the file; they and the escape itself become %XX. */
const encoded = (text: string): string =>
  text.replaceAll(
    /[%~\t\n\r]/g,
    character => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
