import { readlinkSync } from 'node:fs';
import { open, readdir, readlink, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import {
  type MissingReason,
  mapReading,
  missing,
  present,
  type Reading,
} from '../contract/reading.ts';

/** A file of proc or sysfs that does not answer by then belongs to a driver that hangs. */
const READ_MS_MAX = 1_000;
const FILE_BYTES_MAX = 64 * 1024;
const LINKS_MAX = 40;
const AT_ONCE = 16;

/**
 * Reads files of the node as Readings. A read that hangs in the kernel is `timeout`; it keeps one
 * of the few threads for file access, so callers stop asking the same driver after the first.
 */
export class NodeFiles {
  readonly #signal: AbortSignal;
  readonly #readMsMax: number;

  constructor(signal: AbortSignal, readMsMax: number = READ_MS_MAX) {
    this.#signal = signal;
    this.#readMsMax = readMsMax;
  }

  /** The text of a file, at most 64 KiB of it unless told, without the white space at its ends. */
  async text(path: string, bytesMax: number = FILE_BYTES_MAX): Promise<Reading<string>> {
    return mapReading(await this.bytes(path, bytesMax), bytes => bytes.toString('utf8').trim());
  }

  /** The first bytes of a file. */
  bytes(path: string, bytesMax: number): Promise<Reading<Buffer>> {
    return this.#bounded(async () => {
      const file = await open(path, 'r');
      try {
        const buffer = Buffer.alloc(bytesMax);
        let length = 0;
        for (;;) {
          const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
          length += bytesRead;
          if (bytesRead === 0 || length === buffer.length) break;
        }
        return buffer.subarray(0, length);
      } finally {
        await file.close();
      }
    });
  }

  /**
   * Where the links in a directory lead, of at most `max` of them. Only for /proc/PID/fd: such a link
   * is a name that the kernel keeps and asks no driver, so it is read without a thread, which is
   * five times as fast; what has gone meanwhile is left out.
   */
  targetsIn(path: string, max: number): Promise<Reading<readonly string[]>> {
    return this.#bounded(async () =>
      (await readdir(path)).slice(0, max).flatMap(name => {
        try {
          return [readlinkSync(join(path, name))];
        } catch {
          return [];
        }
      }),
    );
  }

  stat(path: string) {
    return this.#bounded(() => stat(path));
  }

  statfs(path: string) {
    return this.#bounded(() => statfs(path));
  }

  names(path: string): Promise<Reading<readonly string[]>> {
    return this.#bounded(async () => (await readdir(path)).sort());
  }

  link(path: string): Promise<Reading<string>> {
    return this.#bounded(() => readlink(path));
  }

  async #bounded<T>(read: () => Promise<T>): Promise<Reading<T>> {
    if (this.#signal.aborted) return missing('not_read', 'the call was cancelled');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Reading<never>>(resolve => {
      timer = setTimeout(() => resolve(missing('timeout')), this.#readMsMax);
    });
    try {
      return await Promise.race([read().then(present<T>, missingOf), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** All of `items` through `work`, at most `AT_ONCE` at a time, in order. */
export async function eachOf<T, U>(
  items: readonly T[],
  work: (item: T) => Promise<U>,
): Promise<readonly U[]> {
  const done: U[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    done.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(work))));
  }
  return done;
}

/** Maps the errno of a failed read to the reason of a Reading. */
export function missingOf(error: unknown): Reading<never> {
  const code =
    typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown';
  return missing(reasonOf(code), code);
}

function reasonOf(code: string): MissingReason {
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ESRCH':
    case 'ENODEV':
    case 'ENXIO':
      return 'not_found';
    case 'EACCES':
    case 'EPERM':
      return 'no_permission';
    default:
      return 'unreadable';
  }
}

/**
 * Follows the symbolic links of a path as the node would: an absolute link begins at the node's
 * root and not at ours. Gives the path for us; after 40 links the rest is left as it is.
 */
export async function pathInRoot(files: NodeFiles, root: string, path: string): Promise<string> {
  let parts = path.split('/').filter(part => part !== '');
  let done = '/';
  for (let links = 0; parts.length > 0; ) {
    const [part = '', ...rest] = parts;
    const next = resolve(done, part);
    const target = links < LINKS_MAX ? await files.link(join(root, next)) : undefined;
    if (!target?.ok) {
      done = next;
      parts = rest;
      continue;
    }
    links++;
    const followed = resolve(dirname(next), target.value);
    parts = [...followed.split('/').filter(name => name !== ''), ...rest];
    done = '/';
  }
  return join(root, done);
}
