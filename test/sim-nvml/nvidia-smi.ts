import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SUITE_OF_BRANCH, unpackedPackage } from './debian-packages.ts';

/** Where NVIDIA's own nvidia-smi lies once Debian's package is unpacked; of R550. */
export async function nvidiaSmi(): Promise<string> {
  const files = await unpackedPackage({ suite: SUITE_OF_BRANCH.R550, name: 'nvidia-smi' });
  return join(files, 'usr/lib/nvidia/current/nvidia-smi');
}

/** What `nvidia-smi -q` prints of each GPU, each line by the headings above it. */
export type Page = Readonly<Record<string, string>>;

/** Runs `nvidia-smi -q` on the library of this folder. Rejects as it ends with a code. */
export async function queryAll(program: string, folder: string): Promise<Page[]> {
  const env = { LD_LIBRARY_PATH: folder };
  const { stdout } = await promisify(execFile)(program, ['-q'], { env, maxBuffer: 1 << 26 });
  const [, ...gpus] = stdout.split(/^GPU [0-9a-fA-F:.]+$/m);
  return gpus.map(pageOf);
}

/** `Clocks/SM` and the like; of several processes the lines of the first. */
function pageOf(text: string): Page {
  const headings: string[] = [];
  const lines = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, indent = '', heading = '', value] = /^( +)(\S.*?) *(?:: (.*))?$/.exec(line) ?? [];
    if (heading === '') continue;
    headings.length = indent.length / 4 - 1;
    headings.push(heading);
    const name = headings.join('/');
    if (value !== undefined && !lines.has(name)) lines.set(name, value.trim());
  }
  return Object.fromEntries(lines);
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
