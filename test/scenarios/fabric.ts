import { missing, present } from '../../src/contract/reading.ts';
import { type Answers, DAEMONS, fabric, H100, h100, idsOn, MANAGER } from './machines.ts';
import type { Scenario } from './scenario.ts';

const NO_FABRIC = {
  deviceGetGpuFabricInfoV3: fabric({ state: 0, healthMask: 0, healthSummary: 0 }),
};
const POD_UID = 'b7c3a0de-52f1-4a6b-9d5e-1f2a3b4c5d6e';
const CLUSTER = '3c1f6d2a9e8b4f07a5d4c3b2a1908f7e';

/** What Fabric Manager logs before it ends beside a driver of another version, an hour ago. */
const ENDED_BESIDE = (own: string, driver: string) =>
  [
    3_600,
    `fabric manager NVIDIA GPU driver interface version ${own} don't match with driver version ${driver}. Please update with matching NVIDIA driver package.`,
  ] as const;

/** The first GPUs of eight, each with this state of its fabric. */
const first = (count: number, over: Answers) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, at) => [at, { deviceGetGpuFabricInfoV3: fabric(over) }]),
  );
const BUSES = ['0000:1b', '0000:43', '0000:52', '0000:61'];

/** Every field of nvml.h's health mask that can be a fault, and the summary where there is no mask. */
const HEALTH = [
  ['degraded bandwidth', { healthMask: 0x1a9, healthSummary: 3 }, 'warning'],
  ['a route recovery under way', { healthMask: 0x1a6, healthSummary: 3 }, 'warning'],
  ['a recovery from an access time-out', { healthMask: 0x16a, healthSummary: 2 }, 'critical'],
  ['a wrong system GUID', { healthMask: 0x2aa, healthSummary: 2 }, 'critical'],
  ['a route that is unhealthy, and degraded bandwidth', { healthMask: 0x199 }, 'critical'],
  ['bad health and no mask', { healthMask: 0, healthSummary: 2 }, 'critical'],
  ['limited capacity and no mask', { healthMask: 0, healthSummary: 3 }, 'warning'],
] as const;

/** Registration with the NVLink fabric, and what it says of itself. */
export const FABRIC: readonly Scenario[] = [
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
    // NVIDIA/gpu-driver-container issue 735; siderolabs/pkgs issue 720 and akash-network/website
    // pull request 632 tell of the same with 525.85.12 and 530.41.03, 550.127.05 and 550.120.
    name: 'the fabric manager that is installed is of another driver, and does not start',
    truth: 'configuration',
    machine: h100({
      every: { deviceGetGpuFabricInfoV3: fabric({ state: 1 }) },
      host: {
        daemons: [{ kind: 'kubelet', pid: 1200, name: 'kubelet' }],
        driverFiles: { packages: [{ name: 'nvidia-fabricmanager', version: '590.48.01' }] },
      },
    }),
    verdict: 'critical',
    findings: ['fabric-manager-missing'],
  },
  {
    name: 'the fabric manager does not run, and which one is installed is not known',
    truth: 'configuration',
    machine: h100({
      every: { deviceGetGpuFabricInfoV3: fabric({ state: 1 }) },
      host: {
        daemons: [{ kind: 'kubelet', pid: 1200, name: 'kubelet' }],
        driverFiles: { packages: [] },
      },
    }),
    verdict: 'critical',
    findings: ['fabric-manager-missing'],
  },
  {
    // As above, of a node whose packages are RPM's: the daemon's own log has both versions.
    name: 'the fabric manager says itself that it is of another driver',
    truth: 'configuration',
    machine: h100({
      every: { deviceGetGpuFabricInfoV3: fabric({ state: 1 }) },
      host: { daemons: [{ kind: 'kubelet', pid: 1200, name: 'kubelet' }] },
      log: [ENDED_BESIDE('590.48.01', '570.124.06')],
    }),
    verdict: 'critical',
    findings: ['fabric-manager-missing', 'fabric_manager_version'],
  },
  {
    name: 'the fabric manager said so of a driver that is gone, and runs',
    truth: 'healthy',
    machine: h100({ log: [ENDED_BESIDE('570.124.06', '550.127.05')] }),
    verdict: 'healthy',
    findings: ['fabric_manager_version'],
  },
  {
    name: 'the fabric manager has been upgraded alone and runs as before: good to know',
    truth: 'healthy',
    machine: h100({
      host: {
        driverFiles: { packages: [{ name: 'nvidia-fabricmanager-570', version: '570.133.20' }] },
      },
    }),
    verdict: 'healthy',
    findings: ['fabric-manager-version'],
  },
  {
    name: 'the fabric manager runs on a node whose packages are RPM’s: its version is not known',
    truth: 'healthy',
    machine: h100(),
    facts: ({ host, ...facts }) => ({
      ...facts,
      host: {
        ...host,
        driverFiles: { ...host.driverFiles, packages: missing('not_found') },
      },
    }),
    verdict: 'healthy',
    findings: ['fabric-manager-version-unread'],
  },
  {
    name: 'the fabric manager runs, and is not from a package: its version is not known',
    truth: 'healthy',
    machine: h100({ host: { driverFiles: { packages: [] } } }),
    verdict: 'healthy',
    findings: ['fabric-manager-version-unread'],
  },
  {
    name: 'the fabric manager runs in a pod, whatever is installed on the node',
    truth: 'healthy',
    machine: h100({
      host: {
        daemons: DAEMONS.map(each =>
          each.kind === 'fabric_manager' ? { ...each, podUid: POD_UID } : each,
        ),
        driverFiles: { packages: [{ name: 'nvidia-fabricmanager-570', version: '570.133.20' }] },
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'fabric manager and IMEX are of the driver, beside an older fabric manager',
    truth: 'healthy',
    machine: h100({
      host: {
        driverFiles: {
          packages: [
            { name: 'nvidia-fabricmanager-535', version: '535.161.08' },
            { name: 'nvidia-fabricmanager-570', version: '570.124.06' },
            { name: 'nvidia-imex-570', version: '570.124.06' },
          ],
        },
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'an IMEX of another version than the driver: good to know',
    truth: 'healthy',
    machine: {
      like: 'gb200',
      host: { driverFiles: { packages: [{ name: 'nvidia-imex-570', version: '570.86.15' }] } },
    },
    verdict: 'healthy',
    findings: ['imex-version'],
  },
  {
    name: 'an IMEX of another version on a machine of no NVLink domain, where none runs',
    truth: 'healthy',
    machine: h100({
      host: {
        driverFiles: { packages: [MANAGER, { name: 'nvidia-imex-570', version: '570.86.15' }] },
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'an IMEX daemon runs, and its package is of another version: good to know',
    truth: 'healthy',
    machine: h100({
      host: {
        daemons: [...DAEMONS, { kind: 'imex', pid: 1207, name: 'nvidia-imex' }],
        driverFiles: { packages: [MANAGER, { name: 'nvidia-imex-570', version: '570.86.15' }] },
      },
    }),
    verdict: 'healthy',
    findings: ['imex-version'],
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
  ...HEALTH.map(
    ([what, over, verdict]): Scenario => ({
      name: `the fabric tells of ${what} on one GPU`,
      truth: 'fabric',
      machine: h100({ gpus: { 6: { deviceGetGpuFabricInfoV3: fabric(over) } } }),
      verdict,
      findings: idsOn('fabric-unhealthy', '0000:d1'),
    }),
  ),
  {
    name: 'the fabric tells of bad health on four GPUs of eight: each by itself, told together',
    truth: 'fabric',
    machine: h100({ gpus: first(4, { healthMask: 0x19a }) }),
    verdict: 'critical',
    findings: ['fabric-unhealthy'],
  },
  {
    name: 'the fabric tells of bad health on five GPUs of eight',
    truth: 'fabric',
    machine: h100({ gpus: first(5, { healthMask: 0x19a }) }),
    verdict: 'critical',
    findings: ['fabric-unhealthy'],
  },
  {
    name: 'the fabric tells of bad health on two GPUs of eight',
    truth: 'fabric',
    machine: h100({ gpus: first(2, { healthMask: 0x19a }) }),
    verdict: 'critical',
    findings: idsOn('fabric-unhealthy', ...BUSES.slice(0, 2)),
  },
  {
    name: 'four GPUs of eight wait for the fabric: no fault of all',
    truth: 'fabric',
    machine: h100({ gpus: first(4, { state: 2 }) }),
    verdict: 'critical',
    findings: ['fabric-not-ready'],
  },
  {
    name: 'five GPUs of eight wait for the fabric',
    truth: 'fabric',
    machine: h100({ gpus: first(5, { state: 2 }) }),
    verdict: 'critical',
    findings: ['fabric-not-ready'],
  },
  {
    name: 'the fabric manager has ended and is a zombie, and some GPUs wait for it',
    truth: 'configuration',
    machine: h100({
      gpus: first(2, { state: 2 }),
      host: {
        daemons: DAEMONS.map(daemon =>
          daemon.kind === 'fabric_manager' ? { ...daemon, state: 'Z' } : daemon,
        ),
      },
    }),
    verdict: 'critical',
    findings: ['fabric-manager-missing'],
  },
  {
    name: 'one of eight H100 is in no fabric, and the bus shows no switch',
    truth: 'fabric',
    machine: h100({
      gpus: { 6: { ...NO_FABRIC, deviceGetNvLinkRemoteDeviceType: 0 } },
      host: { daemons: DAEMONS, pci: H100.map(pci => ({ pci })) },
    }),
    verdict: 'critical',
    findings: idsOn('fabric-not-ready', '0000:d1'),
  },
  {
    name: 'GPUs of eight in MIG mode are in no fabric',
    truth: 'healthy',
    machine: h100({
      every: {
        ...NO_FABRIC,
        deviceGetMigMode: { current: 1, pending: 1 },
      },
    }),
    facts: facts => ({
      ...facts,
      driver: {
        ...facts.driver,
        gpus: facts.driver.gpus.map(gpu => ({ ...gpu, processes: present([]) })),
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a Hopper names a cluster where no rack is: no daemon of racks is missed',
    truth: 'healthy',
    machine: h100({ every: { deviceGetGpuFabricInfoV3: fabric({ clusterUuid: CLUSTER }) } }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'eight H100 on switches of which the driver knows no fabric',
    truth: 'fabric',
    machine: h100({ every: NO_FABRIC }),
    verdict: 'critical',
    findings: ['fabric-not-ready'],
  },
  {
    name: 'one of eight H100 is in no fabric',
    truth: 'fabric',
    machine: h100({ gpus: { 6: NO_FABRIC } }),
    verdict: 'critical',
    findings: idsOn('fabric-not-ready', '0000:d1'),
  },
  {
    name: 'a GB200 node on switches of which the driver knows no fabric',
    truth: 'fabric',
    machine: { like: 'gb200', everyGpu: { answers: NO_FABRIC } },
    verdict: 'critical',
    findings: ['fabric-not-ready'],
  },
  {
    name: 'eight A100 on switches: GPUs before Hopper do not register',
    truth: 'healthy',
    machine: { like: 'a100-sxm4-80gb', everyGpu: { answers: NO_FABRIC } },
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'one of four GB200 is in another clique',
    truth: 'fabric',
    machine: {
      like: 'gb200',
      gpus: {
        1: {
          answers: {
            deviceGetGpuFabricInfoV3: fabric({ clusterUuid: CLUSTER, cliqueId: 7 }),
          },
        },
      },
    },
    verdict: 'warning',
    findings: ['fabric-divided'],
  },
  {
    name: 'a GB200 node is registered with success and in no cluster',
    truth: 'fabric',
    machine: { like: 'gb200', everyGpu: { answers: { deviceGetGpuFabricInfoV3: fabric() } } },
    verdict: 'warning',
    findings: ['fabric-no-cluster'],
  },
];
