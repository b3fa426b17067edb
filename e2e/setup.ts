import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { buildImage, ownPlatform } from '../images/agent/build-image.ts';
import { buildAll } from '../kubectl-plugin/build.ts';
import { buildSimulatedLibrary } from '../test/sim-nvml/build.ts';
import { startCluster } from './cluster/cluster.ts';
import { kernelLines, LIBRARY, MACHINE_FILE, machineFile } from './machines.ts';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

/**
 * Builds what users get (plugin, agent, image), starts a cluster of two nodes, and puts the
 * simulated driver with a lost GPU on node-a; node-b has no driver.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const report = (line: string) => process.stderr.write(`${line}\n`);
  await buildAll(PROJECT);
  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-e2e-'));
  const image = await buildImage({
    file: join(folder, 'image.tar'),
    platforms: [ownPlatform()],
  });
  const library = await buildSimulatedLibrary();
  const cluster = await startCluster({
    report,
    files: {
      'node-a': {
        [LIBRARY]: { copyOf: library },
        [MACHINE_FILE]: machineFile('lost-gpu'),
        '/var/log/kern.log': kernelLines('lost-gpu', 'node-a', Date.now()),
      },
    },
  });
  await cluster.importImage(image.file);
  project.provide('bin', binFolder(folder, cluster.kubectl));
  project.provide('image', image.reference);
  project.provide('library', library);
  return async () => {
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}

/** kubectl, our plugin under its name on PATH, and the Node that both halves are tested with. */
function binFolder(folder: string, kubectl: string): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(kubectl, join(bin, 'kubectl'));
  symlinkSync(process.execPath, join(bin, 'node'));
  const launcher = join(PROJECT, 'kubectl-plugin/kubectl-gpu_mcp.mjs');
  const plugin = join(bin, 'kubectl-gpu_mcp');
  writeFileSync(plugin, `#!/bin/sh\nexec node '${launcher}' "$@"\n`);
  chmodSync(plugin, 0o755);
  return bin;
}
