import { expect, test } from 'vitest';
import { callFields } from '../../src/nvml/library/outputs.ts';
import type { FieldAsk } from '../../src/nvml/table/field-ids.ts';

/** nvmlFieldValue_t: where its members lie, in bytes. */
const BYTES = 40;
const TIMESTAMP = 8;
const TYPE = 24;
const RETURN = 28;
const VALUE = 32;

const ASK: FieldAsk = { field: 'powerRequestedLimit', scope: 0 };
const UNWRITTEN = {
  ok: false,
  reason: 'not_supported',
  detail: 'the driver left the value of this field unwritten',
};

/** What a driver's call makes of the entry for one field. */
function read(write: (entry: Buffer) => void) {
  const native = (...given: readonly (bigint | number | Buffer)[]) => {
    const entries = given.at(-1);
    if (Buffer.isBuffer(entries)) write(entries.subarray(0, BYTES));
    return 0;
  };
  return callFields(native, [1n], [ASK]);
}

test.each([
  ['writes nothing', () => undefined],
  ['writes the return code only', (entry: Buffer) => entry.writeUInt32LE(0, RETURN)],
  [
    'writes the return code and the time only',
    (entry: Buffer) => {
      entry.writeUInt32LE(0, RETURN);
      entry.writeBigInt64LE(1_795_746_690_589_000n, TIMESTAMP);
    },
  ],
  [
    'writes all but the value',
    (entry: Buffer) => {
      entry.writeUInt32LE(1, TYPE);
      entry.writeUInt32LE(0, RETURN);
    },
  ],
  ['clears all behind the ids', (entry: Buffer) => entry.fill(0, TIMESTAMP)],
])('a driver that %s: the value is missing, not 0', (_, write) => {
  expect(read(write)).toEqual({ ok: true, value: [UNWRITTEN] });
});

test('a 0 that the driver wrote with its type is 0', () => {
  const answer = read(entry => {
    entry.writeUInt32LE(1, TYPE);
    entry.writeUInt32LE(0, RETURN);
    entry.writeBigUInt64LE(0n, VALUE);
  });
  expect(answer).toEqual({ ok: true, value: [{ ok: true, value: 0 }] });
});

test("a field's own return code is its reason", () => {
  const answer = read(entry => entry.writeUInt32LE(15, RETURN));
  expect(answer).toEqual({ ok: true, value: [{ ok: false, reason: 'gpu_is_lost' }] });
});
