import type { NodeFacts } from '../../src/findings/facts.ts';
import { fabric, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const down = (...links: readonly number[]) =>
  Object.fromEntries(links.map(link => [`deviceGetFieldValue nvlinkState ${link}`, 0]));

/** The same node two seconds before, all counters at zero as the machine would have them then. */
const twoSecondsBefore =
  (earlier: (facts: NodeFacts) => NodeFacts['driver']) =>
  (facts: NodeFacts): NodeFacts => ({
    ...facts,
    earlier: { ...earlier(facts), takenAtMs: facts.driver.takenAtMs - 2_000 },
  });

const BUSY_A100 = { like: 'ecc-row-remap', kernelLog: { lines: [] } };
const HEALED = {
  'deviceGetTotalEccErrors uncorrected volatile': 0,
  deviceGetRemappedRows: { corrected: 0, uncorrected: 2, pending: 0, failureOccurred: 0 },
  'deviceGetFieldValue gpuRecoveryAction': 0,
};

/** NVLink, its fabric, and PCIe. */
export const LINKS: readonly Scenario[] = [
  {
    name: 'one of 18 NVLinks is down, the neighbours have all of theirs',
    truth: 'fabric',
    machine: h100({ gpus: { 4: down(7) } }),
    verdict: 'critical',
    findings: ['nvlink-down:0000:9d:00'],
  },
  {
    name: 'NVLink down and XID 74 of the same GPU are one finding',
    truth: 'fabric',
    machine: h100({
      gpus: { 4: down(6) },
      log: [
        [
          1800,
          "NVRM: Xid (PCI:0000:9d:00): 74, pid='<unknown>', name=<unknown>, NVLink: fatal error detected on link 6(0x0, 0x0, 0x10000, 0x0, 0x0, 0x0, 0x0)",
        ],
      ],
    }),
    verdict: 'critical',
    findings: ['nvlink-down:0000:9d:00'],
  },
  {
    name: 'an NVLink loses a thousand packets a second',
    truth: 'fabric',
    machine: h100({ gpus: { 2: { 'deviceGetFieldValue nvlinkCrc 3': 2_000 } } }),
    facts: twoSecondsBefore(({ driver }) => ({
      ...driver,
      gpus: driver.gpus.map(gpu => ({
        ...gpu,
        nvlinks: gpu.nvlinks.ok
          ? {
              ok: true,
              value: {
                ...gpu.nvlinks.value,
                links: gpu.nvlinks.value.links.map(link => ({
                  ...link,
                  errors: { ...link.errors, crcFlit: { ok: true, value: 0 } },
                })),
              },
            }
          : gpu.nvlinks,
      })),
    })),
    verdict: 'warning',
    findings: ['nvlink-errors:0000:52:00'],
  },
  {
    name: 'an NVLink has far more errors than all others of the node',
    truth: 'fabric',
    machine: h100({ gpus: { 2: { 'deviceGetFieldValue nvlinkCrc 3': 4_000_000 } } }),
    verdict: 'warning',
    findings: ['nvlink-errors:0000:52:00'],
  },
  {
    name: 'no GPU is registered with the fabric although its manager runs',
    truth: 'fabric',
    machine: h100({ every: { deviceGetGpuFabricInfoV3: fabric({ state: 2 }) } }),
    verdict: 'critical',
    findings: ['fabric-not-ready'],
  },
  {
    name: 'one GPU failed to register with the fabric',
    truth: 'fabric',
    machine: h100({ gpus: { 6: { deviceGetGpuFabricInfoV3: fabric({ status: 999 }) } } }),
    verdict: 'critical',
    findings: ['fabric-not-ready:0000:d1:00'],
  },
  {
    name: 'the fabric manager does not run and no GPU is registered',
    truth: 'configuration',
    machine: h100({
      every: { deviceGetGpuFabricInfoV3: fabric({ state: 1 }) },
      host: { daemons: [{ kind: 'kubelet', pid: 1200, name: 'kubelet' }] },
    }),
    verdict: 'critical',
    findings: ['fabric-manager-missing'],
  },
  {
    name: 'the fabric reports an unhealthy route for one GPU',
    truth: 'fabric',
    machine: h100({
      gpus: { 1: { deviceGetGpuFabricInfoV3: fabric({ healthMask: 0x19a, healthSummary: 2 }) } },
    }),
    verdict: 'critical',
    findings: ['fabric-unhealthy:0000:43:00'],
  },
  {
    name: 'the fabric reports degraded bandwidth for all GPUs',
    truth: 'fabric',
    machine: h100({
      every: { deviceGetGpuFabricInfoV3: fabric({ healthMask: 0x1a9, healthSummary: 3 }) },
    }),
    verdict: 'warning',
    findings: ['fabric-unhealthy'],
  },
  {
    name: 'a GB200 of a rack without an IMEX daemon: good to know',
    truth: 'healthy',
    machine: {
      like: 'gb200',
      host: { daemons: [{ kind: 'persistenced', pid: 1204, name: 'nvidia-persiste' }] },
    },
    verdict: 'healthy',
    findings: ['imex-not-running'],
  },
  {
    name: 'a switch reports a fatal SXid',
    truth: 'fabric',
    machine: h100({
      log: [
        [900, 'nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 20034, Fatal, Link 30 LTSSM Fault Up'],
      ],
    }),
    verdict: 'critical',
    findings: ['sxid-20034'],
  },
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
