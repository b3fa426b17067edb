import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { describe, expect, test } from 'vitest';
import { LAYOUTS, layoutTree } from '../host/layouts.ts';
import { node } from '../host/tree.ts';
import { falsehoods } from './falsehoods.ts';

/**
 * What is free on this machine's disk is another number each time. Of a process whose files cannot be
 * read nothing is known, not even whether it still runs; a pod's containers are the names that are there.
 */
const MAY_DIFFER = /\.space\.|^daemons|^pods\.names/;

/** A configuration that is not there is none: what a list of those that are there may lack. */
const MAY_BE_ABSENT = /^containerToolkit\.(cdiSpecs|runtimes)\.value/;

/** A process that is not there has ended, and the container that has no other with it. */
const ENDED = /^containers\.value$/;
const OF_PROCESS = /^openSync .*\/(?:stat|cgroup)$|^readSync /;

// Not stat: whether a process's root can be entered decides what is looked at at all.
const ASYNC = ['open', 'readdir', 'readlink', 'lstat', 'statfs'] as const;
const SYNC = ['openSync', 'readdirSync', 'readlinkSync', 'readSync'] as const;

/** No error: the operation never ends, and its time passes. */
const HANGS = 'hangs';

/** The timers that are set, so that one can be let pass while all others, of a busy machine too, stand. */
function heldTimers() {
  const real = globalThis.setTimeout;
  let last: (() => void) | undefined;
  const held = (run: () => void, ms: number) => {
    last = run;
    queueMicrotask(() => {
      last = undefined;
    });
    return real(run, ms).unref();
  };
  Object.assign(globalThis, { setTimeout: held });
  return {
    /** The timer that bounds what begins in this very turn. */
    bound: () => last,
    restore: () => Object.assign(globalThis, { setTimeout: real }),
  };
}

/** Runs this with the n-th operation on files failing so; gives how many there were. */
async function withFailing<T>(
  nth: number,
  code: string,
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly count: number; readonly failed: string }> {
  let count = 0;
  let failed = '';
  const timers = heldTimers();
  const hit = (name: string, args: readonly unknown[]): Error | undefined => {
    count += 1;
    if (count !== nth) return undefined;
    failed = `${name} ${args[0]}`;
    return Object.assign(new Error(`${code}: ${failed}`), { code });
  };
  const asFunction = (value: unknown) => (typeof value === 'function' ? value : () => undefined);
  const realAsync = Object.fromEntries(ASYNC.map(name => [name, fsPromises[name]]));
  const realSync = Object.fromEntries(SYNC.map(name => [name, fs[name]]));
  const replaced = (reals: Readonly<Record<string, unknown>>, isAsync: boolean) =>
    Object.fromEntries(
      Object.entries(reals).map(([name, real]) => [
        name,
        (...args: readonly unknown[]) => {
          const bound = timers.bound();
          // What is read at once asks no device: it cannot hang.
          const isBound = isAsync && bound !== undefined;
          const error = code === HANGS && !isBound ? undefined : hit(name, args);
          if (error && code === HANGS && bound) {
            setImmediate(bound);
            return new Promise(() => {});
          }
          if (error && isAsync) return Promise.reject(error);
          if (error) throw error;
          return Reflect.apply(asFunction(real), fs, args);
        },
      ]),
    );
  Object.assign(fsPromises, replaced(realAsync, true));
  Object.assign(fs, replaced(realSync, false));
  syncBuiltinESMExports();
  try {
    return { value: await work(), count, failed };
  } finally {
    Object.assign(fsPromises, realAsync);
    Object.assign(fs, realSync);
    syncBuiltinESMExports();
    timers.restore();
  }
}

describe.each(LAYOUTS)('$name', layout => {
  test.each(['EIO', 'EACCES', 'ENOENT'])(
    'no file that cannot be read (%s) changes what is told',
    async code => {
      const { files, links } = layoutTree(layout, 'pod');
      const { read } = node(files, links);
      const whole = await withFailing(0, code, read);
      const found: string[] = [];
      const mayDiffer =
        code === 'ENOENT' ? new RegExp(`${MAY_DIFFER.source}|${MAY_BE_ABSENT.source}`) : MAY_DIFFER;
      for (let nth = 1; nth <= whole.count; nth += 1) {
        const { value, failed } = await withFailing(nth, code, read);
        const mayEnd = code === 'ENOENT' && OF_PROCESS.test(failed);
        const may = mayEnd ? new RegExp(`${mayDiffer.source}|${ENDED.source}`) : mayDiffer;
        const told = falsehoods(whole.value, value, may);
        const place = failed
          .replace(/^(\S+ ).*?\/host-\w+/, '$1')
          .replace(/\/proc\/\d+/, '/proc/PID');
        found.push(...told.map(what => `${place}: ${what}`));
      }
      expect(found).toEqual([]);
    },
  );

  test('no file that hangs holds up the answer, or changes what is told', async () => {
    const { files, links } = layoutTree(layout, 'pod');
    const { read } = node(files, links);
    const whole = await withFailing(0, HANGS, read);
    const found: string[] = [];
    expect(whole.count).toBeGreaterThan(50);
    for (let nth = 1; nth <= whole.count; nth += 1) {
      const { value, failed } = await withFailing(nth, HANGS, read);
      found.push(...falsehoods(whole.value, value, MAY_DIFFER).map(what => `${failed}: ${what}`));
    }
    expect(found).toEqual([]);
  });
});
