import { copyFileSync, existsSync, mkdirSync, readdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { locateLibrary } from '../../src/nvml/library/library.ts';

export interface DriverPlace {
  /** libnvidia-ml.so.1 by absolute path. */
  readonly library: string;
  /** Its folder: libcuda.so.1 lies there too. */
  readonly folder: string;
  /** For --driver-root, where the product does not find the library by itself. */
  readonly driverRoot: string | undefined;
  readonly nvidiaSmi: string;
}

const NAME = 'libnvidia-ml.so.1';
/** Where containers and virtual machines have a driver that was brought in. */
const FOLDERS = ['/usr/local/nvidia/lib64', '/usr/local/nvidia/lib', '/usr/local/nvidia'];

/** Where this machine's driver lies; undefined where there is none. `work` is a folder to write in. */
export async function driverPlace(
  work: string,
  environment: NodeJS.ProcessEnv,
): Promise<DriverPlace | undefined> {
  const nvidiaSmi = programIn('nvidia-smi', environment);
  const itself = await locateLibrary({ hostRoot: '/', arch: process.arch });
  const [found] = itself.found;
  if (found) {
    const library = found.file;
    return { library, folder: dirname(library), driverRoot: undefined, nvidiaSmi };
  }
  const listed = (environment['LD_LIBRARY_PATH'] ?? '').split(':').filter(Boolean);
  const folder = [...FOLDERS, ...listed, ...below('/usr/local/nvidia')].find(place =>
    existsSync(join(place, NAME)),
  );
  if (folder === undefined) return undefined;
  const library = join(folder, NAME);
  return { library, folder, driverRoot: await rootOf(library, work), nvidiaSmi };
}

/** A root under which the product finds this library: its own, or one with a copy. */
async function rootOf(library: string, work: string): Promise<string> {
  const folder = dirname(library);
  const root = basename(folder) === 'lib64' ? dirname(folder) : dirname(dirname(folder));
  const found = await locateLibrary({ hostRoot: '/', driverRoot: root, arch: process.arch });
  if (found.found.length > 0) return root;
  const copied = join(work, 'driver');
  mkdirSync(join(copied, 'lib64'), { recursive: true });
  copyFileSync(realpathSync(library), join(copied, 'lib64', NAME));
  return copied;
}

function below(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter(({ name }) => name === NAME)
      .map(({ parentPath }) => parentPath);
  } catch {
    return [];
  }
}

function programIn(name: string, environment: NodeJS.ProcessEnv): string {
  const folders = [...(environment['PATH'] ?? '').split(':'), '/usr/local/nvidia/bin'];
  return folders.map(folder => join(folder, name)).find(file => existsSync(file)) ?? name;
}
