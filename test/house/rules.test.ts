import { describe, expect, test } from 'vitest';
import {
  anyType,
  cast,
  clockUse,
  consoleUse,
  FILE_LINES_MAX,
  FUNCTION_LINES_MAX,
  fileLength,
  functionLength,
  nonNull,
  ownTime,
  processUse,
  type Rule,
  verbType,
} from './rules.ts';
import { importsOf, tokensOf } from './scan.ts';

/** A template literal that holds this code. */
const filled = (code: string) => ['`$', '{', code, '}`'].join('');

/** Each rule with sources it must refuse and sources, close to these, that it must let pass. */
const cases: readonly { rule: string; check: Rule; bad: string[]; good: string[] }[] = [
  {
    rule: 'any',
    check: anyType,
    bad: ['const a: any = 1;', 'f<any>(x);', 'const a = b as any;', 'type A = string | any[];'],
    good: ['AbortSignal.any([a])', "const s = 'any';", '// any\n', '`any`', '/any/.test(x)'],
  },
  {
    rule: 'types named by verbs',
    check: verbType,
    bad: ['interface Asked {}', 'export type Told = string;', 'class Seen {}'],
    good: ['type AskedNodes = 1;', 'interface Question {}', '// type Told', "f('type Seen')"],
  },
  {
    rule: 'casts',
    check: cast,
    bad: [
      'const a = b as string;',
      'f(x as unknown as T)',
      'return <div as Node>;',
      filled('a as B'),
    ],
    good: [
      'const a = [1] as const;',
      "import * as z from 'zod';",
      "import { a as b, type c as d } from './x.ts';",
      "export { a as b } from './x.ts';",
      'const a = 1;\nexport { a as b };',
      'koffi.as(x, y)',
      'if (as === undefined) use(as ?? b)',
      'const { as } = flags; f(as)',
      "const s = 'as string'; // b as string",
    ],
  },
  {
    rule: 'non-null assertions',
    check: nonNull,
    bad: ['a!.b', 'f(a[0]!)', 'const a = b()!;', 'class A { x!: string }', '(a as b)!'],
    good: ['!a', 'a !== b', 'a != b', 'return !a;', 'if (x) !y;', 'f(!a)', filled('!a'), 'a && !b'],
  },
  {
    rule: 'console',
    check: consoleUse,
    bad: ['console.log(1)', 'if (a) console.error(b)'],
    good: ['report.console.log(1)', "'console.log'", '// console.log(1)'],
  },
  {
    rule: 'process',
    check: processUse,
    bad: [
      "process.env['A']",
      'process.exit(1)',
      "import { env } from 'node:process';",
      "import process from 'process';",
      'process?.pid',
      'gpus.map(process => process.pid); process.env',
    ],
    good: [
      'all.map(process => process.pid)',
      "const kind = 'process';",
      'state.process.pid',
      'const process = { pid: 1 };',
      '// process.exit',
      "'process.env'",
    ],
  },
  {
    rule: 'the clock',
    check: clockUse,
    bad: ['Date.now()', 'new Date()', 'new Date;', 'performance.now()', 'const now = Date.now;'],
    good: ['new Date(ms)', 'new Date(0)', 'Date.parse(text)', '// Date.now()', "'new Date()'"],
  },
  {
    rule: 'times of a file’s own',
    check: ownTime,
    bad: [
      'const REQUEST_MS_MAX = 30_000;',
      'export const POLL_MS = 500;',
      'setTimeout(() => end(), 200)',
      'await sleep(100, undefined, { signal });',
      'AbortSignal.timeout(5_000)',
    ],
    good: [
      "import { POLL_MS } from '../contract/limits.ts';",
      'setTimeout(() => end(), requestMs)',
      'setTimeout(() => f([1], rows[0], 3), POLL_MS)',
      'pause(seconds * 1_000, signal)',
      'const LINES_MAX = 100;',
      "// const POLL_MS = 500; 'sleep(100)'",
    ],
  },
  {
    rule: 'file length',
    check: fileLength,
    bad: ['a;\n'.repeat(FILE_LINES_MAX + 1)],
    good: ['a;\n'.repeat(FILE_LINES_MAX)],
  },
  {
    rule: 'function length',
    check: functionLength,
    bad: [
      `function f() {\n${'a;\n'.repeat(FUNCTION_LINES_MAX)}}`,
      `const f = (a: A): Promise<{ b: C }> => {\n${'a;\n'.repeat(FUNCTION_LINES_MAX)}};`,
      `class A {\n  async f(a: A): Promise<Reading<number>> {\n${'a;\n'.repeat(FUNCTION_LINES_MAX)}}\n}`,
      `const f = async ({ a }: { a: B }): Promise<readonly B[]> => {\n${'a;\n'.repeat(99)}};`,
    ],
    good: [
      `function f() {\n${'a;\n'.repeat(FUNCTION_LINES_MAX - 2)}}`,
      `class A {\n${'f() {}\n'.repeat(99)}}`,
      `const table = {\n${'a: { b: f(c) },\n'.repeat(99)}};`,
      `const rows: Record<string, Row> = {\n${'a: 1,\n'.repeat(99)}};`,
      `interface A {\n${'f(a: B): C;\n'.repeat(99)}}`,
      `export const Finding = z.strictObject({\n${'a: z.string(),\n'.repeat(99)}});`,
    ],
  },
];

describe.each(cases)('the rule on $rule', ({ check, bad, good }) => {
  test.each(bad)('refuses %s', source => {
    expect(check(source)).not.toEqual([]);
  });
  test.each(good)('allows %s', source => {
    expect(check(source)).toEqual([]);
  });
});

test('a breach says on which line it stands, after comments and templates of several lines', () => {
  expect(anyType(`/* a\n b */\n${filled('\ny')};\nlet a: any;`)).toEqual([
    { line: 5, found: 'any' },
  ]);
});

test('imports are seen in every form and told apart by what they leave at run time', () => {
  const source = `
    import a, { b } from './value.ts';
    import './effect.ts';
    import type { C } from './type.ts';
    import { type D, type E } from './types.ts';
    import { type F, g } from './mixed.ts';
    import data from './data.json' with { type: 'json' };
    export { h } from './again.ts';
    export * from './all.ts';
    export type { I } from './again-type.ts';
    const later = await import('./later.ts');
    const file = new URL('./child.ts', import.meta.url);
    // import './comment.ts';
    const text = "import './text.ts'";
  `;
  const found = importsOf(tokensOf(source)).map(({ kind, specifier }) => `${kind} ${specifier}`);
  expect(found).toEqual([
    'value ./value.ts',
    'value ./effect.ts',
    'type ./type.ts',
    'type ./types.ts',
    'value ./mixed.ts',
    'value ./data.json',
    'value ./again.ts',
    'value ./all.ts',
    'type ./again-type.ts',
    'dynamic ./later.ts',
    'url ./child.ts',
  ]);
});
