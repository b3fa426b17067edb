import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { NAMES, textOf } from '../../src/contract/names-in-text.ts';
import { present } from '../../src/contract/reading.ts';
import { reading } from '../../src/contract/reading-schema.ts';
import { createNames } from '../../src/redaction/names.ts';
import { redactor } from '../../src/redaction/redacted.ts';
import { dataOf, PORTS, textsOf } from './texts.ts';

const names = createNames('00112233445566778899aabbccddeeff');
const ports = Object.entries(PORTS);
const texts = ports.flatMap(([port, schema]) => textsOf(schema, port));

describe('a text that comes through a port', () => {
  test('bears a mark that says whose name it may hold, every one', () => {
    expect(texts.length).toBeGreaterThan(150);
    expect(texts.filter(({ mark }) => mark === undefined)).toEqual([]);
  });

  test('holds a name of somebody here, and nowhere else', async () => {
    const held = texts.filter(({ mark }) => mark !== 'nobody');
    const lines = held.map(({ path, mark }) => `${path}: ${mark}`);
    await expect(`${[...new Set(lines)].join('\n')}\n`).toMatchFileSnapshot('names-in-texts.txt');
  });
});

/** Each text is another; `open` where it may leave. */
let made = 0;
const marker = (mark: string | undefined) =>
  fc.constant(0).map(() => `${mark === 'nobody' ? 'open' : 'secret'}-${made++}-x`);
const markersIn = (data: unknown, kind: string) =>
  JSON.stringify(data)
    .match(new RegExp(`${kind}-\\d+-x`, 'g'))
    ?.toSorted() ?? [];

test.each(ports)(
  '%s: a text that may hold a name does not leave, all others do',
  (_port, schema) => {
    const redacted = redactor<z.ZodType>(schema, names);
    fc.assert(
      fc.property(dataOf(schema, marker), data => {
        const left = redacted(data);
        expect(markersIn(left, 'secret')).toEqual([]);
        expect(markersIn(left, 'open')).toEqual(markersIn(data, 'open'));
      }),
    );
  },
);

test('a key may hold a name too', () => {
  const redacted = redactor(z.record(textOf('pod'), z.number()), names);
  expect(redacted({ train: 1 })).toEqual({ [names.token('pod', 'train')]: 1 });
});

test('a text keeps its mark where more is asked of it', () => {
  expect(NAMES.get(textOf('process').max(15))).toEqual({ of: 'process' });
});

describe('what a schema does not say', () => {
  const inside = z.object({ bare: z.string(), any: z.unknown(), known: textOf('nobody') });
  const redacted = redactor(z.object({ state: reading(z.array(inside)) }), names);

  test('does not leave: a text without a mark, data of any form, a member without a name', () => {
    const row = { bare: 'secret', any: { deep: 'secret' }, known: 'x', more: 'secret' };
    expect(redacted({ state: present([row]), beside: 'secret' })).toEqual({
      state: present([{ bare: '(withheld)', known: 'x' }]),
    });
  });

  test('does not leave where a reading is of another form', () => {
    expect(redacted({ state: present('secret') })).toEqual({
      state: { ok: false, reason: 'unreadable' },
    });
  });

  test('is found as a text without a mark', () => {
    expect(textsOf(inside, 'x').filter(({ mark }) => mark === undefined)).toEqual([
      { path: 'x.bare', mark: undefined },
      { path: 'x.any (unknown)', mark: undefined },
    ]);
  });
});
