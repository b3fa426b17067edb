import { present } from '../../src/contract/reading.ts';
import { H100, h100 } from './machines.ts';
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

/** Counts of the link beside pcieReplayCounter that a GPU keeps. */
const COUNTED = [
  ...['pcieReplay', 'pcieReplayRollover', 'pcieCorrectable', 'pcieNaksReceived', 'pcieNaksSent'],
  ...['pcieReceiverErrors', 'pcieBadTlp', 'pcieBadDllp', 'pcieUnsupportedRequests'],
  ...['pcieLcrcErrors', 'pcieLaneErrors'],
];

/** Eight GPUs on generation 3 of 5, below ports that can give this much. */
const onSlowBus = (maxLinkSpeed: string) =>
  h100({
    every: { deviceGetCurrPcieLinkGeneration: 3 },
    host: {
      pci: Object.fromEntries(
        H100.map((pci, at) => [
          at,
          {
            pci,
            currentLinkSpeed: '8.0 GT/s PCIe',
            maxLinkSpeed: '32.0 GT/s PCIe',
            bridges: [{ pci: '0000:c0:01', maxLinkSpeed, maxLinkWidth: 16 }],
          },
        ]),
      ),
    },
  });

/** Two GPUs below a switch, whose link to the port of the CPU is as both ends tell it. */
const belowSwitch = (both: object, lower: object) =>
  Object.fromEntries(
    [6, 7].map(gpu => [
      gpu,
      {
        bridges: [
          { pci: `0000:c${gpu}:00` },
          { pci: '0000:c1:00', ...both, ...lower },
          { pci: '0000:c0:01', ...both },
        ],
      },
    ]),
  );

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
    name: 'the port right above one GPU had a fatal error',
    truth: 'hardware',
    machine: h100({
      host: { pci: { 5: { bridges: [{ pci: '0000:c2:00', aerFatal: 1 }] } } },
    }),
    verdict: 'warning',
    findings: ['pcie-port-fatal:0000:c3:00'],
  },
  {
    name: 'a port above two GPUs had a fatal error: of whom is not known',
    truth: 'hardware',
    machine: h100({
      host: {
        pci: Object.fromEntries(
          [6, 7].map(gpu => [
            gpu,
            {
              bridges: [
                { pci: `0000:c${gpu}:00` },
                { pci: '0000:c1:00' },
                { pci: '0000:c0:01', aerFatal: 2 },
              ],
            },
          ]),
        ),
      },
    }),
    verdict: 'warning',
    findings: ['pcie-port-fatal:0000:c0:01.0'],
  },
  {
    name: 'the switch above two GPUs has four lanes to the CPU',
    truth: 'host',
    machine: h100({ host: { pci: belowSwitch({ currentLinkWidth: 4 }, {}) } }),
    verdict: 'warning',
    findings: ['pcie-width-above:0000:c1:00.0'],
  },
  {
    name: 'a switch that is made for eight lanes has them',
    truth: 'healthy',
    machine: h100({
      host: { pci: belowSwitch({ currentLinkWidth: 8 }, { maxLinkWidth: 8 }) },
    }),
    verdict: 'healthy',
    findings: [],
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
      everyGpu: { answers: { deviceGetCurrPcieLinkWidth: 8, deviceGetVirtualizationMode: 1 } },
      gpus: { 1: { answers: HEALED } },
    },
    verdict: 'healthy',
    findings: ['pcie-width'],
  },
  {
    name: 'all modules of a board have 8 lanes',
    truth: 'host',
    machine: h100({ every: { deviceGetCurrPcieLinkWidth: 8 } }),
    verdict: 'warning',
    findings: ['pcie-width'],
  },
  {
    name: 'both cards have 8 lanes in slots for 16, of which the bus shows 16',
    truth: 'configuration',
    machine: {
      like: 'a10',
      everyGpu: {
        answers: { deviceGetCurrPcieLinkWidth: 8, deviceGetVirtualizationMode: 0 },
      },
      host: {
        pci: ['0000:00:1e', '0000:00:1f'].map(pci => ({
          pci,
          bridges: [{ pci: '0000:00:02', maxLinkSpeed: '16.0 GT/s PCIe', maxLinkWidth: 16 }],
        })),
      },
    },
    verdict: 'warning',
    findings: ['pcie-width:0000:00:1e', 'pcie-width:0000:00:1f'],
  },
  {
    name: 'both cards have 8 lanes in slots for 8: how the machine was built',
    truth: 'healthy',
    machine: {
      like: 'a10',
      everyGpu: {
        answers: { deviceGetCurrPcieLinkWidth: 8, deviceGetVirtualizationMode: 0 },
      },
      host: {
        pci: ['0000:00:1e', '0000:00:1f'].map(pci => ({
          pci,
          currentLinkWidth: 8,
          bridges: [{ pci: '0000:00:02', maxLinkSpeed: '16.0 GT/s PCIe', maxLinkWidth: 8 }],
        })),
      },
    },
    verdict: 'healthy',
    findings: ['pcie-width'],
  },
  ...COUNTED.map(
    (field): Scenario => ({
      name: `the link of one GPU has counted half a million in ${field}`,
      truth: 'hardware',
      machine: h100({ gpus: { 5: { [`deviceGetFieldValue ${field}`]: 500_000 } } }),
      verdict: 'warning',
      findings: [/Replay/.test(field) ? 'pcie-replays:0000:c3:00' : 'pcie-link-errors:0000:c3:00'],
    }),
  ),
  {
    name: 'the links of all GPUs have counted half a million bad packets',
    truth: 'hardware',
    machine: h100({ every: { 'deviceGetFieldValue pcieBadTlp': 500_000 } }),
    verdict: 'warning',
    findings: ['pcie-link-errors'],
  },
  {
    name: 'the link of one GPU repeats two packets a second',
    truth: 'hardware',
    machine: h100({ gpus: { 5: { deviceGetPcieReplayCounter: 44 } } }),
    facts: facts => {
      const gpus = facts.driver.gpus.map(gpu =>
        gpu.index === 5 ? { ...gpu, pcieReplayCounter: present(40) } : gpu,
      );
      const takenAtMs = facts.driver.takenAtMs - 2_000;
      return { ...facts, earlier: { ...facts.driver, gpus, takenAtMs } };
    },
    verdict: 'warning',
    findings: ['pcie-replays:0000:c3:00'],
  },
  {
    name: 'counts on the link of a GPU as an H200 had them that was well',
    truth: 'healthy',
    machine: h100({
      gpus: {
        5: {
          'deviceGetFieldValue pcieBadTlp': 80,
          'deviceGetFieldValue pcieReceiverErrors': 55,
          'deviceGetFieldValue pcieNaksSent': 53,
          'deviceGetFieldValue pcieLaneErrors': 29,
          'deviceGetFieldValue pcieBadDllp': 2,
          'deviceGetFieldValue pcieL0ToRecovery': 1_000_000,
        },
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  ...(
    [
      ['pcieFatal', 4],
      ['pcieNonFatal', 40],
    ] as const
  ).map(
    ([field, count]): Scenario => ({
      name: `a GPU counts ${count} in ${field}`,
      truth: 'hardware',
      machine: h100({ gpus: { 5: { [`deviceGetFieldValue ${field}`]: count } } }),
      verdict: 'warning',
      findings: ['pcie-uncorrected:0000:c3:00'],
    }),
  ),
  {
    name: 'a GPU counts one PCIe error that was not fatal, as an enumeration leaves it',
    truth: 'healthy',
    machine: h100({ gpus: { 5: { 'deviceGetFieldValue pcieNonFatal': 1 } } }),
    verdict: 'healthy',
    findings: ['pcie-uncorrected:0000:c3:00'],
  },
  {
    name: 'all GPUs work at full load on PCIe generation 3, and their slots could give 5',
    truth: 'configuration',
    machine: onSlowBus('32.0 GT/s PCIe'),
    verdict: 'warning',
    findings: ['pcie-speed'],
  },
  {
    name: 'all GPUs work at full load on PCIe generation 3 of 5, and the bus shows no port above them',
    truth: 'configuration',
    machine: h100({ every: { deviceGetCurrPcieLinkGeneration: 3 } }),
    verdict: 'warning',
    findings: ['pcie-speed'],
  },
  {
    name: 'all GPUs of generation 5 work at full load in slots of generation 3',
    truth: 'healthy',
    machine: onSlowBus('8.0 GT/s PCIe'),
    verdict: 'healthy',
    findings: [],
  },
];
