import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { bundle } from '../../kubectl-plugin/build.ts';
import { packed } from '../../kubectl-plugin/packed-tables.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-packed-'));
  mkdirSync(join(folder, 'src'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a bundle has in the place of each JSON text: the texts of it, and the bundle's size. */
async function throughBundle(texts: readonly string[]) {
  const entry = join(folder, 'src/main.ts');
  for (const [index, text] of texts.entries()) {
    writeFileSync(join(folder, 'src', `t${index}.json`), text);
  }
  const imports = texts.map((_, index) => `import t${index} from './t${index}.json';`);
  const all = texts.map((_, index) => `JSON.stringify(t${index})`);
  writeFileSync(entry, `${imports.join('\n')}\nexport const texts = [${all.join()}];`);
  const output = join(folder, `${texts.length}.mjs`);
  await bundle({ entry, output });
  const loaded: unknown = await import(pathToFileURL(output).href);
  const { texts: read } = z.object({ texts: z.array(z.string()) }).parse(loaded);
  return { read, bytes: readFileSync(output).length };
}

test('every table of the sources is in a bundle what it is in its file', async () => {
  const texts = globSync('src/**/*.json').map(file =>
    JSON.stringify(JSON.parse(readFileSync(file, 'utf8'))),
  );
  expect(texts.length).toBeGreaterThan(40);
  const { read, bytes } = await throughBundle(texts);
  expect(read).toEqual(texts);
  expect(bytes).toBeLessThan(0.65 * texts.join('').length);
});

test('alike objects become columns, with holes for what one of them has not', () => {
  const entries = [
    { code: 1, word: 'watch', more: null },
    { code: 2, word: 'watch', more: null },
    { code: 3, word: 'reset', more: null, rare: [1] },
    { code: 4, word: 'watch', more: null },
    { code: 5, word: 'reset', more: null },
  ];
  expect(packed({ entries })).toBe(
    '{entries:table(["code","word","more","rare"],[[1,2,3,4,5],column(["watch","reset"],"##$#$"),' +
      'column([null],"#####"),[,,[1],,,]])}',
  );
});

test('a table that nobody asks for is in no bundle', async () => {
  const rows = [1, 2, 3].map(code => ({ code, text: 'unasked' }));
  expect(packed(rows)).toBe('table(["code","text"],[[1,2,3],column(["unasked"],"###")])');
  writeFileSync(join(folder, 'src/rows.json'), JSON.stringify(rows));
  const both = "import rows from './rows.json'; export const asked = rows, other = 'other';";
  writeFileSync(join(folder, 'src/both.ts'), both);
  const entry = join(folder, 'src/other.ts');
  writeFileSync(entry, "export { other } from './both.ts';");
  await bundle({ entry, output: join(folder, 'other.mjs') });
  expect(readFileSync(join(folder, 'other.mjs'), 'utf8')).not.toContain('unasked');
});

test('a table is unpacked when it is first asked for, and in a heap that is written down before', async () => {
  const rows = (text: string) => [1, 2, 3].map(code => ({ code, text }));
  const file = JSON.stringify({ edition: '1', asked: rows('a'), unasked: rows('b') });
  writeFileSync(join(folder, 'src/two.json'), file);
  const entry = join(folder, 'src/two.ts');
  writeFileSync(
    entry,
    `import two from './two.json';
     globalThis.packedRows = two.asked.length;
     globalThis.packedOpen = () => Object.keys(two).filter(
       key => Object.getOwnPropertyDescriptor(two, key).get === undefined,
     );`,
  );
  const unpackedIn = async (snapshot: boolean, output: string) => {
    await bundle({ entry, output: join(folder, output), snapshot });
    await import(pathToFileURL(join(folder, output)).href);
    return {
      rows: Reflect.get(globalThis, 'packedRows'),
      open: Reflect.get(globalThis, 'packedOpen')(),
    };
  };
  expect(await unpackedIn(false, 'late.mjs')).toEqual({ rows: 3, open: ['asked'] });
  const all = ['edition', 'asked', 'unasked'];
  expect(await unpackedIn(true, 'early.cjs')).toEqual({ rows: 3, open: all });
});

test('any JSON is in a bundle what it is in its file', async () => {
  const key = fc.constantFrom('code', 'title', 'of', '7', 'two words', 'ä');
  const { value } = fc.letrec(tie => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(
        null,
        true,
        0,
        -1.5,
        1e21,
        '',
        '"\\`\'\u2028\n',
        'ä😀',
        'said again',
        'said again',
      ),
      fc.array(tie('value'), { maxLength: 6 }),
      fc.array(fc.dictionary(key, tie('value'), { noNullPrototype: true }), { maxLength: 6 }),
      fc.dictionary(key, tie('value'), { noNullPrototype: true }),
    ),
  }));
  const texts = fc.sample(value, 150).map(one => JSON.stringify(one));
  expect((await throughBundle(texts)).read).toEqual(texts);
});
