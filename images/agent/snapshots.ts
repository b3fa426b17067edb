import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundle } from '../../kubectl-plugin/build.ts';
import { NVML_FLAGS } from '../../src/agent/nvml-flags.ts';
import { FLAGS, type Platform } from './contents.ts';

const run = promisify(execFile);

const PROGRAMS = [
  { name: 'agent', entry: 'src/agent/main.ts', flags: FLAGS, unchecked: false },
  { name: 'nvml-agent', entry: 'src/agent/nvml-main.ts', flags: NVML_FLAGS, unchecked: true },
] as const;

/**
 * One thread and one seed, and a young generation that holds all: what a collection leaves depends on
 * the moment at which it comes.
 */
const REPRODUCIBLE = ['--predictable', '--min-semi-space-size=64', '--max-semi-space-size=64'];

/** Whether this machine runs the Node of a platform's image, which alone can make its snapshots. */
export const makesSnapshots = (platform: Platform): boolean =>
  `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}` === platform;

/**
 * The heaps of agent and NVML process as they are when all is loaded, `agent.blob` and `nvml-agent.blob`,
 * made by the image's own Node. They hold no compiled code: nothing of this machine's processor is in
 * them. The same sources and the same Node give the same bytes.
 *
 * @throws Error with Node's words when one cannot be made.
 */
export async function snapshots(
  node: Buffer,
  project: string,
): Promise<readonly { readonly name: string; readonly content: Buffer }[]> {
  const folder = await mkdtemp(join(tmpdir(), 'gpu-mcp-snapshot-'));
  try {
    await writeFile(join(folder, 'node'), node, { mode: 0o755 });
    const made = [];
    for (const { name, entry, flags, unchecked } of PROGRAMS) {
      const script = join(folder, `${name}.cjs`);
      await bundle({ entry: join(project, entry), output: script, snapshot: true, unchecked });
      // Its path stands in the heap: one that means this folder wherever that is.
      const config = { builder: `/proc/self/cwd/${name}.cjs`, withoutCodeCache: true };
      await writeFile(join(folder, `${name}.json`), JSON.stringify(config));
      await run(
        './node',
        [
          ...[...flags, ...REPRODUCIBLE],
          ...['--snapshot-blob', `${name}.blob`, '--build-snapshot-config', `${name}.json`],
        ],
        { cwd: folder, env: {} },
      );
      made.push({ name: `${name}.blob`, content: await readFile(join(folder, `${name}.blob`)) });
    }
    return made;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
