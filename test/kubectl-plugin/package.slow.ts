import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const project = fileURLToPath(new URL('../..', import.meta.url));
const NOT_CLONED = new Set(['.git', 'coverage', 'dist', 'node_modules']);

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-package-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function npm(cwd: string, ...words: string[]) {
  return spawnSync('npm', words, {
    cwd,
    encoding: 'utf8',
    env: {
      ...process.env,
      HOME: folder,
      npm_config_cache: join(folder, 'cache'),
      npm_config_offline: 'true',
      npm_config_update_notifier: 'false',
    },
  });
}

describe('the npm package', () => {
  test('packed from a clone that was never built, it runs by its own name in an empty folder', () => {
    const clone = join(folder, 'clone');
    cpSync(project, clone, {
      recursive: true,
      filter: from => !NOT_CLONED.has(from.slice(project.length)),
    });
    symlinkSync(join(project, 'node_modules'), join(clone, 'node_modules'));
    const packed = npm(clone, 'pack', '--pack-destination', folder);
    expect(packed.status, packed.stderr).toBe(0);
    const archive = readdirSync(folder).find(name => name.endsWith('.tgz')) ?? '';

    const empty = join(folder, 'empty');
    mkdirSync(empty);
    const ran = npm(
      empty,
      ...['exec', '--yes', '--package', join(folder, archive), '--'],
      ...['kubectl-gpu-mcp', 'triage', '--simulate', 'dgx-h100'],
    );
    expect([ran.status, ran.stdout], ran.stderr).toEqual([0, expect.stringContaining('HEALTHY')]);
    // `npx FILE` runs the program that is named like the package.
    const named = npm(empty, 'exec', '--yes', `file:${join(folder, archive)}`, '--', 'version');
    expect([named.status, named.stdout], named.stderr).toEqual([0, expect.stringMatching(/^\d/)]);
  });
});
