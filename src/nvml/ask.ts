import { missing, type Reading } from '../contract/reading.ts';
import {
  type Inputs,
  NVML_FUNCTIONS,
  type NvmlFunctionName,
  type NvmlLibrary,
  type Value,
} from './functions.ts';
import type { ChildMessage, Skip } from './messages.ts';

/** Tells the parent something, and has told it when it returns. */
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
}
