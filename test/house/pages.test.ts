import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import project from '../../package.json' with { type: 'json' };
import { filesUnder, PROJECT, read } from './files.ts';
import { LAW } from './law.ts';

const contributing = read('CONTRIBUTING.md');

/** The names in the first column of the table below a heading, in backticks there. */
function firstColumn(heading: string): readonly string[] {
  const section = contributing.split(/^## /m).find(text => text.startsWith(heading)) ?? '';
  return [...section.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  );
}

describe('CONTRIBUTING.md', () => {
  test('names the rooms of the law, each once', () => {
    const rooms = Object.keys(LAW).map(room => `src/${room}`);
    expect([...firstColumn('The house')].sort()).toEqual(rooms.sort());
  });

  test('says of every dependency why it is there, and of none that is not', () => {
    const told = firstColumn('Dependencies').filter(name => name !== '@types/*');
    const installed = Object.keys(project.devDependencies).filter(name => !/^@types\//.test(name));
    expect([...told].sort()).toEqual(installed.sort());
  });

  test('names every script', () => {
    const scripts = firstColumn('Scripts').join('\n');
    const untold = Object.keys(project.scripts).filter(
      name => !scripts.includes(`npm run ${name}`),
    );
    expect(untold.filter(name => !scripts.includes(`npm ${name}`))).toEqual([]);
  });
});

test('a file of ours that a page names is there', () => {
  const named = ['CONTRIBUTING.md', 'SECURITY.md', ...filesUnder('docs')]
    .filter(page => page.endsWith('.md'))
    .flatMap(page =>
      [...read(page).matchAll(/`((?:src|test|e2e|docs|images)\/[\w./-]+\w)`/g)].map(
        ([, path = '']) => ({ page, path }),
      ),
    );
  expect(named.length).toBeGreaterThan(40);
  // A recipe names files that are to come: `src/findings/rules/x.ts`.
  const toCome = named.filter(({ path }) => /\/(?:get-)?x\.ts$/.test(path));
  const gone = named.filter(({ path }) => !existsSync(join(PROJECT, path)));
  expect(gone).toEqual(toCome);
});

test('links between pages lead to files', () => {
  const pages = filesUnder().filter(file => file.endsWith('.md'));
  expect(pages).toContain('SECURITY.md');
  const broken = pages.flatMap(page =>
    [...read(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
      .map(([, target = '']) => posix.join(posix.dirname(page), target))
      .filter(target => !existsSync(join(PROJECT, target)))
      .map(target => `${page}: ${target}`),
  );
  expect(broken).toEqual([]);
});
