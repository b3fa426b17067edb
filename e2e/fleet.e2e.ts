import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AnswerList } from '../src/contract/fleet.ts';
import { HOLLOW_LABEL, type HollowNodes, startHollowNodes } from './cluster/hollow.ts';
import { kubectl, leftovers, start } from './plugin.ts';

/** Nodes that are not there: API server, controllers, Jobs and the attach streams are the real ones. */
const triage = (...more: string[]) => [
  ...['gpu-mcp', 'triage', '-l', HOLLOW_LABEL, '--image', 'example.com/hollow:1', ...more],
];

describe('of twenty nodes of which two never start a pod', () => {
  let hollow: HollowNodes;
  beforeAll(async () => {
    hollow = await startHollowNodes(20, { stuck: 2 });
  });
  afterAll(() => hollow.stop());

  test('eighteen answer, the two are rows that say why, and nothing stays', async () => {
    const ran = await kubectl(triage('-o', 'json', '--node-timeout', '15'));
    expect(ran.code).toBe(5);
    const { counts, items } = AnswerList.parse(JSON.parse(ran.stdout));
    expect(counts).toMatchObject({ nodes: 20, healthy: 18, unread: 2 });
    expect(items.slice(0, 2).map(({ node, error }) => `${node}: ${error?.message}`)).toEqual([
      expect.stringMatching(/^hollow-stuck-0019: no answer in time; last heard: pod /),
      expect.stringMatching(/^hollow-stuck-0020: no answer in time; last heard: pod /),
    ]);
    expect(await leftovers()).toEqual([]);
  });
});

describe('of a hundred nodes at once', () => {
  let hollow: HollowNodes;
  beforeAll(async () => {
    hollow = await startHollowNodes(100, { answerSeconds: 30 });
  }, 300_000);
  afterAll(() => hollow.stop(), 300_000);

  test('kill -9 in the midst leaves nothing', async () => {
    const child = start(triage('--parallel', '100'));
    const ended = new Promise(resolve => child.once('close', resolve));
    const running = async () => {
      const pods = await kubectl(['get', 'pods', '-A', '--no-headers', ...OURS]);
      return pods.stdout.match(/\bRunning\b/g)?.length ?? 0;
    };
    while ((await running()) < 100 && child.exitCode === null) await sleep(200);
    expect(child.exitCode).toBeNull();
    child.kill('SIGKILL');
    await ended;
    const killedMs = performance.now();
    while ((await leftovers()).length > 0 && performance.now() - killedMs < 60_000)
      await sleep(500);
    expect(await leftovers()).toEqual([]);
    process.stderr.write(
      `100 sessions: nothing left ${((performance.now() - killedMs) / 1_000).toFixed(1)} s after kill -9\n`,
    );
  }, 180_000);
});

const OURS = ['-l', 'app.kubernetes.io/managed-by=kubectl-gpu-mcp'];
