import { describe, expect, test } from 'vitest';
import { known, missing } from '../../src/contract/reading.ts';
import type { GpuState } from '../../src/nvml/port.ts';
import { healthOf } from '../../src/nvml/reader/interconnect.ts';
import { gpu, read } from './gpus.ts';

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
      ['State', 'Version', 'Speed', 'Replay', 'Recovery', 'Crc'].map(name => [
        `deviceGetFieldValue nvlink${name}`,
        { return: 'invalid_argument' },
      ]),
    );
    const state = await gpu('a100-sxm4-40gb', {
      faults: old,
      answers: {
        deviceGetNvLinkState: 1,
        'deviceGetNvLinkState 11': 0,
        deviceGetNvLinkVersion: 5,
        'deviceGetFieldValue nvlinkReplayOfLink 5': 77,
      },
    });
    expect(statesOf(state).indexOf('inactive')).toBe(11);
    expect(linksOf(state)[5]).toMatchObject({
      version: { ok: true, value: '3.0' },
      errors: { replay: { ok: true, value: 77 } },
    });
  });

  test.each([
    ['a100-sxm4-40gb', '3.0'],
    ['h100-sxm', '4.0'],
    ['b200', '5.0'],
  ])('the version of a %s is %s, by the number that its driver gives', async (type, version) => {
    expect(known(linksOf(await gpu(type, {}))[0]?.version ?? missing('not_read'))).toBe(version);
  });

  test.each([7, 8, 6, 99])('a version word %i hides no counter', async word => {
    const field = 'deviceGetFieldValue nvlinkVersion';
    const older = await gpu('h100-sxm', {
      answers: { [field]: word, 'deviceGetFieldValue nvlinkCrc 2': 9 },
    });
    const newer = await gpu('b200', {
      answers: { [field]: word, 'deviceGetFieldValue nvlinkRecoveryEvents 2': 9 },
    });
    expect(linksOf(older)[2]?.errors.crcFlit).toEqual({ ok: true, value: 9 });
    expect(linksOf(newer)[2]?.errors.recoveryEvents).toEqual({ ok: true, value: 9 });
  });

  test('a state of tomorrow is neither up nor down', async () => {
    const state = await gpu('b200', { answers: { 'deviceGetFieldValue nvlinkState 7': 4 } });
    expect(linksOf(state)[7]?.state).toMatchObject({ ok: false, reason: 'unreadable' });
  });

  test('bit error rates are numbers: a mantissa of four bits, an exponent of eight', async () => {
    const state = await gpu('b200', {
      answers: { 'deviceGetFieldValue nvlinkEffectiveBer 2': (11 << 8) | 13 },
    });
    expect(linksOf(state)[2]?.effectiveBer).toEqual({ ok: true, value: 1.1e-12 });
    expect(linksOf(state)[2]?.symbolBer).toEqual({ ok: true, value: 1.5e-254 });
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
    const { healthMask: _, ...first } = info;
    const answers = { deviceGetGpuFabricInfoV2: info, deviceGetGpuFabricInfo: first };
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

  test.each([
    [{ state: 4 }, 'state 4'],
    [{ state: 3, healthSummary: 4 }, 'health summary 4'],
    [{ state: 3, healthMask: 0x1ab, healthSummary: 1 }, 'health mask 0x1ab'],
  ])('what nvml.h does not know of it is no reading: %o', async (odd, detail) => {
    const answers = { deviceGetGpuFabricInfoV3: { status: 0, clusterUuid: '', ...odd } };
    expect((await gpu('h100-sxm', { answers })).fabric).toEqual({
      ok: false,
      reason: 'unreadable',
      detail,
    });
  });

  test('a fault of the health mask is told beside what is not known', async () => {
    const answers = {
      deviceGetGpuFabricInfoV3: { state: 3, status: 0, healthMask: 0x1a9, healthSummary: 4 },
    };
    expect(known((await gpu('h100-sxm', { answers })).fabric)?.health).toMatchObject({
      degradedBandwidth: 'fault',
    });
  });

  test('a probe that failed says how', async () => {
    const answers = { deviceGetGpuFabricInfoV3: { state: 3, status: 999, clusterUuid: '' } };
    expect(known((await gpu('h100-sxm', { answers })).fabric)?.status).toBe('unknown');
  });
});

test('errors of chip-to-chip links are those of the worst, their bandwidth that of the slowest up', async () => {
  const answers = {
    'deviceGetFieldValue c2cErrors 4': 5,
    'deviceGetFieldValue c2cBandwidth 2': 0,
    'deviceGetFieldValue c2cBandwidth 3': 22_356,
  };
  expect(known((await gpu('gb200', { answers })).c2c)).toMatchObject({
    crcErrors: { ok: true, value: 5 },
    maxBandwidthMbps: { ok: true, value: 22_356 },
  });
});

test('chip-to-chip links are counted by their state', async () => {
  const c2c = known(
    (await gpu('gb200', { answers: { 'deviceGetFieldValue c2cStatus 3': 0 } })).c2c,
  );
  expect(c2c).toMatchObject({ links: 10, activeLinks: { ok: true, value: 9 } });
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
