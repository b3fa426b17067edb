import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, ObjectRef } from '../cluster/port.ts';
import {
  REAP_AFTER_MS,
  REAP_AT_ONCE,
  REAP_MS_MAX,
  REAP_RETRY_MS,
  REAP_ROUND_MS_MAX,
} from '../contract/limits.ts';

/** Deletes what is left of one start when this process is gone without having done so. */
export interface Reaper {
  /** Tells what it is, all of it, whenever that changes. */
  guard(objects: readonly ObjectRef[]): void;
  /** All is known to be deleted: the reaper ends without a word to the cluster. */
  dismiss(): void;
}

export interface ReaperOrders<Connection> {
  readonly connection: Connection;
}

/**
 * Starts `node PLUGIN reap`, or `EXECUTABLE reap`, in a session of its own. Its orders, tokens among them, go through the
 * pipe and not through argv; that pipe's end is how it learns of our death, whatever killed us.
 */
export function spawnReaper<Connection>(
  pluginFile: string,
  orders: ReaperOrders<Connection>,
  environment: Readonly<Record<string, string | undefined>>,
): Reaper {
  const isExecutable = pluginFile === process.execPath;
  const child = spawn(process.execPath, [...(isExecutable ? [] : [pluginFile]), 'reap'], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { ...environment },
  });
  // Without a reaper the deadline and the next run's sweep remain.
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  child.unref();
  // An open pipe must not keep our process alive.
  if ('unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref();
  const tell = (line: unknown) => child.stdin.write(`${JSON.stringify(line)}\n`);
  tell(orders);
  return {
    guard: objects => tell({ objects }),
    dismiss: () => {
      tell({ dismissed: true });
      child.stdin.end();
    },
  };
}

/** One process for the starts of many sessions: it is told of all that any of them has left. */
export function sharedReaper(start: () => Reaper): () => Reaper {
  const left = new Map<object, readonly ObjectRef[]>();
  let shared: Reaper | undefined;
  const tell = () => shared?.guard([...left.values()].flat());
  return () => {
    const own = {};
    return {
      guard(objects) {
        left.set(own, objects);
        shared ??= start();
        tell();
      },
      dismiss() {
        if (!left.delete(own)) return;
        if (left.size > 0) return tell();
        shared?.dismiss();
        shared = undefined;
      },
    };
  };
}

export interface ReapOptions<Connection> {
  readonly input: Readable;
  readonly connect: (connection: Connection) => Promise<Pick<Cluster, 'deleteObject'>>;
  readonly isOrders: (value: unknown) => value is ReaperOrders<Connection>;
  readonly isGuarded: (value: unknown) => value is { readonly objects: readonly ObjectRef[] };
  readonly wait?: (ms: number) => Promise<unknown>;
}

/**
 * The reaper's own main: reads its orders, waits for the pipe's end, and deletes what is left unless it
 * was dismissed. Ends after 5 minutes of trying at most. The caller ignores SIGINT, SIGTERM, SIGHUP.
 */
export async function reap<Connection>(
  options: ReapOptions<Connection>,
): Promise<'reaped' | 'dismissed' | 'failed'> {
  const wait = options.wait ?? sleep;
  let orders: ReaperOrders<Connection> | undefined;
  let left: readonly ObjectRef[] = [];
  for await (const line of createInterface({ input: options.input })) {
    const told: unknown = JSON.parse(line);
    if (typeof told !== 'object' || told === null) continue;
    if ('dismissed' in told) return 'dismissed';
    if (options.isGuarded(told)) left = told.objects;
    else if (options.isOrders(told)) orders = told;
  }
  if (!orders) return 'failed';
  await wait(REAP_AFTER_MS);
  const { connection } = orders;
  for (let waitedMs = 0; waitedMs <= REAP_MS_MAX; waitedMs += REAP_RETRY_MS) {
    left = await stillLeft(left, () => options.connect(connection));
    if (left.length === 0) return 'reaped';
    await wait(REAP_RETRY_MS);
  }
  return 'failed';
}

/** One try at all, some at a time; what the API server has not confirmed is left. */
async function stillLeft(
  objects: readonly ObjectRef[],
  connect: () => Promise<Pick<Cluster, 'deleteObject'>>,
): Promise<readonly ObjectRef[]> {
  const left = new Set(objects);
  try {
    const cluster = await connect();
    const signal = AbortSignal.timeout(REAP_ROUND_MS_MAX);
    const waiting = objects.values();
    const remove = async () => {
      for (const object of waiting) {
        if (signal.aborted) return;
        const removed = cluster.deleteObject(object, signal);
        await removed.then(
          () => left.delete(object),
          () => {},
        );
      }
    };
    await Promise.all(Array.from({ length: REAP_AT_ONCE }, remove));
  } catch {
    // The API server is not reachable yet, or refuses for now.
  }
  return [...left];
}
