import { missing } from '../../contract/reading.ts';
import { type NvmlLibrary, typedLibrary } from '../table/calls.ts';
import type { NvmlFunctionName } from '../table/functions.ts';
import type { NvmlFunction } from '../table/shapes.ts';
import { loadKoffi } from './koffi.ts';
import { argumentTypes, callNative, type Native } from './native-call.ts';

/**
 * Opens a libnvidia-ml.so.1 by absolute path. The only code that calls into the driver.
 *
 * @throws Error with dlopen's words when the file is no library for this process.
 */
export async function openLibrary(path: string): Promise<NvmlLibrary> {
  const koffi = await loadKoffi();
  const handle = koffi.load(path);
  const natives = new Map<NvmlFunctionName, Native | undefined>();

  // Newest symbol first: an old driver, or one of tomorrow, loses one reading and not the session.
  const lookUp = (row: NvmlFunction): Native | undefined => {
    for (const symbol of row.symbols) {
      try {
        return handle.func(symbol, 'int', argumentTypes(row));
      } catch {
        // koffi's only error here is "no such symbol"; the next older one is tried.
      }
    }
    return undefined;
  };

  return typedLibrary((name, row, inputs) => {
    if (!natives.has(name)) natives.set(name, lookUp(row));
    const native = natives.get(name);
    if (!native) return missing('function_not_found');
    return callNative(native, row, inputs, koffi.address);
  });
}
