import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import project from '../../package.json' with { type: 'json' };

const plugin = fileURLToPath(new URL('../../kubectl-plugin', import.meta.url));
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-launcher-'));
  mkdirSync(join(folder, 'kubectl-plugin'));
  mkdirSync(join(folder, 'bin'));
  const launcher = join(plugin, 'kubectl-gpu_mcp.mjs');
  copyFileSync(launcher, join(folder, 'kubectl-plugin/kubectl-gpu_mcp.mjs'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the launcher', () => {
  const launch = (...nodeArguments: string[]) =>
    spawnSync(
      process.execPath,
      [...nodeArguments, join(folder, 'kubectl-plugin/kubectl-gpu_mcp.mjs'), 'triage', 'node-a'],
      {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], HOME: folder, XDG_CACHE_HOME: join(folder, 'cache') },
      },
    );

  test('says in one sentence that Node is too old, and exits with 2', () => {
    const pretend = join(folder, 'old.cjs');
    writeFileSync(
      pretend,
      "Object.defineProperty(process.versions, 'node', { value: '20.20.2' });" +
        'delete process.getBuiltinModule;',
    );
    const { status, stdout, stderr } = launch('--require', pretend);
    expect({ status, stdout, stderr }).toEqual({
      status: 2,
      stdout: '',
      stderr: `kubectl gpu-mcp needs Node 22.19 or newer, and this is Node 20.20.2 (${process.execPath}).\n`,
    });
  });

  test('asks for the Node that package.json asks for', () => {
    const wanted = /wanted = \[(\d+), (\d+)\]/.exec(
      readFileSync(join(plugin, 'kubectl-gpu_mcp.mjs'), 'utf8'),
    );
    expect(`>=${wanted?.[1]}.${wanted?.[2]}`).toBe(project.engines.node);
  });

  test('says what to run where nothing is built', () => {
    const { status, stderr } = launch();
    expect([status, stderr]).toEqual([
      2,
      'kubectl gpu-mcp is not built here: run `npm ci && npm run build` first.\n',
    ]);
  });

  test('runs the plugin with the arguments it was given and keeps its compiled code', () => {
    mkdirSync(join(folder, 'dist'));
    const bundle = join(folder, 'dist/plugin.mjs');
    writeFileSync(
      bundle,
      `import { getCompileCacheDir } from 'node:module';
       console.log(process.argv.slice(2).join(' '));
       console.log(getCompileCacheDir()?.startsWith(${JSON.stringify(join(folder, 'cache/kubectl-gpu-mcp'))}));
       process.exitCode = 5;`,
    );
    const { status, stdout } = launch();
    expect([status, stdout]).toEqual([5, 'triage node-a\ntrue\n']);
    expect(statSync(join(folder, 'cache/kubectl-gpu-mcp')).mode & 0o777).toBe(0o700);
    // A module that the plugin itself misses is not mistaken for a missing plugin.
    writeFileSync(bundle, "import 'no-such-package';");
    const broken = launch();
    expect(broken.status).toBe(1);
    expect(broken.stderr).toContain('no-such-package');
  });
});

describe('compiled code is kept in no folder that somebody else', () => {
  const report = `import { getCompileCacheDir } from 'node:module';
    console.log(getCompileCacheDir() ?? 'none');`;
  const isRoot = process.getuid?.() === 0;

  /** Where it is kept, below a cache folder that `change` has prepared. */
  const keptAt = (change: (cache: string) => void): string => {
    const home = mkdtempSync(join(folder, 'home-'));
    mkdirSync(join(home, 'kubectl-plugin'));
    mkdirSync(join(home, 'dist'));
    const launcher = join(home, 'kubectl-plugin/kubectl-gpu_mcp.mjs');
    copyFileSync(join(plugin, 'kubectl-gpu_mcp.mjs'), launcher);
    writeFileSync(join(home, 'dist/plugin.mjs'), report);
    const cache = join(home, 'cache');
    mkdirSync(cache, { mode: 0o700 });
    change(cache);
    const env = { PATH: process.env['PATH'], HOME: home, XDG_CACHE_HOME: cache };
    return spawnSync(process.execPath, [launcher], { encoding: 'utf8', env }).stdout.trim();
  };
  const made = (cache: string, mode: number) => {
    mkdirSync(join(cache, 'kubectl-gpu-mcp'));
    chmodSync(join(cache, 'kubectl-gpu-mcp'), mode);
  };

  test('but in one’s own, also through a link', () => {
    expect(keptAt(() => {})).toMatch(/cache\/kubectl-gpu-mcp/);
    expect(keptAt(cache => made(cache, 0o755))).toMatch(/cache\/kubectl-gpu-mcp/);
    const linked = keptAt(cache => {
      mkdirSync(`${cache}-real`, { mode: 0o700 });
      rmSync(cache, { recursive: true });
      symlinkSync(`${cache}-real`, cache);
    });
    expect(linked).toMatch(/cache-real\/kubectl-gpu-mcp/);
  });

  test.each([0o777, 0o775, 0o757])('can write to: mode %o', mode => {
    expect(keptAt(cache => made(cache, mode))).toBe('none');
    expect(keptAt(cache => chmodSync(cache, mode))).toBe('none');
  });

  test('can write to through a link of ours', () => {
    const kept = keptAt(cache => {
      mkdirSync(`${cache}-open`);
      chmodSync(`${cache}-open`, 0o777);
      symlinkSync(`${cache}-open`, join(cache, 'kubectl-gpu-mcp'));
    });
    expect(kept).toBe('none');
  });

  test.runIf(isRoot)('owns, or could put another in the place of', () => {
    expect(
      keptAt(cache => {
        made(cache, 0o700);
        chownSync(join(cache, 'kubectl-gpu-mcp'), 65_534, 65_534);
      }),
    ).toBe('none');
    expect(keptAt(cache => chownSync(cache, 65_534, 65_534))).toBe('none');
  });

  test('could make before us in a folder for all: it is ours, or none', () => {
    expect(keptAt(cache => chmodSync(cache, 0o1777))).toMatch(/cache\/kubectl-gpu-mcp/);
  });
});

test('what kubectl asks for completions is the plugin, with the words behind a hidden one', () => {
  const asked = join(folder, 'kubectl-plugin/kubectl_complete-gpu_mcp.mjs');
  copyFileSync(join(plugin, 'kubectl_complete-gpu_mcp.mjs'), asked);
  writeFileSync(
    join(folder, 'dist/plugin.mjs'),
    'console.log(JSON.stringify(process.argv.slice(2)))',
  );
  const { stdout } = spawnSync(process.execPath, [asked, 'triage', "a b; 'c'", ''], {
    encoding: 'utf8',
    env: { HOME: folder },
  });
  expect(JSON.parse(stdout)).toEqual(['__complete', 'triage', "a b; 'c'", '']);
});
