import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { env, geteuid, pid } from 'node:process';
import { run, TestClusterError } from './command.ts';
import { imageArchive } from './image.ts';
import {
  type GoPart,
  goParts,
  moduleFolder,
  PAUSE_IMAGE,
  PAUSE_SOURCE,
  partsFolder,
  type Release,
} from './parts.ts';

/**
 * Builds what is missing of Kubernetes, etcd, containerd and runc, and returns the folder they lie in.
 *
 * Each part is built under a temporary name and renamed when whole, so that an interrupted build is never
 * taken for a part.
 */
export async function buildParts(
  report: (line: string) => void,
  release: Release = 'present',
): Promise<string> {
  const folder = partsFolder(release);
  await mkdir(folder, { recursive: true });
  await removePartials(folder);
  for (const part of goParts(release)) {
    await buildOnce({ folder, name: part.name, report, build: into => buildGo(part, into) });
  }
  await buildOnce({ folder, name: 'pause', report, build: buildPause });
  return folder;
}

// What an interrupted build left; the name ends with the number of the process that made it.
async function removePartials(folder: string): Promise<void> {
  for (const entry of await readdir(folder)) {
    const builder = /\.partial-(\d+)$/.exec(entry)?.[1];
    if (builder === undefined || existsSync(`/proc/${builder}`)) continue;
    await rm(join(folder, entry), { recursive: true, force: true });
  }
}

async function buildOnce({
  folder,
  name,
  report,
  build,
}: {
  folder: string;
  name: string;
  report: (line: string) => void;
  build: (into: string) => Promise<void>;
}): Promise<void> {
  const whole = join(folder, name);
  if (existsSync(whole)) return report(`${name}: built earlier`);
  const startMs = performance.now();
  const partial = join(folder, `${name}.partial-${pid}`);
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial);
  try {
    await build(partial);
    await rename(partial, whole).catch((error: unknown) => {
      // Another build was faster.
      if (!existsSync(whole)) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  report(`${name}: built in ${Math.round((performance.now() - startMs) / 1000)} s`);
}

async function buildGo(part: GoPart, into: string): Promise<void> {
  await requireGo();
  if (part.cgo) await requireSeccomp();
  const output = part.program === undefined ? `${into}/` : join(into, part.program);
  const flags = ['-trimpath', '-buildvcs=false', '-mod=readonly', `-tags=${part.tags.join(',')}`];
  const ldflags = `-ldflags=${['-s -w', ...part.ldflags].join(' ')}`;
  await run(['go', 'build', ...flags, ldflags, '-o', output, ...part.packages], {
    cwd: moduleFolder(part),
    env: { ...env, GOFLAGS: '', GOWORK: 'off', CGO_ENABLED: part.cgo ? '1' : '0' },
    secondsMax: part.secondsMax,
    hint: 'the modules must be in Go’s cache or reachable through `go env GOPROXY`',
  });
}

async function requireGo(): Promise<void> {
  const found = /\bgo1\.(\d+)/.exec(
    await run(['go', 'version'], { hint: 'install Go 1.26 or newer' }),
  );
  if (Number(found?.[1]) >= 26) return;
  throw new TestClusterError(
    `Go is ${found?.[0] ?? 'of an unknown version'}; install Go 1.26 or newer.`,
  );
}

async function requireSeccomp(): Promise<void> {
  const packages = ['gcc', 'libc6-dev', 'libseccomp-dev', 'pkg-config'];
  const hint = `install the Debian packages ${packages.join(', ')}`;
  try {
    await run(['pkg-config', '--exists', 'libseccomp']);
    await run(['gcc', '--version']);
    return;
  } catch (cause) {
    if (geteuid?.() !== 0) {
      const message = `runc needs a C compiler and libseccomp: ${hint}.`;
      throw new TestClusterError(message, { cause });
    }
  }
  await run(['apt-get', 'update'], { secondsMax: 300, hint });
  const quiet = { ...env, DEBIAN_FRONTEND: 'noninteractive' };
  await run(['apt-get', 'install', '-y', ...packages], { secondsMax: 600, env: quiet, hint });
}

async function buildPause(into: string): Promise<void> {
  const program = join(into, 'pause');
  await run(['gcc', '-Os', '-static', '-s', '-o', program, PAUSE_SOURCE], {
    hint: 'install gcc and libc6-dev',
  });
  const archive = imageArchive({
    reference: PAUSE_IMAGE,
    files: [{ path: 'pause', content: await readFile(program), mode: 0o755 }],
    entrypoint: ['/pause'],
  });
  await writeFile(join(into, 'pause.tar'), archive);
}
