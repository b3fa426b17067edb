import type { NodeFacts } from '../../src/findings/facts.ts';
import { down, fabric, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

/** The same node two seconds before, all counters at zero as the machine would have them then. */
const twoSecondsBefore =
  (earlier: (facts: NodeFacts) => NodeFacts['driver']) =>
  (facts: NodeFacts): NodeFacts => ({
    ...facts,
    earlier: { ...earlier(facts), takenAtMs: facts.driver.takenAtMs - 2_000 },
  });

/** NVLink and its fabric. */
export const LINKS: readonly Scenario[] = [
  {
    name: 'one of 18 NVLinks is down, the neighbours have all of theirs',
    truth: 'fabric',
    machine: h100({ gpus: { 4: down(7) } }),
    verdict: 'critical',
    findings: ['nvlink-down:0000:9d:00'],
  },
  {
    name: 'an NVLink is down beside one whose state could not be read',
    truth: 'fabric',
    machine: {
      ...h100(),
      gpus: {
        4: {
          answers: down(7),
          faults: { 'deviceGetFieldValue nvlinkState 5': { return: 'unknown' } },
        },
      },
    },
    verdict: 'critical',
    findings: ['nvlink-down:0000:9d:00'],
  },
  {
    name: 'a virtual machine with half of a board: its links to the other half are down for ever',
    truth: 'healthy',
    machine: {
      like: 'a100-sxm4-40gb',
      everyGpu: {
        answers: {
          deviceGetVirtualizationMode: 1,
          deviceGetNvLinkRemoteDeviceType: 0,
          ...down(8, 9, 10, 11),
        },
      },
    },
    verdict: 'healthy',
    findings: [],
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
];
