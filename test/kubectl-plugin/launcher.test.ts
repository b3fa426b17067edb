import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
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
    // A module that the plugin itself misses is not mistaken for a missing plugin.
    writeFileSync(bundle, "import 'no-such-package';");
    const broken = launch();
    expect(broken.status).toBe(1);
    expect(broken.stderr).toContain('no-such-package');
  });
});

describe('the completion', () => {
  const kubectl = `#!/bin/sh
case "$*" in
  *gpu.present*) [ "$GPU_LABEL" = no ] || printf 'node/gpu-a\\nnode/gpu-b\\n' ;;
  *) printf 'node/gpu-a\\nnode/cpu-c\\n' ;;
esac
for word in "$@"; do printf '%s\\n' "[$word]" >>"$KUBECTL_LOG"; done
`;
  const complete = (words: string[], environment: Record<string, string> = {}) => {
    writeFileSync(join(folder, 'bin/kubectl'), kubectl, { mode: 0o755 });
    writeFileSync(join(folder, 'log'), '');
    const path = [join(folder, 'bin'), process.env['PATH']].join(delimiter);
    const { stdout } = spawnSync(join(plugin, 'kubectl_complete-gpu_mcp'), words, {
      encoding: 'utf8',
      env: { PATH: path, KUBECTL_LOG: join(folder, 'log'), ...environment },
    });
    return { lines: stdout.trim().split('\n'), asked: readFileSync(join(folder, 'log'), 'utf8') };
  };

  test('ends with the directive that keeps the shell from offering files', () => {
    expect(complete(['']).lines.at(-1)).toBe(':4');
  });

  test('offers commands and nodes for the first word, as far as it is typed', () => {
    expect(complete(['']).lines).toEqual(expect.arrayContaining(['triage', 'explain', 'gpu-a']));
    expect(complete(['tr']).lines).toEqual(['triage', ':4']);
    expect(complete(['gpu-']).lines).toEqual(['gpu-a', 'gpu-b', ':4']);
  });

  test('offers nodes after a command that takes one, and none after one that does not', () => {
    expect(complete(['triage', '']).lines).toEqual(['gpu-a', 'gpu-b', ':4']);
    expect(complete(['explain', '']).lines).toEqual([':4']);
  });

  test('offers every node where none says that it has GPUs', () => {
    expect(complete(['triage', ''], { GPU_LABEL: 'no' }).lines).toEqual(['gpu-a', 'cpu-c', ':4']);
  });

  test('asks the cluster that the words typed so far name, whatever is in the name', () => {
    const { asked } = complete(['--context', "a b; 'c'", '--kubeconfig=/k', 'triage', '']);
    expect(asked).toContain("[--context=a b; 'c']\n[--kubeconfig=/k]\n");
  });
});
