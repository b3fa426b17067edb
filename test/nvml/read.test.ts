import { describe, expect, test } from 'vitest';
import { missing } from '../../src/contract/reading.ts';
import type { GpuState } from '../../src/nvml/port.ts';
import { fieldsAt, GPU, type GpuField, type Row, unread } from '../../src/nvml/readings.ts';
import { NVML_FUNCTIONS } from '../../src/nvml/table/functions.ts';
import { loadMachine } from '../../src/simulation/machine.ts';
import { inProcessNvml } from '../simulation/in-process.ts';
import { gpu as gpuOf } from './gpus.ts';

const never = new AbortController().signal;
const gpu = (over: { answers?: object; faults?: object }) => gpuOf('dgx-h100', over);

/** `group.member` of everything that is a group of readings. */
const membersOf = (group: GpuField): string[] =>
  Object.keys(Object(unread(group, missing('timeout')))).map(member => `${group}.${member}`);
/** But for what is only read where it is asked for: gpm.test.ts, sharing.test.ts. */
const ALL_FIELDS = fieldsAt('all').gpu.flatMap(field => {
  const empty = unread(field, missing('timeout'));
  return JSON.stringify(empty) === JSON.stringify(missing('timeout')) ? [field] : membersOf(field);
});

test('every reading of a GPU, from its function to its name and unit', async () => {
  const { gpus } = await inProcessNvml(loadMachine('dgx-h100')).nvml.read(never);
  const values = Object.fromEntries(
    Object.entries(gpus[5] ?? {}).map(([field, reading]) => [
      field,
      typeof reading === 'number' ? reading : plain(reading),
    ]),
  );
  expect(values).toMatchInlineSnapshot(`
    {
      "accountingMode": false,
      "addressingMode": "none",
      "allProcesses": [
        {
          "pid": 41215,
          "protectedBytes": 0,
          "usedBytes": 82900418560,
        },
      ],
      "applicationGraphicsClockMhz": 1980,
      "applicationMemoryClockMhz": 2619,
      "architecture": "hopper",
      "bankRemapper": "not_supported",
      "bar1": {
        "freeBytes": 137431613440,
        "totalBytes": 137438953472,
        "usedBytes": 7340032,
      },
      "boardId": 49920,
      "boardPartNumber": "692-2G520-0200-000",
      "brand": "nvidia",
      "bridgeChips": "not_supported",
      "c2c": "not_supported",
      "clocksEventReasons": [
        "sw_power_cap",
      ],
      "computeCapability": "9.0",
      "computeMode": "default",
      "cpuAffinity": "56-111,168-223",
      "defaultApplicationGraphicsClockMhz": 1980,
      "defaultApplicationMemoryClockMhz": 2619,
      "defaultPowerLimitMw": 700000,
      "drainAndResetRecommended": false,
      "eccByLocation": {
        "dramCorrectedAggregate": 0,
        "dramCorrectedVolatile": 0,
        "dramUncorrectedAggregate": 1,
        "dramUncorrectedVolatile": 0,
        "sramCorrectedAggregate": 0,
        "sramCorrectedVolatile": 0,
        "sramUncorrectedAggregate": 0,
        "sramUncorrectedVolatile": 0,
      },
      "eccCorrectedAggregate": 0,
      "eccCorrectedVolatile": 0,
      "eccMode": {
        "current": true,
        "pending": true,
      },
      "eccUncorrectedAggregate": 1,
      "eccUncorrectedVolatile": 0,
      "energyMj": 918273645120,
      "enforcedPowerLimitMw": 700000,
      "engines": {
        "decoderPercent": 0,
        "encoderPercent": 0,
        "jpegPercent": 0,
        "ofaPercent": 0,
      },
      "fabric": {
        "cliqueId": 0,
        "health": {
          "accessTimeoutRecovery": "healthy",
          "degradedBandwidth": "healthy",
          "incorrectConfiguration": "none",
          "mask": 426,
          "routeRecovery": "healthy",
          "routeUnhealthy": "healthy",
        },
        "state": "completed",
        "status": "success",
        "summary": "healthy",
      },
      "fans": "not_supported",
      "gpm": {
        "dramBandwidthPercent": "not_read",
        "fp16ActivePercent": "not_read",
        "fp32ActivePercent": "not_read",
        "fp64ActivePercent": "not_read",
        "nvlinkRxMibPerSecond": "not_read",
        "nvlinkTxMibPerSecond": "not_read",
        "pcieRxMibPerSecond": "not_read",
        "pcieTxMibPerSecond": "not_read",
        "smActivePercent": "not_read",
        "smOccupancyPercent": "not_read",
        "tensorActivePercent": "not_read",
      },
      "gpuUtilizationPercent": 100,
      "graphicsClockMhz": 1755,
      "gsp": {
        "firmwareMode": {
          "defaultEnabled": true,
          "enabled": true,
        },
        "firmwareVersion": "570.124.06",
      },
      "handle": true,
      "hostVgpuMode": "not_supported",
      "index": 5,
      "inforom": {
        "configurationChecksum": 940115723,
        "eccVersion": "7.16",
        "imageVersion": "G520.0200.00.05",
        "oemVersion": "2.1",
        "powerVersion": "not_supported",
        "valid": true,
      },
      "lastBlackBoxFlushMs": 1772300000000,
      "maxGraphicsClockMhz": 1980,
      "maxMemoryClockMhz": 2619,
      "maxSmClockMhz": 1980,
      "memory": {
        "freeBytes": 2009071616,
        "reservedBytes": 598736896,
        "totalBytes": 85520809984,
        "usedBytes": 82913001472,
      },
      "memoryAffinity": "1",
      "memoryClockMhz": 2619,
      "memoryTemperatureC": 74,
      "memoryUtilizationPercent": 64,
      "migInstances": [],
      "migMode": {
        "current": false,
        "pending": false,
      },
      "migProfiles": "not_read",
      "minorNumber": 5,
      "moduleId": 6,
      "multiGpuBoard": false,
      "name": "NVIDIA H100 80GB HBM3",
      "numaNode": "not_supported",
      "nvlinkTraffic": {
        "receivedKib": "not_read",
        "sentKib": "not_read",
      },
      "nvlinks": {
        "indexes": 18,
        "links": [
          {
            "effectiveBer": "not_supported",
            "errors": {
              "bufferOverruns": "not_supported",
              "crcData": 0,
              "crcFlit": 0,
              "eccData": 0,
              "effective": "not_supported",
              "localIntegrity": "not_supported",
              "malformedPackets": "not_supported",
              "received": "not_supported",
              "receivedHeader": "not_supported",
              "receivedMarked": "not_supported",
              "recovery": 0,
              "recoveryEvents": "not_supported",
              "recoveryFailed": "not_supported",
              "replay": 0,
              "symbol": "not_supported",
              "transmitDiscards": "not_supported",
            },
            "link": 0,
            "remotePci": "0000:05:00",
            "remoteType": "switch",
            "speedMbps": 26562,
            "state": "active",
            "symbolBer": "not_supported",
            "version": "4.0",
          },
          "...",
          18,
        ],
      },
      "pci": "0000:c3:00",
      "pcieCounters": {
        "badDllp": 0,
        "badTlp": 0,
        "correctable": 0,
        "fatal": 0,
        "l0ToRecovery": 0,
        "laneErrors": 0,
        "lcrcErrors": 0,
        "naksReceived": 0,
        "naksSent": 0,
        "nonFatal": 0,
        "receiverErrors": 0,
        "replayRollovers": 0,
        "replays": 0,
        "rxBytes": 912680550,
        "txBytes": 734003200,
        "unsupportedRequests": 0,
      },
      "pcieGenerationCurrent": 5,
      "pcieGenerationMax": 5,
      "pcieReplayCounter": 0,
      "pcieWidthCurrent": 16,
      "pcieWidthMax": 16,
      "performanceState": 0,
      "persistenceMode": true,
      "platform": "not_supported",
      "power": {
        "averageMw": 692018,
        "instantMw": 692018,
        "maxLimitMw": 700000,
        "memoryInstantMw": "not_supported",
        "minLimitMw": 200000,
        "moduleInstantMw": "not_supported",
        "moduleLimitMw": "not_supported",
        "requestedLimitMw": 700000,
      },
      "powerLimitMw": 700000,
      "powerUsageMw": 692018,
      "processes": [
        {
          "kind": "compute",
          "pid": 41215,
          "usedBytes": 82900418560,
        },
      ],
      "recoveryAction": 0,
      "remapHistogram": {
        "high": 1,
        "low": 0,
        "max": 2559,
        "none": 0,
        "partial": 0,
      },
      "remappedRows": {
        "corrected": 0,
        "failureOccurred": false,
        "pending": false,
        "uncorrected": 1,
      },
      "repairPending": "not_supported",
      "resetRequired": false,
      "retiredPagesDoubleBit": "not_supported",
      "retiredPagesPending": "not_supported",
      "retiredPagesSingleBit": "not_supported",
      "serial": "1654023049712",
      "shutdownTemperatureC": 92,
      "slowdownTemperatureC": 89,
      "smClockMhz": 1755,
      "sramErrors": {
        "correctedAggregate": 0,
        "correctedVolatile": 0,
        "l2": 0,
        "microcontroller": 0,
        "other": 0,
        "parityUncorrectedAggregate": 0,
        "parityUncorrectedVolatile": 0,
        "pcie": 0,
        "secDedUncorrectedAggregate": 0,
        "secDedUncorrectedVolatile": 0,
        "sm": 0,
        "thresholdExceeded": false,
      },
      "sramUniqueErrors": {
        "addresses": 0,
        "worst": [],
      },
      "temperatureC": 62,
      "thermal": {
        "gpuMaxC": "not_supported",
        "gpuMaxTlimitC": 0,
        "marginC": 24,
        "memoryMaxC": "not_supported",
        "memoryMaxTlimitC": 0,
        "shutdownTlimitC": -8,
        "slowdownTlimitC": -2,
      },
      "unrepairableMemory": "not_supported",
      "uuid": "GPU-0e2a3a33-a351-0a03-81c4-197de3f63262",
      "vbios": "96.00.89.00.01",
      "violations": {
        "boardLimitNs": 0,
        "hwPowerBrakeNs": 0,
        "hwThermalNs": 0,
        "lowUtilizationNs": 9912873645001,
        "powerNs": 81227334455123,
        "reliabilityNs": 0,
        "swThermalNs": 0,
        "syncBoostNs": 0,
        "thermalNs": 0,
      },
      "virtualizationMode": "none",
    }
  `);
});

/** A reading, or a group of them, without what is the same in all: values, or reasons. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('ok' in value && 'reason' in value) return value.reason;
  if ('ok' in value && 'value' in value) return plain(value.value);
  if (Array.isArray(value))
    return value.length > 3 ? [plain(value[0]), '...', value.length] : value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

/** The function that each row of readings names, with the row's place. */
const statedIn = (
  rows: Readonly<Record<string, Row>>,
  before = '',
): (readonly [string, string])[] =>
  Object.entries(rows).flatMap(([name, { ask, members = {} }]) => [
    ...(ask ? [['call' in ask ? ask.call : 'deviceGetFieldValues', before + name] as const] : []),
    ...statedIn(members, `${before}${name}.`),
  ]);

/**
 * Which fields hang on a function that no row names, as `group.member` within a group; a second
 * function stands in where the newer one is missing.
 */
const UNSTATED: Readonly<Record<string, readonly string[]>> = {
  deviceGetPciInfo: ['pci'],
  deviceGetCudaComputeCapability: ['computeCapability'],
  deviceGetPlatformInfo: ['platform'],
  deviceGetPlatformInfoV1: [],
  deviceGetLastBBXFlushTime: ['lastBlackBoxFlushMs'],
  deviceGetVirtualizationMode: ['hostVgpuMode'],
  deviceGetHostVgpuMode: [],
  deviceGetAddressingMode: ['addressingMode'],
  deviceGetMemoryInfo: ['memory'],
  deviceGetMemoryInfoV1: [],
  deviceGetNumFans: ['fans'],
  deviceGetFanSpeed: ['fans.percent'],
  deviceGetFanSpeedV1: [],
  deviceGetPowerManagementLimitConstraints: [],
  deviceGetCurrentClocksEventReasons: ['clocksEventReasons'],
  deviceGetPerformanceState: ['performanceState'],
  deviceGetSramEccErrorStatus: ['sramUniqueErrors'],
  deviceGetSramUniqueUncorrectedEccErrorCounts: [],
  deviceGetUnrepairableMemoryFlag: ['unrepairableMemory'],
  deviceGetPcieReplayCounter: ['pcieReplayCounter'],
  deviceGetGpuFabricInfoV3: ['fabric'],
  deviceGetGpuFabricInfoV2: [],
  deviceGetGpuFabricInfo: [],
  deviceGetCpuAffinity: ['cpuAffinity'],
  deviceGetMemoryAffinity: ['memoryAffinity'],
  deviceGetMaxMigDeviceCount: [],
  deviceGetMigDeviceHandleByIndex: [],
  deviceGetGpuInstanceId: [],
  deviceGetComputeInstanceId: [],
  deviceGetAttributes: [],
  deviceGetGpuInstanceById: [],
  deviceGetGpuInstanceProfileInfo: [],
  deviceGetGpuInstanceRemainingCapacity: [],
  deviceGetMigMode: ['migInstances'],
  deviceGetFieldValues: ['nvlinks', 'c2c'],
  deviceGetComputeRunningProcesses: ['processes'],
  deviceGetComputeRunningProcessesV1: [],
  deviceGetGraphicsRunningProcesses: ['processes'],
  deviceGetGraphicsRunningProcessesV1: [],
  deviceGetMPSComputeRunningProcesses: [],
  deviceGetRunningProcessDetailList: ['allProcesses'],
  // These are told link by link; a test of their own is below.
  deviceGetNvLinkState: [],
  deviceGetNvLinkVersion: [],
  deviceGetHandleByIndex: ALL_FIELDS,
};
const DEPENDENTS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  [...new Set([...Object.keys(UNSTATED), ...statedIn(GPU).map(([call]) => call)])].map(name => [
    name,
    [
      ...(UNSTATED[name] ?? []),
      ...statedIn(GPU).flatMap(([call, place]) => (call === name ? place : [])),
    ],
  ]),
);

describe('a function that fails', () => {
  const notOfOneGpu: readonly string[] = [
    'deviceGetCount',
    'deviceGetTopologyCommonAncestor',
    'deviceGetP2PStatus',
    'deviceGetNvLinkRemoteDeviceType',
    'deviceGetNvLinkRemotePciInfo',
  ];
  const ofGpu = Object.keys(NVML_FUNCTIONS).filter(
    name => name.startsWith('device') && !notOfOneGpu.includes(name),
  );

  test('each function of a GPU is in the table above', () => {
    expect(Object.keys(DEPENDENTS).toSorted()).toEqual(ofGpu.toSorted());
  });

  const answers = { deviceGetNumFans: 2, deviceGetFanSpeed: 40 };
  let well: Promise<GpuState> | undefined;

  test.each(Object.entries(DEPENDENTS))('%s costs only %j', async (name, fields) => {
    well ??= gpu({ answers });
    const healthy = await well;
    const failed = await gpu({ answers, faults: { [name]: { return: 'reset_required' } } });
    const expected = withReason(healthy, fields ?? [], { ok: false, reason: 'reset_required' });
    expect(failed).toEqual(expected);
  });

  test('the other end of a link costs that end only', async () => {
    const { nvlinks } = await gpu({
      faults: {
        'deviceGetNvLinkRemotePciInfo 4': { return: 'reset_required' },
        'deviceGetNvLinkRemoteDeviceType 5': { return: 'unknown' },
      },
    });
    const links = nvlinks.ok ? nvlinks.value.links : [];
    const bad = links.flatMap(({ link, remotePci, remoteType }) => [
      ...(remotePci.ok ? [] : [[link, remotePci.reason]]),
      ...(remoteType.ok ? [] : [[link, remoteType.reason]]),
    ]);
    expect(bad).toEqual([
      [4, 'reset_required'],
      [5, 'unknown'],
    ]);
  });
});

/** The state with these fields, or members of groups and of lists, missing for a reason. */
function withReason(state: GpuState, fields: readonly string[], reason: object): GpuState {
  const changed = structuredClone(state);
  for (const field of fields) {
    const [group = '', member] = field.split('.');
    const of: object = member === undefined ? changed : Reflect.get(changed, group);
    const list: unknown = Reflect.get(of, 'value');
    for (const at of Array.isArray(list) ? list : [of]) {
      Object.assign(at, { [member ?? group]: reason });
    }
  }
  return changed;
}

describe('an older driver', () => {
  test.each(['function_not_found', 'argument_version_mismatch'])(
    'without memory v2 (%s) gives v1, whose used part holds the reserved one',
    async reason => {
      const { memory } = await gpu({ faults: { deviceGetMemoryInfo: { return: reason } } });
      const { memory: newer } = await gpu({});
      if (!memory.ok || !newer.ok) throw new Error('no memory');
      expect(memory.value).toEqual({
        totalBytes: newer.value.totalBytes,
        freeBytes: newer.value.freeBytes,
        usedBytes: newer.value.usedBytes + (newer.value.reservedBytes ?? 0),
      });
    },
  );

  test('without MIG gives processes without instances', async () => {
    const { processes } = await gpu({
      faults: {
        deviceGetComputeRunningProcesses: { return: 'function_not_found' },
        deviceGetGraphicsRunningProcesses: { return: 'function_not_found' },
      },
      answers: {
        deviceGetComputeRunningProcessesV1: [{ pid: 41, usedGpuMemory: 1024 }],
        deviceGetGraphicsRunningProcessesV1: [{ pid: 42, usedGpuMemory: '18446744073709551615' }],
      },
    });
    expect(processes).toEqual({
      ok: true,
      value: [
        { pid: 41, kind: 'compute', usedBytes: 1024 },
        { pid: 42, kind: 'graphics' },
      ],
    });
  });
});

describe('what is no value', () => {
  test('a counter above 2^53 is unreadable and not a wrong number', async () => {
    const { eccCorrectedVolatile } = await gpu({
      answers: { 'deviceGetTotalEccErrors corrected volatile': '18446744073709551615' },
    });
    expect(eccCorrectedVolatile).toEqual({
      ok: false,
      reason: 'unreadable',
      detail: '0xffffffffffffffff',
    });
  });

  test.each([
    ['performanceState', { deviceGetPerformanceState: 32 }, 'unknown'],
    ['pcieReplayCounter', { deviceGetPcieReplayCounter: 0xffffffff }, 'not_supported'],
    ['serial', { deviceGetSerial: '' }, 'no_data'],
  ] as const)('%s of %j is %s', async (field, answers, reason) => {
    expect((await gpu({ answers }))[field]).toEqual({ ok: false, reason });
  });

  test('a hostile name is made plain', async () => {
    const { name } = await gpu({ answers: { deviceGetName: 'H100\u001b[31m\u202e\nGPU' } });
    expect(name).toEqual({ ok: true, value: 'H100 [31m GPU' });
  });
});

describe('a driver that does not start', () => {
  test('a mismatch of versions still tells the library version, and why the rest is missing', async () => {
    const state = await inProcessNvml(loadMachine('version-mismatch')).nvml.read(never);
    const mismatch = { ok: false, reason: 'lib_rm_version_mismatch' };
    expect(state).toMatchObject({
      initialized: mismatch,
      driverVersion: mismatch,
      nvmlVersion: { ok: true, value: '12.570.133.20' },
      count: mismatch,
      gpus: [],
    });
  });

  test('no library: every reading says so', async () => {
    const { nvml } = inProcessNvml(loadMachine('no-driver'));
    const { takenAtMs: _, ...state } = await nvml.read(never);
    const none = { ok: false, reason: 'library_not_found' };
    expect(state).toEqual({
      library: { ...none, detail: 'the simulated machine has no libnvidia-ml.so.1' },
      initialized: none,
      driverVersion: none,
      nvmlVersion: none,
      cudaDriverVersion: none,
      nvlinkBandwidthMode: none,
      errorRecords: none,
      count: none,
      topology: none,
      gpus: [],
    });
  });

  test('a library that appears later is found by a later read', async () => {
    const machine = loadMachine('no-driver');
    const { nvml } = inProcessNvml(machine);
    await nvml.read(never);
    Object.assign(machine, loadMachine('healthy-t4'));
    expect((await nvml.read(never)).count).toEqual({ ok: true, value: 1 });
  });
});
