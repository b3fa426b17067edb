import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../cluster/port.ts';
import { REAP_AFTER_MS, REAP_MS_MAX, REAP_RETRY_MS } from '../contract/limits.ts';

/** Guards one bare pod: deletes it when this process is gone without having done so. */
export interface Reaper {
  /** Tells which very pod it is, once it exists. */
  guard(uid: string): void;
  /** The pod is known to be deleted: the reaper ends without a word to the cluster. */
  dismiss(): void;
}

export interface ReaperOrders<Connection> {
  readonly connection: Connection;
  readonly namespace: string;
  readonly name: string;
}

/**
 * Starts `node PLUGIN reap` in a session of its own. Its orders, tokens among them, go through the
 * pipe and not through argv; that pipe's end is how it learns of our death, whatever killed us.
 */
export function spawnReaper<Connection>(
  pluginFile: string,
  orders: ReaperOrders<Connection>,
  environment: Readonly<Record<string, string | undefined>>,
): Reaper {
  const child = spawn(process.execPath, [pluginFile, 'reap'], {
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
    guard: uid => tell({ uid }),
    dismiss: () => {
      tell({ dismissed: true });
      child.stdin.end();
    },
  };
}

export interface ReapOptions<Connection> {
  readonly input: Readable;
  readonly connect: (connection: Connection) => Promise<Pick<Cluster, 'deleteObject'>>;
  readonly isOrders: (value: unknown) => value is ReaperOrders<Connection>;
  readonly wait?: (ms: number) => Promise<unknown>;
}

/**
 * The reaper's own main: reads its orders, waits for the pipe's end, and deletes the pod unless it
 * was dismissed. Ends after 5 minutes of trying at most. The caller ignores SIGINT, SIGTERM, SIGHUP.
 */
export async function reap<Connection>(
  options: ReapOptions<Connection>,
): Promise<'reaped' | 'dismissed' | 'failed'> {
  const wait = options.wait ?? sleep;
  let orders: ReaperOrders<Connection> | undefined;
  let uid = '';
  for await (const line of createInterface({ input: options.input })) {
    const told: unknown = JSON.parse(line);
    if (typeof told !== 'object' || told === null) continue;
    if ('dismissed' in told) return 'dismissed';
    if ('uid' in told && typeof told.uid === 'string') uid = told.uid;
    else if (options.isOrders(told)) orders = told;
  }
  if (!orders) return 'failed';
  await wait(REAP_AFTER_MS);
  const { namespace, name, connection } = orders;
  for (let waitedMs = 0; waitedMs <= REAP_MS_MAX; waitedMs += REAP_RETRY_MS) {
    try {
      const cluster = await options.connect(connection);
      await cluster.deleteObject(
        { kind: 'pod', namespace, name, uid },
        AbortSignal.timeout(REAP_RETRY_MS),
      );
      return 'reaped';
    } catch {
      // The API server is not reachable yet, or refuses for now.
      await wait(REAP_RETRY_MS);
    }
  }
  return 'failed';
}
