import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, pid } from 'node:process';
import { CGROUP_PREFIX } from './cgroups.ts';
import { waitUntil } from './command.ts';
import { SERVER } from './control-plane.ts';
import { nodeRecord } from './network.ts';
import { identify, isAlive, signalTo, spawnMarked } from './processes.ts';
import { type ClusterState, claimState, updateState } from './state.ts';
import { FOLDER_PREFIX, WATCHDOG_MARK } from './teardown.ts';

/** The process that takes the cluster down when its owner ends without doing so. */
export interface Watchdog {
  /** Lets it end; to be called after the take-down. */
  end(): Promise<void>;
  /** Ends it and leaves the cluster without an owner, up until `down`. */
  dismiss(): Promise<void>;
}

// What each kubelet sets for the whole machine.
const KERNEL_SETTINGS = [
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
];

const END_SECONDS_MAX = 20;

/** Records a new cluster of this process, before anything of it is there, and sets a watchdog on it. */
export function claimMachine({
  nodes,
  ...settled
}: Pick<ClusterState, 'partsFolder' | 'nodeGraceSeconds'> & {
  readonly nodes: readonly string[];
}): { state: ClusterState; watchdog: Watchdog } {
  const settings = KERNEL_SETTINGS.map(name => join('/proc/sys', name)).filter(existsSync);
  const state: ClusterState = {
    id: randomUUID(),
    owner: identify(pid),
    watchdog: null,
    folder: mkdtempSync(join(tmpdir(), FOLDER_PREFIX)),
    ...settled,
    server: SERVER,
    nodes: nodes.map((name, index) => nodeRecord(name, index, `${CGROUP_PREFIX}${name}`)),
    processes: {},
    kernelSettings: Object.fromEntries(settings.map(path => [path, readFileSync(path, 'utf8')])),
  };
  claimState(state);
  return { state, watchdog: startWatchdog(state) };
}

function startWatchdog({ id, folder }: ClusterState): Watchdog {
  const child = spawnMarked({
    mark: `${WATCHDOG_MARK}${id}`,
    argv: [execPath, join(import.meta.dirname, 'watchdog.ts'), id],
    log: join(folder, 'watchdog.log'),
    stdin: 'pipe',
  });
  const watchdog = identify(child.pid ?? 0);
  updateState(id, () => ({ watchdog }));
  const ended = (): Promise<void> =>
    waitUntil({
      what: 'The end of the watchdog',
      ready: () => !isAlive(watchdog),
      secondsMax: END_SECONDS_MAX,
    });
  return {
    end: async () => {
      child.stdin?.destroy();
      await ended();
    },
    dismiss: async () => {
      signalTo(watchdog, 'SIGKILL');
      await ended();
      updateState(id, () => ({ owner: null, watchdog: null }));
    },
  };
}
