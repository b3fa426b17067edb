import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import project from '../../package.json' with { type: 'json' };
import { filesUnder, PROJECT, read } from './files.ts';
import { LAW } from './law.ts';

const contributing = read('CONTRIBUTING.md');

const sectionOf = (heading: string) =>
  contributing.split(/^## /m).find(text => text.startsWith(heading)) ?? '';

/** The names in the first column of the table below a heading, in backticks there. */
function firstColumn(heading: string): readonly string[] {
  return [...sectionOf(heading).matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  );
}

describe('CONTRIBUTING.md', () => {
  test('names the rooms of the law, each once', () => {
    const rooms = Object.keys(LAW).map(room => `src/${room}`);
    expect([...firstColumn('The house')].sort()).toEqual(rooms.sort());
  });

  test.each(Object.entries(LAW))('names what %s may import, as the law does', (room, law) => {
    const row = sectionOf('The house').match(
      new RegExp(`^\\| .src/${room}. \\|.*\\| (.*) \\|$`, 'm'),
    );
    const told = (row?.[1] ?? '')
      .replaceAll('`', '')
      .replaceAll(/ \((?:[^()]|\([^()]*\))*\)/g, '')
      .split(/, | and /);
    const packages = (law.packages ?? []).map(name => name.replace('@kubernetes/', ''));
    expect(told).toEqual(expect.arrayContaining([...law.rooms, ...packages]));
    expect(told.filter(name => name in LAW && !law.rooms.includes(name))).toEqual([]);
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
  const tops = ['README.md', 'AGENTS.md', 'CONTRIBUTING.md', 'SECURITY.md'];
  const named = [...tops, ...filesUnder('docs')]
    .filter(page => page.endsWith('.md'))
    .flatMap(page =>
      [...read(page).matchAll(/`((?:src|test|e2e|docs|images|kubectl-plugin)\/[\w./-]+\w)`/g)].map(
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

/** How GitHub names a heading in an address. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

test('links to a heading lead to one', () => {
  const pages = filesUnder().filter(file => file.endsWith('.md'));
  const links = pages.flatMap(page =>
    [...read(page).matchAll(/\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)/g)].map(
      ([, file = '', anchor]) => ({
        page,
        to: file === '' ? page : posix.join(posix.dirname(page), file),
        anchor,
      }),
    ),
  );
  expect(links.length).toBeGreaterThan(5);
  const broken = links.filter(({ to, anchor }) => {
    const headings = [...read(to).matchAll(/^#+ (.*)$/gm)].map(([, text = '']) => anchorOf(text));
    return !headings.includes(`${anchor}`);
  });
  expect(broken).toEqual([]);
});
