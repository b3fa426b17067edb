import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as esbuild from 'esbuild';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { type Edge, edgesOf, filesUnder, PROJECT, read, roomOf } from './files.ts';
import { chain, complaint, cycles, orphans, piecesOfOne, reachable } from './graph.ts';
import { ENTRIES, NEVER_REACHED } from './law.ts';

const files = filesUnder('src').filter(file => /\.ts$/.test(file));
const data = filesUnder('src').filter(file => !/\.ts$/.test(file));
const edges = files.flatMap(file => edgesOf(file, read(file)));

const Versions = z.record(z.string(), z.string()).optional();
const Pinned = z.object({ dependencies: Versions, devDependencies: Versions });

/** Every file is looked at alone, so that one that does not exist yet fails its own test only. */
const seesEveryImport: esbuild.Plugin = {
  name: 'sees-every-import',
  setup(build) {
    build.onResolve({ filter: /.*/ }, ({ kind, path }) =>
      kind === 'entry-point' ? null : { path, external: true },
    );
  },
};

describe('the law of imports', () => {
  test('the walk found the house', () => {
    expect(files).toContain('src/contract/version.ts');
    expect(edges.length).toBeGreaterThan(files.length / 2);
  });

  test('every import in src is one that the law allows', () => {
    expect(edges.map(complaint).filter(text => text !== undefined)).toEqual([]);
  });

  test('our reading of the imports is the bundler’s', async () => {
    const { metafile } = await esbuild.build({
      absWorkingDir: PROJECT,
      entryPoints: files,
      bundle: true,
      plugins: [seesEveryImport],
      platform: 'node',
      format: 'esm',
      outdir: 'unused',
      write: false,
      metafile: true,
      logLevel: 'silent',
    });
    const theirs = Object.entries(metafile.inputs).flatMap(([from, { imports }]) =>
      imports.map(found => `${from} ${found.kind} ${found.path}`),
    );
    const kinds = { value: 'import-statement', dynamic: 'dynamic-import' };
    const ours = edges.flatMap(({ from, kind, specifier }) =>
      kind === 'value' || kind === 'dynamic' ? [`${from} ${kinds[kind]} ${specifier}`] : [],
    );
    expect([...new Set(ours)].sort()).toEqual([...new Set(theirs)].sort());
  });

  test.each(NEVER_REACHED)('$from never loads $packages, by no chain', ({ from, packages }) => {
    const chains = files
      .filter(file => from.test(file))
      .flatMap(file => {
        const reached = reachable(file, edges);
        return packages.filter(name => reached.has(name)).map(name => chain(name, reached));
      });
    expect(chains).toEqual([]);
  });

  // What is loaded before a command is chosen is loaded for every one of them.
  test('on the way to a command no package is loaded, and for version no other command’s flags', () => {
    const atOnce = edges.filter(({ kind }) => kind !== 'dynamic');
    const loadedBy = (file: string) =>
      [...reachable(file, atOnce).keys()].filter(name => !name.startsWith('node:'));
    const toChoose = loadedBy('src/cli/main.ts');
    expect(toChoose).toContain('src/cli/command-line.ts');
    expect(toChoose.filter(name => !name.startsWith('src/'))).toEqual([]);
    expect(
      loadedBy('src/cli/version.ts').filter(name => /flags\.ts$|catalogue/.test(name)),
    ).toEqual(['src/cli/common-flags.ts']);
  });

  test('no imports go in a circle', () => {
    expect(cycles(edges)).toEqual([]);
  });

  test('every file in src is named by another file in src', context => {
    const absent = ENTRIES.filter(entry => !existsSync(join(PROJECT, entry)));
    context.skip(absent.length > 0, `without ${absent.join(' and ')} nothing is named yet`);
    expect(orphans([...files, ...data], edges, ENTRIES)).toEqual([]);
  });

  test('fewer than three files of ten have a single importer', () => {
    const pieces = piecesOfOne(files, edges);
    // What is small and has one user stands in its file: up to 400 lines there is room.
    const smallest = [...pieces]
      .map(([file, user]) => ({ file, user, lines: read(file).split('\n').length }))
      .sort((a, b) => a.lines - b.lines)
      .slice(0, 10);
    expect(pieces.size / files.length, JSON.stringify(smallest, null, 1)).toBeLessThan(0.3);
  });

  test('every package that src imports is pinned in package.json', () => {
    const project: unknown = JSON.parse(read('package.json'));
    const { dependencies = {}, devDependencies = {} } = Pinned.parse(project);
    const pins = { ...dependencies, ...devDependencies };
    const unpinned = edges
      .filter(edge => !edge.specifier.startsWith('.') && !edge.to.startsWith('node:'))
      .filter(edge => !/^\d+\.\d+\.\d+$/.test(pins[edge.to] ?? ''))
      .map(edge => `${edge.from} imports ${edge.to}`);
    expect(unpinned).toEqual([]);
  });

  // What is not named at the import cannot be left out of the bundle: 2.6 MB of client-node's 4.
  test('no whole package is imported dynamically', () => {
    const whole = edges
      .filter(edge => edge.kind === 'dynamic' && edge.specifier === edge.to)
      .filter(edge => !edge.to.startsWith('node:') && !['koffi', 'xz-decompress'].includes(edge.to))
      .map(edge => `${edge.from}:${edge.line} import('${edge.specifier}')`);
    expect(whole).toEqual([]);
  });

  test('zod is imported as a namespace: its export `z` brings every language it speaks', () => {
    const clauses = files.flatMap(file =>
      [...read(file).matchAll(/^import (.+) from 'zod';$/gm)].map(([, clause]) => [file, clause]),
    );
    expect(clauses.length).toBeGreaterThan(0);
    expect(
      clauses.filter(([, clause]) => clause !== '* as z' && !/^type /.test(`${clause}`)),
    ).toEqual([]);
  });

  test('nobody in src but the agent and the session of --simulate imports the simulated machines', () => {
    const users = edges
      .filter(edge => roomOf(edge.to) === 'simulation' && roomOf(edge.from) !== 'simulation')
      .map(edge => edge.from)
      .filter(file => roomOf(file) !== 'agent' && file !== 'src/cli/simulated-session.ts');
    expect(users).toEqual([]);
  });
});

describe('the law, on houses that break it', () => {
  const house = (sources: Record<string, string>): readonly Edge[] =>
    Object.entries(sources).flatMap(([file, source]) => edgesOf(file, source));
  const complaints = (file: string, source: string) =>
    edgesOf(file, source).flatMap(edge => complaint(edge) ?? []);

  test.each([
    ['src/nvml/a.ts', "import '../host/port.ts';", 'nvml may not import it'],
    ['src/findings/a.ts', "import { a } from '../nvml/port.ts';", 'its types only'],
    ['src/findings/a.ts', "import type { a } from '../nvml/driver.ts';", 'may not import it'],
    ['src/findings/a.ts', "import { readFile } from 'node:fs';", 'findings is pure'],
    ['src/findings/a.ts', "import { readFile } from 'fs';", 'findings is pure'],
    ['src/bridge/a.ts', "await import('../agent/serve.ts');", 'bridge may not import it'],
    ['src/bridge/a.ts', "import type { X } from '../cluster/client.ts';", 'bridge may not import'],
    ['src/host/a.ts', "import ws from 'ws';", "this package is not host's"],
    ['src/host/files.ts', "import koffi from 'koffi';", 'only '],
    ['src/kernel-log/kmsg.ts', "import koffi from 'koffi';", 'only '],
    ['src/tools/a.ts', "import '@modelcontextprotocol/sdk/types.js';", "not tools's"],
    ['src/cli/a.ts', "import { fake } from '../../test/fakes/x.ts';", 'cli may not import it'],
    ['src/cli/a.ts', "new URL('../agent/serve.ts', import.meta.url)", 'cli may not import it'],
    ['src/nvml/table/a.ts', "import '../reader/ask.ts';", 'nvml/table may not import nvml/reader'],
    ['src/findings/support/a.ts', "import '../rules/imex.ts';", 'may not import findings/rules'],
    ['src/misc/a.ts', "import '../contract/pci.ts';", 'knows no room "misc"'],
  ])('%s: %s', (file, source, reason) => {
    expect(complaints(file, source)).toEqual([expect.stringContaining(reason)]);
  });

  test.each([
    ['src/findings/a.ts', "import type { GpuState } from '../nvml/port.ts';"],
    ['src/kernel-log/syslog.ts', "import koffi from 'koffi';"],
    ['src/bridge/a.ts', "import { X } from '../cluster/port.ts';"],
    ['src/cli/main.ts', "new URL('../agent/main.ts', import.meta.url)"],
    ['src/xid/a.ts', "import rows from './catalogue.json' with { type: 'json' };"],
    ['src/contract/version.ts', "import p from '../../package.json' with { type: 'json' };"],
  ])('allowed in %s: %s', (file, source) => {
    expect(complaints(file, source)).toEqual([]);
  });

  test('a forbidden package is found at the end of a chain, types aside', () => {
    const broken = house({
      'src/bridge/a.ts': "import './b.ts'; import type { T } from './t.ts';",
      'src/bridge/b.ts': "await import('./c.ts');",
      'src/bridge/c.ts': "import koffi from 'koffi';",
      'src/bridge/t.ts': "import ws from 'ws';",
    });
    const reached = reachable('src/bridge/a.ts', broken);
    expect(chain('koffi', reached)).toBe(
      'src/bridge/a.ts > src/bridge/b.ts > src/bridge/c.ts > koffi',
    );
    expect(reached.has('ws')).toBe(false);
  });

  test('a circle is found once, of types too', () => {
    const round = house({
      'src/a/a.ts': "import './b.ts';",
      'src/a/b.ts': "import './c.ts';",
      'src/a/c.ts': "import './a.ts';",
      'src/b/a.ts': "import type { B } from './b.ts';",
      'src/b/b.ts': "import './a.ts';",
      'src/c/a.ts': "await import('./b.ts');",
      'src/c/b.ts': "import './a.ts';",
    });
    expect(cycles(round)).toHaveLength(2);
    expect(cycles(round.filter(edge => !/[ab].a.ts$/.test(edge.from)))).toEqual([]);
  });

  test('a file with one importer is a piece of it, however often that names it', () => {
    const edges = house({
      'src/a/a.ts': "import './piece.ts'; import type { P } from './piece.ts'; import './b.ts';",
      'src/a/c.ts': "import './b.ts';",
      'src/a/piece.ts': "import './piece.ts';",
    });
    const all = ['src/a/a.ts', 'src/a/b.ts', 'src/a/c.ts', 'src/a/piece.ts'];
    expect([...piecesOfOne(all, edges)]).toEqual([['src/a/piece.ts', 'src/a/a.ts']]);
  });

  test('a file that only names itself is an orphan, one named by a URL is not', () => {
    const lonely = house({
      'src/a/main.ts': "new URL('./child.ts', import.meta.url)",
      'src/a/child.ts': '',
      'src/a/lonely.ts': "import './lonely.ts';",
    });
    const all = ['src/a/main.ts', 'src/a/child.ts', 'src/a/lonely.ts'];
    expect(orphans(all, lonely, ['src/a/main.ts'])).toEqual(['src/a/lonely.ts']);
  });
});
