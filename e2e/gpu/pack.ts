/**
 * Packs the check for a machine with a GPU and without network: what ships and one script.
 *
 *   node e2e/gpu/pack.ts --output DIR
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildAll, bundle } from '../../kubectl-plugin/build.ts';

const PACK_BYTES_MAX = 60_000_000;
const PROJECT = join(import.meta.dirname, '../..');

const { values } = parseArgs({ options: { output: { type: 'string' } } });
if (values.output === undefined) throw new Error('name a folder: --output DIR');
const output = values.output;

await buildAll(PROJECT);
const work = mkdtempSync(join(tmpdir(), 'gpu-check-'));
try {
  const pack = join(work, 'gpu-check');
  const plugin = join(pack, 'plugin');
  mkdirSync(join(plugin, 'kubectl-plugin'), { recursive: true });
  const rootfs = join(pack, 'rootfs');
  mkdirSync(rootfs);
  const image = join(PROJECT, 'images/agent/build-image.ts');
  execFileSync(process.execPath, [image, '--platform', 'linux/amd64', '--rootfs', rootfs]);
  for (const path of ['dist', 'kubectl-plugin/kubectl-gpu_mcp.mjs', 'package.json']) {
    cpSync(join(PROJECT, path), join(plugin, path), { recursive: true });
  }
  await bundle({
    entry: join(import.meta.dirname, 'check.ts'),
    output: join(plugin, 'dist/check.mjs'),
  });
  cpSync(join(import.meta.dirname, 'load.py'), join(pack, 'load.py'));
  mkdirSync(output, { recursive: true });
  const file = join(output, 'pack.tar.xz');
  rmSync(file, { force: true });
  execFileSync('tar', ['-C', work, '-I', 'xz -6 -T0', '-cf', file, 'gpu-check']);
  cpSync(join(import.meta.dirname, 'run.sh'), join(output, 'run.sh'));
  const { size } = statSync(file);
  process.stdout.write(`${(size / 1e6).toFixed(1).padStart(6)} MB  ${file}\n`);
  if (size > PACK_BYTES_MAX) throw new Error(`the pack has ${size} bytes, its limit is 60 MB`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
