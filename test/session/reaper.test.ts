import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import type { ObjectRef } from '../../src/cluster/port.ts';
import { REAP_AT_ONCE } from '../../src/contract/limits.ts';
import { type ReaperOrders, reap, sharedReaper, spawnReaper } from '../../src/session/reaper.ts';

const orders = { connection: { context: 'prod' } };
const job = { kind: 'job', namespace: 'gpu-mcp', name: 'gpu-mcp-node-a-x', uid: 'u-0' } as const;
const pod = { kind: 'pod', namespace: 'gpu-mcp', name: 'gpu-mcp-node-a-x-1', uid: 'u-1' } as const;
const guarded = (...objects: readonly ObjectRef[]) => ({ objects });
const isGuarded = (value: unknown): value is { objects: readonly ObjectRef[] } =>
  typeof value === 'object' && value !== null && 'objects' in value;
const isOrders = (value: unknown): value is ReaperOrders<{ context: string }> =>
  typeof value === 'object' && value !== null && 'connection' in value;

/** Runs the reaper's main on these lines; the first `failures` deletions fail. */
async function run(lines: readonly unknown[], failures = 0) {
  const input = new PassThrough();
  const deleted: unknown[] = [];
  const waits: number[] = [];
  let tries = 0;
  const outcome = reap({
    input,
    isOrders,
    isGuarded,
    wait: async ms => waits.push(ms),
    connect: async connection => ({
      deleteObject: async object => {
        tries += 1;
        if (tries <= failures) throw new Error('no route to host');
        deleted.push({ connection, ...object });
        return 'deleted';
      },
    }),
  });
  for (const line of lines) input.write(`${JSON.stringify(line)}\n`);
  input.end();
  return { outcome: await outcome, deleted, waits, tries };
}

test('when the pipe ends it deletes what it was told of last, after a second', async () => {
  expect(await run([orders, guarded({ ...job, uid: '' }), guarded(job, pod)])).toEqual({
    outcome: 'reaped',
    deleted: [job, pod].map(object => ({ connection: { context: 'prod' }, ...object })),
    waits: [1_000],
    tries: 2,
  });
});

test('a parent that died before the pod had a uid: by its name, which nobody else uses', async () => {
  const { deleted } = await run([orders, guarded({ ...pod, uid: '' })]);
  expect(deleted).toEqual([expect.objectContaining({ name: pod.name, uid: '' })]);
});

test('dismissed, it says nothing to the cluster', async () => {
  expect(await run([orders, guarded(pod), { dismissed: true }])).toMatchObject({
    outcome: 'dismissed',
    tries: 0,
  });
});

test('what was not deleted is tried again, and what was is not', async () => {
  const { outcome, deleted, tries } = await run([orders, guarded(job, pod)], 1);
  expect({ outcome, tries }).toEqual({ outcome: 'reaped', tries: 3 });
  expect(deleted).toEqual([expect.objectContaining(pod), expect.objectContaining(job)]);
});

test('a cluster out of reach is tried again for five minutes', async () => {
  expect((await run([orders, guarded(pod)], 3)).outcome).toBe('reaped');
  const never = await run([orders, guarded(pod)], Infinity);
  expect(never.outcome).toBe('failed');
  // A second for the pod's own end, and five minutes of three seconds each.
  expect(never.waits).toEqual([1_000, ...Array(101).fill(3_000)]);
});

test('lines that are no orders are passed over, and without orders nobody is asked', async () => {
  expect(await run([null, 5, 'x', orders, { uid: 7 }])).toMatchObject({
    ...{ outcome: 'reaped', deleted: [] },
  });
  expect(await run([{ namespace: 'a' }, guarded(pod)])).toEqual({
    ...{ outcome: 'failed', deleted: [], waits: [], tries: 0 },
  });
});

test('of many it removes some at a time, and all of them', async () => {
  const many = Array.from({ length: 50 }, (_, index) => ({ ...job, uid: `u-${index}` }));
  const input = new PassThrough();
  let atOnce = 0;
  let most = 0;
  const deleted = new Set<string>();
  const outcome = reap({
    ...{ input, isOrders, isGuarded, wait: async () => undefined },
    connect: async () => ({
      deleteObject: async ({ uid }) => {
        atOnce += 1;
        most = Math.max(most, atOnce);
        await new Promise(setImmediate);
        atOnce -= 1;
        deleted.add(uid);
        return 'deleted';
      },
    }),
  });
  input.end([orders, guarded(...many)].map(line => `${JSON.stringify(line)}\n`).join(''));
  expect(await outcome).toBe('reaped');
  expect({ most, deleted: deleted.size }).toEqual({ most: REAP_AT_ONCE, deleted: 50 });
});

/** A plugin that tells a socket how it was started, and then all that it reads. */
async function tellingPlugin() {
  const folder = await mkdtemp(join(tmpdir(), 'reaper-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const socket = join(folder, 'socket');
  const server = createServer().listen(socket);
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const plugin = join(folder, 'plugin.mjs');
  await writeFile(
    plugin,
    `import { connect } from 'node:net';
     import { readFileSync } from 'node:fs';
     const told = connect(${JSON.stringify(socket)});
     const group = Number(readFileSync('/proc/self/stat', 'utf8').split(' ')[4]);
     const { GUARD, PATH } = process.env;
     const isLeader = group === process.pid;
     told.write(JSON.stringify({ argv: process.argv.slice(2), GUARD, PATH, isLeader }) + '\\n');
     process.stdin.pipe(told);`,
  );
  return { plugin, server };
}

async function linesOf(stream: AsyncIterable<unknown>): Promise<unknown[]> {
  let text = '';
  for await (const chunk of stream) text += chunk;
  const lines = text.trim().split('\n');
  return lines.map(line => JSON.parse(line));
}

test('the child has our Node, a session of its own, its environment, and its orders by the pipe', async () => {
  const { plugin, server } = await tellingPlugin();
  const reaper = spawnReaper(plugin, orders, { GUARD: 'yes' });
  reaper.guard([pod]);
  reaper.dismiss();
  const [child] = await once(server, 'connection');
  expect(await linesOf(child)).toEqual([
    { argv: ['reap'], GUARD: 'yes', isLeader: true },
    orders,
    guarded(pod),
    { dismissed: true },
  ]);
});

test('the child outlives a parent that is killed, and hears of its death', async () => {
  const { plugin, server } = await tellingPlugin();
  const reaper = new URL('../../src/session/reaper.ts', import.meta.url).href;
  const parent = spawn(process.execPath, [
    '--input-type=module',
    '--eval',
    `import { spawnReaper } from ${JSON.stringify(reaper)};
     const it = spawnReaper(${JSON.stringify(plugin)}, ${JSON.stringify(orders)}, {});
     it.guard([${JSON.stringify(pod)}]);
     setInterval(() => {}, 1000);`,
  ]);
  const [child] = await once(server, 'connection');
  parent.kill('SIGKILL');
  // The child's stdin, and with it this connection, ends only because its parent is dead.
  expect((await linesOf(child)).slice(1)).toEqual([orders, guarded(pod)]);
});

test('a reaper that cannot be started does no harm', () => {
  const reaper = spawnReaper('/nowhere/plugin.mjs', orders, { PATH: '' });
  expect(() => reaper.guard([pod])).not.toThrow();
  expect(() => reaper.dismiss()).not.toThrow();
});

test('many sessions have one process, which ends with the last and is told of all that is left', () => {
  const told: string[] = [];
  let started = 0;
  const reaper = sharedReaper(() => {
    started += 1;
    return {
      guard: objects => void told.push(objects.map(({ uid }) => uid).join(' ')),
      dismiss: () => void told.push('dismissed'),
    };
  });
  const [a, b, unused] = [reaper(), reaper(), reaper()];
  expect(started).toBe(0);
  a.guard([job]);
  b.guard([pod]);
  a.guard([job, { ...pod, uid: 'u-2' }]);
  unused.dismiss();
  a.dismiss();
  a.dismiss();
  b.dismiss();
  expect(told).toEqual(['u-0', 'u-0 u-1', 'u-0 u-2 u-1', 'u-1', 'dismissed']);
  reaper().guard([pod]);
  expect([started, told.at(-1)]).toEqual([2, 'u-1']);
});
