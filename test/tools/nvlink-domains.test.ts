import { expect, test } from 'vitest';
import { present } from '../../src/contract/reading.ts';
import type { MergedEntry } from '../../src/tools/support/merged-order.ts';
import { domainLines, domainsOf, sharedDomains } from '../../src/tools/support/nvlink-domains.ts';
import { factsOf, withGpu } from '../fakes/facts.ts';

const RACK = { clusterUuid: '5f0c3a7c-1d9e-4b26-a883-7e0f9c41d2b6', cliqueId: 3 };

test('a node is in the domains of its GPUs, by cluster and clique; alone it is in none', async () => {
  const tray = await factsOf('gb200');
  const fabric = present({ state: 'completed', status: 'success', ...RACK, cliqueId: 7 } as const);
  const [own, ...others] = domainsOf(tray).nvlinkDomains ?? [];
  expect([own?.gpus, others]).toEqual([4, []]);
  expect(own?.clusterUuid).toMatch(/^[0-9a-f-]{36}$/);
  expect(domainsOf(withGpu(tray, 0, { fabric })).nvlinkDomains).toEqual([
    { ...RACK, cliqueId: 7, gpus: 1 },
    { ...own, gpus: 3 },
  ]);
  expect(domainsOf(await factsOf('dgx-h100'))).toEqual({});
});

/** A tray of the rack as its triage tells it. */
const tray = (node: string, component?: string, severity = 'critical') => ({
  node,
  structured: {
    nvlinkDomains: [{ ...RACK, gpus: 4 }],
    findings: component === undefined ? [] : [{ component, severity }],
  },
});
const event = (node: string, time: string, code: string): MergedEntry => ({
  ...{ node, code, uncertaintyMs: 1, severity: 'critical', what: `${code}: ...` },
  time: `2026-03-01T${time}.000Z`,
});

test('faults of several nodes of one domain are one event, with the first of them', () => {
  const answers = [
    tray('a', 'nvlink'),
    tray('b', 'fabric', 'warning'),
    tray('c'),
    tray('d', 'gpu'),
  ];
  const domains = sharedDomains(answers, [
    event('d', '11:00:00', 'XID 149'),
    event('b', '11:14:00', 'XID 79'),
    event('b', '11:14:49', 'XID 149'),
    event('a', '11:14:50', 'SXid 20034'),
  ]);
  expect(domains).toEqual([
    {
      ...RACK,
      nodes: ['a', 'b', 'c', 'd'],
      faulty: ['a', 'b'],
      first: { node: 'b', time: '2026-03-01T11:14:49.000Z', what: 'XID 149: ...' },
    },
  ]);
  expect(domainLines(domains)).toEqual([
    'NVLink domain 5f0c3a7c, clique 3: 2 of its 4 nodes here have NVLink faults; b was the first, 11:14:49 UTC. One cause is likely: look at the NVLink switches of this rack before any node.',
  ]);
});

test('one faulty node is no event of the rack, nor is a remark; two cliques are two domains', () => {
  const one = sharedDomains([tray('a', 'nvlink'), tray('b', 'fabric', 'info')], []);
  expect(one[0]?.faulty).toEqual(['a']);
  expect(domainLines(one)).toEqual([]);
  const other = { nvlinkDomains: [{ ...RACK, cliqueId: 4, gpus: 4 }], findings: [] };
  expect(sharedDomains([tray('a'), { node: 'b', structured: other }], [])).toEqual([]);
  expect(sharedDomains([tray('a'), { node: 'b', structured: {} }], [])).toEqual([]);
});
