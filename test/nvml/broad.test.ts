import { describe, expect, test } from 'vitest';
import { known } from '../../src/contract/reading.ts';
import type { DriverState, GpuState } from '../../src/nvml/port.ts';
import { healthOf } from '../../src/nvml/reader/interconnect.ts';
import { listOf } from '../../src/nvml/reader/steps.ts';
import { loadMachine, machineFrom } from '../../src/simulation/machine.ts';
import { inProcessNvml } from '../simulation/in-process.ts';

const never = new AbortController().signal;
const read = (data: unknown): Promise<DriverState> =>
  inProcessNvml(machineFrom('test', data)).nvml.read(never);
/** GPU 1 of a healthy machine of a type, with its own answers and faults. */
async function gpu(like: string, over: { answers?: object; faults?: object }): Promise<GpuState> {
  const { gpus } = await read({ like, gpus: { 1: over } });
  const [, found] = gpus;
  if (!found) throw new Error('no GPU 1');
  return found;
}
const linksOf = ({ nvlinks }: GpuState) => known(nvlinks)?.links ?? [];
const statesOf = (state: GpuState) => linksOf(state).map(link => known(link.state));

describe('NVLink', () => {
  test('a B200 that counts 36 indexes has the 18 links that have a state', async () => {
    const state = await gpu('b200', {});
    expect(known(state.nvlinks)?.indexes).toBe(36);
    expect(statesOf(state)).toEqual(Array.from({ length: 18 }, () => 'active'));
  });

  test('a link that is down is one of them, without another end', async () => {
    const state = await gpu('b200', { answers: { 'deviceGetFieldValue nvlinkState 7': 0 } });
    expect(statesOf(state).flatMap((word, link) => (word === 'inactive' ? [link] : []))).toEqual([
      7,
    ]);
    expect(linksOf(state)[7]?.remotePci).toMatchObject({ ok: false, reason: 'invalid_state' });
    expect(linksOf(state)[6]?.remotePci).toEqual({ ok: true, value: '0000:05:00' });
  });

  test('a link whose state cannot be read stays, with the reason', async () => {
    const state = await gpu('h100-sxm', {
      faults: { 'deviceGetFieldValue nvlinkState 3': { return: 'gpu_is_lost' } },
    });
    expect(linksOf(state)).toHaveLength(18);
    expect(linksOf(state)[3]?.state).toEqual({ ok: false, reason: 'gpu_is_lost' });
  });

  test('counters are those of the generation; the others are not supported', async () => {
    const older = await gpu('h100-sxm', { answers: { 'deviceGetFieldValue nvlinkReplay 2': 9 } });
    const newer = await gpu('b200', { answers: { 'deviceGetFieldValue nvlinkSymbolErrors 2': 5 } });
    const unsupported = { ok: false, reason: 'not_supported' };
    expect(linksOf(older)[2]?.errors).toMatchObject({
      replay: { ok: true, value: 9 },
      symbol: unsupported,
    });
    expect(linksOf(newer)[2]?.errors).toMatchObject({
      replay: unsupported,
      symbol: { ok: true, value: 5 },
    });
  });

  test('a driver without these fields has calls for the state, and a field for each link', async () => {
    const old = Object.fromEntries(
      ['State', 'Version', 'Speed', 'PowerState', 'Replay', 'Recovery', 'Crc'].map(name => [
        `deviceGetFieldValue nvlink${name}`,
        { return: 'invalid_argument' },
      ]),
    );
    const state = await gpu('a100-sxm4-40gb', {
      faults: old,
      answers: {
        deviceGetNvLinkState: 1,
        'deviceGetNvLinkState 11': 0,
        deviceGetNvLinkVersion: 4,
        'deviceGetFieldValue nvlinkReplayOfLink 5': 77,
      },
    });
    expect(statesOf(state).indexOf('inactive')).toBe(11);
    expect(linksOf(state)[5]).toMatchObject({
      version: { ok: true, value: '3.0' },
      errors: { replay: { ok: true, value: 77 } },
    });
  });

  test('a GPU without NVLink has none, which is a value', async () => {
    expect((await gpu('l4', {})).nvlinks).toEqual({ ok: true, value: { indexes: 0, links: [] } });
  });
});

describe('fabric', () => {
  test('a mask of zeros supports nothing, and is not healthy', () => {
    const { mask: _, ...words } = healthOf(0);
    expect(new Set(Object.values(words))).toEqual(new Set(['not_supported']));
  });

  test.each([
    [0x1aa, 'healthy', 'healthy', 'healthy', 'healthy', 'none'],
    [0x1a9, 'fault', 'healthy', 'healthy', 'healthy', 'none'],
    [0x1a6, 'healthy', 'fault', 'healthy', 'healthy', 'none'],
    [0x19a, 'healthy', 'healthy', 'fault', 'healthy', 'none'],
    [0x16a, 'healthy', 'healthy', 'healthy', 'fault', 'none'],
    [0x5aa, 'healthy', 'healthy', 'healthy', 'healthy', 'insufficient_nvlinks'],
    [0xfaa, 'healthy', 'healthy', 'healthy', 'healthy', 'unknown_15'],
  ])('mask %i by its fields', (mask, bandwidth, recovery, route, access, configuration) => {
    expect(healthOf(mask)).toEqual({
      mask,
      degradedBandwidth: bandwidth,
      routeRecovery: recovery,
      routeUnhealthy: route,
      accessTimeoutRecovery: access,
      incorrectConfiguration: configuration,
    });
  });

  test('the newest struct that the driver takes is used; an older one tells less', async () => {
    const older = { deviceGetGpuFabricInfoV3: { return: 'argument_version_mismatch' } };
    const info = { clusterUuid: '00'.repeat(16), state: 1, healthMask: 0x1aa };
    const answers = { deviceGetGpuFabricInfoV2: info, deviceGetGpuFabricInfo: info };
    const v2 = known((await gpu('h100-sxm', { answers, faults: older })).fabric);
    expect(v2).toMatchObject({ state: 'not_started', health: { mask: 0x1aa } });
    expect(v2).not.toHaveProperty('summary');
    const none = { deviceGetGpuFabricInfoV3: { return: 'function_not_found' } };
    const v1 = known((await gpu('h100-sxm', { answers, faults: none })).fabric);
    expect(v1).toEqual({ state: 'not_started', status: 'success', cliqueId: 0 });
  });

  test('where there is no fabric nothing else is told of it', async () => {
    const zeros = { clusterUuid: '00'.repeat(16), status: 0, cliqueId: 0, state: 0 };
    const answers = { deviceGetGpuFabricInfoV3: { ...zeros, healthMask: 0, healthSummary: 0 } };
    expect((await gpu('h200', { answers })).fabric).toEqual({
      ok: true,
      value: { state: 'not_supported' },
    });
  });

  test('a probe that failed says how', async () => {
    const answers = { deviceGetGpuFabricInfoV3: { state: 3, status: 999, clusterUuid: '' } };
    expect(known((await gpu('h100-sxm', { answers })).fabric)?.status).toBe('unknown');
  });
});

/** As 580.159.04 fills it for an H200 by itself; the members that v1 has too are zero in both. */
const H200_PLATFORM = {
  ...{ ibGuid: '00'.repeat(16), chassisSerialNumber: '', slotNumber: 0, trayIndex: 0, hostId: 1 },
  ...{ nodeIndex: 1, peerType: 0, moduleId: 4 },
};

describe('the board', () => {
  test('chip-to-chip links are counted by their state', async () => {
    const c2c = known(
      (await gpu('gb200', { answers: { 'deviceGetFieldValue c2cStatus 3': 0 } })).c2c,
    );
    expect(c2c).toMatchObject({ links: 10, activeLinks: { ok: true, value: 9 } });
  });

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
  ])('a GPU in no rack has no place in it, by %s', async (call, faults) => {
    const answers = { deviceGetPlatformInfo: H200_PLATFORM, [call]: H200_PLATFORM };
    expect((await gpu('h200', { answers, faults })).platform).toEqual({
      ok: false,
      reason: 'not_supported',
      detail: 'not in a rack: no chassis, slot 0, tray 0',
    });
  });

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

  test('fans are told one by one; one that fails makes them unknown', async () => {
    const answers = { deviceGetNumFans: 2, 'deviceGetFanSpeed 0': 30, 'deviceGetFanSpeed 1': 31 };
    expect((await gpu('l40s', { answers })).fanPercents).toEqual({ ok: true, value: [30, 31] });
    const faults = { 'deviceGetFanSpeed 1': { return: 'unknown' } };
    expect((await gpu('l40s', { answers, faults })).fanPercents).toEqual({
      ok: false,
      reason: 'unknown',
    });
  });

  test('a corrupt InfoROM is a checksum that cannot be had', async () => {
    const { inforom } = await gpu('h100-sxm', {
      faults: { deviceGetInforomConfigurationChecksum: { return: 'corrupted_inforom' } },
    });
    expect(inforom.configurationChecksum).toEqual({ ok: false, reason: 'corrupted_inforom' });
    expect(inforom.imageVersion.ok).toBe(true);
  });
});

describe('who uses it', () => {
  test('MIG devices with their profile, memory and ids', async () => {
    const { gpus } = await inProcessNvml(loadMachine('mig-a100')).nvml.read(never);
    expect(
      known(gpus[0]?.migInstances)?.map(({ profile, gpuInstance }) => [profile, gpuInstance]),
    ).toEqual(
      [1, 2].map(id => [
        { ok: true, value: '3g.40gb' },
        { ok: true, value: id },
      ]),
    );
    expect(gpus[1]?.migInstances).toEqual({ ok: true, value: [] });
  });

  test('a client of MPS is listed once, as such', async () => {
    const { processes } = await gpu('h100-sxm', {
      answers: {
        deviceGetComputeRunningProcesses: [{ pid: 70, usedGpuMemory: 1 }],
        deviceGetMPSComputeRunningProcesses: [
          { pid: 70, usedGpuMemory: 1 },
          { pid: 71, usedGpuMemory: 2, gpuInstanceId: 0xffff_ffff, computeInstanceId: 0xffff_ffff },
        ],
      },
    });
    expect(known(processes)?.map(({ pid, mps }) => [pid, mps])).toEqual([
      [70, undefined],
      [71, true],
    ]);
  });
});

describe('topology', () => {
  test('has every pair once, lower index first', async () => {
    const { topology } = await read({ like: 'h100-sxm' });
    const pairs = known(topology) ?? [];
    expect(pairs).toHaveLength(28);
    expect(pairs.every(({ gpus: [a, b] }) => a < b)).toBe(true);
    expect(pairs[3]).toEqual({
      gpus: [0, 4],
      path: { ok: true, value: 'SYS' },
      p2pRead: { ok: true, value: 'ok' },
      p2pNvlink: { ok: true, value: 'ok' },
    });
  });

  test('a GPU without a handle costs its own pairs', async () => {
    const state = await read({
      like: 'h100-sxm',
      gpus: { 2: { faults: { deviceGetHandleByIndex: { return: 'gpu_is_lost' } } } },
    });
    const lost = known(state.topology)?.filter(({ path }) => !path.ok) ?? [];
    expect(lost).toHaveLength(7);
    expect(lost.every(({ gpus }) => gpus.includes(2))).toBe(true);
    expect(lost[0]?.p2pRead).toEqual({ ok: false, reason: 'gpu_is_lost' });
  });
});

test.each([
  [[], ''],
  [[0], '0'],
  [[0, 1, 2, 5, 7, 8], '0-2,5,7-8'],
])('the set %j is written %j', (places, written) => {
  expect(listOf(places)).toBe(written);
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
