import { missing } from '../../src/contract/reading.ts';
import { withGpu } from '../fakes/facts.ts';
import { EVERY_H100, H100, h100, LOADED } from './machines.ts';
import type { Scenario } from './scenario.ts';

const FIELD = 'deviceGetFieldValue';
const xid = (pci: string, rest: string) => `NVRM: Xid (PCI:${pci}): ${rest}`;
const GSP_ERROR =
  '120, GSP kernel exception: load access page fault (cause:0xd) @ pc:0xffffffff9300188a, partition:4#0';

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
      ...withoutLast(h100({ host: { pci: { 0: { driver: 'vfio-pci' } } } }), {
        first: 1,
        lost: [6],
      }),
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
    name: 'one line tells that one GPU of two that NVML does not count fell off the bus, and its serial number',
    truth: 'hardware',
    machine: withoutLast(
      h100({
        log: [
          [601, 'NVRM: GPU at PCI:0000:d1:00: GPU-00000006-0000-0000-0000-000000000000'],
          [601, 'NVRM: GPU Board Serial Number: 1654023033874'],
          [600, xid('0000:d1:00', '79, pid=1, name=x, GPU has fallen off the bus.')],
        ],
      }),
      { count: 6 },
    ),
    verdict: 'critical',
    findings: ['lost-gpu:0000:d1:00', 'lost-gpu:0000:df:00'],
  },
  {
    name: 'two GPUs are gone, and one that NVML counts has no name: which is which nobody can tell',
    truth: 'hardware',
    machine: withoutLast(h100(), { lost: [6] }),
    verdict: 'critical',
    findings: ['lost-gpu:6', 'lost-gpu:gpu'],
  },
  {
    name: 'no bus is read: the log names the GPU that NVML does not count',
    truth: 'hardware',
    machine: withoutLast(
      h100({
        log: [[600, xid('0000:df:00', '79, pid=1, name=x, GPU has fallen off the bus.')]],
      }),
    ),
    facts: facts => ({ ...facts, host: { ...facts.host, pciDevices: missing('unreadable') } }),
    verdict: 'critical',
    findings: ['lost-gpu:0000:df:00'],
  },
  {
    name: 'two readings of one GPU say that it is lost',
    truth: 'hardware',
    machine: h100(),
    facts: facts =>
      withGpu(facts, 3, {
        serial: missing('gpu_is_lost'),
        performanceState: missing('gpu_is_lost'),
      }),
    verdict: 'critical',
    findings: ['lost-gpu:0000:61:00'],
  },
  {
    name: 'the system processor of one GPU of two that NVML does not count did not boot',
    truth: 'hardware',
    machine: withoutLast(
      h100({
        log: [
          [
            600,
            'NVRM: GPU6 _kgspBootGspRm: unexpected WPR2 already up, cannot proceed with booting GSP',
          ],
          [600, 'NVRM: GPU 0000:d1:00.0: RmInitAdapter failed! (0x62:0x40:1860)'],
        ],
      }),
      { count: 6 },
    ),
    verdict: 'critical',
    findings: ['lost-gpu:0000:df:00', 'init-failed:0000:d1:00'],
  },
  {
    name: 'the driver could not start the GPU that it does not count (XID 143)',
    truth: 'hardware',
    machine: withoutLast(
      h100({
        log: [
          [600, xid('0000:df:00', '143, Error status 0x65 while polling for FSP boot complete')],
        ],
      }),
    ),
    verdict: 'critical',
    findings: ['init-failed:0000:df:00'],
  },
  {
    name: 'a GPU could not be started before the driver was loaded anew, and is not counted since',
    truth: 'hardware',
    machine: withoutLast(
      h100({
        log: [
          [7_000, 'NVRM: GPU 0000:df:00.0: RmInitAdapter failed! (0x62:0xffff:2142)'],
          [3_600, LOADED],
        ],
      }),
    ),
    verdict: 'critical',
    findings: ['lost-gpu:0000:df:00'],
  },
  {
    name: 'the system processor of one GPU reported an error, with a firmware of its own',
    truth: 'driver',
    machine: h100({
      gpus: { 2: { deviceGetGspFirmwareVersion: '570.133.20', [`${FIELD} gpuRecoveryAction`]: 1 } },
      log: [[600, xid('0000:52:00', GSP_ERROR)]],
    }),
    verdict: 'critical',
    findings: ['gsp-failure:0000:52:00'],
  },
  {
    name: 'the system processor of one GPU reported an error, and the driver asks for nothing',
    truth: 'driver',
    machine: h100({
      every: { [`${FIELD} gpuRecoveryAction`]: 0 },
      log: [[600, xid('0000:52:00', GSP_ERROR)]],
    }),
    verdict: 'critical',
    findings: ['gsp-failure:0000:52:00'],
  },
  {
    name: 'the system processor of one GPU reported an error before the driver was loaded anew',
    truth: 'driver',
    machine: h100({
      log: [
        [7_000, xid('0000:52:00', GSP_ERROR)],
        [3_600, LOADED],
      ],
    }),
    verdict: 'warning',
    findings: ['xid-120:0000:52:00'],
  },
];

/**
 * Eight on the bus, seven or six for NVML, the last or the first left out; some of these lost. A record of
 * GPUs cannot take one out, a list can.
 */
function withoutLast(
  machine: object,
  {
    first = 0,
    count = 7,
    lost = [],
  }: { readonly first?: number; readonly count?: number; readonly lost?: readonly number[] } = {},
): object {
  const counted = H100.slice(first, first + count).map((pci, minor) => ({
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
  return { ...machine, gpus: counted };
}
