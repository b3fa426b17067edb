import { down, fabric, h100, idsOn, ofLinks } from './machines.ts';
import type { Scenario } from './scenario.ts';

const ALL_18 = Array.from({ length: 18 }, (_, link) => link);
const NO_END = { deviceGetNvLinkRemoteDeviceType: { return: 'not_supported' } };

/** Two cards under bridges, with these links down on both. */
const bridged = (name: string, links: number, ...dead: readonly number[]) => ({
  like: 'a100-sxm4-80gb',
  everyGpu: {
    answers: {
      deviceGetName: name,
      'deviceGetFieldValue nvlinkCount': links,
      deviceGetNvLinkRemoteDeviceType: 0,
      deviceGetVirtualizationMode: 0,
      ...down(...dead),
    },
  },
  gpus: [{}, {}],
  host: { pci: ['07', '0f'].map(bus => ({ pci: `0000:${bus}:00` })), daemons: [] },
});

const downEverywhere: readonly Scenario[] = [
  {
    name: 'all NVLinks of all eight GPUs are down although the fabric says that it is complete',
    truth: 'fabric',
    machine: h100({ every: down(...ALL_18) }),
    verdict: 'critical',
    findings: ['nvlink-down'],
  },
  {
    name: 'a switch tray is gone: two links of each GPU of a GB200 node are down',
    truth: 'fabric',
    machine: { like: 'gb200', everyGpu: { answers: down(4, 5) } },
    verdict: 'critical',
    findings: ['nvlink-down'],
  },
  {
    name: 'all links of a GB300 node are down and do not say where they end',
    truth: 'fabric',
    machine: {
      like: 'gb300',
      everyGpu: {
        answers: {
          ...down(...ALL_18),
          deviceGetGpuFabricInfoV3: fabric({ state: 0, healthMask: 0, healthSummary: 0 }),
        },
        faults: NO_END,
      },
    },
    verdict: 'critical',
    findings: ['nvlink-down'],
  },
  {
    name: 'a model that nobody here knows is in a fabric and has no link up',
    truth: 'fabric',
    machine: {
      like: 'gb200',
      everyGpu: {
        answers: { deviceGetName: 'NVIDIA R200', ...down(...ALL_18) },
        faults: NO_END,
      },
    },
    verdict: 'critical',
    findings: ['nvlink-down'],
  },
  {
    name: 'a virtual machine has a whole board with its switches, and no link is up',
    truth: 'fabric',
    machine: {
      like: 'a100-sxm4-40gb',
      everyGpu: {
        answers: { deviceGetVirtualizationMode: 1, ...down(...ALL_18) },
        faults: NO_END,
      },
    },
    verdict: 'critical',
    findings: ['nvlink-down'],
  },
  {
    name: 'a virtual machine with one GPU has its links switched off',
    truth: 'healthy',
    machine: {
      like: 'h100-sxm',
      everyGpu: {
        answers: {
          deviceGetVirtualizationMode: 1,
          ...down(...ALL_18),
          deviceGetGpuFabricInfoV3: fabric(),
        },
        faults: NO_END,
      },
      gpus: [{}],
      host: { pci: [{ pci: '0000:1b:00' }], daemons: [] },
    },
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a workstation with one GB300 has no link that leads anywhere',
    truth: 'healthy',
    machine: {
      like: 'gb300',
      everyGpu: {
        answers: {
          ...down(...ALL_18),
          deviceGetGpuFabricInfoV3: fabric({ state: 0, healthMask: 0, healthSummary: 0 }),
        },
        faults: NO_END,
      },
      gpus: [{}],
      host: { pci: [{ pci: '0008:01:00' }] },
    },
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'two Hopper cards are joined by three bridges and know six links more',
    truth: 'healthy',
    machine: bridged('NVIDIA H100 PCIe', 18, 12, 13, 14, 15, 16, 17),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'cards without bridges: none of their links is up',
    truth: 'healthy',
    machine: { like: 'h100-pcie' },
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a bridge is half seated: 3 of 12 links are down on both of its cards',
    truth: 'hardware',
    machine: bridged('NVIDIA A100 80GB PCIe', 12, 1, 2, 3),
    verdict: 'warning',
    findings: idsOn('nvlink-bridge', '0000:07', '0000:0f'),
  },
  {
    name: 'a bridge of two A6000 has one of its 4 links down on both ends',
    truth: 'hardware',
    machine: bridged('NVIDIA RTX A6000', 4, 2),
    verdict: 'warning',
    findings: idsOn('nvlink-bridge', '0000:07', '0000:0f'),
  },
  {
    name: 'two cards are joined by two bridges of the three that they take',
    truth: 'healthy',
    machine: bridged('NVIDIA A100 80GB PCIe', 12, 8, 9, 10, 11),
    verdict: 'healthy',
    findings: idsOn('nvlink-bridge', '0000:07', '0000:0f'),
  },
  {
    name: 'two cards are joined by all the bridges that they take',
    truth: 'healthy',
    machine: bridged('NVIDIA A100 80GB PCIe', 12),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'an NVLink is up and closed to traffic',
    truth: 'fabric',
    machine: h100({ gpus: { 4: { 'deviceGetFieldValue nvlinkState 7': 3 } } }),
    verdict: 'warning',
    findings: ['nvlink-traffic-disabled:0000:9d:00'],
  },
  {
    name: 'an NVLink sleeps to save power',
    truth: 'healthy',
    machine: h100({
      gpus: { 4: { 'deviceGetFieldValue nvlinkState 7': 2, ...ofLinks('nvlinkSpeed', 0, 7) } },
    }),
    verdict: 'healthy',
    findings: [],
  },
];

const slowLinks: readonly Scenario[] = [
  {
    name: 'one NVLink runs at half of its speed',
    truth: 'fabric',
    machine: h100({ gpus: { 2: ofLinks('nvlinkSpeed', 13_281, 5) } }),
    verdict: 'warning',
    findings: ['nvlink-slow:0000:52:00'],
  },
  {
    name: 'all NVLinks of one GPU run at half of their speed',
    truth: 'fabric',
    machine: h100({ gpus: { 2: { 'deviceGetFieldValue nvlinkSpeed': 13_281 } } }),
    verdict: 'warning',
    findings: ['nvlink-slow:0000:52:00'],
  },
  {
    name: 'all NVLinks of all GPUs run at half of what the product has',
    truth: 'fabric',
    machine: { like: 'b200', everyGpu: { answers: { 'deviceGetFieldValue nvlinkSpeed': 26_562 } } },
    verdict: 'warning',
    findings: ['nvlink-slow'],
  },
  {
    name: 'someone has halved the bandwidth of all NVLinks of a node',
    truth: 'configuration',
    machine: { ...h100(), driver: { answers: { systemGetNvlinkBwMode: 3 } } },
    verdict: 'warning',
    findings: ['nvlink-bandwidth-mode'],
  },
  {
    name: 'the bandwidth mode of a node is full',
    truth: 'healthy',
    machine: { ...h100(), driver: { answers: { systemGetNvlinkBwMode: 0 } } },
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a driver of another version rounds the speed of all links another way',
    truth: 'healthy',
    machine: h100({ every: { 'deviceGetFieldValue nvlinkSpeed': 25_781 } }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'two A6000 under a bridge have the links of a workstation',
    truth: 'healthy',
    machine: {
      ...bridged('NVIDIA RTX A6000', 4),
      everyGpu: {
        answers: {
          ...bridged('NVIDIA RTX A6000', 4).everyGpu.answers,
          'deviceGetFieldValue nvlinkSpeed': 14_062,
        },
      },
    },
    verdict: 'healthy',
    findings: [],
  },
];

/** NVLinks that are down, slow or closed to traffic. */
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
  ...downEverywhere,
  ...slowLinks,
];
