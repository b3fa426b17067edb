import type { Reading } from '../../src/contract/reading.ts';
import { ENUMS } from '../../src/nvml/enums.ts';
import { NVML_FUNCTIONS, type NvmlFunctionName } from '../../src/nvml/functions.ts';
import { RETURN_CODES } from '../../src/nvml/return-codes.ts';
import type { Input, NvmlFunction } from '../../src/nvml/shapes.ts';
import type { Machine } from '../../src/simulation/machine.ts';
import { type Effects, rowCaller } from '../../src/simulation/nvml.ts';

class Stop extends Error {}

/**
 * A machine as the simulated library in C reads it (machine.c tells the form): what the simulation
 * in TypeScript answers to every call that there is, written down.
 *
 * @throws Error for a return code that nvml.h does not have.
 */
export function flatten(machine: Machine): string {
  const lines = [`# ${machine.name}: ${machine.title}`];
  for (const [name, row] of rows()) {
    const [first] = row.inputs;
    const perGpu = first === 'device' || first === 'index';
    const enums = row.inputs.filter(input => input !== 'device' && input !== 'index');
    const gpus = perGpu ? machine.gpus.map((_, gpu) => gpu) : [undefined];
    for (const gpu of gpus) {
      for (const members of combinations(enums)) {
        const given = gpu === undefined ? [] : [first === 'device' ? BigInt(gpu + 1) : gpu];
        const key = [name, ...members.map(({ number }) => number)].join(':');
        const words = answerWords(machine, name, row, [...given, ...members.map(m => m.member)]);
        lines.push([gpu ?? '-', key, ...words].join('\t'));
      }
    }
  }
  return `${lines.join('\n')}\n`;
}

/** Every row by its name; a row of the table is a name of it. */
const rows = (): [NvmlFunctionName, NvmlFunction][] =>
  FUNCTION_NAMES.map(name => [name, NVML_FUNCTIONS[name]]);

const isFunctionName = (name: string): name is NvmlFunctionName => name in NVML_FUNCTIONS;
const FUNCTION_NAMES = Object.keys(NVML_FUNCTIONS).filter(isFunctionName);

interface Member {
  readonly member: string;
  readonly number: number;
}

/** All ways to choose one member of each enumeration. */
function combinations(enums: readonly Exclude<Input, 'device' | 'index'>[]): Member[][] {
  return enums.reduce<Member[][]>(
    (chosen, name) =>
      chosen.flatMap(before =>
        Object.entries(ENUMS[name]).map(([member, { number }]) => [...before, { member, number }]),
      ),
    [[]],
  );
}

/** Return code, delay, effect and values of one call. */
function answerWords(
  machine: Machine,
  name: NvmlFunctionName,
  row: NvmlFunction,
  inputs: readonly unknown[],
): string[] {
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
  };
  let reading: Reading<unknown> = { ok: true, value: true };
  try {
    reading = rowCaller(machine, effects)(name, row, inputs);
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
  }
  const values = reading.ok && effect === '-' ? valueWords(row, reading.value) : [];
  return [String(returnCode(reading)), String(delayMs), effect, ...values];
}

function returnCode(reading: Reading<unknown>): number {
  if (reading.ok) return 0;
  const code = RETURN_CODES[reading.reason];
  if (code === undefined) throw new Error(`nvml.h has no return code for "${reading.reason}"`);
  return code;
}

/** Members in their order; a list begins with its length. */
function valueWords({ output }: NvmlFunction, value: unknown): string[] {
  if (output.kind === 'nothing' || output.kind === 'handle') return [];
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
    /[%\t\n\r]/g,
    character => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
