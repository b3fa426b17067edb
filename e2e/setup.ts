import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { buildSimulatedLibrary } from '../test/sim-nvml/build.ts';
import { openCluster, startCluster } from './cluster/cluster.ts';
import { partsFolder, programs, type Release } from './cluster/parts.ts';
import { binFolder, buildProduct, driverFiles } from './prepare.ts';

export default (project: TestProject) => setUp(project, 'present');

/**
 * Builds what users get (plugin, agent, image), starts a cluster of two nodes, and puts the
 * simulated driver with a lost GPU on node-a; node-b has no driver. A cluster of this Kubernetes that
 * was brought up by hand is used and left as it is.
 */
export async function setUp(
  project: TestProject,
  kubernetes: Release,
): Promise<() => Promise<void>> {
  const report = (line: string) => process.stderr.write(`${line}\n`);
  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-e2e-'));
  const image = await buildProduct(folder);
  const library = await buildSimulatedLibrary();
  const node = 'node-a';
  const files = driverFiles({ library, machine: 'lost-gpu', node });
  const { kubectl } = programs(partsFolder(kubernetes));
  const found = openCluster();
  const running = found?.kubectl === kubectl ? found : undefined;
  const cluster = running ?? (await startCluster({ report, kubernetes, files: { [node]: files } }));
  const first = running?.nodes.find(({ name }) => name === node);
  for (const [path, file] of Object.entries(files)) first?.writeFile(path, file);
  await cluster.importImage(image.file);
  project.provide('bin', binFolder(folder, cluster.kubectl));
  project.provide('image', image.reference);
  project.provide('archive', image.file);
  project.provide('library', library);
  return async () => {
    if (!running) await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}
