import { EVERY_H100, H100, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

/** GPUs that the driver lost, could not start or never had. */
export const LOST: readonly Scenario[] = [
  {
    name: 'a GPU fell off the bus',
    truth: 'hardware',
    machine: { like: 'lost-gpu' },
    verdict: 'critical',
    findings: ['lost-gpu:0000:61:00'],
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
