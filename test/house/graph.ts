import type { Edge } from './files.ts';
import { folderOf, roomOf } from './files.ts';
import { ENTRIES, LAW, PACKAGE_FILES } from './law.ts';

const PACKAGE_OF_ALL = 'zod';

/** Why an import breaks the law of the house; undefined when it does not. */
export function complaint(edge: Edge): string | undefined {
  const room = roomOf(edge.from);
  const law = room === undefined ? undefined : LAW[room];
  if (!law) return `${edge.from}: the law knows no room "${room}"`;
  const say = (what: string) => `${edge.from}:${edge.line} imports ${edge.to}: ${what}`;
  const target = roomOf(edge.to);
  if (target === room) {
    const [from, to] = [folderOf(edge.from), folderOf(edge.to)];
    const allowed = to === undefined || from === undefined || from === to;
    if (allowed || law.folders?.[from]?.includes(to)) return undefined;
    return say(`${room}/${from} may not import ${room}/${to}`);
  }
  if (edge.kind === 'url' && ENTRIES.includes(edge.to)) return undefined;
  if (edge.to.startsWith('node:')) return law.pure ? say(`${room} is pure`) : undefined;
  if (target !== undefined || edge.specifier.startsWith('.')) {
    const allowed = law.rooms.includes(target ?? '') || law.files?.includes(edge.to);
    if (allowed) return undefined;
    const asType = law.types?.includes(target ?? '') || law.types?.includes(edge.to);
    if (asType && edge.kind === 'type') return undefined;
    return say(asType ? `${room} may import its types only` : `${room} may not import it`);
  }
  if (edge.to === PACKAGE_OF_ALL) return undefined;
  if (!law.packages?.includes(edge.to)) {
    // A type leaves nothing at run time, but the vocabulary of a package is a dependency all the same.
    return say(`this package is not ${room}'s`);
  }
  const only = PACKAGE_FILES[`${edge.to} in ${room}`];
  return only && !only.test(edge.from) ? say(`only ${only.source} may`) : undefined;
}

/** Everything that is loaded, sooner or later, once `from` is: files and packages. */
export function reachable(from: string, edges: readonly Edge[]): ReadonlyMap<string, string> {
  const cameFrom = new Map<string, string>();
  const open = [from];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const edge of edges) {
      if (edge.from !== at || edge.kind === 'type' || edge.kind === 'url') continue;
      if (edge.to === from || cameFrom.has(edge.to)) continue;
      cameFrom.set(edge.to, at);
      open.push(edge.to);
    }
  }
  return cameFrom;
}

/** The chain of imports from one file to another, for people: `a.ts > b.ts > koffi`. */
export function chain(to: string, cameFrom: ReadonlyMap<string, string>): string {
  const before = cameFrom.get(to);
  return before === undefined ? to : `${chain(before, cameFrom)} > ${to}`;
}

/** Every cycle of imports, of types too, each once, named by its files. */
export function cycles(edges: readonly Edge[]): readonly string[] {
  const found = new Map<string, string>();
  const files = new Set(edges.map(edge => edge.from));
  // A type binds two files as a value does; what is loaded later, or named by a URL, does not.
  const fixed: readonly Edge[] = edges.flatMap(edge =>
    edge.kind === 'value' || edge.kind === 'type' ? [{ ...edge, kind: 'value' }] : [],
  );
  for (const file of files) {
    const back = fixed.filter(edge => edge.to === file);
    const reached = reachable(file, fixed);
    for (const edge of back) {
      if (edge.from !== file && !reached.has(edge.from)) continue;
      const path = edge.from === file ? file : chain(edge.from, reached);
      found.set(path.split(' > ').sort().join(), `${path} > ${file}`);
    }
  }
  return [...found.values()];
}

/** Files that no other file names, entries aside: nothing would change without them. */
export function orphans(
  files: readonly string[],
  edges: readonly Edge[],
  entries: readonly string[],
): readonly string[] {
  const named = new Set(edges.filter(edge => edge.from !== edge.to).map(edge => edge.to));
  return files.filter(file => !named.has(file) && !entries.includes(file));
}

/** Files that one other file names and no more: pieces of it rather than modules, where they are many. */
export function piecesOfOne(
  files: readonly string[],
  edges: readonly Edge[],
): ReadonlyMap<string, string> {
  const importers = Map.groupBy(
    edges.filter(({ from, to }) => from !== to),
    ({ to }) => to,
  );
  return new Map(
    files.flatMap(file => {
      const [only, ...others] = new Set(importers.get(file)?.map(({ from }) => from));
      return only !== undefined && others.length === 0 ? [[file, only]] : [];
    }),
  );
}
