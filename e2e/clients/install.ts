import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { arch, env, execPath, pid, platform, version } from 'node:process';
import { run, TestClusterError } from '../cluster/command.ts';

/** Packages are a gigabyte and a half: whole programs of four vendors are among them. */
const INSTALL_SECONDS_MAX = 420;

const HERE = import.meta.dirname;

/** What could be installed, or why it could not. */
export interface Clients {
  readonly npm: Installed;
  readonly python: Installed;
}
export type Installed = { readonly folder: string } | { readonly why: string };

/**
 * Installs the AI clients that are tested with, as their lock files say, into a cache folder: once for
 * each content of the lock files. What the project itself installs does not grow by them.
 */
export async function installClients(report: (line: string) => void): Promise<Clients> {
  const [npm, python] = await Promise.all([
    once('npm', ['package.json', 'package-lock.json'], installNpm, report),
    once('python', ['requirements.txt'], installPython, report),
  ]);
  return { npm, python };
}

/** npm's own scripts stay off: what they would do is to move programs that lie beside them. */
async function installNpm(folder: string): Promise<void> {
  for (const file of ['package.json', 'package-lock.json']) {
    await copyFile(join(HERE, file), join(folder, file));
  }
  const flags = [
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    '--loglevel=error',
  ];
  await run(['npm', 'ci', ...flags], { cwd: folder, secondsMax: INSTALL_SECONDS_MAX });
}

async function installPython(folder: string): Promise<void> {
  await run(['python3', '-m', 'venv', folder], { secondsMax: INSTALL_SECONDS_MAX });
  const wanted = join(HERE, 'requirements.txt');
  await run(
    [join(folder, 'bin/python'), '-m', 'pip', 'install', '--quiet', '--no-deps', '-r', wanted],
    { secondsMax: INSTALL_SECONDS_MAX },
  );
}

/** Under a temporary name first, so that half an installation is never taken for one. */
async function once(
  name: string,
  locks: readonly string[],
  install: (folder: string) => Promise<void>,
  report: (line: string) => void,
): Promise<Installed> {
  const recipe = createHash('sha256').update([name, platform, arch, version, execPath].join());
  for (const lock of locks) recipe.update(readFileSync(join(HERE, lock)));
  const cache = env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const digest = recipe.digest('hex').slice(0, 16);
  const folder = join(cache, 'kubectl-gpu-mcp', `clients-${name}-${digest}`);
  if (existsSync(folder)) return { folder };
  const partial = `${folder}.partial-${pid}`;
  const beganMs = performance.now();
  try {
    await mkdir(partial, { recursive: true });
    await install(partial);
    await rename(partial, folder);
    report(
      `clients of ${name}: installed in ${Math.round((performance.now() - beganMs) / 1000)} s`,
    );
    return { folder };
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    const words = error instanceof TestClusterError ? error.message : String(error);
    const why = words.split('\n', 2).join(' ');
    return { why: `the clients of ${name} could not be installed: ${why}` };
  }
}
