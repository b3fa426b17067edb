import { expect, test } from 'vitest';
import { ERROR_RECORDS_BYTES_MAX } from '../../src/contract/limits.ts';
import { callRecords } from '../../src/nvml/library/outputs.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import {
  cperHex,
  MEMORY_SECTION,
  memoryBody,
  NVIDIA_SECTION,
  PCIE_SECTION,
  pcieBody,
} from '../fakes/error-records.ts';
import { inProcessNvml } from '../simulation/in-process.ts';

const never = new AbortController().signal;
const RECORD = cperHex({ severity: 1, sections: [{ guid: MEMORY_SECTION, body: memoryBody(3) }] });
const UUID = 'GPU-4f3b5d0e-2a41-6e31-9a34-0f9d7c3b6a10';

/** nvmlGetCPER_v1_t: where its members lie, in bytes. */
const [UUID_AT, HANDLE_AT, BUFFER_AT, SIZE_AT] = [4, 88, 96, 104];
const [INSUFFICIENT_SIZE, NO_PERMISSION] = [7, 4];

/** A driver that has these records, and gives so many in one call. */
function driverWith(records: readonly Buffer[], { perCall = 99, failsAt = 99 } = {}) {
  const buffers: Buffer[] = [];
  const asked: string[] = [];
  let calls = 0;
  const native = (...[header]: readonly (bigint | number | Buffer)[]): number => {
    if (!Buffer.isBuffer(header)) return 2;
    if (calls++ === failsAt) return NO_PERMISSION;
    asked.push(header.toString('latin1', UUID_AT, header.indexOf(0, UUID_AT)));
    const first = Number(header.readBigUInt64LE(HANDLE_AT));
    const left = records.slice(first);
    const room = header.readUInt32LE(SIZE_AT);
    const buffer = buffers[Number(header.readBigUInt64LE(BUFFER_AT)) - 1];
    const size = (of: readonly Buffer[]) => of.reduce((bytes, { length }) => bytes + length, 0);
    if (left.length === 0) {
      header.writeUInt32LE(0, SIZE_AT);
      return 0;
    }
    if (!buffer) {
      header.writeUInt32LE(size(left), SIZE_AT);
      return INSUFFICIENT_SIZE;
    }
    const given = left.filter((_, at) => at < perCall && size(left.slice(0, at + 1)) <= room);
    if (given.length === 0) {
      header.writeUInt32LE(left[0]?.length ?? 0, SIZE_AT);
      return INSUFFICIENT_SIZE;
    }
    Buffer.concat(given).copy(buffer);
    header.writeUInt32LE(size(given), SIZE_AT);
    header.writeBigUInt64LE(BigInt(first + given.length), HANDLE_AT);
    return 0;
  };
  const addressOf = (bytes: Buffer) => BigInt(buffers.push(bytes));
  return { asked, buffers, read: (uuid = '') => callRecords(native, uuid, addressOf) };
}

test('a driver without records is asked once, without a buffer', () => {
  const { read, asked, buffers } = driverWith([]);
  expect(read()).toEqual({ ok: true, value: { hex: '', isWhole: true } });
  expect({ asked, buffers }).toEqual({ asked: [''], buffers: [] });
});

test('records come one call after the other, of the GPU with this UUID', () => {
  const records = ['aa', 'bb', 'cc'].map(byte => Buffer.from(byte.repeat(200), 'hex'));
  const { read, asked } = driverWith(records, { perCall: 1 });
  const hex = Buffer.concat(records).toString('hex');
  expect(read(UUID)).toEqual({ ok: true, value: { hex, isWhole: true } });
  expect(new Set(asked)).toEqual(new Set([UUID]));
});

test('more than is taken is not whole, and what was taken is told', () => {
  const records = Array.from({ length: 5 }, () => Buffer.alloc(ERROR_RECORDS_BYTES_MAX / 4, 7));
  const { read, buffers } = driverWith(records);
  const hex = Buffer.concat(records.slice(0, 4)).toString('hex');
  expect(read()).toEqual({ ok: true, value: { hex, isWhole: false } });
  expect(Math.max(...buffers.map(({ length }) => length))).toBe(ERROR_RECORDS_BYTES_MAX);
});

test('a record that is larger than all that is taken is left', () => {
  const { read } = driverWith([Buffer.alloc(ERROR_RECORDS_BYTES_MAX + 1)]);
  expect(read()).toEqual({ ok: true, value: { hex: '', isWhole: false } });
});

test('a driver that gives records without end is left after some calls', () => {
  const { read, asked } = driverWith(
    Array.from({ length: 500 }, () => Buffer.alloc(128)),
    { perCall: 1 },
  );
  expect(read()).toMatchObject({ ok: true, value: { isWhole: false } });
  expect(asked.length).toBeLessThan(20);
});

test.each([0, 1, 2])('a call that fails after %i others is the reason', failsAt => {
  expect(driverWith([Buffer.alloc(200)], { failsAt }).read()).toEqual({
    ok: false,
    reason: 'no_permission',
  });
});

/** What is read of a machine whose GPU 1 has these records. */
async function recordsOf(hex: string, more: object = {}) {
  const machine = machineFrom('records', {
    like: 'l40s',
    gpus: { 1: { answers: { systemGetCPER: hex } } },
    ...more,
  });
  return (await inProcessNvml(machine).nvml.read(never)).errorRecords;
}

test('a record says whose it is, how bad, when, and what broke', async () => {
  const hex = cperHex({
    severity: 1,
    at: '2026-02-28T23:59:07',
    flags: 2,
    sections: [
      { guid: MEMORY_SECTION, part: 'GDDR6\u001b[31m 3', body: memoryBody(3) },
      { guid: PCIE_SECTION, severity: 2, body: pcieBody(0x41) },
      {
        guid: NVIDIA_SECTION,
        severity: 3,
        body: Buffer.from('GPU-FB\0\0\0\0\0\0\0\0\0\0\x05\0\x02\0', 'latin1'),
      },
    ],
  });
  expect(await recordsOf(hex)).toEqual({
    ok: true,
    value: {
      records: [
        {
          gpu: 1,
          severity: 'fatal',
          atMs: Date.parse('2026-02-28T23:59:07Z'),
          flags: ['earlier_boot'],
          sections: [
            { kind: 'memory', severity: 'fatal', part: 'GDDR6 [31m 3', what: 'multi-bit ECC' },
            { kind: 'pcie', severity: 'corrected', what: 'device 0000:41:00' },
            { kind: 'nvidia', severity: 'informational', what: 'GPU-FB error 5 of instance 2' },
          ],
        },
      ],
      undecoded: 0,
      leftOut: 0,
      isWhole: true,
    },
  });
});

test('the newest are told where there are many', async () => {
  const hexes = Array.from({ length: 40 }, (_, at) =>
    cperHex({ severity: 2, at: `2026-02-28T10:00:${String(at).padStart(2, '0')}` }),
  );
  const read = await recordsOf(hexes.join(''));
  expect(read).toMatchObject({ ok: true, value: { leftOut: 8 } });
  expect(read.ok && read.value.records.at(-1)?.atMs).toBe(Date.parse('2026-02-28T10:00:39Z'));
});

/** The record with so many bytes changed from a place on. */
const changed = (at: number, bytes: string) =>
  RECORD.slice(0, at * 2) + bytes + RECORD.slice(at * 2 + bytes.length);

test.each([
  ['another signature', changed(0, '58')],
  ['another end of the signature', changed(6, '00')],
  ['a length beyond the bytes', changed(20, 'ffff')],
  ['a length of nothing', changed(20, '00000000')],
  ['more sections than it has bytes for', changed(10, 'ffff')],
  ['half of a header', RECORD.slice(0, 100)],
])('a record with %s is not decoded, and those before it are', async (_, broken) => {
  expect(await recordsOf(RECORD + broken)).toMatchObject({
    ok: true,
    value: { records: [{ severity: 'fatal' }], undecoded: 1 },
  });
});

test.each([
  ['a section beyond the record', changed(128, 'ffffff7f')],
  ['a section of no length', changed(132, '00000000')],
  ['a severity of tomorrow', changed(12, '09')],
  ['a time that is none', changed(16, '02')],
])('a record with %s tells the rest', async (_, strange) => {
  const read = await recordsOf(strange);
  expect(read).toMatchObject({ ok: true, value: { records: [{ gpu: 1 }], undecoded: 0 } });
});

test('a driver that has no such call says so, and a GPU that is lost keeps its records', async () => {
  expect(await recordsOf('', { gpus: {} })).toEqual({ ok: false, reason: 'not_supported' });
  const lost = {
    gpus: { 1: { answers: { systemGetCPER: RECORD }, faults: { '*': { return: 'gpu_is_lost' } } } },
  };
  const read = await recordsOf('', lost);
  expect(read).toMatchObject({ ok: true, value: { records: [{ severity: 'fatal' }] } });
  expect(read.ok && read.value.records[0]).not.toHaveProperty('gpu');
});
