import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Machine } from '../../src/simulation/machine.ts';
import { temporaryFolder } from '../nvml/children.ts';
import { flatten } from './flatten.ts';

/** Where Debian and Ubuntu have the library. */
export const LIBRARY_ON_NODE = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/libnvidia-ml.so.1`;

export interface SimulatedRoot {
  /** A node's file system that holds the simulated library and nothing else. */
  readonly root: string;
  /** The folder of the library. */
  readonly folder: string;
  /** Makes it another machine, at once. */
  readonly become: (machine: Machine) => void;
}

/** A host root with the simulated library in its place and the machine's file beside it. */
export function simulatedRoot(library: string, machine: Machine): SimulatedRoot {
  const root = temporaryFolder();
  const file = join(root, LIBRARY_ON_NODE);
  const folder = dirname(file);
  mkdirSync(folder, { recursive: true });
  copyFileSync(library, file);
  const become = (other: Machine) =>
    writeFileSync(join(folder, 'sim-nvml.machine'), flatten(other));
  become(machine);
  return { root, folder, become };
}
