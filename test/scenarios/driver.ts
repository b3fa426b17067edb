import { h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const bound = (driver: string, count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [at, { driver }]));
const allGpus = (driver: string) => ({ pci: bound(driver, 4) });
const vfio = (count: number) => bound('vfio-pci', count);

/** The driver and its firmware. */
export const DRIVER: readonly Scenario[] = [
  {
    name: 'no driver is loaded',
    truth: 'configuration',
    machine: { like: 'no-driver' },
    verdict: 'critical',
    findings: ['driver-not-loaded'],
  },
  {
    name: 'library and kernel module are of different versions',
    truth: 'configuration',
    machine: { like: 'version-mismatch' },
    verdict: 'critical',
    findings: ['driver-version-mismatch'],
  },
  {
    name: 'the driver hangs in a call to a GPU whose system processor failed',
    truth: 'driver',
    machine: { like: 'hung-driver' },
    verdict: 'critical',
    findings: ['driver-unresponsive'],
  },
  {
    name: 'NVML blocks at its very start',
    truth: 'driver',
    machine: {
      like: 'hung-driver',
      gpus: { 2: { faults: {} } },
      driver: { faults: { init: { hang: true } } },
    },
    verdict: 'critical',
    findings: ['driver-unresponsive'],
  },
  {
    name: 'nouveau holds all GPUs',
    truth: 'configuration',
    machine: { like: 'no-driver', host: allGpus('nouveau') },
    verdict: 'critical',
    findings: ['wrong-driver'],
  },
  {
    name: 'all GPUs are bound to vfio-pci for virtual machines',
    truth: 'configuration',
    machine: { like: 'no-driver', host: allGpus('vfio-pci') },
    verdict: 'warning',
    findings: ['gpus-for-virtual-machines'],
  },
  {
    name: 'the system processor of a GPU does not answer',
    truth: 'driver',
    machine: h100({
      log: [
        [
          700,
          'NVRM: Xid (PCI:0000:52:00): 119, pid=41212, name=pt_main_thread, Timeout after 45s of waiting for RPC response from GPU2 GSP! Expected function 76 (GSP_RM_CONTROL) (0x20801702 0x4).',
        ],
      ],
    }),
    verdict: 'critical',
    findings: ['gsp-failure:0000:52:00'],
  },
  {
    name: 'the driver is loaded and counts no GPU: vfio-pci has them all',
    truth: 'configuration',
    machine: { like: 'dgx-h100', gpus: [], host: { pci: vfio(8) } },
    verdict: 'warning',
    findings: ['gpus-for-virtual-machines'],
  },
  {
    name: 'the driver is loaded, and no layer shows a GPU',
    truth: 'unknown',
    machine: { like: 'dgx-h100', gpus: [], host: { pci: [] } },
    verdict: 'warning',
    findings: ['no-gpu'],
  },
  {
    name: 'the module is loaded, and its library is nowhere where we look',
    truth: 'configuration',
    machine: { like: 'dgx-h100', library: null },
    verdict: 'warning',
    findings: ['driver-not-loaded'],
  },
  {
    name: 'a GPU that nobody holds open takes longer to start than we wait',
    truth: 'unknown',
    machine: {
      ...h100(),
      gpus: { 7: { faults: { deviceGetHandleByIndex: { hang: true } } } },
    },
    verdict: 'warning',
    findings: ['driver-unresponsive'],
  },
  {
    name: 'NVML does not start for a reason that it keeps to itself',
    truth: 'driver',
    machine: { like: 'dgx-h100', driver: { faults: { init: { return: 'unknown' } } } },
    verdict: 'critical',
    findings: ['driver-not-usable'],
  },
  {
    name: 'most readings of one GPU run into time-outs: nothing is called healthy',
    truth: 'unknown',
    machine: {
      ...h100(),
      gpus: { 3: { faults: { deviceGetTemperature: { return: 'unknown' } } } },
    },
    verdict: 'unknown',
    findings: [],
  },
];
