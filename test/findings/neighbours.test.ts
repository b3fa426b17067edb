import { describe, expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import {
  isFarAbove,
  isHotAlone,
  isIdle,
  isLone,
  median,
  outliers,
  workingLikeIt,
} from '../../src/findings/support/neighbours.ts';
import { THRESHOLDS } from '../../src/findings/support/thresholds.ts';
import { factsOf, withGpu } from '../fakes/facts.ts';

test.each([
  [[], undefined],
  [[3], 3],
  [[1, 2, 3], 2],
  [[4, 1, 3, 2], 2.5],
])('the median of %j is %j', (values, middle) => {
  expect(median(values)).toBe(middle);
});

describe('far above the others', () => {
  test.each([
    ['equal values', 5, [5, 5, 5], false],
    ['a small difference among equal ones', 40, [5, 5, 5], false],
    ['a wild value among equal ones', 4_000, [5, 5, 5], true],
    ['a value within a wide group', 400, [5, 200, 390], false],
    ['another wild value among the others changes nothing', 4_000, [5, 5, 5, 9_000], true],
    ['nobody to compare with', 4_000, [], false],
    ['one of two, far above the other', 4_000, [5], true],
  ] as const)('%s', (_name, value, others, expected) => {
    expect(isFarAbove(value, others, 100)).toBe(expected);
  });
});

describe('the odd one out', () => {
  test('needs a clear majority: half against half accuses nobody', async () => {
    let facts = await factsOf('dgx-h100');
    for (const index of [0, 1, 2, 3]) facts = withGpu(facts, index, { vbios: present('other') });
    expect(outliers(facts, gpu => gpu.vbios)).toEqual([]);
  });

  test('is compared with its own model only', async () => {
    let facts = await factsOf('dgx-h100');
    facts = withGpu(facts, 0, { name: present('NVIDIA L4'), vbios: present('other') });
    expect(outliers(facts, gpu => gpu.vbios)).toEqual([]);
  });

  test('is named with what the others have', async () => {
    const facts = withGpu(await factsOf('dgx-h100'), 6, { vbios: present('other') });
    expect(
      outliers(facts, gpu => gpu.vbios).map(({ gpu, value, agreeing, of }) => [
        gpu.index,
        value,
        agreeing,
        of,
      ]),
    ).toEqual([[6, 'other', 7, 8]]);
  });
});

const eight = await factsOf('dgx-h100');
const ofIndex = (facts: NodeFacts, index: number) => {
  const gpu = facts.driver.gpus[index];
  if (!gpu) throw new Error(`no GPU ${index}`);
  return gpu;
};
const first = (count: number): NodeFacts => ({
  ...eight,
  driver: { ...eight.driver, gpus: eight.driver.gpus.slice(0, count) },
});

test.each<[what: string, facts: NodeFacts, told: readonly number[]]>([
  [
    'one of three, from whom the two differ',
    withGpu(first(3), 1, { pcieWidthCurrent: present(8) }),
    [1],
  ],
  ['the worse of two', withGpu(first(2), 1, { pcieWidthCurrent: present(8) }), [1]],
  [
    'one of two that was not read',
    withGpu(first(2), 1, { pcieWidthCurrent: missing('timeout') }),
    [],
  ],
  ['one alone', withGpu(first(1), 0, { pcieWidthCurrent: present(8) }), []],
  [
    'of two that differ and a third without a name nobody',
    withGpu(withGpu(first(3), 1, { pcieWidthCurrent: present(8) }), 2, {
      name: missing('timeout'),
    }),
    [],
  ],
])('told of few: %s', (_, facts, told) => {
  const found = outliers(
    facts,
    gpu => gpu.pcieWidthCurrent,
    (value, other) => value < other,
  );
  expect(found.map(({ gpu }) => gpu.index)).toEqual(told);
});

describe('a GPU and those like it', () => {
  const mw = (value: number) => ({ powerUsageMw: present(value) });
  const working = withGpu(
    withGpu(withGpu(first(4), 0, mw(600_000)), 1, mw(590_000)),
    2,
    mw(90_000),
  );

  test('are of its model and draw as much power', () => {
    const facts = withGpu(working, 3, { ...mw(600_000), name: present('NVIDIA L4') });
    expect(workingLikeIt(facts, ofIndex(facts, 0)).map(({ index }) => index)).toEqual([1]);
    const unread = withGpu(facts, 0, { powerUsageMw: missing('timeout') });
    expect(workingLikeIt(unread, ofIndex(unread, 0))).toEqual([]);
  });

  test('are cool where it is hot alone', () => {
    const two = withGpu(working, 3, mw(90_000));
    const at = (celsius: number) => withGpu(two, 0, { temperatureC: present(celsius) });
    const cool = withGpu(at(90), 1, { temperatureC: present(50) });
    expect(isHotAlone(cool, ofIndex(cool, 0))).toBe(true);
    const warm = withGpu(at(90), 1, { temperatureC: present(88) });
    expect(isHotAlone(warm, ofIndex(warm, 0))).toBe(false);
    const alone = { ...cool, driver: { ...cool.driver, gpus: cool.driver.gpus.slice(0, 1) } };
    expect(isHotAlone(alone, ofIndex(alone, 0))).toBe(false);
  });

  test.each([
    [0, true],
    [THRESHOLDS.busyPercent.value - 1, true],
    [THRESHOLDS.busyPercent.value, false],
  ])('it is idle at %d %% of utilization: %j', (percent, isSo) => {
    const facts = withGpu(first(1), 0, { gpuUtilizationPercent: present(percent) });
    expect(isIdle(ofIndex(facts, 0))).toBe(isSo);
  });

  test.each<[what: string, facts: NodeFacts, isSo: boolean]>([
    ['the only one', first(1), true],
    ['the only one of its model', withGpu(first(2), 1, { name: present('NVIDIA L4') }), true],
    ['one of two', first(2), false],
    [
      'one given to a virtual machine',
      withGpu(first(1), 0, { virtualizationMode: present('passthrough') }),
      false,
    ],
  ])('it is alone: %s', (_, facts, isSo) => {
    expect(isLone(facts, ofIndex(facts, 0))).toBe(isSo);
  });
});
