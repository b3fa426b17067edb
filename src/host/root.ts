import { join } from 'node:path';
import { known, missing, type Reading } from '../contract/reading.ts';
import { isFileOf, rowOf, type Seer, type Take } from '../node-root/allowed.ts';
import { isProcessRoot, pathOnNode } from '../node-root/place.ts';
import { linksOf, type NodeFiles, pathInRoot } from './files.ts';
import type { Daemon } from './port.ts';
import { readIdentity } from './process-owners.ts';

/** The node's file system as we see it: whole, or a few directories of it. */
export interface NodeRoot {
  readonly path: string;
  /** Every part of the node is there; else there is only what is mounted and allowed.ts. */
  readonly whole: boolean;
  /** A file that allowed.ts names. */
  text(path: string, bytesMax?: number): Promise<Reading<string>>;
  /** What is in a folder that allowed.ts names; where the root is not whole, by its names. */
  names(folder: string): Promise<Reading<readonly string[]>>;
  /** The file system below a path that allowed.ts names. */
  statfs(path: string): ReturnType<NodeFiles['statfs']>;
}

export interface RootOptions {
  readonly root: string;
  readonly procRoot: string;
  /** Asked for at the first reading through the root of a daemon. */
  readonly daemons: () => Promise<Reading<readonly Daemon[]>>;
}

/** A whole root has the directories that the kernel's own file systems are mounted on. */
export async function openRoot(files: NodeFiles, options: RootOptions): Promise<NodeRoot> {
  const { root: path } = options;
  const beyond = new BeyondMounts(files, options);
  // All of the node is there to be read, and of it what the table names.
  if (isProcessRoot(path)) {
    return {
      ...{ path, whole: false },
      text: (wanted, bytesMax) => beyond.text(wanted, bytesMax),
      names: wanted => beyond.names(wanted),
      statfs: wanted => beyond.statfs(wanted),
    };
  }
  const names = await files.names(path);
  const whole = names.ok && ['etc', 'proc', 'sys', 'var'].every(name => names.value.includes(name));
  if (!whole) {
    return {
      ...{ path, whole },
      async text(wanted, bytesMax) {
        const place = await pathInRoot(files, path, wanted);
        const mounted = place.ok ? await files.text(place.value, bytesMax) : place;
        return isAbsent(mounted) ? beyond.text(wanted, bytesMax) : mounted;
      },
      names: wanted => beyond.names(wanted),
      // Of a mount's parents the pod has its own.
      statfs: wanted => beyond.statfs(wanted),
    };
  }
  return {
    ...{ path, whole },
    async text(wanted, bytesMax) {
      const place = await pathInRoot(files, path, wanted);
      return place.ok ? files.text(place.value, bytesMax) : place;
    },
    async names(wanted) {
      const place = await pathInRoot(files, path, wanted);
      return place.ok ? files.names(place.value) : place;
    },
    async statfs(wanted) {
      const place = await pathInRoot(files, path, wanted);
      return place.ok ? files.statfs(place.value) : place;
    },
  };
}

const isAbsent = (reading: Reading<unknown>) => !reading.ok && reading.reason === 'not_found';

const INIT = 1;

/** The readings of allowed.ts, through the roots of the node's own daemons. */
class BeyondMounts {
  readonly #files: NodeFiles;
  readonly #options: RootOptions;
  readonly #roots = new Map<Seer, Promise<Reading<string>>>();

  constructor(files: NodeFiles, options: RootOptions) {
    this.#files = files;
    this.#options = options;
  }

  async text(path: string, bytesMax?: number): Promise<Reading<string>> {
    const place = await this.#place(path, 'text');
    return place.ok ? this.#files.regularText(place.value, bytesMax) : place;
  }

  async names(folder: string): Promise<Reading<readonly string[]>> {
    const row = rowOf(folder, 'names');
    const place = await this.#place(folder, 'names');
    if (!place.ok) return place;
    const names = await this.#files.names(place.value);
    if (!names.ok || !row) return names;
    return { ...names, value: names.value.filter(name => isFileOf(row, join(folder, name))) };
  }

  async statfs(path: string): ReturnType<NodeFiles['statfs']> {
    const place = await this.#place(path, 'size');
    return place.ok ? this.#files.statfs(place.value) : place;
  }

  /** Where the path lies for us; what its links lead to must be named by the table as well. */
  async #place(path: string, take: Take): Promise<Reading<string>> {
    const row = rowOf(path, take);
    if (!row || row.seenBy === 'container') return NOT_MOUNTED;
    const root = this.#roots.get(row.seenBy) ?? this.#rootOf(row.seenBy);
    this.#roots.set(row.seenBy, root);
    const found = await root;
    if (!found.ok) return found;
    const { path: followed } = await pathOnNode(found.value, path, linksOf(this.#files));
    if (rowOf(followed, take)?.seenBy !== row.seenBy) {
      return missing('not_read', 'a link leads to what is not to be read');
    }
    return { ...found, value: join(found.value, followed) };
  }

  async #rootOf(seer: Seer): Promise<Reading<string>> {
    const { procRoot } = this.#options;
    const pid = (seer === 'init' ? undefined : await this.#daemon(seer)) ?? INIT;
    const mountsOf = (process: string) => this.#files.link(join(procRoot, process, 'ns/mnt'));
    const [its, ours] = [await mountsOf(String(pid)), await mountsOf('self')];
    // Without the node's PIDs the first process is the pod's own, which sees what we see.
    if (its.ok && ours.ok && its.value === ours.value) return NOT_MOUNTED;
    const root = join(procRoot, String(pid), 'root');
    const seen = await this.#files.stat(root);
    if (seen.ok) return { ...seen, value: root };
    const how = `not mounted into the pod; root of process ${pid}: ${seen.reason}`;
    // A place that hangs is no place that was never there.
    return missing(seen.reason === 'timeout' ? 'timeout' : 'not_read', how);
  }

  /** A process may call itself as it likes: one of root's, outside any pod, is the node's own. */
  async #daemon(seer: Seer): Promise<number | undefined> {
    const { procRoot, daemons } = this.#options;
    for (const { kind, pid, podUid, state } of known(await daemons()) ?? []) {
      if (kind !== seer || podUid !== undefined || state === 'Z') continue;
      const identity = known(await readIdentity(this.#files, join(procRoot, String(pid))));
      if (identity?.uid === 0) return pid;
    }
    return undefined;
  }
}

const NOT_MOUNTED = missing('not_read', 'this part of the node is not mounted into the pod');
