import { describe, expect, test } from 'vitest';
import { present } from '../../src/contract/reading.ts';
import { isFarAbove, median, outliers } from '../../src/findings/support/neighbours.ts';
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
