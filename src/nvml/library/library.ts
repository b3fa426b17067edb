import { constants } from 'node:os';
import { missing, present } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type NvmlLibrary, type OpenedLibrary, typedLibrary } from '../table/calls.ts';
import type { NvmlFunctionName } from '../table/functions.ts';
import type { NvmlFunction } from '../table/shapes.ts';
import { argumentTypes, type Native } from './arguments.ts';
import { locateLibrary, type Search } from './locate.ts';
import { callNative } from './outputs.ts';

/**
 * Finds and opens the node's own libnvidia-ml.so.1: it must match the loaded kernel module, so one
 * from the image would never do. Never throws: what was tried stands in the missing reading.
 */
export async function openHostLibrary(search: Search): Promise<OpenedLibrary> {
  await dieWithParent();
  const { found, lookedAt } = await locateLibrary(search);
  const refused: string[] = [];
  for (const { file, onNode } of found) {
    try {
      return { path: present(onNode), library: await openLibrary(file) };
    } catch (error) {
      refused.push(plainText(error instanceof Error ? error.message : String(error), 256));
    }
  }
  const detail =
    refused.length > 0 ? refused.join('; ') : `no libnvidia-ml.so.1 in: ${lookedAt.join(', ')}`;
  return { path: missing('library_not_found', detail), library: undefined };
}

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

/**
 * The FFI, loaded at first use and only in the process that hosts NVML: its native part costs every
 * other process time and memory for nothing.
 */
async function loadKoffi(): Promise<Pick<typeof import('koffi'), 'load' | 'address'>> {
  const { default: koffi } = await import('koffi');
  return koffi;
}

/** prctl(2), linux/prctl.h: the signal that the kernel sends this process when its parent dies. */
const PR_SET_PDEATHSIG = 1;

/**
 * Has the kernel kill this process when its parent dies. A child that hangs in a call reads no
 * stdin and would outlive the agent otherwise.
 */
async function dieWithParent(): Promise<void> {
  const koffi = await loadKoffi();
  const prctl = koffi.load('libc.so.6').func('prctl', 'int', ['int', 'ulong']);
  prctl(PR_SET_PDEATHSIG, constants.signals.SIGKILL);
}
