import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { AnswerList } from '../src/contract/fleet.ts';
import { HOLLOW_LABEL, type HollowNodes, startHollowNodes } from './cluster/hollow.ts';
import { kubectl, leftAfterTenSeconds, leftovers, start, withImage } from './plugin.ts';

afterEach(async () => {
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('two real nodes: each pod reads its node, leaves its row, and goes with the Job that owns it', async () => {
  const ran = await kubectl(withImage('triage', '--fleet', 'node-a', 'node-b', '-o', 'json'));
  expect(ran.stderr).toMatch(/job \S+ and its 2 pods deleted, verified/);
  const { items } = AnswerList.parse(JSON.parse(ran.stdout));
  const [sick, other] = items;
  expect(sick).toMatchObject({ node: 'node-a', ok: true, verdict: 'critical' });
  expect(JSON.stringify(sick?.answer?.['findings'])).toMatch(/fell off the PCIe bus/);
  expect(other).toMatchObject({ node: 'node-b', ok: true });
  expect(ran.code).toBe(0);
});

test('a namespace that lets no such pod run refuses the first, and no other is tried', async () => {
  await kubectl(['create', 'namespace', 'guarded-rows']);
  await kubectl(['label', 'ns', 'guarded-rows', 'pod-security.kubernetes.io/enforce=baseline']);
  const ran = await kubectl(
    withImage('triage', '--fleet', 'node-a', 'node-b', '-n', 'guarded-rows'),
  );
  expect(ran.stderr).toMatch(/error: node-a: .*Pod Security standard baseline/);
  expect(ran.stderr).toMatch(/error: node-b: .*Pod Security standard baseline/);
  expect(ran.code).toBe(5);
  await kubectl(['delete', 'namespace', 'guarded-rows', '--wait=false']);
});

describe('of a hundred nodes that take a minute', () => {
  let hollow: HollowNodes;
  beforeAll(async () => {
    hollow = await startHollowNodes(100, { answerSeconds: 60 });
  }, 300_000);
  afterAll(() => hollow.stop(), 300_000);

  const triage = (...more: string[]) => [
    ...['gpu-mcp', 'triage', '--fleet', '-l', HOLLOW_LABEL, '--image', 'example.com/hollow:1'],
    ...more,
  ];
  const OURS = ['-l', 'app.kubernetes.io/managed-by=kubectl-gpu-mcp', '-n', 'default'];
  const areRunning = async (count: number) => {
    for (;;) {
      const pods = await kubectl(['get', 'pods', '--no-headers', ...OURS]);
      if ((pods.stdout.match(/\bRunning\b/g)?.length ?? 0) >= count) return;
      await sleep(300);
    }
  };

  test.each(['SIGINT', 'SIGKILL'] as const)(
    '%s in the midst leaves nothing',
    async signal => {
      const child = start(triage('--node-timeout', '90'));
      const ended = new Promise(resolve => child.once('close', resolve));
      await areRunning(100);
      expect(child.exitCode).toBeNull();
      child.kill(signal);
      await ended;
      const endedMs = performance.now();
      while ((await leftovers()).length > 0 && performance.now() - endedMs < 60_000)
        await sleep(300);
      const seconds = (performance.now() - endedMs) / 1_000;
      process.stderr.write(`measured: 100 pods gone ${seconds.toFixed(1)} s after ${signal}\n`);
      expect(seconds).toBeLessThan(15);
    },
    180_000,
  );

  test('the Job that owns them is complete at once, and the cluster removes it in time, and them with it', async () => {
    const child = start(triage('--node-timeout', '90'));
    const ended = new Promise(resolve => child.once('close', resolve));
    await areRunning(100);
    const Jobs = z.object({ items: z.tuple([z.record(z.string(), z.unknown())]) });
    const listed = await kubectl(['get', 'jobs', ...OURS, '-o', 'json']);
    const [job] = Jobs.parse(JSON.parse(listed.stdout)).items;
    expect(job).toMatchObject({
      spec: { completions: 0, ttlSecondsAfterFinished: 900 },
      status: {
        conditions: expect.arrayContaining([
          expect.objectContaining({ type: 'Complete', status: 'True' }),
        ]),
      },
    });
    // The same with a shorter time, whose end can be waited for.
    const name = `jobs/${z.object({ name: z.string() }).parse(job['metadata']).name}`;
    await kubectl([
      'patch',
      name,
      ...OURS.slice(2),
      '-p',
      '{"spec":{"ttlSecondsAfterFinished":1}}',
    ]);
    const gone = performance.now();
    const left = async () => (await kubectl(['get', 'pods', '-o', 'name', ...OURS])).stdout;
    while ((await left()) !== '' && performance.now() - gone < 60_000) await sleep(500);
    process.stderr.write(
      `measured: 100 pods collected in ${((performance.now() - gone) / 1_000).toFixed(1)} s\n`,
    );
    expect(await left()).toBe('');
    child.kill('SIGKILL');
    await ended;
  }, 180_000);
});
