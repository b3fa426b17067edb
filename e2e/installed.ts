import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { arch, env, execPath, pid, platform, version } from 'node:process';
import { run, TestClusterError } from './cluster/command.ts';

/** The folder of programs that tests use, or why they could not be installed. */
export type Installed = { readonly folder: string } | { readonly why: string };

/** The packages of Python are two hundred megabytes. */
const PYTHON_SECONDS_MAX = 420;

/**
 * Installs programs of others into a cache folder: once for each content of their lock files. Under a
 * temporary name first, so that half an installation is never taken for one.
 */
export async function installOnce(
  name: string,
  locks: readonly string[],
  install: (folder: string) => Promise<void>,
  report: (line: string) => void,
): Promise<Installed> {
  const recipe = createHash('sha256').update([name, platform, arch, version, execPath].join());
  for (const lock of locks) recipe.update(readFileSync(lock));
  const cache = env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const digest = recipe.digest('hex').slice(0, 16);
  const folder = join(cache, 'kubectl-gpu-mcp', `${name}-${digest}`);
  if (existsSync(folder)) {
    await utimes(folder, new Date(), new Date());
    return { folder };
  }
  const partial = `${folder}.partial-${pid}`;
  const beganMs = performance.now();
  try {
    await mkdir(partial, { recursive: true });
    await install(partial);
    await rename(partial, folder);
    await removeUnused(folder, name);
    report(`${name}: installed in ${Math.round((performance.now() - beganMs) / 1000)} s`);
    return { folder };
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    const words = error instanceof TestClusterError ? error.message : String(error);
    return { why: `${name} could not be installed: ${words.split('\n', 2).join(' ')}` };
  }
}

const UNUSED_DAYS = 7;

/** Of earlier contents those that no run has used for a week: another checkout may use one now. */
async function removeUnused(folder: string, name: string): Promise<void> {
  const before = Date.now() - UNUSED_DAYS * 24 * 3_600_000;
  const earlier = new RegExp(`^${name}-[0-9a-f]{16}(?:\\.partial-\\d+)?$`);
  for (const other of await readdir(dirname(folder))) {
    const path = join(dirname(folder), other);
    if (!earlier.test(other) || path === folder) continue;
    if ((await stat(path)).mtimeMs < before) await rm(path, { recursive: true, force: true });
  }
}

/** What a file of requirements pins, every package named, in an environment of its own. */
export async function pythonPackages(folder: string, requirements: string): Promise<void> {
  const secondsMax = PYTHON_SECONDS_MAX;
  await run(['python3', '-m', 'venv', folder], { secondsMax });
  const pip = [join(folder, 'bin/python'), '-m', 'pip', 'install', '--quiet', '--no-deps'];
  await run([...pip, '-r', requirements], { secondsMax });
}
