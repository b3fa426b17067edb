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
