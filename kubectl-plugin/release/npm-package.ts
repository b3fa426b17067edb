import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { readLock } from '../../images/agent/lock.ts';
import { npmFiles } from '../../images/agent/packages.ts';

const Published = z.object({
  ...{ name: z.string(), version: z.string(), description: z.string(), license: z.string() },
  ...{ keywords: z.array(z.string()), type: z.string(), files: z.array(z.string()) },
  bin: z.record(z.string(), z.string()),
  engines: z.record(z.string(), z.string()),
});

/**
 * Packs the npm package of a folder whose dist/ is built: what a user needs, on any machine (koffi for
 * both Linux platforms), and none of what only this project's developers do.
 */
export async function npmPackage(options: {
  readonly project: string;
  readonly folder: string;
  readonly output: string;
  readonly repository: string;
}): Promise<void> {
  const { project, folder, output, repository } = options;
  const own = Published.parse(JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')));
  const address = `https://github.com/${repository}`;
  const published = {
    ...own,
    repository: { type: 'git', url: `git+${address}.git` },
    homepage: `${address}#readme`,
    bugs: { url: `${address}/issues` },
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
  const launchers = own.files.filter(name => name.startsWith('kubectl-plugin/'));
  for (const name of [...launchers, 'README.md', 'LICENSE', 'CHANGELOG.md']) {
    cpSync(join(project, name), join(folder, name));
  }
  for (const { koffi } of Object.values(readLock().platforms)) {
    const files = await npmFiles(koffi);
    for (const { path, content } of files.values()) {
      const platform = /^package\/(linux_(?:x64|arm64))\/koffi\.node$/.exec(path)?.[1];
      if (platform === undefined) continue;
      const into = join(folder, 'dist/koffi', platform.replace('_', '-'));
      mkdirSync(into, { recursive: true });
      writeFileSync(join(into, 'koffi.node'), content);
    }
  }
  execFileSync('npm', ['pack', '--pack-destination', output, '--loglevel=error'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
