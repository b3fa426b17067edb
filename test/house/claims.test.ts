import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { read } from './files.ts';

/** The rows of the table of claims, without its head. */
function claims(): readonly { readonly claim: string; readonly tests: string }[] {
  const [, section = ''] = /\n## Claims\n([\s\S]*?)\n## /.exec(read('SECURITY.md')) ?? [];
  return section
    .split('\n')
    .filter(line => line.startsWith('| '))
    .slice(2)
    .map(line => {
      const [claim = '', tests = ''] = line.slice(2, -2).split(' | ');
      return { claim, tests };
    });
}

/** Whether the file has a test of that title, or of one that begins or ends so. */
const hasTest = (file: string, title: string): boolean =>
  ["'", '"', '`'].some(
    quote => read(file).includes(`${quote}${title}`) || read(file).includes(`${title}${quote}`),
  );

test('SECURITY.md has claims', () => {
  expect(claims().length).toBeGreaterThanOrEqual(25);
});

test.each(claims())('a test is there for: $claim', ({ tests }) => {
  const named = [...tests.matchAll(/`([\w./-]+\.ts)` "([^"]+)"(?:, |$)/g)];
  // All of the cell is names of tests.
  expect(named.map(([all]) => all).join('')).toBe(tests);
  expect(named).not.toEqual([]);
  for (const [, file = '', title = ''] of named) {
    expect(existsSync(join(import.meta.dirname, '../..', file)), file).toBe(true);
    expect(hasTest(file, title), `${file}: ${title}`).toBe(true);
  }
});
