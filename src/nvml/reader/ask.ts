import { missing, type Reading } from '../../contract/reading.ts';
import type { ChildMessage, Skip } from '../messages.ts';
import { type FieldAsk, type FieldName, GPU_WIDE_FIELDS } from '../table/field-ids.ts';
import {
  type Inputs,
  NVML_FUNCTIONS,
  type NvmlFunctionName,
  type NvmlLibrary,
  type Value,
} from '../table/functions.ts';
import type { Handle } from '../table/shapes.ts';

/** Tells the parent something: that a call begins, before it returns; a reading, with the next call. */
export type Tell = (message: ChildMessage) => void;

/** Calls that may initialise a GPU: seconds per GPU where no one else holds it open. */
const OPENING: ReadonlySet<NvmlFunctionName> = new Set(['init', 'deviceGetHandleByIndex']);

/**
 * Makes calls for one GPU or for the driver as a whole: says which before each, and leaves out
 * those that hung or died before.
 */
export class Asker {
  readonly #library: NvmlLibrary;
  readonly #tell: Tell;
  readonly #skip: readonly Skip[];
  readonly #gpu: number | undefined;
  #gpuWide: Reading<readonly Reading<number>[]> | undefined;
  #utilization: Reading<Value<'deviceGetUtilizationRates'>> | undefined;
  #migMode: Reading<Value<'deviceGetMigMode'>> | undefined;
  #virtualization: Reading<number> | undefined;
  #sramErrors: Reading<Value<'deviceGetSramEccErrorStatus'>> | undefined;

  constructor(library: NvmlLibrary, tell: Tell, skip: readonly Skip[], gpu?: number) {
    this.#library = library;
    this.#tell = tell;
    this.#skip = skip;
    this.#gpu = gpu;
  }

  call<N extends NvmlFunctionName>(name: N, ...inputs: Inputs<N>): Reading<Value<N>> {
    const call = NVML_FUNCTIONS[name].symbols[0];
    const gpu = this.#gpu;
    const skipped = this.#skip.find(skip => skip.call === call && skip.gpu === gpu);
    if (skipped) return missing(skipped.reason, skipped.detail);
    const at = gpu === undefined ? {} : { gpu };
    this.#tell({ kind: 'call', call, ...at, opens: OPENING.has(name) });
    return this.#library.call(name, ...inputs);
  }

  /** Two readings come of this one call; it is made once. */
  utilization(gpu: Handle): Reading<Value<'deviceGetUtilizationRates'>> {
    this.#utilization ??= this.call('deviceGetUtilizationRates', gpu);
    return this.#utilization;
  }

  /** The mode, and whether there are instances to read; asked for once. */
  migMode(gpu: Handle): Reading<Value<'deviceGetMigMode'>> {
    this.#migMode ??= this.call('deviceGetMigMode', gpu);
    return this.#migMode;
  }

  /** The mode, and whether this is a host of virtual GPUs. */
  virtualizationMode(gpu: Handle): Reading<number> {
    this.#virtualization ??= this.call('deviceGetVirtualizationMode', gpu);
    return this.#virtualization;
  }

  /** The counts, and whether there are addresses to read. */
  sramErrors(gpu: Handle): Reading<Value<'deviceGetSramEccErrorStatus'>> {
    this.#sramErrors ??= this.call('deviceGetSramEccErrorStatus', gpu);
    return this.#sramErrors;
  }

  /** One of GPU_WIDE_FIELDS; the first that is asked for brings them all, in one call. */
  field(gpu: Handle, field: FieldName, scope = 0): Reading<number> {
    this.#gpuWide ??= this.call('deviceGetFieldValues', gpu, GPU_WIDE_FIELDS);
    return fieldOf(this.#gpuWide, GPU_WIDE_FIELDS, { field, scope });
  }
}

/** The reading of one field out of those that were asked for together. */
export function fieldOf(
  readings: Reading<readonly Reading<number>[]>,
  asked: readonly FieldAsk[],
  ask: FieldAsk,
): Reading<number> {
  if (!readings.ok) return readings;
  const place = placesIn(asked).get(placeKey(ask));
  return (place === undefined ? undefined : readings.value[place]) ?? missing('not_read');
}

const places = new WeakMap<readonly FieldAsk[], ReadonlyMap<string, number>>();

/** Where each field stands among those asked for; worked out once for a list. */
function placesIn(asked: readonly FieldAsk[]): ReadonlyMap<string, number> {
  const known = places.get(asked);
  if (known) return known;
  const found = new Map(asked.map((ask, place) => [placeKey(ask), place]));
  places.set(asked, found);
  return found;
}

const placeKey = ({ field, scope }: FieldAsk): string => `${field} ${scope}`;
