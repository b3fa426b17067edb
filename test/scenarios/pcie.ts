import { h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const BUSY_A100 = { like: 'ecc-row-remap', kernelLog: { lines: [] } };
const HEALED = {
  'deviceGetTotalEccErrors uncorrected volatile': 0,
  deviceGetRemappedRows: { corrected: 0, uncorrected: 2, pending: 0, failureOccurred: 0 },
  'deviceGetFieldValue gpuRecoveryAction': 0,
};

const fatalAer = (device: string) =>
  `pcieport 0000:c0:01.0: AER: Uncorrectable (Fatal) error message received from ${device}`;

/** One T4 in a slot for 16 lanes of generation 3. */
const lone = (answers: object, link: object) => ({
  like: 't4',
  gpus: [{ answers }],
  host: {
    pci: [
      {
        pci: '0000:18:00',
        currentLinkSpeed: '8.0 GT/s PCIe',
        maxLinkSpeed: '8.0 GT/s PCIe',
        bridges: [{ pci: '0000:17:00', maxLinkSpeed: '8.0 GT/s PCIe', maxLinkWidth: 16 }],
        ...link,
      },
    ],
  },
});

/** The PCIe link of a GPU, beside its neighbours and by itself. */
export const PCIE: readonly Scenario[] = [
  {
    name: 'one GPU runs on half of its PCIe lanes',
    truth: 'hardware',
    machine: h100({ gpus: { 1: { deviceGetCurrPcieLinkWidth: 8 } } }),
    verdict: 'warning',
    findings: ['pcie-width:0000:43:00'],
  },
  {
    name: 'one busy GPU works on PCIe generation 3 beside neighbours on 5',
    truth: 'hardware',
    machine: h100({ gpus: { 1: { deviceGetCurrPcieLinkGeneration: 3 } } }),
    verdict: 'warning',
    findings: ['pcie-speed:0000:43:00'],
  },
  {
    name: 'the only GPU of a machine runs on a quarter of the lanes of its slot',
    truth: 'hardware',
    machine: lone({ deviceGetCurrPcieLinkWidth: 4 }, { currentLinkWidth: 4 }),
    verdict: 'warning',
    findings: ['pcie-width:0000:18:00'],
  },
  {
    name: 'the only GPU of a virtual machine has 4 lanes: how it is wired',
    truth: 'healthy',
    machine: lone(
      { deviceGetCurrPcieLinkWidth: 4, deviceGetVirtualizationMode: 1 },
      { currentLinkWidth: 4 },
    ),
    verdict: 'healthy',
    findings: ['pcie-width'],
  },
  {
    name: 'the only GPU of a machine works on PCIe generation 1 in a slot for 3',
    truth: 'hardware',
    machine: lone({ deviceGetCurrPcieLinkGeneration: 1 }, { currentLinkSpeed: '2.5 GT/s PCIe' }),
    verdict: 'warning',
    findings: ['pcie-speed:0000:18:00'],
  },
  {
    name: 'the only GPU of a machine works on PCIe generation 1, the bus shows generation 3',
    truth: 'healthy',
    machine: lone({ deviceGetCurrPcieLinkGeneration: 1 }, {}),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'an idle GPU that took its PCIe link down to generation 1 is no fault',
    truth: 'healthy',
    machine: h100({
      gpus: {
        1: {
          deviceGetCurrPcieLinkGeneration: 1,
          deviceGetUtilizationRates: { gpu: 0, memory: 0 },
          deviceGetCurrentClocksEventReasons: 1,
          'deviceGetClockInfo sm': 345,
        },
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'one GPU repeats PCIe packets far more than its neighbours',
    truth: 'hardware',
    machine: h100({ gpus: { 5: { deviceGetPcieReplayCounter: 812_334 } } }),
    verdict: 'warning',
    findings: ['pcie-replays:0000:c3:00'],
  },
  {
    name: 'one GPU has PCIe errors that were not corrected',
    truth: 'hardware',
    machine: h100({ host: { pci: { 5: { aerFatal: 1 } } } }),
    verdict: 'warning',
    findings: ['pcie-aer:0000:c3:00'],
  },
  {
    name: 'one GPU has far more corrected PCIe errors than its neighbours',
    truth: 'hardware',
    machine: h100({ host: { pci: { 5: { aerCorrectable: 90_000 } } } }),
    verdict: 'warning',
    findings: ['pcie-corrected:0000:c3:00'],
  },
  {
    name: 'a disk has a fatal PCIe error: no matter of the GPUs',
    truth: 'healthy',
    machine: h100({ log: [[600, fatalAer('0000:02:00.0')]] }),
    verdict: 'healthy',
    findings: ['aer'],
  },
  {
    name: 'the bridge above a GPU has a fatal PCIe error',
    truth: 'host',
    machine: h100({
      host: { pci: { 5: { bridges: [{ pci: '0000:c0:01', function: 0 }] } } },
      log: [[600, fatalAer('0000:c0:01.0')]],
    }),
    verdict: 'critical',
    findings: ['aer'],
  },
  {
    name: 'all cards of a virtual machine have 8 lanes: how it is wired',
    truth: 'healthy',
    machine: {
      ...BUSY_A100,
      everyGpu: { answers: { deviceGetCurrPcieLinkWidth: 8 } },
      gpus: { 1: { answers: HEALED } },
    },
    verdict: 'healthy',
    findings: ['pcie-width'],
  },
];
