import {
  appendFileSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';
import { TestClusterError } from './command.ts';
import type { NodeFile } from './node-config.ts';

const SYMLINKS_MAX = 40;

/** Writes a node's file, folders included; whoever has the old one open or mapped keeps it whole. */
export function writeInRoot(root: string, path: string, file: NodeFile): void {
  const target = madeReady(root, path);
  const fresh = `${target}.new`;
  if (typeof file === 'string') writeFileSync(fresh, file);
  else copy(file.copyOf, fresh);
  renameSync(fresh, target);
}

/** Appends to a node's file, as a logger does. */
export function appendInRoot(root: string, path: string, text: string): void {
  appendFileSync(madeReady(root, path), text);
}

function copy(source: string, target: string): void {
  try {
    copyFileSync(source, target);
  } catch (cause) {
    const message = `The node's file ${target} cannot be copied from ${source}; is it there?`;
    throw new TestClusterError(message, { cause });
  }
}

function madeReady(root: string, path: string): string {
  const target = join(root, pathInRoot(root, path));
  mkdirSync(dirname(target), { recursive: true });
  return target;
}

// An absolute link such as /var/run -> /run would lead from the node's root out to the machine's.
function pathInRoot(root: string, path: string): string {
  let done = '/';
  const left = normalize(path).split('/').filter(Boolean);
  let links = 0;
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    const next = resolve(done, part);
    const link = linkAt(join(root, next));
    if (link === undefined) {
      done = next;
      continue;
    }
    links += 1;
    if (links > SYMLINKS_MAX) throw new TestClusterError(`${path} is a loop of symbolic links.`);
    if (link.startsWith('/')) done = '/';
    left.unshift(...link.split('/').filter(Boolean));
  }
  return done;
}

function linkAt(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isSymbolicLink() ? readlinkSync(path) : undefined;
}
