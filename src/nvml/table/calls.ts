import type { Reading } from '../../contract/reading.ts';
import { type Inputs, NVML_FUNCTIONS, type NvmlFunctionName, type Value } from './functions.ts';
import type { NvmlFunction } from './shapes.ts';

/** A library that can be asked: the real one through koffi, or a machine made of data. */
export interface NvmlLibrary {
  /** Calls one function and waits for it, however long it takes. Never throws for the driver. */
  call<N extends NvmlFunctionName>(name: N, ...inputs: Inputs<N>): Reading<Value<N>>;
  /** The same for a function that is only known when it is called. */
  ask(name: NvmlFunctionName, inputs: readonly unknown[]): Reading<unknown>;
}

/** What came of the search for the library: its path on the node, and the library where it opened. */
export interface OpenedLibrary {
  readonly path: Reading<string>;
  readonly library: NvmlLibrary | undefined;
}

/** Calls one row of the table; what it gives has the type that the row's output states. */
export type RowCaller = (
  name: NvmlFunctionName,
  row: NvmlFunction,
  inputs: readonly unknown[],
) => Reading<unknown>;

/** A library whose calls are typed by the table, over a caller that works row by row. */
export function typedLibrary(call: RowCaller): NvmlLibrary {
  const ask: NvmlLibrary['ask'] = (name, inputs) => call(name, NVML_FUNCTIONS[name], inputs);
  return {
    ask,
    call<N extends NvmlFunctionName>(name: N, ...inputs: Inputs<N>): Reading<Value<N>> {
      // The only place where the table's word is taken for a value's type.
      return ask(name, [...inputs]) as Reading<Value<N>>;
    },
  };
}
