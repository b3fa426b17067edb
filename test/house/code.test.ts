import { describe, expect, test } from 'vitest';
import { filesUnder, read, roomOf } from './files.ts';
import { EXCEPTIONS, type Exception, LAW } from './law.ts';
import * as rules from './rules.ts';

const code = filesUnder().filter(file => /\.(ts|mts|mjs)$/.test(file));
const product = code.filter(file => file.startsWith('src/'));
const tools = code.filter(file => /^(images|kubectl-plugin)\//.test(file));

function breaches(files: readonly string[], rule: rules.Rule, except: readonly Exception[] = []) {
  return files
    .filter(file => !except.some(exception => exception.file.test(file)))
    .flatMap(file => rule(read(file)).map(({ line, found }) => `${file}:${line} ${found}`));
}

describe('what no code of the project holds', () => {
  test('the type any', () => {
    expect(breaches(code, rules.anyType)).toEqual([]);
  });
  test('types named by verbs', () => {
    expect(breaches(code, rules.verbType)).toEqual([]);
  });
  test('non-null assertions', () => {
    expect(breaches(code, rules.nonNull)).toEqual([]);
  });
});

describe('what no code that we ship or build with holds', () => {
  test('casts', () => {
    expect(breaches([...product, ...tools], rules.cast, EXCEPTIONS.cast)).toEqual([]);
  });
  test('the console', () => {
    expect(breaches([...product, ...tools], rules.consoleUse)).toEqual([]);
  });
  test('files longer than one can hold in the head', () => {
    expect(breaches([...product, ...tools], rules.fileLength)).toEqual([]);
  });
  test('functions longer than a screen', () => {
    expect(breaches([...product, ...tools], rules.functionLength)).toEqual([]);
  });
});

describe('what src keeps to its entry files and adapters', () => {
  test('the process object', () => {
    expect(breaches(product, rules.processUse, EXCEPTIONS.process)).toEqual([]);
  });
  test('the clock', () => {
    expect(breaches(product, rules.clockUse, EXCEPTIONS.clock)).toEqual([]);
  });
  test('the times that it waits for, which contract/limits.ts has', () => {
    // A pure room waits for nothing.
    const waiting = product.filter(file => !LAW[roomOf(file) ?? '']?.pure);
    expect(breaches(waiting, rules.ownTime, EXCEPTIONS.time)).toEqual([]);
  });
  test('an excepted file holds one cast, no more', () => {
    const excepted = product.filter(file => EXCEPTIONS.cast.some(({ file: at }) => at.test(file)));
    const counts = excepted.map(file => [file, rules.cast(read(file)).length]);
    expect(counts.filter(([, count]) => Number(count) > 1)).toEqual([]);
  });
  test.each([
    ['process', rules.processUse],
    ['clock', rules.clockUse],
    ['cast', rules.cast],
    ['time', rules.ownTime],
  ] as const)('every exception to the rule on %s is still needed', (name, rule) => {
    const idle = EXCEPTIONS[name].filter(
      ({ file }) =>
        breaches(
          product.filter(path => file.test(path)),
          rule,
        ).length === 0,
    );
    expect(idle).toEqual([]);
  });
});

/** What test/mutate/stand-in.ts is in the place of vitest. */
const STAND_IN = ['describe', 'describe.each', 'expect', 'test', 'test.each'];

test('the tests of the findings use of vitest what `npm run mutate` can run', () => {
  const files = code.filter(file => /^test\/findings\/.*\.test\.ts$/.test(file));
  expect(files.length).toBeGreaterThan(20);
  const used = files.flatMap(file => {
    const source = read(file);
    const [, imported = ''] = /import \{([^}]*)\} from 'vitest'/.exec(source) ?? [];
    const called = source.match(/\b(?:describe|test)\.\w+/g) ?? [];
    return [...imported.split(',').map(name => name.trim()), ...called].filter(Boolean);
  });
  expect([...new Set(used)].filter(name => !STAND_IN.includes(name))).toEqual([]);
});
