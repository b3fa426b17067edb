import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { TestClusterError, waitUntil } from './command.ts';
import { mountPoints } from './mounts.ts';

/** Every cgroup of the test nodes has a name that begins so. */
export const CGROUP_PREFIX = 'gpu-mcp-e2e-';

/**
 * Makes a node's own cgroup in every hierarchy.
 *
 * Without one of its own each kubelet takes its neighbour's pods for orphans and kills them.
 */
export function createCgroup(name: string): void {
  for (const { point, type } of hierarchies()) {
    const path = join(point, name);
    mkdirSync(path, { recursive: true });
    if (type === 'cgroup2') delegate(point, path);
    // A new cgroup of v1's cpuset holds no CPU and no memory, and takes no process until it does.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if (type === 'cgroup' && existsSync(join(path, file))) {
        writeFileSync(join(path, file), readFileSync(join(point, file)));
      }
    }
  }
}

/** The process numbers in a cgroup and all below it, with the path each stands in. */
export function cgroupProcesses(name: string): { pid: number; cgroup: string }[] {
  const found = new Map<number, string>();
  for (const { point } of hierarchies()) {
    for (const cgroup of tree(join(point, name))) {
      for (const pid of processesIn(cgroup)) {
        if (!found.has(pid)) found.set(pid, cgroup);
      }
    }
  }
  return [...found].map(([pid, cgroup]) => ({ pid, cgroup }));
}

/** Removes a node's cgroups; the kernel needs a moment after the last process. */
export async function removeCgroup(name: string): Promise<void> {
  await waitUntil({
    what: `The removal of the cgroup ${name}`,
    ready: () => hierarchies().every(({ point }) => tree(join(point, name)).every(removed)),
    secondsMax: 15,
  });
}

/** The cgroups of test nodes that are there now. */
export function cgroupsLeft(): string[] {
  return hierarchies().flatMap(({ point }) =>
    readdirSync(point)
      .filter(entry => entry.startsWith(CGROUP_PREFIX))
      .map(entry => join(point, entry)),
  );
}

/** The names of the cgroups of test nodes that are there now. */
export function cgroupNamesLeft(): string[] {
  return [...new Set(cgroupsLeft().map(path => basename(path)))];
}

function hierarchies(): { point: string; type: string }[] {
  const found = mountPoints().filter(({ type }) => type === 'cgroup' || type === 'cgroup2');
  if (found.length > 0) return found;
  throw new TestClusterError('No cgroup hierarchy is mounted; the test cluster needs one.');
}

// Deepest first, as they must be removed.
function tree(path: string): string[] {
  try {
    const folders = readdirSync(path, { withFileTypes: true }).filter(entry => entry.isDirectory());
    return [...folders.flatMap(entry => tree(join(path, entry.name))), path];
  } catch {
    return [];
  }
}

function processesIn(cgroup: string): number[] {
  try {
    return readFileSync(join(cgroup, 'cgroup.procs'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map(Number);
  } catch {
    return [];
  }
}

function removed(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch {
    return !existsSync(path);
  }
}

// v2 passes a controller on only where the parent says so.
function delegate(parent: string, path: string): void {
  const controllers = readFileSync(join(parent, 'cgroup.controllers'), 'utf8').trim();
  if (controllers === '') return;
  const wanted = controllers.split(' ').map(controller => `+${controller}`);
  for (const folder of [parent, path]) {
    for (const controller of wanted) {
      try {
        writeFileSync(join(folder, 'cgroup.subtree_control'), controller);
      } catch {
        // Not every controller can be passed on; the kubelet names the one that it misses.
      }
    }
  }
}
