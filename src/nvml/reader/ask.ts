import { optional } from '../../contract/optional.ts';
import { missing, type Reading } from '../../contract/reading.ts';
import type { ChildMessage, Skip } from '../messages.ts';
import type { Row } from '../readings/row.ts';
import { GPU, type Kept } from '../readings.ts';
import { type NvmlLibrary, typedLibrary } from '../table/calls.ts';
import type { FieldAsk, FieldName } from '../table/field-ids.ts';
import { NVML_FUNCTIONS, type NvmlFunctionName } from '../table/functions.ts';
import type { Handle } from '../table/shapes.ts';

/** Tells the parent something: that a call begins, before it returns; a reading, with the next call. */
export type Send = (message: ChildMessage) => void;

/** Calls that may initialise a GPU: seconds per GPU where no one else holds it open. */
const OPENING: ReadonlySet<NvmlFunctionName> = new Set(['init', 'deviceGetHandleByIndex']);

/** Two calls read it from the board's flash, some 70 ms each (H200, seen by e2e/gpu). */
const INFOROM = 'the checksums of the InfoROM';
const LINK_ENDS = 'where NVLinks end';

/**
 * What stays as it is while the driver is loaded: where an NVLink ends, what lies between two GPUs; and
 * the InfoROM, until the parent wants it anew.
 */
const LASTING: Readonly<Partial<Record<NvmlFunctionName, string>>> = {
  deviceGetNvLinkRemoteDeviceType: LINK_ENDS,
  deviceGetNvLinkRemotePciInfo: LINK_ENDS,
  deviceGetTopologyCommonAncestor: 'what lies between GPUs on PCIe',
  deviceGetInforomConfigurationChecksum: INFOROM,
  deviceValidateInforom: INFOROM,
};

/** Answers of such calls: asked once while the process lives that has NVML open. */
export class LastingAnswers {
  /** By the question, and when the reading began in which it was asked. */
  readonly #answers = new Map<
    string,
    { readonly what: string; readonly answer: Reading<unknown>; readonly askedAtMs: number }
  >();
  #nowMs = 0;

  /** A reading begins, and wants the InfoROM anew or not. */
  begin(nowMs: number, inforomAnew: boolean): void {
    this.#nowMs = nowMs;
    for (const [question, { what }] of inforomAnew ? this.#answers : []) {
      if (what === INFOROM) this.#answers.delete(question);
    }
  }

  get(question: string): Reading<unknown> | undefined {
    return this.#answers.get(question)?.answer;
  }

  keep(name: NvmlFunctionName, question: string, answer: Reading<unknown>): void {
    const what = LASTING[name];
    // Any other failure may pass.
    if (what === undefined || !(answer.ok || answer.reason === 'not_supported')) return;
    this.#answers.set(question, { what, answer, askedAtMs: this.#nowMs });
  }

  /** What is kept, each with the time of the oldest answer. */
  kept(): Kept[] {
    const rows = Map.groupBy(this.#answers.values(), ({ what }) => what);
    return [...rows].map(([what, answers]) => ({
      what,
      readAtMs: Math.min(...answers.map(({ askedAtMs }) => askedAtMs)),
    }));
  }
}

/**
 * Makes calls for one GPU or for the driver as a whole: says which before each, leaves out those
 * that hung or died before, and makes none twice that asks a device the same.
 */
export interface Asker extends NvmlLibrary {
  /** One of GPU_WIDE_FIELDS; the first that is asked for brings them all, in one call. */
  field(gpu: Handle, field: FieldName, scope?: number): Reading<number>;
}

export function askerOf(options: {
  readonly library: NvmlLibrary;
  readonly send: Send;
  readonly skip: readonly Skip[];
  readonly lasting: LastingAnswers;
  readonly gpu?: number;
}): Asker {
  const { library, send, skip, lasting, gpu } = options;
  const at = optional({ gpu });
  const answers = new Map<string, Reading<unknown>>();
  let gpuWide: Reading<readonly Reading<number>[]> | undefined;

  const asker = typedLibrary((name, row, inputs) => {
    const question = row.inputs[0] === 'device' ? questionOf(name, inputs) : undefined;
    const known =
      question === undefined ? undefined : (answers.get(question) ?? lasting.get(question));
    if (known) return known;
    const call = NVML_FUNCTIONS[name].symbols[0];
    const skipped = skip.find(other => other.call === call && other.gpu === gpu);
    if (skipped) return missing(skipped.reason, skipped.detail);
    send({ kind: 'call', call, ...at, opens: OPENING.has(name) });
    const answer = library.ask(name, inputs);
    if (question !== undefined) {
      answers.set(question, answer);
      lasting.keep(name, question, answer);
    }
    return answer;
  });
  return {
    ...asker,
    field(handle, field, scope = 0) {
      gpuWide ??= asker.call('deviceGetFieldValues', handle, GPU_WIDE_FIELDS);
      return fieldOf(gpuWide, GPU_WIDE_FIELDS, { field, scope });
    },
  };
}

/** A call with its inputs as a word; undefined where lists are among them. */
function questionOf(name: string, inputs: readonly unknown[]): string | undefined {
  let question = name;
  for (const input of inputs) {
    if (typeof input === 'object') return undefined;
    question += ` ${input}`;
  }
  return question;
}

/** Every field that a row is read from. */
const fieldsIn = (rows: Readonly<Record<string, Row>>): FieldAsk[] =>
  Object.values(rows).flatMap(({ ask, members = {} }) => [
    ...(ask && 'field' in ask ? [{ field: ask.field, scope: ask.scope }] : []),
    ...fieldsIn(members),
  ]);

/**
 * Whatever is read of every GPU by field, and how many NVLinks there are: one call for all, without
 * c2cCount. Where that is not supported, R580 leaves other fields of the same call unwritten, before it
 * and behind it: the limits of power and temperature, the hardware's slowdowns (H200, seen by e2e/gpu).
 */
export const GPU_WIDE_FIELDS: readonly FieldAsk[] = [
  ...fieldsIn(GPU),
  { field: 'nvlinkCount', scope: 0 },
];

/** The reading of one field out of those that were asked for together. */
export function fieldOf(
  readings: Reading<readonly Reading<number>[]>,
  asked: readonly FieldAsk[],
  ask: FieldAsk,
): Reading<number> {
  if (!readings.ok) return readings;
  const place = placesIn(asked).get(ask.field)?.[ask.scope];
  return (place === undefined ? undefined : readings.value[place]) ?? missing('not_read');
}

const places = new WeakMap<readonly FieldAsk[], Places>();

/** By the field and then its scope, which is a small number: thousands are looked up in one reading. */
type Places = ReadonlyMap<FieldName, readonly (number | undefined)[]>;

/** Where each field stands among those asked for; worked out once for a list. */
function placesIn(asked: readonly FieldAsk[]): Places {
  const known = places.get(asked);
  if (known) return known;
  const found = new Map<FieldName, (number | undefined)[]>();
  for (const [place, { field, scope }] of asked.entries()) {
    const scopes = found.get(field) ?? [];
    scopes[scope] = place;
    found.set(field, scopes);
  }
  places.set(asked, found);
  return found;
}
