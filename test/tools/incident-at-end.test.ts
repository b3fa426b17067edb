import { describe, expect, test } from 'vitest';
import { readJobLog } from '../../src/job-log/read-job-log.ts';
import { failureVerdict } from '../../src/tools/support/failure-verdict.ts';
import type { Incident } from '../../src/xid/events.ts';
import { aContainer, aPod } from '../fakes/cluster-view.ts';

const END_MS = Date.parse('2026-03-01T12:00:00Z');
const at = (secondsFromEnd: number) => new Date(END_MS + secondsFromEnd * 1_000).toISOString();

const incident = (changed: Partial<Incident> = {}): Incident => ({
  root: { kind: 'xid', pci: '0000:4e:00', xid: 48, sxid: null },
  first: { kind: 'xid', xid: 48, sxid: null },
  ...{ title: 'XID 48', action: 'reset_gpu', actionSource: 'catalogue', disagreement: [] },
  ...{ severity: 'critical', blame: 'hardware', confidence: 'high', gpu: '0000:4e:00' },
  ...{ firstLine: 1, lastLine: 1, lines: [1], source: '/dev/kmsg', count: 1, codes: [48] },
  ...{ firstTime: at(-2), firstTimeUncertaintyMs: 0, lastTime: at(-2), sinceThen: null },
  ...{ why: 'as NVIDIA says', counterEvidence: [] },
  ...changed,
});

const ECC = (seconds: number) =>
  `${at(seconds)} RuntimeError: CUDA error: uncorrectable ECC error encountered`;

/** Of a pod that ended at END_MS, of whose GPUs nothing is known. */
function verdict(found: Incident, ...lines: string[]) {
  const end = {
    exitCode: 1,
    reason: 'Error',
    message: '',
    startedAt: at(-9_000),
    finishedAt: at(0),
  };
  const container = aContainer({ state: 'terminated', ended: end });
  const log = readJobLog({
    ...{ container: 'main', previous: false, requests: 1, bytes: 9, cut: false },
    text: lines.map(line => `${line}\n`).join(''),
  });
  return failureVerdict({
    ...{ pod: aPod({ phase: 'Failed', containers: [container] }), container, end },
    ...{ podEvents: [], incidents: [found], findings: [], log },
    ...{ ownGpusKnown: false, logCovers: true },
  });
}

const isIncident = ({ why }: { readonly why: readonly string[] }) =>
  why[0]?.startsWith('XID 48 on GPU') === true;

describe('an incident of a GPU of the node as the pod ended', () => {
  test('beside the program’s word for such a fault is probable, else possible', () => {
    const said = verdict(incident(), ECC(-1));
    expect(isIncident(said)).toBe(true);
    expect(said).toMatchObject({ fault: 'hardware', confidence: 'medium', action: 'reset_gpu' });
    expect(said.against).toContain(
      'which GPUs the pod had is not known: the incident may be of another pod',
    );
    for (const silent of [verdict(incident()), verdict(incident(), ECC(-1).slice(25))]) {
      expect(isIncident(silent)).toBe(true);
      expect(silent).toMatchObject({ fault: 'hardware', confidence: 'low' });
    }
  });

  test.each<readonly [string, Partial<Incident>]>([
    ['that is not critical', { severity: 'warning' }],
    ['of another kind', { blame: 'driver' }],
    ['of a program', { blame: 'application' }],
    ['of an hour before', { firstTime: at(-3_600), lastTime: at(-3_600) }],
    ['without a time', { firstTime: null, lastTime: null }],
  ])('%s, is none that the program’s own word stands behind', (_, changed) => {
    const answer = verdict(incident(changed), ECC(-1));
    expect(isIncident(answer)).toBe(changed.blame === 'driver');
    expect(answer.confidence).toBe('low');
  });

  test('that began long before and went on to the end is one', () => {
    const lasting = verdict(incident({ firstTime: at(-3_600) }), ECC(-1));
    expect(isIncident(lasting)).toBe(true);
  });

  test('is nothing beside another cause that the program names of that moment', () => {
    const own = verdict(incident(), `${at(-1)} ValueError: bad token`);
    expect(own).toMatchObject({ fault: 'application', confidence: 'medium' });
  });
});
