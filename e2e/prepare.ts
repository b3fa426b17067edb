import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuiltImage, buildImageOrNewest, ownPlatform } from '../images/agent/build-image.ts';
import { buildAll } from '../kubectl-plugin/build.ts';
import type { NodeFile } from './cluster/cluster.ts';
import { kernelLines, LIBRARY, MACHINE_FILE, machineFile } from './machines.ts';

export const PROJECT = fileURLToPath(new URL('..', import.meta.url));

/** The launcher: what npm links under the plugin's name. */
export const LAUNCHER = join(PROJECT, 'kubectl-plugin/kubectl-gpu_mcp.mjs');
const COMPLETER = join(PROJECT, 'kubectl-plugin/kubectl_complete-gpu_mcp.mjs');

/** Builds what users get: dist/ with plugin and agent, and the image's archive in `folder`. */
export async function buildProduct(folder: string): Promise<BuiltImage> {
  await buildAll(PROJECT);
  // A mirror that dropped a pinned package must not turn a test of something else red.
  const wanted = { file: join(folder, 'image.tar'), platforms: [ownPlatform()] };
  return buildImageOrNewest(wanted, message => process.stderr.write(`${message}\n`));
}

/** The files that make a node of the cluster a simulated machine: its driver and its kernel log. */
export function driverFiles(simulated: {
  readonly library: string;
  readonly machine: string;
  readonly node: string;
}): Readonly<Record<string, NodeFile>> {
  const { library, machine, node } = simulated;
  return {
    [LIBRARY]: { copyOf: library },
    [MACHINE_FILE]: machineFile(machine),
    '/var/log/kern.log': kernelLines(machine, node, Date.now()),
  };
}

/**
 * Makes a folder to stand first on PATH: kubectl, our plugin under its name, and the Node that
 * both halves are tested with.
 */
export function binFolder(folder: string, kubectl: string): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(kubectl, join(bin, 'kubectl'));
  symlinkSync(process.execPath, join(bin, 'node'));
  const plugin = join(bin, 'kubectl-gpu_mcp');
  writeFileSync(plugin, `#!/bin/sh\nexec node '${LAUNCHER}' "$@"\n`);
  chmodSync(plugin, 0o755);
  symlinkSync(COMPLETER, join(bin, 'kubectl_complete-gpu_mcp'));
  return bin;
}
