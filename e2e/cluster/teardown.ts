import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cgroupNamesLeft, cgroupProcesses, cgroupsLeft, removeCgroup } from './cgroups.ts';
import { run, waitUntil } from './command.ts';
import { mountPoints } from './mounts.ts';
import { linksLeft, removeNetwork } from './network.ts';
import { identify, isAlive, markedProcesses, signalTo } from './processes.ts';
import { type ClusterState, type ProcessId, readState, removeState, STATE_FILE } from './state.ts';

const END_SECONDS_MAX = 30;
const WATCHDOG_SECONDS_MAX = 60;

/** Every cluster's folder below the system's temporary folder has a name that begins so. */
export const FOLDER_PREFIX = 'kubectl-gpu-mcp-e2e-';

/** Watchdogs are marked so, followed by their cluster's id: a cluster's own take-down spares it. */
export const WATCHDOG_MARK = 'watchdog:';

/** Takes cluster `state` down: processes, network, cgroups, settings, files, and at last its record. */
export async function takeDown(state: ClusterState): Promise<void> {
  await endProcesses(state);
  // A faster take-down may be through, and these names may belong to a new cluster already.
  if (readState()?.id !== state.id) return;
  await removeNetwork();
  for (const name of cgroupNamesLeft()) await removeCgroup(name);
  restoreKernelSettings(state);
  await removeFolder(state.folder);
  removeState(state.id);
}

/** Takes down whatever an earlier run left, recorded or not. */
export async function removeLeftovers(): Promise<void> {
  await endWatchdog();
  const state = readState();
  if (state) await takeDown(state);
  await endAll(() => markedProcesses(() => true));
  await removeNetwork();
  for (const name of cgroupNamesLeft()) {
    await endAll(() => cgroupProcesses(name).map(({ pid }) => identify(pid)));
    await removeCgroup(name);
  }
  for (const folder of foldersLeft()) await removeFolder(folder);
}

/** What is left of test clusters on this machine, one sentence each; empty after a clean take-down. */
export function residue(): string[] {
  const processes = markedProcesses(() => true).map(({ pid }) => pid);
  const inCgroups = cgroupNamesLeft().flatMap(name => cgroupProcesses(name).map(({ pid }) => pid));
  const mounts = mountPoints().filter(({ point }) => point.startsWith(folderPrefix()));
  return [
    ...[...new Set([...processes, ...inCgroups])].map(
      pid => `process ${pid} (${programName(pid)})`,
    ),
    ...mounts.map(({ point }) => `mount ${point}`),
    ...linksLeft().map(link => `network link ${link}`),
    ...cgroupsLeft().map(path => `cgroup ${path}`),
    ...foldersLeft().map(path => `folder ${path}`),
    ...(existsSync(STATE_FILE) ? [`state file ${STATE_FILE}`] : []),
  ];
}

function programName(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return 'ended by now';
  }
}

async function endWatchdog(): Promise<void> {
  const { owner, watchdog } = readState() ?? {};
  if (!watchdog) return;
  // Once its cluster's owner has ended it is at work: let it finish.
  if (!(owner && isAlive(owner))) {
    await waitUntil({
      what: 'The end of the earlier cluster',
      ready: () => !isAlive(watchdog),
      secondsMax: WATCHDOG_SECONDS_MAX,
    }).catch(() => undefined);
  }
  signalTo(watchdog, 'SIGKILL');
}

// A node's init takes all of its pid namespace with it: kubelet, containerd, shims, pods.
async function endProcesses(state: ClusterState): Promise<void> {
  await endAll(() => [
    ...Object.values(state.processes),
    ...markedProcesses(mark => mark === state.id),
    ...state.nodes.flatMap(({ cgroup }) => cgroupProcesses(cgroup).map(({ pid }) => identify(pid))),
  ]);
}

async function endAll(list: () => readonly ProcessId[]): Promise<void> {
  await waitUntil({
    what: 'The end of the processes of the cluster',
    ready: () => {
      const alive = list().filter(isAlive);
      for (const process of alive) signalTo(process, 'SIGKILL');
      return alive.length === 0;
    },
    secondsMax: END_SECONDS_MAX,
  });
}

function restoreKernelSettings({ kernelSettings }: ClusterState): void {
  for (const [path, value] of Object.entries(kernelSettings)) writeFileSync(path, value);
}

// The nodes' mounts lie in namespaces of their own and are gone; none may be in the way of the removal.
async function removeFolder(folder: string): Promise<void> {
  const inside = mountPoints().filter(({ point }) => point.startsWith(`${folder}/`));
  for (const { point } of inside.reverse()) await run(['umount', '--lazy', point]);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

function foldersLeft(): string[] {
  const parent = dirname(folderPrefix());
  return readdirSync(parent)
    .filter(entry => entry.startsWith(FOLDER_PREFIX))
    .map(entry => join(parent, entry));
}

function folderPrefix(): string {
  return join(tmpdir(), FOLDER_PREFIX);
}
