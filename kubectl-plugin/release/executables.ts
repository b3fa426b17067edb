import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { withoutSections } from '../../images/agent/elf.ts';
import { readLock } from '../../images/agent/lock.ts';
import { npmFiles } from '../../images/agent/packages.ts';
import { type File, tarGz, zip } from './archives.ts';
import { signedAdHoc } from './mach-signature.ts';
import others from './packages.json' with { type: 'json' };

const run = promisify(execFile);

/** What an executable is made for, as krew and Go name it. For windows/arm64 npm has no Node of this version. */
export const TARGETS = [
  'linux/amd64',
  'linux/arm64',
  'darwin/amd64',
  'darwin/arm64',
  'windows/amd64',
] as const;
export type Target = (typeof TARGETS)[number];

/** This machine, by the same names. */
export const ownTarget = (): string =>
  `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`;

const Npm = z.strictObject({ name: z.string(), version: z.string(), integrity: z.string() });

/** The npm packages whose Node (and koffi, where `--local` works) goes into the executable. */
export function partsOf(target: Target): {
  readonly node: z.infer<typeof Npm>;
  readonly koffi?: z.infer<typeof Npm>;
} {
  if (target === 'linux/amd64' || target === 'linux/arm64') return readLock().platforms[target];
  return { node: Npm.parse(others[target]) };
}

/** With one seed V8 writes the same code cache each time; it is the flag that its cache does not check. */
const SEED = '--random-seed=1';

/**
 * One file that is Node, plugin and agent. The compiled code goes into it where this machine can run
 * what it makes: V8 reads no cache of another processor's.
 *
 * @throws Error when a package cannot be fetched, is not the one of the lock, or does not take the code.
 */
export async function executable(target: Target, main: string, work: string): Promise<Buffer> {
  const folder = join(work, target.replace('/', '-'));
  await mkdir(folder, { recursive: true });
  const { node, koffi } = partsOf(target);
  const files = await npmFiles(node);
  const program = target.startsWith('windows') ? 'node.exe' : 'node';
  const content = files.get(`package/bin/${program}`)?.content;
  if (!content) throw new Error(`${node.name} without ${program}`);
  const source = join(folder, program);
  await writeFile(source, target.startsWith('linux') ? withoutSections(content) : content, {
    mode: 0o755,
  });
  const native = koffi && (await npmFiles(koffi));
  const assets: Record<string, string> = {};
  for (const { path, content } of native?.values() ?? []) {
    if (!/^package\/linux_(x64|arm64)\/koffi\.node$/.test(path)) continue;
    assets['koffi.node'] = join(folder, 'koffi.node');
    await writeFile(assets['koffi.node'], content);
  }
  const output = join(folder, 'made');
  const config = join(folder, 'sea.json');
  await writeFile(
    config,
    JSON.stringify({
      ...{ main, mainFormat: 'module', executable: source, output, assets },
      ...{ disableExperimentalSEAWarning: true, useCodeCache: target === ownTarget() },
    }),
  );
  await run(process.execPath, [SEED, `--build-sea=${config}`]);
  const made = await readFile(output);
  return target.startsWith('darwin') ? signedAdHoc(made, 'kubectl-gpu_mcp') : made;
}

/** The name of an archive and of the program in it. */
export const archiveName = (target: Target, version: string) =>
  `kubectl-gpu_mcp-v${version}-${target.replace('/', '-')}.${target.startsWith('windows') ? 'zip' : 'tar.gz'}`;
export const programName = (target: Target) =>
  target.startsWith('windows') ? 'kubectl-gpu_mcp.exe' : 'kubectl-gpu_mcp';

/** The executable with its licences and, for kubectl's completion, the program that kubectl looks for. */
export async function archive(
  target: Target,
  program: Buffer,
  licences: readonly File[],
): Promise<Buffer> {
  const own = { path: programName(target), mode: 0o755, content: program };
  if (target.startsWith('windows')) return zip([own, ...licences]);
  const complete = Buffer.from(
    '#!/bin/sh\nexec "$(dirname "$0")/kubectl-gpu_mcp" __complete "$@"\n',
  );
  const completes = { path: 'kubectl_complete-gpu_mcp', mode: 0o755, content: complete };
  return tarGz([own, completes, ...licences]);
}
