import { ERROR_RECORDS_BYTES_MAX } from '../contract/limits.ts';
import { namesLike } from '../contract/names-like.ts';
import { ENUMS } from '../nvml/table/enums.ts';
import { FIELD_IDS, GPM_METRICS } from '../nvml/table/field-ids.ts';
import { NVML_FUNCTIONS } from '../nvml/table/functions.ts';
import type { Member, NvmlFunction, Output } from '../nvml/table/shapes.ts';
import { isRecord } from './merged.ts';

/** What is wrong with a key or a value of a machine, and what could have been meant. */
export interface Wrong {
  readonly message: string;
  readonly hint?: string;
}

const FUNCTIONS: Readonly<Record<string, NvmlFunction>> = NVML_FUNCTIONS;
const MEMBERS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = ENUMS;
/** One of many that a call brings is written as a function of its own. */
const MANY: Readonly<Record<string, { readonly names: readonly string[]; readonly what: string }>> =
  {
    deviceGetFieldValue: { names: Object.keys(FIELD_IDS), what: 'field' },
    gpmMetric: { names: Object.keys(GPM_METRICS), what: 'metric' },
  };
const NAMES = [...Object.keys(FUNCTIONS), ...Object.keys(MANY)];

/** Whether NVML could be asked so: `deviceGetClockInfo sm`, `deviceGetFieldValue nvlinkState 3`. */
export function wrongKey(key: string): Wrong | undefined {
  const [name = '', ...words] = key.split(' ');
  if (Object.hasOwn(MANY, name)) return wrongField(name, words);
  const row = rowOf(name);
  if (!row) {
    const near = namesLike(name, NAMES).join(', ');
    return {
      message: `NVML has no function ${quoted(name)}`,
      hint: near || 'a function of nvml.h without its prefix nvml, as deviceGetTemperature',
    };
  }
  const numbers = words.filter(word => /^\d{1,5}$/.test(word)).length;
  const members = words.slice(numbers);
  const enums = row.inputs.filter(input => Object.hasOwn(MEMBERS, input));
  const numbered = row.inputs.filter(
    (input, place) =>
      (place > 0 && (input === 'index' || input === 'device')) || input === 'gpuInstance',
  ).length;
  const known = enums.map(input => Object.keys(MEMBERS[input] ?? {}));
  const fits =
    [0, numbered].includes(numbers) &&
    [0, known.length].includes(members.length) &&
    members.every((word, place) => known[place]?.includes(word));
  if (fits) return undefined;
  const forms = [name, ...(numbered > 0 ? ['N'] : []), ...known.map(names => names.join('|'))].join(
    ' ',
  );
  return { message: `${quoted(key)} is no question to NVML`, hint: forms };
}

function wrongField(name: string, [field, scope, ...more]: readonly string[]): Wrong | undefined {
  const { names = [], what = '' } = MANY[name] ?? {};
  if (field === undefined) return undefined;
  if (!names.includes(field)) {
    const near = namesLike(field, names).join(', ');
    return { message: `NVML has no ${what} ${quoted(field)}`, ...(near ? { hint: near } : {}) };
  }
  const isIndex = scope === undefined || (what === 'field' && /^\d{1,2}$/.test(scope));
  return isIndex && more.length === 0
    ? undefined
    : { message: `after a ${what} stands at most a link`, hint: `${name} ${field} 3` };
}

/** Whether the function of a key, which is right, could give such an answer. */
export function wrongAnswer(key: string, answer: unknown): Wrong | undefined {
  const [name = ''] = key.split(' ');
  if (Object.hasOwn(MANY, name)) return wrongScalar('double', answer);
  const row = rowOf(name);
  return row && wrongOutput(row.output, answer);
}

function wrongOutput(output: Output, answer: unknown): Wrong | undefined {
  switch (output.kind) {
    case 'scalar':
      return wrongScalar(output.type, answer);
    case 'text':
    case 'unsizedText':
      return wrongScalar(`char[${output.byteSize}]`, answer);
    case 'records':
      return wrongScalar(`bytes[${ERROR_RECORDS_BYTES_MAX}]`, answer);
    case 'bits':
      return wrongBits(answer, output.words * 64);
    case 'scalars':
      return wrongMembers(output.members, answer);
    case 'struct':
      return wrongMembers(output.struct.members, answer);
    case 'list':
    case 'pointedList': {
      if (!Array.isArray(answer)) return { message: `a list belongs here, not ${formOf(answer)}` };
      const { item } = output;
      return answer
        .map(each =>
          typeof item === 'string' ? wrongScalar(item, each) : wrongMembers(item.members, each),
        )
        .find(wrong => wrong !== undefined);
    }
    case 'nothing':
    case 'handle':
      return { message: 'this function gives no value', hint: 'it can have faults' };
    case 'fields':
    case 'metrics':
      return {
        message: 'this function brings many values, each of which has a key of its own',
        hint: output.kind === 'fields' ? 'deviceGetFieldValue NAME' : 'gpmMetric NAME',
      };
  }
}

function wrongMembers(
  members: Readonly<Record<string, Member>>,
  answer: unknown,
): Wrong | undefined {
  const names = Object.keys(members);
  const hint = names.join(', ');
  if (!isRecord(answer)) {
    return { message: `an object of members belongs here, not ${formOf(answer)}`, hint };
  }
  for (const [name, value] of Object.entries(answer)) {
    const member = Object.hasOwn(members, name) ? members[name] : undefined;
    if (member === undefined) return { message: `there is no member ${quoted(name)}`, hint };
    const wrong = wrongScalar(member, value);
    if (wrong) return { ...wrong, message: `${name}: ${wrong.message}` };
  }
  return undefined;
}

const LEAST = { int32: -(2 ** 31), int64: -(2 ** 63), double: -Number.MAX_VALUE };
const MOST = {
  ...{ uint8: 255, int32: 2 ** 31 - 1, uint32: 2 ** 32 - 1 },
  ...{ int64: 2 ** 63, uint64: 2 ** 64, double: Number.MAX_VALUE },
};

function wrongScalar(type: Member, value: unknown): Wrong | undefined {
  const sized = /^(char|bytes)\[(\d+)\]$/.exec(type);
  if (sized) {
    const size = Number(sized[2]);
    if (typeof value !== 'string' && typeof value !== 'number') {
      return { message: `a text belongs here, not ${formOf(value)}` };
    }
    const isHex = sized[1] === 'char' || /^[0-9a-f]*$/.test(String(value));
    if (!isHex) return { message: 'bytes are written in hexadecimal, with small digits' };
    const most = sized[1] === 'char' ? size - 1 : size * 2;
    const isLong = Buffer.byteLength(String(value)) > most;
    return isLong ? { message: `this text has ${most} characters at most` } : undefined;
  }
  const is64 = type === 'uint64' || type === 'int64';
  const isDigits = is64 && typeof value === 'string' && /^-?\d{1,20}$/.test(value);
  if (typeof value !== 'number' && !isDigits) {
    return { message: `a number belongs here, not ${formOf(value)}` };
  }
  const number = Number(value);
  if (type !== 'double' && !Number.isInteger(number)) {
    return { message: `a whole number belongs here, not ${number}` };
  }
  const least = isBounded(type, LEAST) ? LEAST[type] : 0;
  const most = isBounded(type, MOST) ? MOST[type] : 0;
  return number < least || number > most
    ? { message: `${number} is no ${type}: ${least} to ${most}` }
    : undefined;
}

const isBounded = <Table extends object>(type: PropertyKey, table: Table): type is keyof Table =>
  Object.hasOwn(table, type);

/** Places of bits, `0-47,96`. */
function wrongBits(answer: unknown, places: number): Wrong | undefined {
  const text = String(answer);
  const isSet = typeof answer === 'string' || typeof answer === 'number';
  const fits =
    isSet && /^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/.test(text) && text.length <= 4_096;
  if (!fits) return { message: 'a set of numbers belongs here', hint: '"0-47,96-143"' };
  const most = Math.max(...text.split(/[-,]/).map(Number));
  return most < places
    ? undefined
    : { message: `${most} is too large`, hint: `0 to ${places - 1}` };
}

const rowOf = (name: string): NvmlFunction | undefined =>
  Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;

export const quoted = (text: string): string =>
  `"${text.length > 60 ? `${text.slice(0, 59)}…` : text}"`;

/** What stands there, in a word. */
export function formOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'string' ? `the text ${quoted(value)}` : String(value);
}
