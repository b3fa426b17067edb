import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { type ReaperOrders, reap, spawnReaper } from '../../src/session/reaper.ts';

const orders = { connection: { context: 'prod' }, namespace: 'gpu-mcp', name: 'gpu-mcp-node-a-x' };
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

test('when the pipe ends it deletes that very pod, after a second', async () => {
  expect(await run([orders, { uid: 'u-1' }])).toEqual({
    outcome: 'reaped',
    deleted: [
      {
        connection: { context: 'prod' },
        kind: 'pod',
        namespace: 'gpu-mcp',
        name: 'gpu-mcp-node-a-x',
        uid: 'u-1',
      },
    ],
    waits: [1_000],
    tries: 1,
  });
});

test('a parent that died before the pod had a uid: by its name, which nobody else uses', async () => {
  const { deleted } = await run([orders]);
  expect(deleted).toEqual([expect.objectContaining({ name: 'gpu-mcp-node-a-x', uid: '' })]);
});

test('dismissed, it says nothing to the cluster', async () => {
  expect(await run([orders, { uid: 'u-1' }, { dismissed: true }])).toMatchObject({
    outcome: 'dismissed',
    tries: 0,
  });
});

test('a cluster out of reach is tried again for five minutes', async () => {
  expect((await run([orders], 3)).outcome).toBe('reaped');
  const never = await run([orders], Infinity);
  expect(never.outcome).toBe('failed');
  expect(never.waits.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThanOrEqual(300_000);
});

test('the child outlives a parent that is killed, and hears of its death', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'reaper-'));
  const socket = join(folder, 'socket');
  const told = createServer().listen(socket);
  await once(told, 'listening');
  await writeFile(
    join(folder, 'plugin.mjs'),
    `import { connect } from 'node:net';
     if (process.argv[2] === 'reap') process.stdin.pipe(connect(${JSON.stringify(socket)}));`,
  );
  const reaper = new URL('../../src/session/reaper.ts', import.meta.url).href;
  const parent = spawn(process.execPath, [
    '--input-type=module',
    '--eval',
    `import { spawnReaper } from ${JSON.stringify(reaper)};
     const it = spawnReaper(${JSON.stringify(join(folder, 'plugin.mjs'))}, ${JSON.stringify(orders)}, process.env);
     it.guard('u-1');
     setInterval(() => {}, 1000);`,
  ]);
  const [child] = await once(told, 'connection');
  parent.kill('SIGKILL');
  // The child's stdin, and with it this connection, ends only because its parent is dead.
  let text = '';
  for await (const chunk of child) text += chunk;
  expect(
    text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line)),
  ).toEqual([orders, { uid: 'u-1' }]);
  told.close();
  await rm(folder, { recursive: true });
});

test('a reaper that cannot be started does no harm', () => {
  const reaper = spawnReaper('/nowhere/plugin.mjs', orders, { PATH: '' });
  expect(() => reaper.guard('u')).not.toThrow();
  expect(() => reaper.dismiss()).not.toThrow();
});
