import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isBelow, rowNaming } from './allowed.ts';

/** Where a link leads; undefined for what is none. */
export type LinkAt = (path: string) => Promise<string | undefined>;

const LINKS_MAX = 40;

/**
 * Whether a root is that of another process: the node's whole file system, writable. Only what
 * allowed.ts names is read there.
 */
export const isProcessRoot = (root: string): boolean => /\/proc\/\d+\/root\/?$/.test(root);

/**
 * Where a path of the node lies for us, its links followed as the node would. Through the root of a
 * process, a path that allowed.ts does not name is refused, and one whose links lead out of it.
 *
 * @throws an Error with the code EACCES where it is refused.
 */
export async function placeOf(
  root: string,
  path: string,
  linkAt: LinkAt,
  ofContainer = false,
): Promise<string> {
  const real = await pathOnNode(root, path, linkAt);
  if (isProcessRoot(root) && !(await isAllowed(root, { path, real, ofContainer }, linkAt))) {
    throw Object.assign(new Error(`${path} is not to be read`), { code: 'EACCES' });
  }
  return join(root, real.path);
}

/** Whether what really lies at this path of the node may be read through this root. */
export const mayBeRead = (root: string, path: string): boolean =>
  !isProcessRoot(root) || rowNaming(path) !== undefined;

/** The same, links read from this machine as it is. @throws as placeOf. */
export const nodePath = (root: string, path: string): Promise<string> =>
  placeOf(root, path, link => readlink(link).catch(() => undefined));

/** A folder may lie elsewhere, as a mount of it would: what is read of it has the same names there. */
async function isAllowed(
  root: string,
  {
    path,
    real,
    ofContainer,
  }: { readonly path: string; readonly real: Followed; readonly ofContainer: boolean },
  linkAt: LinkAt,
): Promise<boolean> {
  const row = rowNaming(path, ofContainer);
  if (!row || real.links > LINKS_MAX) return false;
  if (rowNaming(real.path, ofContainer)) return true;
  if (row.names === undefined) return false;
  const folder = (await pathOnNode(root, row.path, linkAt)).path;
  return real.path === folder || isBelow(row, folder, real.path);
}

interface Followed {
  /** As the node calls it. */
  readonly path: string;
  /** How many were followed; more than LINKS_MAX where the rest is left as it is. */
  readonly links: number;
}

/** Follows the symbolic links of a path: an absolute one begins at the node's root and not at ours. */
export async function pathOnNode(root: string, path: string, linkAt: LinkAt): Promise<Followed> {
  let waiting = parts(path);
  let done: readonly string[] = [];
  let links = 0;
  while (waiting.length > 0) {
    const [part = '', ...rest] = waiting;
    waiting = rest;
    if (part === '..') {
      done = done.slice(0, -1);
      continue;
    }
    const target = links > LINKS_MAX ? undefined : await linkAt(join(root, ...done, part));
    if (target === undefined) {
      done = [...done, part];
      continue;
    }
    links += 1;
    if (links > LINKS_MAX) {
      done = [...done, part];
      continue;
    }
    if (target.startsWith('/')) done = [];
    waiting = [...parts(target), ...waiting];
  }
  return { path: `/${done.join('/')}`, links };
}

const parts = (path: string) => path.split('/').filter(part => part !== '' && part !== '.');
