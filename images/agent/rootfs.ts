import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TarEntry } from './tar.ts';

/** Writes entries into a folder that is absent or empty. Throws when something is in it already. */
export async function writeFolder(folder: string, entries: readonly TarEntry[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) throw new Error(`${folder} is not empty`);
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const { path, mode, content } of sorted) {
    const target = join(folder, path);
    if (content) await writeFile(target, content);
    else await mkdir(target, { recursive: true });
    // The mode given at creation would be cut by the umask.
    await chmod(target, mode);
  }
}
