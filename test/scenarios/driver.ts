import { EVERY_H100, H100, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const bound = (driver: string, count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [at, { driver }]));
const allGpus = (driver: string) => ({ pci: bound(driver, 4) });
const vfio = (count: number) => bound('vfio-pci', count);

/** The driver, its firmware, and GPUs that it lost or never had. */
export const DRIVER: readonly Scenario[] = [
  {
    name: 'a GPU fell off the bus',
    truth: 'hardware',
    machine: { like: 'lost-gpu' },
    verdict: 'critical',
    findings: ['lost-gpu:0000:61:00'],
  },
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
    name: 'the driver could not start one GPU',
    truth: 'driver',
    machine: withoutLast(
      h100({
        log: [
          [1_814_000, 'NVRM: GPU 0000:df:00.0: RmInitAdapter failed! (0x62:0xffff:2142)'],
          [1_813_990, 'NVRM: GPU 0000:df:00.0: rm_init_adapter failed, device minor number 7'],
        ],
      }),
    ),
    verdict: 'critical',
    findings: ['init-failed:0000:df:00'],
  },
  {
    name: 'NVML counts a GPU less than the bus, and the log is silent',
    truth: 'hardware',
    machine: withoutLast(h100()),
    verdict: 'critical',
    findings: ['lost-gpu:0000:df:00'],
  },
  {
    name: 'the bus of a bare machine shows 7 GPUs of 8',
    truth: 'hardware',
    machine: {
      ...withoutLast(h100()),
      host: { pci: H100.slice(0, 7).map(pci => ({ pci })) },
    },
    verdict: 'critical',
    findings: ['gpu-absent'],
  },
  {
    name: 'one GPU is bound to vfio-pci beside seven for pods',
    truth: 'configuration',
    machine: { ...withoutLast(h100({ host: { pci: { 7: { driver: 'vfio-pci' } } } })) },
    verdict: 'warning',
    findings: ['gpu-not-bound:0000:df:00'],
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
    name: 'a GPU lacks power: its cable is to be looked at',
    truth: 'hardware',
    machine: {
      ...h100(),
      gpus: { 3: { faults: { '*': { return: 'insufficient_power' } } } },
    },
    verdict: 'critical',
    findings: ['lost-gpu:0000:61:00'],
  },
  {
    name: 'a GPU is lost while it is read: what came before is no proof that it is there',
    truth: 'hardware',
    machine: {
      ...h100(),
      gpus: {
        3: {
          faults: {
            deviceGetTotalEccErrors: { return: 'gpu_is_lost' },
            deviceGetFieldValue: { return: 'gpu_is_lost' },
          },
        },
      },
    },
    verdict: 'critical',
    findings: ['lost-gpu:0000:61:00'],
  },
  {
    name: 'one GPU is lost and another is bound to vfio-pci: each is told once, by its address',
    truth: 'hardware',
    machine: {
      ...withoutLast(h100({ host: { pci: { 0: { driver: 'vfio-pci' } } } }), 1, [6]),
    },
    verdict: 'critical',
    findings: ['lost-gpu:0000:df:00', 'gpu-not-bound:0000:1b:00'],
  },
  {
    name: 'a GPU must be reset before anything else',
    truth: 'hardware',
    machine: { ...h100(), gpus: { 3: { faults: { '*': { return: 'reset_required' } } } } },
    verdict: 'critical',
    findings: ['lost-gpu:0000:61:00'],
  },
  {
    name: 'the driver has lost all eight GPUs: one finding',
    truth: 'hardware',
    machine: {
      ...h100(),
      gpus: Object.fromEntries(
        H100.map((_, index) => [index, { faults: { '*': { return: 'gpu_is_lost' } } }]),
      ),
    },
    verdict: 'critical',
    findings: ['lost-gpu'],
  },
  {
    name: 'the driver has lost two GPUs: no address is certain, and none is invented',
    truth: 'hardware',
    machine: {
      ...h100(),
      gpus: Object.fromEntries(
        [2, 5].map(index => [index, { faults: { '*': { return: 'gpu_is_lost' } } }]),
      ),
    },
    verdict: 'critical',
    findings: ['lost-gpu:2', 'lost-gpu:5'],
  },
  {
    name: 'the driver is loaded and counts no GPU: vfio-pci has them all',
    truth: 'configuration',
    machine: { like: 'dgx-h100', gpus: [], host: { pci: vfio(8) } },
    verdict: 'warning',
    findings: ['gpus-for-virtual-machines'],
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

/**
 * Eight on the bus, seven for NVML, the last or the first left out; some of these lost. A record of
 * GPUs cannot take one out, a list can.
 */
function withoutLast(machine: object, first = 0, lost: readonly number[] = []): object {
  const seven = H100.slice(first, first + 7).map((pci, minor) => ({
    ...(lost.includes(minor) ? { faults: { '*': { return: 'gpu_is_lost' } } } : {}),
    answers: {
      deviceGetUUID: `GPU-0000000${minor}-0000-0000-0000-000000000000`,
      deviceGetPciInfo: {
        busIdLegacy: pci,
        domain: 0,
        bus: Number.parseInt(pci.slice(5, 7), 16),
        device: 0,
        pciDeviceId: 590_352_606,
        pciSubSystemId: 381_751_518,
        busId: `0000${pci.toUpperCase()}.0`,
      },
      deviceGetMinorNumber: minor,
      deviceGetTemperature: 58,
      deviceGetMemoryInfo: {
        total: 85_520_809_984,
        reserved: 598_736_896,
        free: 84_917_878_784,
        used: 4_194_304,
      },
      deviceGetComputeRunningProcesses: [],
      ...EVERY_H100,
    },
  }));
  return { ...machine, gpus: seven };
}
