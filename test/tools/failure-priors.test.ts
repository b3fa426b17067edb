import { expect, test } from 'vitest';
import { present } from '../../src/contract/reading.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { explainFailure } from '../../src/tools/catalog/explain-failure.ts';
import { FailureAnswer } from '../../src/tools/support/failure-answer.ts';
import { joinFailure } from '../../src/tools/support/failure-join.ts';
import { byPriors } from '../../src/tools/support/failure-priors.ts';
import { judgeJob } from '../../src/tools/support/job-verdict.ts';
import type { Incident } from '../../src/xid/events.ts';
import { answered } from '../fakes/answers.ts';
import { aContainer, aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsFor } from '../fakes/instruments.ts';

const incident = (xid: number | null, changed: Partial<Incident> = {}): Incident => ({
  root: { kind: 'xid', pci: '0000:3b:00', xid, sxid: null },
  first: { kind: 'xid', xid, sxid: null },
  ...{ title: `XID ${xid}`, action: 'reset_gpu', actionSource: 'test', disagreement: [] },
  ...{ severity: 'critical', blame: 'hardware', confidence: 'high', gpu: '0000:3b:00' },
  ...{ firstLine: 1, lastLine: 1, lines: [1], source: 'kmsg', count: 1, codes: [] },
  ...{ firstTime: '2026-03-01T11:40:00Z', firstTimeUncertaintyMs: 0 },
  ...{ lastTime: null, why: 'w', counterEvidence: [], sinceThen: null },
  ...changed,
});
const decided = (...incidents: readonly Incident[]) => byPriors(incidents)?.incident.root.xid;

test('of two equal incidents the more frequent cause is taken, and the study is named', () => {
  const found = byPriors([incident(119), incident(79)]);
  expect(found?.incident.root.xid).toBe(79);
  expect(found?.why).toBe(
    'XID 119 and XID 79 are equally well shown; the GPU itself is more often the cause than its GSP (35.3 % against 4.1 %: Meta, The Llama 3 Herd of Models: 419 interruptions in 54 days on 16,000 H100)',
  );
  expect(decided(incident(48), incident(120))).toBe(48);
  const nvlink = byPriors([incident(149), incident(95)]);
  expect(nvlink?.incident.root.xid).toBe(95);
  expect(nvlink?.why).toContain('38.9 % against 1.7 %: Minder, Table 1');
});

test('where studies do not agree, or none counts the cause, nothing is decided', () => {
  expect(decided(incident(79), incident(48))).toBeUndefined();
  // Counted, and no more frequent by far.
  expect(decided(incident(79), incident(74))).toBeUndefined();
  expect(decided(incident(79), incident(null))).toBeUndefined();
  expect(decided(incident(48), incident(94))).toBeUndefined();
});

test.each([
  ['severity', { severity: 'warning' }],
  ['confidence', { confidence: 'medium' }],
  ['time', { firstTime: '2026-03-01T11:40:01Z' }],
  ['blame', { blame: 'application' }],
] as const)('where the evidence is not equal by its %s, it decides', (_what, changed) => {
  expect(decided(incident(119), incident(79, changed))).toBeUndefined();
});

test('times that the clocks cannot tell apart are equal, and so is one that is not known', () => {
  const late = { firstTime: '2026-03-01T11:40:01Z', firstTimeUncertaintyMs: 1_000 };
  expect(decided(incident(119), incident(79, late))).toBe(79);
  expect(decided(incident(119), incident(79, { firstTime: null }))).toBe(79);
});

test('one incident, three that are equal, and those of a program have no prior', () => {
  expect(decided()).toBeUndefined();
  expect(decided(incident(79))).toBeUndefined();
  expect(decided(incident(119), incident(79), incident(62))).toBeUndefined();
  expect(decided(incident(119, { blame: 'application' }), incident(79))).toBeUndefined();
});

test.each([
  [[119, 79], 79],
  [[79, 119], 79],
  [[79, 48], 79],
])(
  'the page of a job of which XIDs %j are known begins with the one that was judged',
  async (xids, judged) => {
    const ended = {
      ...{ exitCode: 1, reason: 'Error', message: '' },
      ...{ startedAt: '2026-03-01T09:00:00Z', finishedAt: '2026-03-01T11:41:00Z' },
    };
    const containers = [aContainer({ state: 'terminated', ended })];
    const pod = aPod({ phase: 'Failed', containers });
    const { name, namespace } = pod;
    const machine = machineFrom('given', {
      like: 'dgx-h100',
      pods: [{ name, namespace, gpus: [3] }],
    });
    const alone = await answered(explainFailure, { pod: name, namespace }, instrumentsFor(machine));
    const facts = FailureAnswer.parse(alone.structured);
    const incidents = xids.map(xid => incident(xid));
    const failure = joinFailure({ ...facts, incidents }, aView({ pod: present(pod) }));
    const job = { name: 'Job/train', namespace, gone: present([]), pods: [{ pod }] };
    const answer = judgeJob(job, [{ node: pod.node, gpus: [], failure }]);
    expect(answer.why[0]).toContain(`XID ${judged} on GPU`);
    expect(answer.first).toMatchObject({ code: `XID ${judged}`, time: '2026-03-01T11:40:00Z' });
  },
);
