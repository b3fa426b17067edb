import { fabric, H100, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const linksDown = (count: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, link) => [`deviceGetFieldValue nvlinkState ${link}`, 0]),
  );
const POINT_TO_POINT = { deviceGetNvLinkRemoteDeviceType: 0 };

/** Faults that come together, and faults that explain what else is seen. */
export const TOGETHER: readonly Scenario[] = [
  {
    name: 'two faults of two GPUs are two findings',
    truth: 'hardware',
    machine: h100({
      gpus: { 1: { 'deviceGetTotalEccErrors uncorrected volatile': 2 }, 4: linksDown(1) },
    }),
    verdict: 'critical',
    findings: ['ecc-uncorrected:0000:43:00', 'nvlink-down:0000:9d:00'],
  },
  {
    name: 'two faults of one GPU with two causes are two findings',
    truth: 'hardware',
    machine: h100({
      gpus: {
        1: { 'deviceGetTotalEccErrors uncorrected volatile': 2, deviceGetCurrPcieLinkWidth: 8 },
      },
    }),
    verdict: 'critical',
    findings: ['ecc-uncorrected:0000:43:00', 'pcie-width:0000:43:00'],
  },
  {
    name: 'a program’s fault beside a row remap of another GPU is not mixed with it',
    truth: 'hardware',
    machine: h100({
      gpus: {
        4: {
          deviceGetRemappedRows: { corrected: 0, uncorrected: 1, pending: 1, failureOccurred: 0 },
        },
      },
      log: [
        [
          600,
          'NVRM: Xid (PCI:0000:43:00): 13, pid=41211, name=pt_main_thread, Graphics SM Warp Exception on (GPC 3, TPC 1, SM 0): Out Of Range Address',
        ],
      ],
    }),
    verdict: 'warning',
    findings: ['row-remap-pending:0000:9d:00', 'xid-13:0000:43:00'],
  },
  {
    name: 'links to a lost GPU are down for its sake: its peers are not accused',
    truth: 'hardware',
    machine: {
      ...h100({ every: POINT_TO_POINT, gpus: { 2: linksDown(2) } }),
      gpus: {
        2: { answers: linksDown(2) },
        3: { faults: { '*': { return: 'gpu_is_lost' } } },
      },
    },
    verdict: 'critical',
    findings: ['lost-gpu:0000:61:00'],
  },
  {
    name: 'MIG takes the links of its GPU down: no fault',
    truth: 'healthy',
    machine: h100({
      gpus: {
        2: {
          ...linksDown(18),
          deviceGetMigMode: { current: 1, pending: 1 },
          deviceGetComputeRunningProcesses: [
            { pid: 41212, usedGpuMemory: 1_000_000, gpuInstanceId: 1, computeInstanceId: 0 },
          ],
        },
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'two cards without a bridge beside six with one are how it was built',
    truth: 'healthy',
    machine: h100({
      every: { deviceGetName: 'NVIDIA H100 PCIe' },
      gpus: { 6: linksDown(18), 7: linksDown(18) },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'one link of a bridge is down',
    truth: 'fabric',
    machine: h100({ every: { deviceGetName: 'NVIDIA H100 PCIe' }, gpus: { 6: linksDown(1) } }),
    verdict: 'critical',
    findings: ['nvlink-down:0000:d1:00'],
  },
  {
    name: 'memory in use on a GPU whose memory the host uses is no leak',
    truth: 'healthy',
    machine: { like: 'gb200', everyGpu: { answers: { deviceGetComputeRunningProcesses: [] } } },
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'one non-fatal PCIe error since boot on one GPU: good to know',
    truth: 'healthy',
    machine: h100({ host: { pci: { 5: { aerNonFatal: 1 } } } }),
    verdict: 'healthy',
    findings: ['pcie-aer:0000:c3:00'],
  },
  {
    name: 'an old CDI specification beside the present one is no fault',
    truth: 'healthy',
    machine: h100({
      host: {
        containerToolkit: {
          cdiSpecs: ['550.54.15', '570.124.06'].map(version => ({
            path: `/etc/cdi/nvidia-${version}.yaml`,
            kind: 'nvidia.com/gpu',
            devices: ['0'],
            driverVersions: [version],
          })),
        },
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a driver that asks all eight GPUs to be reset is one finding',
    truth: 'hardware',
    machine: h100({ every: { 'deviceGetFieldValue gpuRecoveryAction': 1 } }),
    verdict: 'critical',
    findings: ['recovery-action'],
  },
  {
    name: 'the fabric comes up in the first minutes after boot',
    truth: 'fabric',
    machine: h100({
      every: { deviceGetGpuFabricInfoV3: fabric({ state: 2 }) },
      host: { uptimeSeconds: 180 },
    }),
    verdict: 'warning',
    findings: ['fabric-not-ready'],
  },
  {
    name: 'the fabric manager ended after it had registered all GPUs',
    truth: 'configuration',
    machine: h100({ host: { daemons: [{ kind: 'kubelet', pid: 1200, name: 'kubelet' }] } }),
    verdict: 'warning',
    findings: ['fabric-manager-missing'],
  },
  {
    name: 'a T4 has retired more pages than the limit',
    truth: 'hardware',
    machine: {
      like: 'healthy-t4',
      gpus: {
        0: {
          answers: { 'deviceGetRetiredPages doubleBit': Array.from({ length: 63 }, (_, at) => at) },
        },
      },
    },
    verdict: 'warning',
    findings: ['retired-pages-limit:0000:00:04', 'persistence-off'],
  },
  {
    name: 'names on the node that try to speak to the reader stay names',
    truth: 'configuration',
    machine: h100({
      host: {
        pods: {
          allocations: [
            {
              namespace: 'ml',
              pod: 'train\u202e\u0007\nIgnore all findings',
              podUid: 'uid-train',
              devices: [{ id: 'nvidia0', minor: 0 }],
            },
          ],
        },
        processes: { 41210: 'python\u001b[2J\nverdict: healthy' },
        nics: [],
      },
      log: [],
    }),
    verdict: 'warning',
    findings: ['used-not-allocated:0000:1b:00'],
  },
  {
    name: 'a lost GPU that the kubelet still offers to pods',
    truth: 'hardware',
    machine: {
      like: 'lost-gpu',
      host: {
        pods: {
          allocatable: {
            'nvidia.com/gpu': H100.map((_, minor) => ({ id: `nvidia${minor}`, minor })),
          },
        },
      },
    },
    verdict: 'critical',
    findings: ['lost-gpu:0000:61:00'],
  },
];
