import { describe, expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import { listOf } from '../../src/nvml/reader/steps.ts';
import { gpu } from './gpus.ts';

/** As 580.159.04 fills it for an H200 by itself; the members that v1 has too are zero in both. */
const H200_PLATFORM = {
  ...{ ibGuid: '00'.repeat(16), chassisSerialNumber: '', slotNumber: 0, trayIndex: 0, hostId: 1 },
  ...{ peerType: 0, moduleId: 4 },
};
const H200_PLATFORM_V1 = { ibGuid: '00'.repeat(16), nodeIndex: 1, peerType: 0, moduleId: 4 };

describe('the board', () => {
  test('the rack is told by platform v2, or v1 where the driver has only that', async () => {
    expect((await gpu('gb200', {})).platform).toEqual({
      ok: true,
      value: { chassisSerial: '1821325190377', slot: 9, tray: 4, host: 1, moduleId: 1 },
    });
    const older = await gpu('gb200', {
      faults: { deviceGetPlatformInfo: { return: 'argument_version_mismatch' } },
      answers: { deviceGetPlatformInfoV1: { chassisPhysicalSlotNumber: 8, computeSlotIndex: 3 } },
    });
    expect(older.platform).toEqual({
      ok: true,
      value: { slot: 8, tray: 3, host: 0, moduleId: 0 },
    });
  });

  test.each([
    ['deviceGetPlatformInfo', {}],
    ['deviceGetPlatformInfoV1', { deviceGetPlatformInfo: { return: 'argument_version_mismatch' } }],
  ])('a GPU in no rack has no place in it, by %s', async (_call, faults) => {
    const answers = {
      deviceGetPlatformInfo: H200_PLATFORM,
      deviceGetPlatformInfoV1: H200_PLATFORM_V1,
    };
    expect((await gpu('h200', { answers, faults })).platform).toEqual({
      ok: false,
      reason: 'not_supported',
      detail: 'not in a rack: no chassis, slot 0, tray 0',
    });
  });

  test('an InfoROM that is corrupt outside of its configuration has a good checksum', async () => {
    const faults = { deviceValidateInforom: { return: 'corrupted_inforom' } };
    const { inforom } = await gpu('h100-sxm', { faults });
    expect(inforom.valid).toEqual({ ok: false, reason: 'corrupted_inforom' });
    expect(inforom.configurationChecksum.ok).toBe(true);
    expect((await gpu('h100-sxm')).inforom.valid).toEqual({ ok: true, value: true });
  });

  test('a corrupt InfoROM is a checksum that cannot be had', async () => {
    const { inforom } = await gpu('h100-sxm', {
      faults: { deviceGetInforomConfigurationChecksum: { return: 'corrupted_inforom' } },
    });
    expect(inforom.configurationChecksum).toEqual({ ok: false, reason: 'corrupted_inforom' });
    expect(inforom.imageVersion.ok).toBe(true);
  });

  test('fans are told one by one, also beside one that fails', async () => {
    const answers = { deviceGetNumFans: 2, 'deviceGetFanSpeed 0': 30, 'deviceGetFanSpeed 1': 31 };
    expect((await gpu('l40s', { answers })).fans).toEqual(
      present([{ percent: present(30) }, { percent: present(31) }]),
    );
    const faults = { 'deviceGetFanSpeed 1': { return: 'unknown' } };
    expect((await gpu('l40s', { answers, faults })).fans).toEqual(
      present([{ percent: present(30) }, { percent: missing('unknown') }]),
    );
  });

  test('a driver that counts no fans tells one speed', async () => {
    const state = await gpu('h100-sxm', {
      answers: { deviceGetFanSpeedV1: 42 },
      faults: { deviceGetNumFans: { return: 'function_not_found' } },
    });
    expect(state.fans).toEqual(present([{ percent: present(42) }]));
  });
});

describe('power limits', () => {
  const constraints = {
    deviceGetPowerManagementLimitConstraints: { minLimit: 200_000, maxLimit: 700_000 },
  };

  test('where the driver does not fill their fields the older function has them', async () => {
    const faults = {
      'deviceGetFieldValue powerMinLimit': { return: 'not_supported' },
      'deviceGetFieldValue powerMaxLimit': { return: 'not_supported' },
    };
    const { power } = await gpu('h200', { answers: constraints, faults });
    expect([power.minLimitMw, power.maxLimitMw]).toEqual([
      { ok: true, value: 200_000 },
      { ok: true, value: 700_000 },
    ]);
  });

  test('without either they are missing', async () => {
    const faults = { 'deviceGetFieldValue powerMaxLimit': { return: 'not_supported' } };
    const { power } = await gpu('h200', { faults });
    expect(power.maxLimitMw).toEqual({ ok: false, reason: 'not_supported' });
  });
});

describe('memory', () => {
  test.each([
    [{ version: 0x1000008, bUnrepairableMemory: 0 }, false],
    [{ version: 0x1000008, bUnrepairableMemory: 1 }, true],
    // A driver that takes no version word has put the flag in its place.
    [{ version: 1, bUnrepairableMemory: 0 }, true],
    [{ version: 0, bUnrepairableMemory: 0 }, false],
  ])('unrepairable memory %j is %s', async (answer, expected) => {
    const state = await gpu('b200', { answers: { deviceGetUnrepairableMemoryFlag: answer } });
    expect(state.unrepairableMemory).toEqual({ ok: true, value: expected });
  });

  describe('SRAM addresses', () => {
    const status = { volatileUncSecDed: 1, aggregateUncSecDed: 9 };
    const entry = { unit: 3, location: 1, sublocation: 0, extlocation: 0, address: 64 };

    test('are told worst first where there are uncorrected errors', async () => {
      const entries = [1, 8].map((count, isParity) => ({ ...entry, isParity, count }));
      const { sramUniqueErrors } = await gpu('h100-sxm', {
        answers: {
          deviceGetSramEccErrorStatus: status,
          deviceGetSramUniqueUncorrectedEccErrorCounts: entries,
        },
      });
      expect(sramUniqueErrors).toEqual(
        present({
          addresses: 2,
          worst: [
            { ...entry, parity: true, count: 8 },
            { ...entry, parity: false, count: 1 },
          ],
        }),
      );
    });

    test('are not asked for where no error is counted', async () => {
      const faults = { deviceGetSramUniqueUncorrectedEccErrorCounts: { return: 'unknown' } };
      expect((await gpu('h100-sxm', { faults })).sramUniqueErrors).toEqual(
        present({ addresses: 0, worst: [] }),
      );
    });
  });
});

test.each([
  [[], ''],
  [[0], '0'],
  [[0, 1, 2, 5, 7, 8], '0-2,5,7-8'],
])('the set %j is written %j', (places, written) => {
  expect(listOf(places)).toBe(written);
});
