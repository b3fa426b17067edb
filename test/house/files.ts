import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Import, importsOf, tokensOf } from './scan.ts';

export const PROJECT = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** Folders that are no part of what we wrote. */
const NOT_OURS = new Set(['node_modules', 'dist', '.git', 'coverage', 'target']);

/** Paths of all files of the project, from its root, in order. */
export function filesUnder(folder = ''): readonly string[] {
  return readdirSync(join(PROJECT, folder), { withFileTypes: true })
    .filter(entry => !NOT_OURS.has(entry.name))
    .flatMap(entry => {
      const path = posix.join(folder, entry.name);
      return entry.isDirectory() ? filesUnder(path) : [path];
    })
    .sort();
}

export const read = (path: string) => readFileSync(join(PROJECT, path), 'utf8');

export interface Edge extends Import {
  readonly from: string;
  /** A path from the project's root, the name of an npm package, or `node:NAME`. */
  readonly to: string;
}

/** All imports of one source, resolved. */
export function edgesOf(from: string, source: string): readonly Edge[] {
  return importsOf(tokensOf(source)).map(found => ({
    ...found,
    from,
    to: resolve(from, found.specifier),
  }));
}

function resolve(from: string, specifier: string): string {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(from), specifier);
  if (specifier.startsWith('node:')) return specifier;
  if (builtinModules.includes(specifier)) return `node:${specifier}`;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** `nvml` of `src/nvml/port.ts`; undefined outside src. */
export const roomOf = (path: string) => /^src\/([^/]+)\//.exec(path)?.[1];

/** `table` of `src/nvml/table/functions.ts`; undefined of a file that stands in its room itself. */
export const folderOf = (path: string) => /^src\/[^/]+\/([^/]+)\/[^/]+$/.exec(path)?.[1];
