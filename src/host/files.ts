import { closeSync, constants, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import {
  type FileHandle,
  lstat,
  open,
  opendir,
  readdir,
  readlink,
  stat,
  statfs,
} from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { FILE_READ_MS_MAX } from '../contract/limits.ts';
import {
  known,
  type MissingReason,
  mapReading,
  missing,
  present,
  type Reading,
} from '../contract/reading.ts';
import { type LinkAt, placeOf } from '../node-root/place.ts';

const FILE_BYTES_MAX = 64 * 1024;
const AT_ONCE = 16;

/**
 * Reads files of the node as Readings. A read that hangs in the kernel is `timeout`; it keeps one
 * of the few threads for file access, so callers stop asking the same driver after the first.
 */
export class NodeFiles {
  readonly #signal: AbortSignal;
  readonly #readMsMax: number;
  readonly #links = new Map<string, Promise<Reading<string>>>();

  constructor(signal: AbortSignal, readMsMax: number = FILE_READ_MS_MAX) {
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
        return await firstBytes(file, bytesMax);
      } finally {
        await file.close();
      }
    });
  }

  /**
   * The text of a regular file and of nothing else: a link at its end is not followed, and no
   * device, pipe or socket is opened.
   */
  async regularText(path: string, bytesMax: number = FILE_BYTES_MAX): Promise<Reading<string>> {
    const read = await this.#bounded(async () => {
      if (!(await lstat(path)).isFile()) throw NOT_REGULAR;
      const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
      const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      try {
        // What was looked at may have been replaced since.
        if (!(await file.stat()).isFile()) throw NOT_REGULAR;
        return await firstBytes(file, bytesMax);
      } finally {
        await file.close();
      }
    });
    return mapReading(read, bytes => bytes.toString('utf8').trim());
  }

  /**
   * The same of /proc/PID/stat and the like, which the kernel answers from memory and asks no driver:
   * read at once and without a thread, at half the cost. Never for a file that takes the lock of the
   * process's memory (cmdline, environ) or asks a device.
   */
  textOfProcess(path: string, bytesMax: number): Reading<string> {
    return this.#atOnce(() => {
      const file = openSync(path, 'r');
      try {
        const buffer = Buffer.allocUnsafe(bytesMax);
        return buffer.toString('utf8', 0, readSync(file, buffer)).trim();
      } finally {
        closeSync(file);
      }
    });
  }

  /** What is in a directory of /proc/PID, as the kernel lists it. */
  namesOfProcess(path: string): Reading<readonly string[]> {
    return this.#atOnce(() => readdirSync(path));
  }

  /**
   * Where the links in /proc/PID/fd lead, of at most `max` of them; what has gone meanwhile is left out.
   * Such a link is a name that the kernel keeps.
   */
  targetsIn(path: string, max: number): Reading<readonly string[]> {
    return mapReading(this.namesOfProcess(path), names =>
      names.slice(0, max).flatMap(name => {
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

  /** Those of the names in a stranger's directory that are wanted; one with more than `max` is not read. */
  namesLike(path: string, wanted: RegExp, max = 16_384): Promise<Reading<readonly string[]>> {
    return this.#bounded(async () => {
      const found: string[] = [];
      let seen = 0;
      for await (const { name } of await opendir(path, { bufferSize: 256 })) {
        if (++seen > max) throw TOO_MANY;
        if (wanted.test(name)) found.push(name);
      }
      return found.sort();
    });
  }

  link(path: string): Promise<Reading<string>> {
    return this.#bounded(() => readlink(path));
  }

  /** The same, asked once per reading of the node: most paths begin alike. */
  linkOnce(path: string): Promise<Reading<string>> {
    const asked = this.#links.get(path) ?? this.link(path);
    this.#links.set(path, asked);
    return asked;
  }

  #atOnce<T>(read: () => T): Reading<T> {
    if (this.#signal.aborted) return CANCELLED;
    try {
      return present(read());
    } catch (error) {
      return missingOf(error);
    }
  }

  async #bounded<T>(read: () => Promise<T>): Promise<Reading<T>> {
    if (this.#signal.aborted) return CANCELLED;
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

const CANCELLED = missing('not_read', 'the call was cancelled');
const TOO_MANY = Object.assign(new Error('too many names'), { code: 'too many names' });
const NOT_REGULAR = Object.assign(new Error('no regular file'), { code: 'no regular file' });

/** Nearly all files of proc and sysfs are shorter than this. */
const FIRST_READ_BYTES = 4_096;

async function firstBytes(file: FileHandle, bytesMax: number): Promise<Buffer> {
  let buffer = Buffer.allocUnsafe(Math.min(bytesMax, FIRST_READ_BYTES));
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
    length += bytesRead;
    if (bytesRead === 0 || length === bytesMax) return buffer.subarray(0, length);
    if (length < buffer.length) continue;
    const larger = Buffer.allocUnsafe(Math.min(bytesMax, 4 * buffer.length));
    buffer.copy(larger, 0, 0, length);
    buffer = larger;
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

const AT_ONCE_PER_TURN = 128;

/** All of `items` through work that waits for nothing; other work gets its turn in between. */
export async function eachInTurns<T, U>(
  items: readonly T[],
  work: (item: T) => U,
): Promise<readonly U[]> {
  const done: U[] = [];
  for (const item of items) {
    if (done.length % AT_ONCE_PER_TURN === AT_ONCE_PER_TURN - 1) await setImmediate();
    done.push(work(item));
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

/** Where a path of the node lies for us; missing where it is not to be read (node-root/place.ts). */
export async function pathInRoot(
  files: NodeFiles,
  root: string,
  path: string,
  ofContainer = false,
): Promise<Reading<string>> {
  try {
    return present(await placeOf(root, path, linksOf(files), ofContainer));
  } catch {
    return missing('not_read', 'a link leads to what is not to be read');
  }
}

/** Links as these files are read: each within its time, and once per reading of the node. */
export const linksOf =
  (files: NodeFiles): LinkAt =>
  async path =>
    known(await files.linkOnce(path));
