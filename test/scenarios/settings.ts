import { DAEMONS, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

/** How the GPUs and their containers are set up. */
export const SETTINGS: readonly Scenario[] = [
  {
    name: 'MIG was switched on and waits for a reset',
    truth: 'configuration',
    machine: h100({ gpus: { 0: { deviceGetMigMode: { current: 0, pending: 1 } } } }),
    verdict: 'warning',
    findings: ['mig-mode-pending:0000:1b:00'],
  },
  {
    name: 'ECC was switched off and waits for a reset',
    truth: 'configuration',
    machine: h100({ gpus: { 0: { deviceGetEccMode: { current: 1, pending: 0 } } } }),
    verdict: 'warning',
    findings: ['ecc-mode-pending:0000:1b:00'],
  },
  {
    name: 'one GPU works without ECC, its neighbours with it',
    truth: 'configuration',
    machine: h100({ gpus: { 0: { deviceGetEccMode: { current: 0, pending: 0 } } } }),
    verdict: 'warning',
    findings: ['ecc-mode-outlier:0000:1b:00'],
  },
  {
    name: 'one of two A10 works without ECC',
    truth: 'configuration',
    machine: {
      like: 'a10',
      gpus: [{}, { answers: { deviceGetEccMode: { current: 0, pending: 0 } } }],
    },
    verdict: 'warning',
    findings: ['ecc-mode-outlier:0000:00:1f'],
  },
  {
    name: 'one of two A10 has a lower power limit',
    truth: 'configuration',
    machine: {
      like: 'a10',
      gpus: [
        {
          answers: {
            deviceGetPowerManagementLimit: 110_000,
            deviceGetEnforcedPowerLimit: 110_000,
            deviceGetPowerUsage: 109_000,
          },
        },
        {},
      ],
    },
    verdict: 'warning',
    findings: ['power-limit-outlier:0000:00:1e'],
  },
  {
    name: 'two A10 with another VBIOS each: neither is the worse',
    truth: 'healthy',
    machine: { like: 'a10', gpus: [{ answers: { deviceGetVbiosVersion: '94.02.5C.00.0F' } }, {}] },
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'ECC is off on all GPUs, whose memory pays nothing for it',
    truth: 'configuration',
    machine: h100({ every: { deviceGetEccMode: { current: 0, pending: 0 } } }),
    verdict: 'warning',
    findings: ['ecc-off'],
  },
  {
    name: 'ECC is off on both A10, which have more memory so: good to know',
    truth: 'healthy',
    machine: {
      like: 'a10',
      everyGpu: { answers: { deviceGetEccMode: { current: 0, pending: 0 } } },
    },
    verdict: 'healthy',
    findings: ['ecc-off'],
  },
  {
    name: 'one GPU has a lower application clock of its memory than its neighbours',
    truth: 'configuration',
    machine: h100({ gpus: { 3: { 'deviceGetApplicationsClock memory': 1593 } } }),
    verdict: 'warning',
    findings: ['memory-clocks-outlier:0000:61:00'],
  },
  {
    name: 'one GPU runs without its GSP firmware: good to know',
    truth: 'healthy',
    machine: h100({ gpus: { 3: { deviceGetGspFirmwareMode: { isEnabled: 0, defaultMode: 1 } } } }),
    verdict: 'healthy',
    findings: ['gsp-outlier:0000:61:00'],
  },
  {
    name: 'one GPU has less memory than its neighbours',
    truth: 'hardware',
    machine: h100({
      gpus: {
        3: {
          deviceGetMemoryInfo: {
            total: 81_604_378_624,
            reserved: 598_736_896,
            free: 1_967_128_576,
            used: 79_038_513_152,
          },
        },
      },
    }),
    verdict: 'warning',
    findings: ['memory-size-outlier:0000:61:00'],
  },
  {
    name: 'one GPU has a small BAR1, its neighbours a whole one',
    truth: 'configuration',
    machine: h100({
      gpus: {
        3: {
          deviceGetBAR1MemoryInfo: {
            bar1Total: 268_435_456,
            bar1Free: 261_095_424,
            bar1Used: 7_340_032,
          },
        },
      },
    }),
    verdict: 'warning',
    findings: ['bar1-outlier:0000:61:00'],
  },
  {
    name: 'one GPU is closed to all programs',
    truth: 'configuration',
    machine: h100({ gpus: { 3: { deviceGetComputeMode: 2 } } }),
    verdict: 'warning',
    findings: ['compute-prohibited'],
  },
  {
    name: 'every GPU takes one process only: someone’s choice',
    truth: 'healthy',
    machine: h100({ every: { deviceGetComputeMode: 3 } }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'MIG is on and there is no instance: good to know',
    truth: 'healthy',
    machine: h100({
      gpus: { 0: { deviceGetMigMode: { current: 1, pending: 1 }, deviceGetMaxMigDeviceCount: 7 } },
    }),
    verdict: 'healthy',
    findings: ['mig-without-instances:0000:1b:00'],
  },
  {
    name: 'one GPU has another VBIOS than its neighbours: good to know',
    truth: 'healthy',
    machine: h100({ gpus: { 3: { deviceGetVbiosVersion: '96.00.74.00.01' } } }),
    verdict: 'healthy',
    findings: ['vbios-outlier:0000:61:00'],
  },
  {
    name: 'one GPU has another InfoROM than its neighbours: good to know',
    truth: 'healthy',
    machine: h100({ gpus: { 3: { deviceGetInforomImageVersion: 'G520.0200.00.03' } } }),
    verdict: 'healthy',
    findings: ['inforom-outlier:0000:61:00'],
  },
  {
    name: 'persistence is off on all GPUs: good to know',
    truth: 'healthy',
    machine: h100({
      every: { deviceGetPersistenceMode: 0 },
      host: { daemons: DAEMONS.filter(({ kind }) => kind !== 'persistenced') },
    }),
    verdict: 'healthy',
    findings: ['persistence-off'],
  },
  {
    name: 'the CDI specification is from before a driver upgrade',
    truth: 'configuration',
    machine: h100({
      host: {
        containerToolkit: {
          cdiSpecs: [
            {
              path: '/var/run/cdi/nvidia.yaml',
              kind: 'nvidia.com/gpu',
              devices: ['0'],
              driverVersions: ['550.54.15'],
            },
          ],
        },
      },
    }),
    verdict: 'warning',
    findings: ['cdi-stale'],
  },
  {
    name: 'containers would lose their GPUs at a daemon-reload: good to know',
    truth: 'healthy',
    machine: h100({
      host: {
        driverFiles: { charLinks: false },
        containerToolkit: {
          runtimes: [
            {
              path: '/etc/containerd/config.toml',
              runtime: 'containerd',
              nvidiaHandler: true,
              cdiEnabled: false,
              systemdCgroup: true,
            },
          ],
        },
      },
    }),
    verdict: 'healthy',
    findings: ['devices-lost-on-reload'],
  },
];
