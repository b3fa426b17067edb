import { present } from '../../src/contract/reading.ts';
import { THRESHOLDS as T } from '../../src/findings/support/thresholds.ts';
import {
  above,
  answer,
  atLimits,
  below,
  each,
  from,
  GIB,
  GPU_6,
  type Limit,
  ofHost,
  part,
  twoSecondsBefore,
} from './limits.ts';
import { fabric, H100, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const link = (key: string) => `deviceGetFieldValue ${key}`;
/** What links have counted. */
const LINKS: readonly Limit[] = [
  {
    of: 'lane errors on the PCIe link of one GPU',
    edge: from(T.pcieErrorsCompared),
    machine: answer(link('pcieLaneErrors')),
    truth: 'hardware',
    findings: [`pcie-link-errors:${GPU_6}`],
  },
  {
    of: 'lane errors on the PCIe links of all GPUs',
    edge: from(T.pcieErrors),
    machine: value => each({ [link('pcieLaneErrors')]: value }),
    truth: 'hardware',
    findings: ['pcie-link-errors'],
  },
  {
    of: 'PCIe errors that were not fatal',
    edge: from(T.pcieNonFatal),
    machine: answer(link('pcieNonFatal')),
    truth: 'hardware',
    findings: [`pcie-uncorrected:${GPU_6}`],
    remarks: [`pcie-uncorrected:${GPU_6}`],
  },
  {
    of: 'corrected AER errors of one GPU',
    edge: from(T.pcieErrorsCompared),
    machine: ofHost(aerCorrectable => ({ pci: { 6: { aerCorrectable } } })),
    truth: 'hardware',
    findings: [`pcie-corrected:${GPU_6}`],
  },
  {
    of: 'replays more in two seconds on one PCIe link',
    edge: from(T.pcieErrorsGrown),
    machine: answer('deviceGetPcieReplayCounter'),
    facts: () => twoSecondsBefore(() => ({ pcieReplayCounter: present(0) })),
    truth: 'hardware',
    findings: [`pcie-replays:${GPU_6}`],
  },
  {
    of: 'errors on the C2C links of one GPU',
    edge: from(T.c2cErrorsCompared),
    machine: value => ({ like: 'gb200', gpus: { 2: { answers: { [link('c2cErrors')]: value } } } }),
    truth: 'hardware',
    findings: ['c2c-errors:0018:01:00'],
  },
  {
    of: 'errors on the C2C links of all GPUs',
    edge: from(T.c2cErrors),
    machine: value => ({ like: 'gb200', everyGpu: { answers: { [link('c2cErrors')]: value } } }),
    truth: 'hardware',
    findings: ['c2c-errors'],
  },
];

const disk = (mountPoint: string, space: object) => ({
  resources: {
    filesystems: [
      {
        mountPoint,
        space: {
          totalBytes: 1_000 * GIB,
          availableBytes: 500 * GIB,
          inodesTotal: 60_000_000,
          inodesFree: 58_000_000,
          ...space,
        },
      },
    ],
  },
});
const STILL = { some60Percent: 0, full60Percent: 0 };
const stalls = (name: 'io' | 'memory') =>
  ofHost(full60Percent => ({
    resources: {
      pressure: { cpu: STILL, memory: STILL, io: STILL, [name]: { ...STILL, full60Percent } },
    },
  }));

/** How much of the host is left. */
const HOST: readonly Limit[] = [
  {
    of: 'bytes left of 1000 GiB of the disk of the kubelet',
    edge: below(part(T.nodefsAvailable, 1_000 * GIB)),
    machine: ofHost(availableBytes => disk('/var/lib/kubelet', { availableBytes })),
    truth: 'host',
    findings: ['disk-full:/var/lib/kubelet'],
  },
  {
    of: 'inodes left of 60 million of the disk of the kubelet',
    edge: below(part(T.nodefsInodesFree, 60_000_000)),
    machine: ofHost(inodesFree => disk('/var', { inodesFree })),
    truth: 'host',
    findings: ['disk-full:/var'],
  },
  {
    of: 'bytes left of 1000 GiB of another disk',
    edge: below(part(T.diskAvailable, 1_000 * GIB)),
    machine: ofHost(availableBytes => disk('/data', { availableBytes })),
    truth: 'host',
    findings: ['disk-full:/data'],
  },
  {
    of: 'bytes of memory left',
    edge: below(T.memoryAvailableBytes),
    machine: ofHost(availableBytes => ({
      resources: { memory: { totalBytes: 2_048 * GIB, availableBytes } },
    })),
    truth: 'host',
    findings: ['host-memory-full'],
  },
  {
    of: '% of a minute without memory',
    edge: from(T.memoryStallPercent, 0.25),
    machine: stalls('memory'),
    truth: 'host',
    findings: ['memory-stalls'],
    remarks: ['memory-stalls'],
  },
  {
    of: '% of a minute without a disk',
    edge: from(T.stallPercent, 0.25),
    machine: stalls('io'),
    truth: 'healthy',
    findings: ['io-stalls'],
  },
];

const NIC = '0000:20:00';
/** An adapter beside two GPUs, and one beside two others. */
const nics = (counters: object = {}) =>
  [0, 1].map(at => ({
    name: `mlx5_${at}`,
    pci: at === 0 ? NIC : '0000:21:00',
    gpuPaths: [2 * at, 2 * at + 1].map(gpu => ({ gpuPci: H100[gpu], path: 'PXB' })),
    interfaces: [{ name: `eth${at}` }],
    ports: [{ counters: at === 0 ? counters : {} }],
  }));
const HOUR = 3_600;
/** The link of the first adapter went so long ago, and came back after so many seconds. */
const flaps = (seconds: number, ...secondsAgo: readonly number[]) =>
  h100({
    host: { nics: nics() },
    log: secondsAgo.flatMap((ago): (readonly [number, string])[] => [
      [ago, `mlx5_core ${NIC}.0 eth0: Link down`],
      [ago - seconds, `mlx5_core ${NIC}.0 eth0: Link up`],
    ]),
  });
const flapping = { truth: 'host', findings: ['nic-flapping:mlx5_0-port-1'] } as const;
const grown =
  (counter: string) =>
  (value: number): NonNullable<Scenario['facts']> =>
  facts => {
    const ports = (count: number) =>
      [count, 0].map((grew, at) => ({ nic: `mlx5_${at}`, port: 1, counters: { [counter]: grew } }));
    const host = {
      seconds: 1,
      before: { ports: ports(0), aer: [] },
      after: { ports: ports(value), aer: [] },
    };
    return { ...facts, secondLook: { because: [], seconds: 1, notReadAgain: [], host } };
  };
const contained = (secondsAgo: number) =>
  [
    secondsAgo,
    'NVRM: Xid (PCI:0000:d1:00): 94, pid=41211, name=python3, Contained: SM (0x1). RST: No, D-RST: No',
  ] as const;
const notReady = { ...fabric({ state: 2 }), healthMask: 0, healthSummary: 0 };

/** How often in how long, and what a container may have. */
const TIMES: readonly Limit[] = [
  {
    of: 'losses of its link since boot on one of two ports',
    edge: from(T.linkFlaps),
    machine: ofHost(value => ({ nics: nics({ link_downed: value }) })),
    ...flapping,
  },
  {
    of: 'seconds of a link down, three times in a day',
    edge: from(T.flapSeconds),
    machine: value => flaps(value, 5 * HOUR, 4 * HOUR, 3 * HOUR),
    ...flapping,
  },
  {
    of: 'seconds since the first of three flaps, the last ones just now',
    edge: below({ value: T.flapHours.value * HOUR }),
    machine: value => flaps(30, value, 2 * HOUR, HOUR),
    ...flapping,
    remarks: flapping.findings,
  },
  {
    of: 'symbol errors in a second on one of two ports',
    edge: above(T.symbolErrorsPerSecond),
    machine: ofHost(() => ({ nics: nics() })),
    facts: grown('symbol_error'),
    truth: 'host',
    findings: ['nic-errors:mlx5_0-port-1'],
  },
  {
    of: 'slow restarts in a second on one of two ports',
    edge: above(T.slowRestartsPerSecond),
    machine: ofHost(() => ({ nics: nics() })),
    facts: grown('roce_slow_restart'),
    truth: 'unknown',
    findings: ['nic-congestion:mlx5_0-port-1'],
  },
  {
    of: 'seconds from the first to the last of five contained errors',
    edge: [T.xidRepeatHours.value * HOUR + 1, T.xidRepeatHours.value * HOUR],
    machine: value =>
      h100({ log: [value + HOUR, 4 * HOUR, 3 * HOUR, 2 * HOUR, HOUR].map(contained) }),
    truth: 'hardware',
    findings: [`xid-94-repeated:${GPU_6}`],
    well: [`xid-94:${GPU_6}`],
  },
  {
    of: 'seconds after boot without a place in the fabric',
    edge: from(T.fabricStartSeconds),
    machine: uptimeSeconds =>
      h100({
        every: { deviceGetGpuFabricInfoV3: notReady },
        host: { uptimeSeconds },
      }),
    truth: 'fabric',
    findings: ['fabric-not-ready'],
    well: ['fabric-not-ready'],
    verdict: 'critical',
  },
  {
    of: 'bytes that containers may lock beside adapters',
    edge: [T.memlockBytes.value + 1, T.memlockBytes.value],
    machine: ofHost(memlockBytes => ({ nics: nics(), resources: { memlockBytes } })),
    truth: 'healthy',
    findings: ['memlock-small'],
  },
];

/** The limits of links, of the host and of what repeats. */
export const NODE_LIMITS: readonly Scenario[] = atLimits([...LINKS, ...HOST, ...TIMES]);
