import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { missing, present } from '../../src/contract/reading.ts';
import {
  lenient,
  number,
  reading,
  replaceReadings,
  text,
} from '../../src/contract/reading-schema.ts';

const absent = missing('not_read', 'not there');
const unreadable = missing('unreadable');

const Board = z.object({
  index: z.int(),
  name: text,
  power: z.object({ instantMw: number, limits: z.object({ maxMw: number }) }),
  links: reading(
    z.array(z.object({ link: z.int(), speedMbps: number, owner: text.exactOptional() })),
  ),
});
const board = {
  index: 3,
  name: present('T4'),
  power: { instantMw: present(1), limits: { maxMw: present(2) } },
  links: present([{ link: 0, speedMbps: present(25), owner: present('x') }]),
};

describe('a lenient schema', () => {
  const Lenient = lenient(z.array(Board).max(2), { absent, unreadable });

  test('takes what the strict one takes, unchanged', () => {
    expect(Lenient.parse([board])).toEqual([board]);
  });

  test('has a reason for what is absent and for what is of another form, at any depth', () => {
    const given = {
      index: 3,
      name: 'T4',
      power: { instantMw: { ok: true, value: 'much' } },
      links: present([{ link: 0 }, { link: 1, speedMbps: missing('gpu_is_lost'), owner: 'x' }]),
    };
    expect(Lenient.parse([given])).toEqual([
      {
        index: 3,
        name: unreadable,
        power: { instantMw: unreadable, limits: { maxMw: absent } },
        links: present([
          // What need not be there is no missing reading.
          { link: 0, speedMbps: absent },
          { link: 1, speedMbps: missing('gpu_is_lost'), owner: unreadable },
        ]),
      },
    ]);
  });

  test.each([undefined, null, 5, 'x', []])('a group that is %j lacks its readings', power => {
    expect(Lenient.parse([{ ...board, power }])).toEqual([
      { ...board, power: { instantMw: absent, limits: { maxMw: absent } } },
    ]);
  });

  test.each([
    ['what is no reading', [{ ...board, index: undefined }]],
    ['the bounds of a list', [board, board, board]],
    ['the whole', 5],
  ])('is strict about %s', (_what, given) => {
    expect(Lenient.safeParse(given).success).toBe(false);
  });
});

test('readings are replaced by what takes their place, and nothing else is', () => {
  const values = replaceReadings(Board, { reading: value => value.optional() });
  expect(values.parse({ index: 3, name: 'T4', power: { limits: { maxMw: 2 } } })).toEqual({
    index: 3,
    name: 'T4',
    power: { limits: { maxMw: 2 } },
  });
  expect(replaceReadings(z.int(), { reading: value => value })).toBeInstanceOf(z.ZodNumber);
});

test('a reading where none can be replaced is refused', () => {
  const either = z.union([text, z.int()]);
  expect(() => lenient(z.object({ either }), { absent, unreadable })).toThrow(TypeError);
});
