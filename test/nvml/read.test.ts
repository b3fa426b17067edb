import { describe, expect, test } from 'vitest';
import { NVML_FUNCTIONS, type NvmlFunctionName } from '../../src/nvml/functions.ts';
import { GPU_FIELDS, type GpuField } from '../../src/nvml/messages.ts';
import type { GpuState } from '../../src/nvml/port.ts';
import { loadMachine, machineFrom } from '../../src/simulation/machine.ts';
import { inProcessNvml } from '../simulation/in-process.ts';

const never = new AbortController().signal;
const read = (data: unknown) => inProcessNvml(machineFrom('test', data)).nvml.read(never);
/** GPU 1 of a DGX H100 with its own answers and faults. */
async function gpu(over: { answers?: object; faults?: object }): Promise<GpuState> {
  const { gpus } = await read({ like: 'dgx-h100', gpus: { 1: over } });
  const [, found] = gpus;
  if (!found) throw new Error('no GPU 1');
  return found;
}

test('every reading of a GPU, from its function to its name and unit', async () => {
  const { gpus } = await inProcessNvml(loadMachine('dgx-h100')).nvml.read(never);
  const values = Object.fromEntries(
    Object.entries(gpus[5] ?? {}).map(([field, reading]) => [
      field,
      typeof reading === 'number' ? reading : reading.ok ? reading.value : reading.reason,
    ]),
  );
  expect(values).toMatchInlineSnapshot(`
    {
      "applicationGraphicsClockMhz": 1980,
      "applicationMemoryClockMhz": 2619,
      "bar1": {
        "freeBytes": 137431613440,
        "totalBytes": 137438953472,
        "usedBytes": 7340032,
      },
      "clocksEventReasons": [
        "sw_power_cap",
      ],
      "computeMode": "default",
      "defaultPowerLimitMw": 700000,
      "eccCorrectedAggregate": 0,
      "eccCorrectedVolatile": 0,
      "eccMode": {
        "current": true,
        "pending": true,
      },
      "eccUncorrectedAggregate": 1,
      "eccUncorrectedVolatile": 0,
      "enforcedPowerLimitMw": 700000,
      "gpuUtilizationPercent": 100,
      "graphicsClockMhz": 1755,
      "handle": true,
      "index": 5,
      "maxGraphicsClockMhz": 1980,
      "maxMemoryClockMhz": 2619,
      "maxSmClockMhz": 1980,
      "memory": {
        "freeBytes": 2009071616,
        "reservedBytes": 598736896,
        "totalBytes": 85520809984,
        "usedBytes": 82913001472,
      },
      "memoryClockMhz": 2619,
      "memoryUtilizationPercent": 64,
      "migMode": {
        "current": false,
        "pending": false,
      },
      "minorNumber": 5,
      "name": "NVIDIA H100 80GB HBM3",
      "pci": "0000:c3:00",
      "pcieGenerationCurrent": 5,
      "pcieGenerationMax": 5,
      "pcieReplayCounter": 0,
      "pcieWidthCurrent": 16,
      "pcieWidthMax": 16,
      "performanceState": 0,
      "persistenceMode": true,
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
      "remappedRows": {
        "corrected": 0,
        "failureOccurred": false,
        "pending": false,
        "uncorrected": 1,
      },
      "retiredPagesDoubleBit": "not_supported",
      "retiredPagesPending": "not_supported",
      "retiredPagesSingleBit": "not_supported",
      "serial": "1654023049712",
      "shutdownTemperatureC": 92,
      "slowdownTemperatureC": 89,
      "smClockMhz": 1755,
      "temperatureC": 62,
      "uuid": "GPU-0e2a3a33-a351-0a03-81c4-197de3f63262",
      "vbios": "96.00.89.00.01",
    }
  `);
});

/** Which fields hang on a function; a second function stands in where the newer one is missing. */
const DEPENDENTS: Partial<Record<NvmlFunctionName, readonly GpuField[]>> = {
  deviceGetName: ['name'],
  deviceGetUUID: ['uuid'],
  deviceGetSerial: ['serial'],
  deviceGetPciInfo: ['pci'],
  deviceGetMinorNumber: ['minorNumber'],
  deviceGetVbiosVersion: ['vbios'],
  deviceGetMemoryInfo: ['memory'],
  deviceGetMemoryInfoV1: [],
  deviceGetBAR1MemoryInfo: ['bar1'],
  deviceGetTemperature: ['temperatureC'],
  deviceGetTemperatureThreshold: ['slowdownTemperatureC', 'shutdownTemperatureC'],
  deviceGetPowerUsage: ['powerUsageMw'],
  deviceGetPowerManagementLimit: ['powerLimitMw'],
  deviceGetEnforcedPowerLimit: ['enforcedPowerLimitMw'],
  deviceGetPowerManagementDefaultLimit: ['defaultPowerLimitMw'],
  deviceGetClockInfo: ['graphicsClockMhz', 'smClockMhz', 'memoryClockMhz'],
  deviceGetMaxClockInfo: ['maxGraphicsClockMhz', 'maxSmClockMhz', 'maxMemoryClockMhz'],
  deviceGetApplicationsClock: ['applicationGraphicsClockMhz', 'applicationMemoryClockMhz'],
  deviceGetCurrentClocksEventReasons: ['clocksEventReasons'],
  deviceGetUtilizationRates: ['gpuUtilizationPercent', 'memoryUtilizationPercent'],
  deviceGetPerformanceState: ['performanceState'],
  deviceGetPersistenceMode: ['persistenceMode'],
  deviceGetComputeMode: ['computeMode'],
  deviceGetEccMode: ['eccMode'],
  deviceGetTotalEccErrors: [
    'eccCorrectedVolatile',
    'eccUncorrectedVolatile',
    'eccCorrectedAggregate',
    'eccUncorrectedAggregate',
  ],
  deviceGetRetiredPages: ['retiredPagesSingleBit', 'retiredPagesDoubleBit'],
  deviceGetRetiredPagesPendingStatus: ['retiredPagesPending'],
  deviceGetRemappedRows: ['remappedRows'],
  deviceGetCurrPcieLinkGeneration: ['pcieGenerationCurrent'],
  deviceGetMaxPcieLinkGeneration: ['pcieGenerationMax'],
  deviceGetCurrPcieLinkWidth: ['pcieWidthCurrent'],
  deviceGetMaxPcieLinkWidth: ['pcieWidthMax'],
  deviceGetPcieReplayCounter: ['pcieReplayCounter'],
  deviceGetMigMode: ['migMode'],
  deviceGetFieldValue: ['recoveryAction'],
  deviceGetComputeRunningProcesses: ['processes'],
  deviceGetComputeRunningProcessesV1: [],
  deviceGetGraphicsRunningProcesses: ['processes'],
  deviceGetGraphicsRunningProcessesV1: [],
  deviceGetHandleByIndex: GPU_FIELDS,
};

describe('a function that fails', () => {
  const ofGpu = Object.keys(NVML_FUNCTIONS).filter(
    name => name.startsWith('deviceGet') && name !== 'deviceGetCount',
  );

  test('each function of a GPU is in the table below', () => {
    expect(Object.keys(DEPENDENTS).toSorted()).toEqual(ofGpu.toSorted());
  });

  test.each(Object.entries(DEPENDENTS))('%s costs only %j', async (name, fields) => {
    const healthy = await gpu({});
    const failed = await gpu({ faults: { [name]: { return: 'reset_required' } } });
    const expected = { ...healthy };
    for (const field of fields ?? []) {
      Object.assign(expected, { [field]: { ok: false, reason: 'reset_required' } });
    }
    expect(failed).toEqual(expected);
  });
});

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
      count: none,
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
