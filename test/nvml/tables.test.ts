import { describe, expect, test } from 'vitest';
import { MISSING_REASONS } from '../../src/contract/reading.ts';
import { CLOCKS_EVENT_REASONS, clocksEventReasons } from '../../src/nvml/table/enums.ts';
import { layoutOf, readStruct, structVersion } from '../../src/nvml/table/layout.ts';
import { missingFor, RETURN_CODES } from '../../src/nvml/table/return-codes.ts';
import { memoryV2, pciInfo, processInfoV2, STRUCTS } from '../../src/nvml/table/structs.ts';

describe('structs', () => {
  test.each(STRUCTS)('$name has the size that its members make', struct => {
    expect(layoutOf(struct).byteSize).toBe(struct.byteSize);
  });

  test('a struct whose size is wrong is refused', () => {
    expect(() => layoutOf({ ...pciInfo, byteSize: 72 })).toThrow(
      'nvmlPciInfo_t has 68 bytes; structs.ts says 72',
    );
  });

  test('the version word is NVML_STRUCT_VERSION: nvmlMemory_v2 is 0x02000028', () => {
    expect(structVersion(memoryV2, memoryV2.version)).toBe(0x0200_0028);
  });

  test('members are read where C puts them, 64-bit ones exactly', () => {
    const bytes = Buffer.alloc(48);
    bytes.writeUInt32LE(4_194_304, 24);
    bytes.writeBigUInt64LE(0xffff_ffff_ffff_fffen, 32);
    bytes.writeUInt32LE(7, 40);
    expect(readStruct(bytes, 24, processInfoV2)).toEqual({
      pid: 4_194_304,
      usedGpuMemory: 0xffff_ffff_ffff_fffen,
      gpuInstanceId: 7,
      computeInstanceId: 0,
    });
  });

  test('a text ends at its first NUL, or at the end of its array', () => {
    const bytes = Buffer.alloc(68, 'x');
    bytes.write('0000:3B:00.0\0', 0);
    const { busIdLegacy, busId } = readStruct(bytes, 0, pciInfo);
    expect({ busIdLegacy, busId }).toEqual({
      busIdLegacy: '0000:3B:00.0',
      busId: 'x'.repeat(32),
    });
  });
});

describe('return codes', () => {
  test.each(Object.entries(RETURN_CODES))('%s is %i, and back', (reason, code) => {
    expect(missingFor(code)).toEqual({ ok: false, reason });
  });

  test('every reason but our own three has a code', () => {
    const ours = MISSING_REASONS.filter(reason => RETURN_CODES[reason] === undefined);
    expect(ours).toEqual(['crashed', 'unreadable', 'not_read']);
  });

  test('a code of tomorrow is unknown, with its number', () => {
    expect(missingFor(31)).toEqual({ ok: false, reason: 'unknown', detail: 'nvmlReturn_t 31' });
  });
});

describe('clocks event reasons', () => {
  test('no bit, no reason', () => {
    expect(clocksEventReasons(0n)).toEqual([]);
  });

  test('several bits, lowest first; a bit of tomorrow keeps its number', () => {
    expect(clocksEventReasons(0x844n)).toEqual([
      'sw_power_cap',
      'hw_thermal_slowdown',
      'unknown_0x800',
    ]);
  });

  test('bits are single and all different', () => {
    const bits = CLOCKS_EVENT_REASONS.map(({ bit }) => bit);
    expect(bits).toEqual(bits.map((_, place) => 1n << BigInt(place)));
  });
});
