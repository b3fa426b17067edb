import type { Reading } from '../../contract/reading.ts';
import {
  type Inputs,
  NVML_FUNCTIONS,
  type NvmlFunctionName,
  type NvmlLibrary,
  type Value,
} from '../table/functions.ts';
import type { NvmlFunction } from '../table/shapes.ts';

/** Calls one row of the table; what it gives has the type that the row's output tells. */
export type RowCaller = (
  name: NvmlFunctionName,
  row: NvmlFunction,
  inputs: readonly unknown[],
) => Reading<unknown>;

/** A library whose calls are typed by the table, over a caller that works row by row. */
export function typedLibrary(call: RowCaller): NvmlLibrary {
  return {
    call<N extends NvmlFunctionName>(name: N, ...inputs: Inputs<N>): Reading<Value<N>> {
      const row: NvmlFunction = NVML_FUNCTIONS[name];
      // The only place where the table's word is taken for a value's type.
      return call(name, row, [...inputs]) as Reading<Value<N>>;
    },
  };
}
