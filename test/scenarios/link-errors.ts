import { mapReading, present } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import type { NvLink } from '../../src/nvml/port.ts';
import { type Answers, h100, idsOn, ofLinks } from './machines.ts';
import type { Scenario } from './scenario.ts';

/** The same node two seconds before, all counters at zero as the machine would have them then. */
const twoSecondsBefore =
  (earlier: (facts: NodeFacts) => NodeFacts['driver']) =>
  (facts: NodeFacts): NodeFacts => ({
    ...facts,
    earlier: { ...earlier(facts), takenAtMs: facts.driver.takenAtMs - 2_000 },
  });

/** What one link of GPU 6 counts, on machines with links of either generation. */
const counted = (like: string, field: string, count: number): Scenario => ({
  name: `one link of a machine like ${like} has ${count} in ${field}`,
  truth: 'fabric',
  machine: { like, gpus: { 6: { answers: ofLinks(field, count, 3) } } },
  verdict: 'warning',
  findings: [`nvlink-errors:0000:${like.startsWith('a100') ? 'b7' : 'd1'}:00`],
});

/** A count of one link of GPU 6 that was less two seconds before. */
const grew = (like: string, field: string, reading: keyof NvLink['errors']): Scenario => ({
  ...counted(like, field, 7),
  name: `one link of a machine like ${like} counts up in ${field} while it is watched`,
  facts: twoSecondsBefore(({ driver }) => ({
    ...driver,
    gpus: driver.gpus.map(gpu => ({
      ...gpu,
      nvlinks: mapReading(gpu.nvlinks, nvlinks => ({
        ...nvlinks,
        links: nvlinks.links.map(link => ({
          ...link,
          errors: { ...link.errors, [reading]: present(0) },
        })),
      })),
    })),
  })),
});

const ON_NVLINK: readonly Scenario[] = [
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

  counted('b200', 'nvlinkMalformedPackets', 77),
  counted('b200', 'nvlinkLocalIntegrity', 5_000),
  counted('b200', 'nvlinkReceiveErrors', 1_000_000),
  counted('b200', 'nvlinkRemoteErrors', 2_000),
  counted('b200', 'nvlinkGeneralErrors', 2_000),
  counted('b200', 'nvlinkBufferOverruns', 2_000),
  counted('b200', 'nvlinkRecoveryEvents', 50_000),
  counted('b200', 'nvlinkSymbolErrors', 900),
  counted('b200', 'nvlinkTransmitDiscards', 4_000_000),
  // 1.1e-12 and 1.5e-236: the first that DCGM does not let pass.
  counted('b200', 'nvlinkEffectiveBer', (11 << 8) | 13),
  counted('b200', 'nvlinkSymbolBer', (15 << 8) | 237),
  counted('a100-sxm4-80gb', 'nvlinkEccDataOfLink', 4_000),
  grew('b200', 'nvlinkEffectiveErrors', 'effective'),
  grew('b200', 'nvlinkSymbolErrors', 'symbol'),
  grew('h100-sxm', 'nvlinkReplay', 'replay'),
  {
    name: 'all links of a B200 have recovered thousands of times',
    truth: 'fabric',
    machine: {
      like: 'b200',
      everyGpu: { answers: { 'deviceGetFieldValue nvlinkRecoveryEvents': 20_000 } },
    },
    verdict: 'warning',
    findings: ['nvlink-errors'],
  },
  {
    name: 'bit errors of a B200 as DCGM lets them pass, some packets lost while it was trained',
    truth: 'healthy',
    machine: {
      like: 'b200',
      everyGpu: {
        answers: {
          ...ofLinks('nvlinkEffectiveBer', (1 << 8) | 12, 3),
          ...ofLinks('nvlinkSymbolBer', 73_710, 3),
          ...ofLinks('nvlinkRecoveryEvents', 3, 4),
          ...ofLinks('nvlinkSymbolErrors', 40, 5),
        },
      },
    },
    verdict: 'healthy',
    findings: [],
  },
];

const onGb200 = (
  name: string,
  answers: Answers,
  findings: readonly string[],
  verdict: Scenario['verdict'] = 'warning',
): Scenario => ({
  name,
  truth: 'hardware',
  machine: { like: 'gb200', gpus: { 2: { answers } } },
  verdict,
  findings,
});

const ON_C2C: readonly Scenario[] = [
  onGb200(
    'two of the links between a GPU and its Grace are down',
    ofLinks('c2cStatus', 0, 3, 4),
    idsOn('c2c-down', '0018:01'),
    'critical',
  ),
  onGb200(
    'the links between a GPU and its Grace are slower than those of its neighbours',
    { 'deviceGetFieldValue c2cBandwidth': 22_356 },
    idsOn('c2c-slow', '0018:01'),
  ),
  ...['c2cErrors', 'c2cReplays'].map(field =>
    onGb200(
      `one link between a GPU and its Grace has counted many ${field}`,
      ofLinks(field, 8_000, 4),
      idsOn('c2c-errors', '0018:01'),
    ),
  ),
  {
    name: 'all GPUs of a node have ten million errors on the links to their Grace',
    truth: 'hardware',
    machine: { like: 'gb200', everyGpu: { answers: { 'deviceGetFieldValue c2cErrors': 1e7 } } },
    verdict: 'warning',
    findings: ['c2c-errors'],
  },
  {
    name: 'errors on the links to a Grace grow by hundreds a second',
    truth: 'hardware',
    machine: {
      like: 'gb200',
      gpus: { 2: { answers: { 'deviceGetFieldValue c2cErrors': 900 } } },
    },
    facts: twoSecondsBefore(({ driver }) => ({
      ...driver,
      gpus: driver.gpus.map(gpu => ({
        ...gpu,
        c2c: mapReading(gpu.c2c, links => ({ ...links, crcErrors: present(0) })),
      })),
    })),
    verdict: 'warning',
    findings: idsOn('c2c-errors', '0018:01'),
  },
  {
    name: 'a few errors on the links to a Grace since it was trained',
    truth: 'healthy',
    machine: { like: 'gb200', gpus: { 2: { answers: { 'deviceGetFieldValue c2cErrors': 12 } } } },
    verdict: 'healthy',
    findings: [],
  },
];

/** What links count: NVLinks, and those between a GPU and its Grace. */
export const LINK_ERRORS: readonly Scenario[] = [...ON_NVLINK, ...ON_C2C];
