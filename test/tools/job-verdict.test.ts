import { expect, test } from 'vitest';
import type { TargetJob } from '../../src/contract/cluster-view.ts';
import { present } from '../../src/contract/reading.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import type { Pace } from '../../src/tools/pace.ts';
import { judgeJob } from '../../src/tools/support/job-verdict.ts';
import { answered } from '../fakes/answers.ts';
import { aNode, aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

/** Two pods that run, each on a node of its own. */
const RUNNING: TargetJob = {
  ...{ name: 'Job/train', namespace: 'team-a', gone: present([]) },
  pods: ['node-a', 'node-b'].map((node, at) => ({
    pod: aPod({ node, name: `train-${at}`, uid: `uid-train-${at}` }),
  })),
};

/** A well machine by its triage, on a node with these labels. */
async function triageOf(labels: Readonly<Record<string, string>> = {}) {
  const alone = await answered(triageGpuNode, {}, instrumentsOf('dgx-h100'));
  return alone.joined(aView({ node: present(aNode({ labels })) })).structured;
}

/** Two GPUs that wait in a collective, as all others do. */
const WAITS: Pace = {
  ...{ from: '2026-03-01T12:00:00.000Z', to: '2026-03-01T12:00:04.000Z', looks: 5, nics: [] },
  gpus: [0, 1].map(index => ({
    ...{ index, name: 'H100', powerW: 150, enforcedLimitW: 700, defaultLimitW: 700 },
    busyPercent: { min: 99, mean: 100, max: 100 },
    ...{ memoryBusyPercent: 3, smClockMhz: 1_965, maxSmClockMhz: 1_980, held: {}, grew: {} },
  })),
};

test('what a platform plans for a node explains pods that are gone, and none that runs', async () => {
  const triage = await triageOf({ 'cloud.google.com/scheduled-maintenance-time': '1893456000' });
  expect(triage).toMatchObject({ verdict: 'warning' });
  const node = { node: 'node-a', gpus: [], triage };
  expect(judgeJob(RUNNING, [node])).toMatchObject({ fault: 'unknown', action: 'none' });
  const gone = { ...RUNNING, pods: [], gone: present([{ pod: 'train-0', node: 'node-a' }]) };
  expect(judgeJob(gone, [node]).first?.node).toBe('node-a');
});

test('where all that were looked at wait alike, a node that was not may hold the straggler', async () => {
  const triage = await triageOf();
  const { fault, against, notes } = judgeJob(RUNNING, [
    { node: 'node-a', gpus: [], triage, pace: WAITS },
    { node: 'node-b', gpus: [], triage, unlooked: 'it came later than the others' },
  ]);
  expect(fault).toBe('unknown');
  expect(against).toEqual([
    'the pace of 1 node of 2 was not looked at: who is waited for may be there',
  ]);
  expect(notes).toContain('the pace of node-b was not looked at: it came later than the others');
});
