import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../cluster/command.ts';
import { type Installed, installOnce, pythonPackages } from '../installed.ts';

/** Packages are a gigabyte and a half: whole programs of four vendors are among them. */
const INSTALL_SECONDS_MAX = 420;

const HERE = import.meta.dirname;
const files = (...names: string[]) => names.map(name => join(HERE, name));

/** What could be installed, or why it could not. */
export interface Clients {
  readonly npm: Installed;
  readonly python: Installed;
}

/**
 * Installs the AI clients that are tested with, as their lock files say, into a cache folder: once for
 * each content of the lock files. What the project itself installs does not grow by them.
 */
export async function installClients(report: (line: string) => void): Promise<Clients> {
  const [npm, python] = await Promise.all([
    installOnce('clients-npm', files('package.json', 'package-lock.json'), installNpm, report),
    installOnce('clients-python', files('requirements.txt'), installPython, report),
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

const installPython = (folder: string) => pythonPackages(folder, join(HERE, 'requirements.txt'));
