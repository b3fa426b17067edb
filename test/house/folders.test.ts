import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { filesUnder, folderOf, PROJECT, read, roomOf } from './files.ts';
import { LAW, TOP_LEVEL } from './law.ts';

/** Folders that tools make and git ignores. */
const MADE = new Set(['node_modules', 'dist', 'coverage', '.git']);

/** Names of places that exist on one machine or in one network only, written so that they are not here. */
const ELSEWHERE: readonly RegExp[] = [
  /(?:^|[\s"'`(=:,])\/work\/[a-z]/m,
  new RegExp(['\\.\\./', 'shared/'].join('')),
  new RegExp(['registry\\.', 'npmjs'].join('')),
  new RegExp(['deb\\.', 'debian\\.org|snapshot\\.', 'debian|security\\.', 'debian\\.org'].join('')),
  new RegExp(['proxy\\.', 'golang|static\\.', 'crates|files\\.', 'pythonhosted'].join('')),
];

const places = (text: string) => ELSEWHERE.flatMap(place => place.exec(text)?.[0].trim() ?? []);

describe('folders', () => {
  test('the top level holds what tools and readers need', () => {
    const strange = readdirSync(PROJECT).filter(name => !TOP_LEVEL.has(name) && !MADE.has(name));
    expect(strange).toEqual([]);
  });

  test('src is made of the rooms and folders of the law; what stands deeper is data', () => {
    const rooms = readdirSync(join(PROJECT, 'src'), { withFileTypes: true });
    expect(rooms.filter(room => !room.isDirectory() || !(room.name in LAW))).toEqual([]);
    const deep = filesUnder('src').filter(
      file => file.split('/').length !== 3 && !isInFolder(file) && !/\.json$/.test(file),
    );
    expect(deep).toEqual([]);
  });

  test('names are words in lower case with hyphens', () => {
    const odd = filesUnder('src').filter(file => !/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(base(file)));
    expect(odd).toEqual([]);
  });
});

describe('places outside the project', () => {
  test('no file names one', () => {
    const named = filesUnder()
      .filter(file => !/\.(tgz|tar|gz|bin|zst|journal|png)$/.test(file))
      .flatMap(file => places(read(file)).map(place => `${file}: ${place}`));
    expect(named).toEqual([]);
  });

  test.each([
    ['cd', '/work', '/main'].join('').replace('cd', 'cd '),
    ['see ..', '/shared', '/x.md'].join(''),
    ['https://registry', '.npmjs.org/a'].join(''),
    ['http://deb', '.debian.org/debian'].join(''),
  ])('would be seen: %s', text => {
    expect(places(text)).not.toEqual([]);
  });

  test.each(['/var/lib/x/work/upper', 'overlay/work/', 'a shared/ folder', 'npmjs'])(
    'is none: %s',
    text => {
      expect(places(text)).toEqual([]);
    },
  );
});

const isInFolder = (file: string) =>
  folderOf(file) !== undefined && `${folderOf(file)}` in (LAW[`${roomOf(file)}`]?.folders ?? {});

const base = (path: string) => path.split('/').at(-1) ?? '';
