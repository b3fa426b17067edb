import { ENUMS } from '../../src/nvml/table/enums.ts';
import {
  ALL_LINKS,
  FIELD_IDS,
  type FieldAsk,
  type FieldName,
  fieldNumber,
} from '../../src/nvml/table/field-ids.ts';
import { NVML_FUNCTIONS, type NvmlFunctionName } from '../../src/nvml/table/functions.ts';
import type { Input, NvmlFunction, Output } from '../../src/nvml/table/shapes.ts';
import type { Machine } from '../../src/simulation/machine.ts';

/** A call that can be made of a machine: of its library by us, and by NVIDIA's Python client. */
export interface Question {
  readonly name: NvmlFunctionName;
  readonly symbol: string;
  readonly output: Output;
  readonly inputs: readonly QuestionInput[];
}
type QuestionInput =
  /** A GPU, a MIG device of it, or a GPU instance of it. */
  | { readonly gpu: number; readonly mig?: number; readonly instance?: number }
  | { readonly index: number }
  /** A member of an enumeration by our name and by nvml.h's. */
  | { readonly word: string; readonly define: string }
  | { readonly fields: readonly (FieldAsk & { readonly define: string })[] };

/** Links, fans, profiles and the like that are asked for: some that are there, and one that is not. */
const INDEXES = [0, 1, 5, 17];

/** What the client has no function for: it knows the newest struct of a process only, and no records. */
const NOT_OF_THE_CLIENT: readonly NvmlFunctionName[] = [
  'deviceGetComputeRunningProcessesV1',
  'deviceGetGraphicsRunningProcessesV1',
  'systemGetCPER',
];

/** Every row of the table, of every GPU and MIG device, with every member of an enumeration. */
export const questionsOf = (machine: Machine): Question[] =>
  FUNCTION_NAMES.filter(name => !NOT_OF_THE_CLIENT.includes(name)).flatMap(name => {
    const row: NvmlFunction = NVML_FUNCTIONS[name];
    // What begins and ends, and the samples that gpmMetricsGet takes for itself.
    if (row.output.kind === 'nothing' || name === 'init' || name === 'gpmSampleAlloc') return [];
    const { symbols, output, inputs } = row;
    return inputsOf(machine, inputs).map(given => ({
      ...{ name, symbol: symbols[0], output },
      inputs: given,
    }));
  });

const isFunctionName = (name: string): name is NvmlFunctionName => name in NVML_FUNCTIONS;
const FUNCTION_NAMES = Object.keys(NVML_FUNCTIONS).filter(isFunctionName);

/** All ways to call a function of this machine. */
function inputsOf({ gpus }: Machine, inputs: readonly Input[]): QuestionInput[][] {
  const [first, ...others] = inputs;
  const rest = others.map((input): QuestionInput[] => choices(input, gpus.length));
  const all = (begin: QuestionInput[]) =>
    rest.reduce<QuestionInput[][]>(
      (chosen, of) => chosen.flatMap(before => of.map(input => [...before, input])),
      begin.map(input => [input]),
    );
  const indexes = gpus.map((_, gpu) => gpu);
  switch (first) {
    case undefined:
      return [[]];
    case 'index':
      return all([...indexes, gpus.length].map(index => ({ index })));
    case 'gpuInstance':
      return all(indexes.flatMap(gpu => [1, 2, 9].map(instance => ({ gpu, instance }))));
    case 'gpmSample':
      return indexes.map(gpu => [{ gpu }]);
    default: {
      const migs = gpus.flatMap(({ mig = [] }, gpu) =>
        mig.map((_, index) => ({ gpu, mig: index })),
      );
      return all([...indexes.map(gpu => ({ gpu })), ...(rest.length === 0 ? migs : [])]);
    }
  }
}

function choices(input: Input, gpus: number): QuestionInput[] {
  if (input === 'index') return INDEXES.map(index => ({ index }));
  if (input === 'device')
    return [...new Set([0, 1, gpus - 1])].filter(gpu => gpu < gpus).map(gpu => ({ gpu }));
  if (input === 'fields') return [{ fields: ALL_FIELDS }];
  if (!isEnum(input)) return [];
  return Object.entries(ENUMS[input]).map(([word, { name }]) => ({ word, define: name }));
}

const isEnum = (input: Input): input is keyof typeof ENUMS => input in ENUMS;
const isFieldName = (name: string): name is FieldName => name in FIELD_IDS;

/** Each field that we know, of some of the links and scopes that it may have. */
const ALL_FIELDS = Object.keys(FIELD_IDS)
  .filter(isFieldName)
  .flatMap(field =>
    [0, 1, 2, 7, 11, 35, ...(field.startsWith('nvlinkData') ? [ALL_LINKS] : [])]
      .filter(scope => fieldNumber({ field, scope }) !== undefined)
      .map(scope => {
        const define = FIELD_IDS[field].name.replace('#', String(scope));
        return { field, scope, define };
      }),
  );
