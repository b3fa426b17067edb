import { ENUMS } from '../../src/nvml/table/enums.ts';
import { NVML_FUNCTIONS } from '../../src/nvml/table/functions.ts';
import {
  HANDLES,
  type Input,
  type Member,
  type NvmlFunction,
  type Output,
  SCALAR_BYTES,
  type Struct,
} from '../../src/nvml/table/shapes.ts';

/** These answer before nvmlInit too. */
const WITHOUT_INIT = [
  'systemGetDriverVersion',
  'systemGetNVMLVersion',
  'systemGetCudaDriverVersion',
];
/** Symbols of a time when nvmlPciInfo_t ended before this member. */
const SHORTER_PCI_INFO = ['nvmlDeviceGetPciInfo_v2', 'nvmlDeviceGetNvLinkRemotePciInfo'];
/** Without an array these only count. */
const COUNT_WITHOUT_ROOM = ['nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts'];

interface Parameter {
  readonly type: string;
  readonly name: string;
}
type Row = readonly [name: string, row: NvmlFunction];

/**
 * The getters of the simulated library in C: every symbol of the function table that is not written
 * by hand, with the parameters that nvml.h declares and the answers of the machine's file. What a row
 * says of a parameter or a struct is asserted against NVIDIA's types: a wrong row does not compile.
 *
 * @throws Error for a symbol that nvml.h does not have, or has with another number of parameters.
 */
export function gettersInC(header: string, byHand: string): string {
  const declared = new Map(
    [...header.matchAll(/nvmlReturn_t DECLDIR (nvml\w+)\(([^)]*)\)/g)].map(
      ([, symbol = '', list = '']) => [symbol, parametersOf(list)] as const,
    ),
  );
  const rows = new Map<string, Row[]>();
  for (const [name, row] of Object.entries<NvmlFunction>(NVML_FUNCTIONS)) {
    for (const symbol of row.symbols.filter(symbol => !byHand.includes(` ${symbol}(`))) {
      rows.set(symbol, [...(rows.get(symbol) ?? []), [name, row]]);
    }
  }
  const getters = [...rows].map(([symbol, ofSymbol]) => {
    const parameters = declared.get(symbol);
    if (!parameters) throw new Error(`nvml.h does not declare ${symbol}`);
    return getter(symbol, parameters, ofSymbol);
  });
  return ['#include "machine.h"', '#include <stddef.h>', '#include <stdio.h>', ...getters].join(
    '\n',
  );
}

/** Their types as nvml.h has them; the names are ours, so that none is that of a variable. */
const parametersOf = (list: string): Parameter[] =>
  list
    .split(',')
    .map(text => text.replaceAll(/\s+/g, ' ').trim())
    .filter(text => text !== 'void')
    .map((text, place) => ({ type: text.replace(/\w+$/, ''), name: `argument${place}` }));

function getter(symbol: string, parameters: readonly Parameter[], rows: readonly Row[]): string {
  const [first] = rows;
  if (!first) return '';
  const [, { inputs, output }] = first;
  const outputs = parameters.slice(inputs.length);
  if (outputs.length !== outputCount(output)) {
    throw new Error(`nvml.h declares ${symbol} with ${parameters.length} parameters`);
  }
  const list = parameters.map(({ type, name }) => `${type} ${name}`).join(', ');
  return `
nvmlReturn_t ${symbol}(${list === '' ? 'void' : list})
{
    values_t values;
${inputs.map((input, place) => inputAssert(input, parameters[place]?.name ?? '')).join('\n')}
${rows.map(row => rowBody(symbol, row, parameters, outputs, rows.length > 1)).join('\n')}
${rows.length > 1 ? '    return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;\n' : ''}}
`;
}

function outputCount(output: Output): number {
  switch (output.kind) {
    case 'nothing':
      return 0;
    case 'scalars':
      return Object.keys(output.members).length;
    case 'text':
    case 'list':
      return 2;
    case 'bits':
      return output.scope === undefined ? 2 : 3;
    default:
      return 1;
  }
}

const inputAssert = (input: Input, name: string): string =>
  input in HANDLES
    ? `    _Static_assert(__builtin_types_compatible_p(__typeof__(${name}), ${HANDLES['device']}), "a handle");`
    : `    _Static_assert(sizeof(${name}) == 4, "${input}");`;

/** Asks for the answer of one row and gives it; where a symbol has several, the version word tells. */
function rowBody(
  symbol: string,
  [key, row]: Row,
  parameters: readonly Parameter[],
  outputs: readonly Parameter[],
  isOneOfSeveral: boolean,
): string {
  const names = parameters.map(({ name }) => name);
  const [out = '', second = ''] = outputs.map(({ name }) => name);
  const { output } = row;
  const struct =
    output.kind === 'struct' || output.kind === 'pointedList' ? output.struct : undefined;
  const lines = [
    ...(struct
      ? [
          `_Static_assert(sizeof(${struct.name}) == ${struct.byteSize}, "the size");`,
          `${struct.name} *out = (void *)${out};`,
          'if (!out) return NVML_ERROR_INVALID_ARGUMENT;',
        ]
      : []),
    ...(struct && !isOneOfSeveral && versionOf(struct) !== undefined
      ? [`if (out->version != ${versionOf(struct)}) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;`]
      : []),
    ...asked(key, row, names),
    'if (code != NVML_SUCCESS) return code;',
    ...given(
      symbol,
      output,
      outputs.map(({ name }) => name),
      { out, second },
    ),
    'return NVML_SUCCESS;',
  ];
  const isVersion =
    isOneOfSeveral && struct
      ? [`if (((${struct.name} *)${out})->version == ${versionOf(struct)})`]
      : [];
  return [...isVersion, '{', ...lines, '}'].map(line => `    ${line}`).join('\n');
}

const versionOf = ({ name, version, bareVersion }: Struct): string | undefined =>
  bareVersion?.name ?? (version === undefined ? undefined : name.replace(/_t$/, ''));

/** Enumerations stand in the key; a link, a fan or another GPU has an answer of its own, or that of all. */
function asked(key: string, { inputs }: NvmlFunction, names: readonly string[]): string[] {
  const enums = inputs.flatMap((input, place) => (input in ENUMS ? (names[place] ?? '') : []));
  const at = inputs.findIndex(
    (input, place) => place > 0 && (input === 'index' || input === 'device'),
  );
  const index =
    at < 0
      ? 'NO_INDEX'
      : inputs[at] === 'device'
        ? `(int)(${names[at]} - sim_devices)`
        : `(int)${names[at]}`;
  const form = `"${key}${':%d'.repeat(enums.length)}"`;
  const keyLines =
    enums.length === 0
      ? [`const char *key = ${form};`]
      : [
          'char key[128];',
          `snprintf(key, sizeof(key), ${form}, ${enums.map(name => `(int)${name}`).join(', ')});`,
        ];
  return [
    ...keyLines,
    ...(inputs[0] === 'device'
      ? [`nvmlReturn_t code = sim_device_answer(${names[0]}, key, ${index}, &values);`]
      : [
          ...(WITHOUT_INIT.includes(key)
            ? []
            : ['if (!sim_initialized) return NVML_ERROR_UNINITIALIZED;']),
          'nvmlReturn_t code = sim_answer(DRIVER_WIDE, key, NO_INDEX, &values);',
        ]),
  ];
}

/** Writes the values where the caller wants them. */
function given(
  symbol: string,
  output: Output,
  names: readonly string[],
  { out, second }: { readonly out: string; readonly second: string },
): string[] {
  switch (output.kind) {
    case 'scalar':
      return number(`*${out}`, output.type, '0');
    case 'scalars':
      return Object.values(output.members).flatMap((type, place) =>
        number(`*${names[place]}`, type, String(place)),
      );
    case 'text':
      return [`return sim_text(&values, ${out}, ${second});`];
    case 'unsizedText':
      return [`return sim_text(&values, ${out}, ${output.byteSize});`];
    case 'bits':
      return [
        ...(names[2] === undefined ? [] : [`(void)${names[2]};`]),
        `sim_bits(&values, ${out}, ${second});`,
      ];
    case 'struct':
      return members(
        output.struct,
        'out->',
        '0',
        SHORTER_PCI_INFO.includes(symbol) ? 'busId' : undefined,
      );
    case 'list':
      return [
        `code = sim_room(&values, ${out}, ${second} != NULL);`,
        ...items(output.item, out === '' ? '' : `*${out}`, second),
      ];
    case 'pointedList':
      return [
        ...Object.entries(output.given ?? {}).map(
          ([name, value]) => `if (out->${name} != ${value}) return NVML_ERROR_INVALID_ARGUMENT;`,
        ),
        `code = sim_room(&values, &out->${output.count}, out->${output.pointer} != NULL);`,
        ...(COUNT_WITHOUT_ROOM.includes(symbol)
          ? [`if (!out->${output.pointer}) return NVML_SUCCESS;`]
          : []),
        ...items(output.item, `out->${output.count}`, `out->${output.pointer}`),
      ];
    case 'nothing':
      return [];
    case 'handle':
    case 'records':
    case 'fields':
    case 'metrics':
      throw new Error(`${symbol} is to be written by hand`);
  }
}

function items(item: Struct | keyof typeof SCALAR_BYTES, count: string, list: string): string[] {
  const size = typeof item === 'string' ? 1 : Object.keys(item.members).length;
  const bytes = typeof item === 'string' ? SCALAR_BYTES[item] : item.byteSize;
  return [
    `_Static_assert(sizeof(${list}[0]) == ${bytes}, "an item");`,
    'if (code != NVML_SUCCESS) return code;',
    `for (unsigned int place = 0; place < ${count}; place++) {`,
    `int at = 1 + ${size} * (int)place;`,
    ...(typeof item === 'string'
      ? number(`${list}[place]`, item, 'at')
      : members(item, `${list}[place].`, 'at')),
    '}',
  ];
}

function members(struct: Struct, target: string, at: string, end?: string): string[] {
  const all = Object.entries(struct.members);
  const kept =
    end === undefined
      ? all
      : all.slice(
          0,
          all.findIndex(([name]) => name === end),
        );
  return kept.flatMap(([name, member], place) =>
    name === 'version' && versionOf(struct) !== undefined
      ? []
      : memberLine(`${target}${name}`, member, `${at} + ${place}`),
  );
}

function memberLine(target: string, member: Member, at: string): string[] {
  const [, form, bytes] = /^(char|bytes)\[(\d+)\]$/.exec(member) ?? [];
  if (form === 'char') return [`sim_characters(&values, ${at}, ${target}, sizeof(${target}));`];
  if (form === 'bytes')
    return [`sim_bytes(&values, ${at}, (unsigned char *)&${target}, ${bytes});`];
  return isScalar(member) ? number(target, member, at) : [];
}

const isScalar = (member: Member): member is keyof typeof SCALAR_BYTES => member in SCALAR_BYTES;

const number = (target: string, type: keyof typeof SCALAR_BYTES, at: string): string[] => [
  `_Static_assert(sizeof(${target}) == ${SCALAR_BYTES[type]}, "a number");`,
  `${target} = (__typeof__(${target}))${type.startsWith('int') ? 'sim_signed' : 'sim_number'}(&values, ${at});`,
];
