import { describe, expect, test } from 'vitest';
import type { Clue } from '../../src/findings/clue.ts';
import { gpuClue } from '../../src/findings/clue.ts';
import { oneFindingForSeveralGpus, oneFindingPerCause } from '../../src/findings/diagnosis.ts';

const A = { index: 1, pci: '0000:0f:00' };
const B = { index: 2, pci: '0000:47:00' };

const clue = (rule: string, over: Partial<Clue> = {}, gpu = A): Clue => ({
  ...gpuClue(gpu, rule, {
    severity: 'warning',
    component: 'gpu',
    title: `${rule} happened`,
    sign: `a ${rule}`,
    action: 'drain_and_reset',
    advice: `do what ${rule} needs`,
    blame: 'hardware',
    confidence: 'medium',
    evidence: [{ what: rule, source: 'NVML' }],
  }),
  ...over,
});

const brief = (clues: readonly Clue[]) =>
  oneFindingPerCause(clues).map(({ id, title, action, evidence }) => ({
    id,
    title,
    action,
    evidence: evidence.map(({ what }) => what),
  }));

describe('signs of one cause', () => {
  test('on one GPU are one finding: the heaviest leads, all evidence stays', () => {
    expect(
      brief([
        clue('pending', { cause: 'memory' }),
        clue('ecc', { cause: 'memory', severity: 'critical' }),
      ]),
    ).toEqual([
      {
        id: 'ecc:0000:0f:00',
        title: 'ecc happened; a pending',
        action: 'drain_and_reset',
        evidence: ['ecc', 'pending'],
      },
    ]);
  });

  test('on two GPUs stay two findings', () => {
    expect(
      brief([clue('ecc', { cause: 'memory' }), clue('ecc', { cause: 'memory' }, B)]),
    ).toHaveLength(2);
  });

  test('of two causes on one GPU stay two findings', () => {
    expect(
      brief([clue('ecc', { cause: 'memory' }), clue('width', { cause: 'pcie' })]),
    ).toHaveLength(2);
  });

  test('without a cause stand for themselves, also when they are alike', () => {
    expect(brief([clue('mode'), clue('mode')])).toHaveLength(2);
  });
});

describe('whose action is told', () => {
  const asked = clue('asked', {
    cause: 'asked',
    severity: 'critical',
    action: 'reboot_node',
    advice: 'reboot it',
  });

  test('what the driver asks for beats what a rule would do', () => {
    const [finding] = brief([clue('ecc', { cause: 'memory', severity: 'critical' }), asked]);
    expect(finding).toMatchObject({ id: 'ecc:0000:0f:00', action: 'reboot_node' });
  });

  test('a fault that no reset cures beats what the driver asks for', () => {
    const failed = clue('failed', {
      cause: 'memory',
      severity: 'critical',
      action: 'contact_support',
    });
    expect(brief([failed, asked])[0]).toMatchObject({ action: 'contact_support' });
  });

  test('a demand without a cause is a finding of its own; a remark is no cause', () => {
    expect(brief([clue('cool', { cause: 'memory', severity: 'info' }), asked])).toHaveLength(2);
  });

  test('whatever else is odd about a GPU that is gone belongs to its loss', () => {
    const lost = clue('lost', { cause: 'lost', severity: 'critical', action: 'reboot_node' });
    expect(brief([clue('width', { cause: 'pcie' }), lost, asked])).toMatchObject([
      { id: 'lost:0000:0f:00', action: 'reboot_node' },
    ]);
  });
});

describe('the same finding on many GPUs', () => {
  const gpus = [1, 2, 3].map(index => ({ index, pci: `0000:0${index}:00` }));
  const on = (count: number, rule = 'lost') =>
    oneFindingPerCause(gpus.slice(0, count).map(gpu => clue(rule, {}, gpu)));

  test('is one finding that names them from three on', () => {
    const [finding, ...others] = oneFindingForSeveralGpus(on(3));
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      id: 'lost',
      title: 'lost happened; the same on GPU 2, 3',
      gpus,
    });
    expect(finding).not.toHaveProperty('gpu');
  });

  test('stays apart on two, and where the actions differ', () => {
    expect(oneFindingForSeveralGpus(on(2))).toHaveLength(2);
    const [first, ...others] = on(3);
    const mixed = first ? [{ ...first, action: 'watch' as const }, ...others] : [];
    expect(oneFindingForSeveralGpus(mixed)).toHaveLength(3);
  });

  test('three times on one GPU are three findings', () => {
    const [one] = on(1);
    const thrice = one ? [one, one, one] : [];
    expect(oneFindingForSeveralGpus(thrice)).toHaveLength(3);
  });
});
