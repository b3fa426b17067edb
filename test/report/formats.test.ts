import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { wantsColour } from '../../src/cli/print.ts';
import { rendered } from '../../src/report/render.ts';
import { formOf, pageOf, triageOf } from '../fakes/pages.ts';

const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  '| a | b |',
  '[click](https://evil.example)',
  '~~~~ `rm -rf` ~~~~',
  '# CRITICAL',
  '&lt;b&gt;',
];

/** A page whose processes and pods bear such a name. */
async function hostile(name: string) {
  const answer = await triageOf('lost-gpu');
  const text = JSON.stringify(answer.structured).replaceAll('"pt_main_thread"', () =>
    JSON.stringify(name),
  );
  return { ...answer, structured: JSON.parse(text) };
}

describe.each(HOSTILE)('a process called %s', name => {
  test('is text in HTML: no tag, no attribute and no address of its own', async () => {
    const page = await rendered(await hostile(name), formOf({ format: 'html', details: true }));
    const tags = (html: string) => html.match(/<\/?[a-z!][^>]*>/gi);
    const plain = await rendered(
      await triageOf('lost-gpu'),
      formOf({ format: 'html', details: true }),
    );
    expect(tags(page)).toEqual(tags(plain));
    expect(page).not.toContain('<script');
  });

  test('ends no table, no fence and no line of Markdown', async () => {
    const form = formOf({ format: 'markdown', details: true });
    const [page, plain] = [
      await rendered(await hostile(name), form),
      await pageOf('lost-gpu', form),
    ];
    const shape = (markdown: string) =>
      markdown.split('\n').map(line => /^(?:#+ |~{4}\w*$|\d+\. |\| )?/.exec(line)?.[0] ?? '');
    expect(shape(page)).toEqual(shape(plain));
    const bars = (markdown: string) => (markdown.match(/(?<!\\)\|/g) ?? []).length;
    expect(bars(page)).toBe(bars(plain));
    expect(page).not.toMatch(/(?<!\\)\[click\]/);
  });
});

test('a page says the same in each form', async () => {
  const answer = await triageOf('lost-gpu');
  for (const format of ['markdown', 'html'] as const) {
    const page = await rendered(answer, formOf({ format }));
    const words = page.replaceAll(/\\(?=[^\w\s])/g, '').replaceAll('&#39;', "'");
    for (const told of [
      'CRITICAL',
      'GPU 3',
      'XID 79',
      'kubectl drain dgx-h100-07',
      '1654023033874',
    ]) {
      expect(words.replaceAll('\u00a0', ' ')).toContain(told);
    }
  }
});

test('colours change no word and no line', async () => {
  const answer = await triageOf('ecc-row-remap');
  const coloured = await rendered(answer, formOf({ colour: true }));
  expect(coloured).toContain('\u001b[1m\u001b[31mCRITICAL');
  expect(stripVTControlCharacters(coloured)).toBe(await rendered(answer, formOf()));
});

test.each([
  ['auto', true, {}, true],
  ['auto', false, {}, false],
  ['auto', true, { NO_COLOR: '1' }, false],
  ['auto', true, { NO_COLOR: '' }, true],
  ['auto', true, { TERM: 'dumb' }, false],
  ['auto', true, { CLICOLOR: '0' }, false],
  ['auto', false, { CLICOLOR_FORCE: '1' }, true],
  ['auto', false, { CLICOLOR_FORCE: '0' }, false],
  ['auto', false, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
  ['auto', true, { FORCE_COLOR: '0' }, false],
  ['always', false, { NO_COLOR: '1' }, true],
  ['never', true, { FORCE_COLOR: '1' }, false],
] as const)(
  '--color %s, on a terminal: %s, with %j: %s',
  (choice, terminal, environment, colours) => {
    expect(wantsColour(choice, { stdoutIsTerminal: terminal, environment })).toBe(colours);
  },
);

test('lines of a tool without a page are wrapped on a terminal, and whole for grep', async () => {
  const line = `GPU 0  0000:1b:00  ${'NVIDIA H100 80GB HBM3  '.repeat(6)}end`;
  const lines = [{ kind: 'plain' as const, text: `  ${line}` }];
  const answer = { title: 'Test', lines, structured: {} };
  const form = formOf({ width: 60 });
  expect(await rendered(answer, form)).toBe(`  ${line}\n`);
  const [first = '', ...rest] = (await rendered(answer, { ...form, wraps: true }))
    .trimEnd()
    .split('\n');
  expect(first).toMatch(/^ {2}GPU 0 {2}/);
  for (const part of rest) expect(part).toMatch(/^ {6}\S/);
  for (const part of [first, ...rest]) expect(part.length).toBeLessThanOrEqual(60);
});
