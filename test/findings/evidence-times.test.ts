import { describe, expect, test } from 'vitest';
import { type Evidence, gpusOf, recorded, recordTimes } from '../../src/contract/finding.ts';
import { gpuClue } from '../../src/findings/clue.ts';
import { diagnose, oneFindingPerCause } from '../../src/findings/diagnosis.ts';
import { incidentsOf } from '../../src/findings/support/incident-evidence.ts';
import { findingLines } from '../../src/tools/support/finding-lines.ts';
import { factsFor } from '../fakes/facts.ts';
import { machineOf } from '../fakes/instruments.ts';

type Line = readonly [secondsAgo: number, text: string];

async function factsWith(name: string, lines: readonly Line[]) {
  const machine = machineOf(name);
  const logged = lines.map(([secondsAgo, text]) => ({ secondsAgo, level: 4, text }));
  return factsFor({
    ...machine,
    kernelLog: {
      ...machine.kernelLog,
      lines: [...machine.kernelLog.lines, ...logged].toSorted(
        (a, b) => b.secondsAgo - a.secondsAgo,
      ),
    },
  });
}

const ago = (nowMs: number, { time, lastTime }: Evidence) =>
  [time, lastTime].map(each =>
    each === undefined ? undefined : Math.round((nowMs - Date.parse(each)) / 1_000),
  );

const xid = (pci: string, words: string) => `NVRM: Xid (PCI:${pci}): ${words}`;
const NVLINK = '74, pid=77, name=train, NVLink: fatal error detected on link 6(0x1)';

describe('evidence of the kernel log says the times of its own records', () => {
  test('an incident of several lines: when it began, and when the last of them came', async () => {
    const facts = await factsWith('dgx-h100', [
      [600, xid('0000:0f:00', NVLINK)],
      [540, xid('0000:0f:00', '45, pid=77, name=train, Ch 00000008')],
    ]);
    const [finding] = diagnose(facts).findings.filter(({ severity }) => severity !== 'info');
    expect(finding?.evidence.map(item => ago(facts.nowMs, item))).toContainEqual([600, 540]);
    const text = findingLines(finding ?? never(), facts.nowMs).flatMap(line =>
      typeof line === 'string' ? line : line.text,
    );
    expect(text.find(line => line.includes('evidence'))).toMatch(
      /Z to 2026-\S+Z, 9 min 00 s ago\]$/,
    );
  });

  test('one that came again hours later is not told with the time of the other', async () => {
    const facts = await factsWith('dgx-h100', [
      [7_200, xid('0000:0f:00', NVLINK)],
      [600, xid('0000:0f:00', NVLINK)],
    ]);
    const told = diagnose(facts).findings.flatMap(({ evidence }) =>
      evidence.filter(({ what }) => what.includes('NVLink')),
    );
    expect(told.map(item => ago(facts.nowMs, item))).toEqual([[7_200, 600]]);
    expect(told[0]).toMatchObject({ count: 2 });
  });

  test('and what another GPU logged alike is no evidence of this one', async () => {
    const facts = await factsWith('dgx-h100', [
      [7_200, xid('0000:0f:00', NVLINK)],
      [600, xid('0000:61:00', NVLINK)],
    ]);
    for (const finding of diagnose(facts).findings.filter(({ severity }) => severity !== 'info')) {
      const places = gpusOf(finding).map(({ pci }) => pci);
      expect(incidentsOf(facts, finding).map(({ gpu }) => gpu)).toEqual(places);
    }
  });
});

const at = (minute: number) => `2026-11-23T08:${String(minute).padStart(2, '0')}:00Z`;

test('evidence of one cause: a record that two rules show is one, one of another time is counted', () => {
  const clue = (rule: string, evidence: readonly Evidence[]) =>
    gpuClue({ index: 1, pci: '0000:0f:00' }, rule, {
      cause: 'memory',
      severity: 'warning',
      component: 'memory',
      title: rule,
      action: 'watch',
      advice: rule,
      blame: 'hardware',
      confidence: 'high',
      evidence: [...evidence],
    });
  const record = (minute: number, over: Partial<Evidence> = {}): Evidence => ({
    ...{ what: 'row', source: 'kmsg', time: at(minute) },
    ...over,
  });
  const merged = (...all: readonly (readonly Evidence[])[]) =>
    oneFindingPerCause(all.map((evidence, n) => clue(`rule-${n}`, evidence)))[0]?.evidence;
  expect(merged([record(10)], [record(10)])).toEqual([record(10)]);
  expect(merged([record(40)], [record(10, { lastTime: at(12) })], [record(10)])).toEqual([
    record(10, { lastTime: at(40), count: 3 }),
  ]);
  const { time: _, ...untimed } = record(10);
  expect(merged([untimed], [record(20)])).toEqual([record(20)]);
});

test('times of records: the first and the last that are known, the same once', () => {
  expect(recordTimes([at(9), null, at(3), undefined])).toEqual({ time: at(3), lastTime: at(9) });
  expect(recordTimes([at(3), at(3)])).toEqual({ time: at(3) });
  expect(recordTimes([null])).toEqual({});
  expect(recorded({ time: at(3), lastTime: at(9), count: 2 })).toBe(
    `${at(3)} to ${at(9)} (2 times)`,
  );
  expect(recorded({})).toBeUndefined();
});

function never(): never {
  throw new Error('no finding');
}
