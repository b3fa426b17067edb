import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ENUMS } from '../../src/nvml/table/enums.ts';
import { NVML_FUNCTIONS } from '../../src/nvml/table/functions.ts';
import { gettersInC } from './getters.ts';

const run = promisify(execFile);
const HERE = fileURLToPath(new URL('.', import.meta.url));
const SOURCES = ['by-hand.c', 'machine.c', 'nvidia-smi.c', 'unsupported.c'];

/** Where NVIDIA publishes nvml.h beside its own bindings; never copied into this project. */
export const NVML_HEADER_MODULE = 'github.com/NVIDIA/go-nvml@v0.13.4-1';
/** NVIDIA's own Python client, an independent reader of the same library. */
export const PYTHON_CLIENT = 'nvidia-ml-py==13.615.71';

const FLAGS = ['-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror', '-Wno-deprecated-declarations'];

/** The folder that holds nvml.h. @throws Error when Go is missing or gives no module. */
export async function nvmlHeaderFolder(module = NVML_HEADER_MODULE): Promise<string> {
  const { stdout } = await tool('go', ['mod', 'download', '-json', module], {
    GOFLAGS: '-mod=mod',
  });
  const answer: unknown = JSON.parse(stdout);
  const folder = typeof answer === 'object' && answer !== null && 'Dir' in answer && answer.Dir;
  if (typeof folder !== 'string') throw new Error(`go gave no folder for ${module}`);
  return join(folder, 'gen/nvml');
}

/**
 * Compiles the simulated libnvidia-ml.so.1 against NVIDIA's nvml.h, once for these sources, and
 * returns its path. `only` has it export no other symbols, as an older driver's. Its machine is the
 * file in $SIM_NVML_MACHINE or `sim-nvml.machine` beside it.
 *
 * @throws Error with the compiler's words; needs cc and Go.
 */
export async function buildSimulatedLibrary(only?: readonly string[]): Promise<string> {
  const exported = only ? `{ global: ${only.join('; ')}; local: *; };\n` : '{ global: *; };\n';
  return buildLibrary({ sources: SOURCES, flags: FLAGS, exported });
}

/** The same library, which writes down each call that is made of it (calls.c). */
export async function buildCountingLibrary(): Promise<string> {
  const flags = [...FLAGS, '-finstrument-functions'];
  return buildLibrary({ sources: [...SOURCES, 'calls.c'], flags, exported: '{ global: *; };\n' });
}

async function buildLibrary(wanted: {
  readonly sources: readonly string[];
  readonly flags: readonly string[];
  readonly exported: string;
}): Promise<string> {
  const { sources, flags, exported } = wanted;
  const inputs = [...sources, 'machine.h', 'getters.ts'].map(name =>
    readFileSync(join(HERE, name)),
  );
  // What the getters are written from.
  const tables = JSON.stringify([NVML_FUNCTIONS, ENUMS]);
  const recipe = [...inputs, tables, NVML_HEADER_MODULE, flags.join(' '), process.arch, exported];
  const folder = cacheFolder('sim-nvml', recipe);
  const library = join(folder, 'libnvidia-ml.so.1');
  if (existsSync(library)) return library;
  const made = join(folder, `made-by-${process.pid}`);
  const script = join(folder, 'symbols.map');
  writeFileSync(script, exported);
  const headers = await nvmlHeaderFolder();
  const getters = join(folder, 'getters.c');
  const byHand = readFileSync(join(HERE, 'by-hand.c'), 'utf8');
  writeFileSync(getters, gettersInC(readFileSync(join(headers, 'nvml.h'), 'utf8'), byHand));
  await tool('cc', [
    ...[...flags, '-I', headers, '-I', HERE, getters, ...sources.map(name => join(HERE, name))],
    ...[`-Wl,--version-script=${script}`, '-shared', '-fPIC', '-Wl,-soname,libnvidia-ml.so.1'],
    ...['-o', made, '-ldl', '-lpthread'],
  ]);
  renameSync(made, library);
  return library;
}

/** Compiles one C program against nvml.h, runs it, and returns what it printed. */
export async function runWithNvmlHeader(program: string): Promise<string> {
  const folder = cacheFolder('nvml-h', [program, NVML_HEADER_MODULE]);
  const binary = join(folder, 'program');
  if (!existsSync(binary)) {
    const source = join(folder, `program-${process.pid}.c`);
    const made = join(folder, `made-by-${process.pid}`);
    writeFileSync(source, program);
    await tool('cc', [...FLAGS, '-I', await nvmlHeaderFolder(), source, '-o', made]);
    renameSync(made, binary);
  }
  return (await tool(binary, [])).stdout;
}

/** A Python that has NVIDIA's client, in a virtual environment of its own. */
export async function pythonWithClient(): Promise<string> {
  const folder = cacheFolder('python', [PYTHON_CLIENT]);
  const python = join(folder, 'venv/bin/python');
  const ready = join(folder, 'ready');
  if (!existsSync(ready)) {
    await tool('python3', ['-m', 'venv', join(folder, 'venv')]);
    await tool(python, ['-m', 'pip', 'install', '--quiet', '--no-input', PYTHON_CLIENT]);
    mkdirSync(ready);
  }
  return python;
}

/** A folder for what is made or fetched once by this recipe. */
export function cacheFolder(kind: string, recipe: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of recipe) hash.update(part).update('\0');
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const name = `${kind}-${hash.digest('hex').slice(0, 16)}`;
  const folder = join(cache, 'kubectl-gpu-mcp', name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

async function tool(file: string, args: readonly string[], env: Record<string, string> = {}) {
  try {
    return await run(file, [...args], { env: { ...process.env, ...env }, maxBuffer: 1 << 26 });
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new Error(`${file} failed, which the simulated NVML needs: ${said}`, { cause: error });
  }
}
