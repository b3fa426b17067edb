import { down, fabric, few, limits, linked, product, refused } from './machines.ts';
import type { Scenario } from './scenario.ts';

/** A machine that somebody has described in public, as far as the thread tells it. */
export interface Thread extends Scenario {
  readonly source: string;
  /** How it ended, or what its people made of it. */
  readonly ended: string;
}

const failing = (...keys: readonly string[]) =>
  Object.fromEntries(keys.map(key => [key, { return: 'unknown' }]));
/** Four V100 of a board without switches. */
const v100 = (gpus: object): object => ({
  like: 't4',
  everyGpu: {
    answers: {
      ...product('Tesla V100-SXM2-32GB', 5, 7),
      ...linked(6, 25_781),
      ...limits(300_000),
      deviceGetPowerUsage: 291_000,
      'deviceGetMaxClockInfo sm': 1_530,
      'deviceGetClockInfo sm': 1_440,
    },
  },
  gpus,
});
const NO_ECC = refused(
  ...['deviceGetEccMode', 'deviceGetTotalEccErrors', 'deviceGetMemoryErrorCounter'],
  ...['deviceGetRemappedRows', 'deviceGetRowRemapperHistogram', 'deviceGetRetiredPages'],
  ...['deviceGetRetiredPagesPendingStatus', 'deviceGetMigMode', 'deviceGetInforomImageVersion'],
);

const unsure = { truth: 'unknown', verdict: 'unknown', findings: [] } as const;

/** Faults that somebody has described in public, and what is told of them. */
export const THREADS: readonly Thread[] = [
  {
    name: 'thread: an A100 with four rows to be remapped',
    source: 'https://github.com/leptonai/gpud/pull/80',
    ended: 'must alert: the GPU needs a reset to remap them',
    machine: {
      like: 'a100-sxm4-80gb',
      gpus: {
        2: {
          answers: {
            deviceGetRemappedRows: { corrected: 0, uncorrected: 4, pending: 1, failureOccurred: 0 },
          },
        },
      },
    },
    truth: 'hardware',
    verdict: 'warning',
    findings: ['row-remap-pending:0000:47:00'],
  },
  {
    name: 'thread: links 3 and 5 of one V100 are inactive',
    source: 'https://github.com/Azure/azhpc-diagnostics/issues/73',
    ended: 'a check was added that fails the node (#78)',
    machine: v100({ 3: { answers: down(3, 5) } }),
    truth: 'fabric',
    verdict: 'critical',
    findings: ['nvlink-down:0000:af:00'],
  },
  {
    name: 'thread: a V100 says ERR! in place of its power',
    source: 'https://github.com/Azure/azhpc-diagnostics/issues/77',
    ended: 'transient; nothing was done',
    machine: v100({ 1: { faults: failing('deviceGetPowerUsage') } }),
    ...unsure,
  },
  {
    name: 'thread: the fan of one of two RTX 2080 SUPER says ERR!, its power N/A',
    source: 'https://github.com/NVIDIA/open-gpu-kernel-modules/issues/1193',
    ended: 'a bug of the open module 610',
    machine: {
      ...few('t4', ['0000:18:00', '0000:3b:00'], {
        answers: {
          ...product('NVIDIA GeForce RTX 2080 SUPER', 6, 7, 5),
          deviceGetBrand: 15,
          deviceGetNumFans: 1,
          deviceGetFanSpeed: 38,
        },
        faults: NO_ECC,
      }),
      gpus: [
        {
          faults: {
            ...failing('deviceGetFanSpeed'),
            ...refused('deviceGetPowerUsage', 'deviceGetPowerManagementLimit'),
          },
        },
        {},
      ],
    },
    ...unsure,
  },
  {
    name: 'thread: the InfoROM of a Quadro P4000 is corrupt',
    source: 'https://github.com/NVIDIA/gpu-operator/issues/20',
    ended: 'nvidia-smi warns and returns 14; a case for the vendor of the board',
    machine: few('t4', ['0000:b3:00'], {
      answers: product('Quadro P4000', 4, 6, 1),
      faults: { ...NO_ECC, deviceValidateInforom: { return: 'corrupted_inforom' } },
    }),
    truth: 'hardware',
    verdict: 'warning',
    findings: ['inforom-corrupt:0000:b3:00'],
  },
  {
    name: 'thread: the InfoROM of a V100 is corrupt and diagnostics pass',
    source: 'https://github.com/NVIDIA/DCGM/issues/2',
    ended: 'open; nvidia-smi and a tool for it see the corruption',
    machine: v100({ 2: { faults: { deviceValidateInforom: { return: 'corrupted_inforom' } } } }),
    truth: 'hardware',
    verdict: 'warning',
    findings: ['inforom-corrupt:0000:86:00'],
  },
  {
    name: 'thread: the fabric is completed with insufficient resources',
    source: 'https://github.com/Azure/azhpc-images/pull/506',
    ended: 'the check now fails such nodes, which had gone back to production',
    machine: {
      like: 'gb300',
      everyGpu: {
        answers: {
          deviceGetGpuFabricInfoV3: fabric({
            clusterUuid: '00000000000000000000000000000000',
            status: 22,
          }),
        },
      },
    },
    truth: 'fabric',
    verdict: 'critical',
    findings: ['fabric-not-ready'],
  },
  {
    name: 'thread: some H100 of a node have joined the fabric, others with an unknown error',
    source: 'https://github.com/NVIDIA/NVSentinel/issues/883',
    ended: 'broken, and seen by no monitor',
    machine: {
      like: 'h100-sxm',
      gpus: Object.fromEntries(
        [1, 4, 6].map(at => [
          at,
          { answers: { deviceGetGpuFabricInfoV3: fabric({ status: 999 }) } },
        ]),
      ),
    },
    truth: 'fabric',
    verdict: 'critical',
    findings: ['fabric-not-ready'],
  },
  {
    name: 'thread: the fabric is completed, and its summary unhealthy',
    source: 'https://github.com/kubernetes-sigs/dra-driver-nvidia-gpu/issues/626',
    ended: 'the driver of devices now tells it from no fabric',
    machine: {
      like: 'gb200',
      everyGpu: {
        answers: {
          deviceGetGpuFabricInfoV3: fabric({
            clusterUuid: 'dc6e40c4d72243579ba65291dd461278',
            cliqueId: 2,
            healthMask: 0x19a,
            healthSummary: 2,
          }),
        },
      },
    },
    truth: 'fabric',
    verdict: 'critical',
    findings: ['fabric-unhealthy'],
  },
  {
    name: 'thread: an uncorrected error since the driver was loaded',
    source: 'https://github.com/NVIDIA/k8s-device-plugin/issues/267',
    ended: 'pods fail on this GPU, and the plugin calls it healthy',
    machine: v100({ 1: { answers: { 'deviceGetTotalEccErrors uncorrected volatile': 1 } } }),
    truth: 'hardware',
    verdict: 'critical',
    findings: ['ecc-uncorrected:0000:3b:00'],
  },
  {
    name: 'thread: ECC is off on one of eight',
    source: 'https://github.com/NVIDIA/k8s-device-plugin/issues/125',
    ended: 'one card was set otherwise than the rest',
    machine: {
      like: 'a100-sxm4-40gb',
      gpus: {
        5: {
          answers: { deviceGetEccMode: { current: 0, pending: 0 } },
          faults: refused('deviceGetTotalEccErrors', 'deviceGetRemappedRows'),
        },
      },
    },
    truth: 'configuration',
    verdict: 'warning',
    findings: ['ecc-mode-outlier:0000:90:00'],
  },
  {
    name: 'thread: a row could not be remapped',
    source: 'https://github.com/aws/eks-node-monitoring-agent/issues/245',
    ended: 'the instance was replaced',
    machine: {
      like: 'a100-sxm4-40gb',
      gpus: {
        5: {
          answers: {
            deviceGetRemappedRows: { corrected: 0, uncorrected: 9, pending: 0, failureOccurred: 1 },
          },
        },
      },
    },
    truth: 'hardware',
    verdict: 'critical',
    findings: ['row-remap-failed:0000:90:00'],
  },
  {
    name: 'thread: hardware brakes the clocks of every GB200 of a tray',
    source: 'https://github.com/NVIDIA/NVSentinel/pull/1668',
    ended: 'half of 288 nodes; a watch was added that asks for support after three polls',
    machine: {
      like: 'gb200',
      everyGpu: { answers: { deviceGetCurrentClocksEventReasons: 0x88 } },
    },
    truth: 'host',
    verdict: 'warning',
    findings: ['hardware-slowdown'],
  },
  {
    name: 'thread: one of four V100 is held at 150 W of 300 W',
    source:
      'https://github.com/l4rz/reverse-engineering-dell-idrac-to-get-rid-of-gpu-throttling/issues/3',
    ended: 'power supply, firmware or this GPU: not found out',
    machine: v100({
      2: {
        answers: {
          deviceGetPowerUsage: 149_600,
          deviceGetEnforcedPowerLimit: 150_000,
          deviceGetCurrentClocksEventReasons: 4,
          'deviceGetClockInfo sm': 810,
        },
      },
    }),
    truth: 'host',
    verdict: 'warning',
    findings: ['power-limit-enforced:0000:86:00'],
  },
  {
    name: 'thread: one of four GPUs is lost',
    source: 'https://github.com/NVIDIA/k8s-device-plugin/issues/231',
    ended: 'a reboot recovers it; until then no pod of the node starts',
    machine: {
      like: 't4',
      gpus: { 3: { faults: { '*': { return: 'gpu_is_lost' } } } },
    },
    truth: 'hardware',
    verdict: 'critical',
    findings: ['lost-gpu:0000:af:00'],
  },
  {
    name: 'thread: a GPU is off the bus as the driver is loaded, and no XID tells it',
    source: 'https://github.com/NVIDIA/NVSentinel/issues/155',
    ended: 'the monitor learned the line',
    machine: {
      like: 'l40s',
      gpus: [{}, {}, {}, {}, {}, {}, {}],
      kernelLog: {
        lines: [
          {
            secondsAgo: 1_000,
            text: 'NVRM: The NVIDIA GPU 0000:d8:00.0\nNVRM: (PCI ID: 10de:26b5) installed in this system has\nNVRM: fallen off the bus and is not responding to commands.',
          },
          { secondsAgo: 999, text: 'NVRM: The NVIDIA probe routine failed for 1 device(s).' },
        ],
      },
    },
    truth: 'hardware',
    verdict: 'critical',
    findings: ['lost-gpu:0000:d8:00'],
  },
  {
    name: 'thread: four GB200 tell that they support no fabric',
    source: 'https://github.com/leptonai/gpud/pull/1108',
    ended: 'unhealthy',
    machine: {
      like: 'gb200',
      everyGpu: {
        answers: {
          deviceGetGpuFabricInfoV3: fabric({ state: 0, healthMask: 0, healthSummary: 0 }),
        },
      },
    },
    truth: 'fabric',
    verdict: 'critical',
    findings: ['fabric-not-ready'],
  },
  {
    name: 'thread: a bridge of two RTX A6000 brings up three of four links',
    source: 'https://github.com/NVIDIA/nccl/issues/557',
    ended: 'the connector touched in part only: jobs hang',
    machine: few('l4', ['0000:01:00', '0000:41:00'], {
      answers: {
        ...product('NVIDIA RTX A6000', 7, 8, 6),
        ...limits(300_000),
        ...linked(4, 14_062),
        ...down(2),
        deviceGetPowerUsage: 281_000,
        'deviceGetClockInfo sm': 1_905,
      },
    }),
    truth: 'hardware',
    verdict: 'warning',
    findings: ['nvlink-bridge:0000:01:00', 'nvlink-bridge:0000:41:00'],
  },
];
