import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestClusterError } from './command.ts';

/** A process, named so that a later one with the same number is not taken for it. */
export interface ProcessId {
  pid: number;
  /** Clock ticks since boot, field 22 of /proc/PID/stat. */
  startTicks: string;
}

export interface ProcessRecord extends ProcessId {
  argv: readonly string[];
  log: string;
}

export interface NodeRecord {
  name: string;
  address: string;
  /** The host's end of the node's network cable. */
  link: string;
  /** The node's cgroup below the root of each hierarchy, without a slash. */
  cgroup: string;
}

/** All that is needed to find and take down a cluster, whoever started it. */
export interface ClusterState {
  id: string;
  /** The process with whose end the cluster ends; none: it stays until `down`. */
  owner: ProcessId | null;
  watchdog: ProcessId | null;
  /** Everything on disk: certificates, logs, etcd's data, the nodes' own folders. */
  folder: string;
  partsFolder: string;
  nodeGraceSeconds: number;
  server: string;
  nodes: readonly NodeRecord[];
  processes: Readonly<Record<string, ProcessRecord>>;
  /** Kernel settings as they were: each kubelet changes them for the whole machine. */
  kernelSettings: Readonly<Record<string, string>>;
}

/** The folders below the cluster's own. */
export function foldersOf(folder: string): { pki: string; logs: string; etcd: string } {
  return { pki: join(folder, 'pki'), logs: join(folder, 'logs'), etcd: join(folder, 'etcd') };
}

/** One fixed place on this machine; /run is empty after a reboot, as are the processes recorded here. */
export const STATE_FILE = '/run/kubectl-gpu-mcp-e2e-cluster.json';

/** The state of the cluster on this machine, if there is one. */
export function readState(): ClusterState | undefined {
  let text: string;
  try {
    text = readFileSync(STATE_FILE, 'utf8');
  } catch {
    return undefined;
  }
  try {
    const state: ClusterState = JSON.parse(text);
    return state;
  } catch (cause) {
    const message = `${STATE_FILE} is not readable as JSON; remove it and what its cluster left by hand.`;
    throw new TestClusterError(message, { cause });
  }
}

/** Takes the place; fails where another process has just taken it. */
export function claimState(state: ClusterState): void {
  try {
    writeFileSync(STATE_FILE, JSON.stringify(state, undefined, 2), { flag: 'wx' });
  } catch (cause) {
    const message = `${STATE_FILE} is there: another cluster starts on this machine; wait for its end.`;
    throw new TestClusterError(message, { cause });
  }
}

/** Changes the recorded state of cluster `id`; does nothing where that cluster is gone. */
export function updateState(
  id: string,
  change: (state: ClusterState) => Partial<ClusterState>,
): void {
  const state = readState();
  if (state?.id !== id) return;
  const next = { ...state, ...change(state) };
  writeFileSync(`${STATE_FILE}.new`, JSON.stringify(next, undefined, 2));
  renameSync(`${STATE_FILE}.new`, STATE_FILE);
}

/** Forgets cluster `id`. */
export function removeState(id: string): void {
  if (readState()?.id === id) rmSync(STATE_FILE, { force: true });
}
