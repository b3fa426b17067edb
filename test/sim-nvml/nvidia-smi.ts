import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SUITE_OF_BRANCH, unpackedPackage } from './debian-packages.ts';
import { type Page, pagesOf } from './nvidia-smi-page.ts';

/** Where NVIDIA's own nvidia-smi lies once Debian's package is unpacked; of R550. */
export async function nvidiaSmi(): Promise<string> {
  const files = await unpackedPackage({ suite: SUITE_OF_BRANCH.R550, name: 'nvidia-smi' });
  return join(files, 'usr/lib/nvidia/current/nvidia-smi');
}

/** Runs `nvidia-smi -q` on the library of this folder. Rejects as it ends with a code. */
export async function queryAll(program: string, folder: string): Promise<Page[]> {
  const env = { LD_LIBRARY_PATH: folder };
  const { stdout } = await promisify(execFile)(program, ['-q'], { env, maxBuffer: 1 << 26 });
  return pagesOf(stdout);
}

/** A call as the counting library wrote it down: the function, and what it asked for. */
export interface Call {
  readonly name: string;
  readonly text: string;
}

/** The calls that were made of the counting library in this folder since the last time. */
export function callsIn(folder: string): Call[] {
  const file = join(folder, 'sim-nvml.calls');
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  rmSync(file);
  return lines.map(text => ({ name: text.split(' ')[0] ?? '', text }));
}

/**
 * Calls of nvidia-smi that ask nothing of a driver: its own line printer, which the private table
 * has too, and the look-ups of that table.
 */
const NO_QUESTION = ['private:26', 'nvmlInternalGetExportTable'];

/** Those that count against it: what is left asks for a reading, a GPU, or a beginning or end. */
export const questionsOf = (calls: readonly Call[]): Call[] =>
  calls.filter(({ name }) => !NO_QUESTION.includes(name));
