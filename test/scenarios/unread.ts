import { missing } from '../../src/contract/reading.ts';
import { h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

/** GPU 3 of eight, of which one function gives no answer. */
const without = (faults: Readonly<Record<string, string>>): object => ({
  ...h100(),
  gpus: {
    3: {
      faults: Object.fromEntries(
        Object.entries(faults).map(([name, reason]) => [name, { return: reason }]),
      ),
    },
  },
});

const unsure = (name: string, machine: object): Scenario => ({
  name,
  truth: 'unknown',
  machine,
  verdict: 'unknown',
  findings: [],
});

/** What could not be read: no fault is told of it, and nothing is called healthy without it. */
export const UNREAD: readonly Scenario[] = [
  unsure(
    'the row remaps of one GPU could not be read',
    without({ deviceGetRemappedRows: 'timeout' }),
  ),
  unsure('a GPU at full load tells 0 °C', h100({ gpus: { 3: { deviceGetTemperature: 0 } } })),
  unsure(
    'nobody may ask one GPU for its recovery action',
    without({ 'deviceGetFieldValue gpuRecoveryAction': 'no_permission' }),
  ),
  unsure(
    'the state of one NVLink could not be read',
    without({ 'deviceGetFieldValue nvlinkState 5': 'unknown' }),
  ),
  unsure('eight B200 without links and without a fabric, as no board is built', {
    like: 'b200',
    everyGpu: {
      answers: { deviceGetGpuFabricInfoV3: { state: 0 } },
      faults: {
        'deviceGetFieldValue nvlinkCount': { return: 'not_supported' },
        'deviceGetFieldValue nvlinkState': { return: 'not_supported' },
      },
    },
  }),
  unsure('the fabric of one GPU is in a state that nvml.h does not know', {
    like: 'h100-sxm',
    gpus: { 3: { answers: { deviceGetGpuFabricInfoV3: { state: 4 } } } },
  }),
  ...['no_permission', 'in_use'].map(reason =>
    unsure(`the driver gives no handle of one GPU to us: ${reason}`, without({ '*': reason })),
  ),
  ...['no_permission', 'crashed'].map(reason => ({
    ...unsure(`NVML does not start for us: ${reason}`, {
      like: 'dgx-h100',
      driver: {
        faults: { init: reason === 'crashed' ? { crash: true } : { return: reason } },
      },
    }),
    findings: ['driver-not-asked'],
  })),
  {
    ...unsure('the process that hosts NVML was not up in time', { like: 'dgx-h100' }),
    facts: facts => {
      const late = missing('timeout', 'the process that hosts NVML said nothing within 4000 ms');
      return {
        ...facts,
        driver: { ...facts.driver, library: late, initialized: late, count: late, gpus: [] },
      };
    },
    findings: ['driver-not-asked'],
  },
  unsure('a virtual GPU shows its guest nothing of the hardware', {
    like: 'a10',
    everyGpu: { answers: { deviceGetVirtualizationMode: 2 } },
  }),
  unsure(
    'one reading of one GPU says that it is lost, all others are well',
    without({ deviceGetTemperature: 'gpu_is_lost' }),
  ),
  unsure(
    'the serial number of one GPU says that it is lost, all else is well',
    without({ deviceGetSerial: 'gpu_is_lost' }),
  ),
  {
    ...unsure(
      'an XID that is newer than the catalogue',
      h100({ log: [[690, 'NVRM: Xid (PCI:0000:52:00): 999, pid=1, name=x, Something new']] }),
    ),
    findings: ['xid-999:0000:52:00'],
  },
  unsure('the kernel log holds no record', {
    ...h100(),
    kernelLog: { records: 0, reachSeconds: 0, lines: [] },
  }),
  unsure('the kernel log has lost records', { ...h100(), kernelLog: { lost: 900 } }),
  unsure('the PCI bus shows no GPU, the driver has eight', h100({ host: { pci: [] } })),
  {
    name: 'a driver too old for row remaps and recovery actions hides nothing',
    truth: 'healthy',
    machine: without({
      deviceGetRemappedRows: 'function_not_found',
      deviceGetRowRemapperHistogram: 'function_not_found',
      'deviceGetFieldValue gpuRecoveryAction': 'invalid_argument',
      deviceGetSramEccErrorStatus: 'function_not_found',
    }),
    verdict: 'healthy',
    findings: [],
  },
];
