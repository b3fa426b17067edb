import { describe, expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import { nics } from '../../src/findings/rules/nics.ts';
import { linesOf, linkOf, nicsNearGpus, portBesideGpus } from '../../src/findings/support/nics.ts';
import type { Nic } from '../../src/host/port.ts';
import type { KernelEvent } from '../../src/xid/events.ts';
import { factsOf } from '../fakes/facts.ts';

const eight = await factsOf('network-down');
const found = (eight.host.nics.ok ? eight.host.nics.value : []).find(({ gpuPaths }) =>
  gpuPaths.some(({ path }) => path === 'PIX' || path === 'PXB'),
);
if (!found) throw new Error('no adapter beside a GPU');
const base: Nic = { ...found, kind: 'infiniband', boardId: present('MT_1') };
const [port] = base.ports;
if (!port) throw new Error('an adapter without a port');
const nic = (name: string, more: Partial<Nic> = {}): Nic => ({ ...base, name, ...more });
const withNics = (...nics: readonly Nic[]): NodeFacts => ({
  ...eight,
  host: { ...eight.host, nics: present(nics) },
});

test.each<[what: string, other: Nic, isCompared: boolean]>([
  ['of its kind and board', nic('b'), true],
  ['of another kind', nic('b', { kind: 'roce' }), false],
  ['of another board', nic('b', { boardId: present('MT_2') }), false],
  ['of a board that was not read', nic('b', { boardId: missing('not_found') }), true],
  [
    'far from every GPU',
    nic('b', { gpuPaths: base.gpuPaths.map(each => ({ ...each, path: 'SYS' })) }),
    false,
  ],
])('a port is compared with those of an adapter %s', (_, other, isCompared) => {
  const [first] = nicsNearGpus(withNics(nic('a'), other));
  expect(first?.others.map(({ nic: { name } }) => name)).toEqual(
    isCompared ? base.ports.map(() => 'b') : [],
  );
});

test('an adapter names the first two GPUs that it is beside, and none that are far', () => {
  const [a = '', b = '', c = ''] = eight.driver.gpus.map(({ pci }) => (pci.ok ? pci.value : ''));
  const paths = (['SYS', 'PIX', 'PXB'] as const).map((path, index) => ({
    ...{ gpuPci: [c, a, b][index] ?? '', path },
  }));
  const [at] = nicsNearGpus(withNics(nic('mlx5_7', { gpuPaths: paths })));
  expect(at && portBesideGpus(eight, at)).toBe(
    `mlx5_7 port ${port.port} beside GPU 0 (${a}), GPU 1 (${b})`,
  );
});

const named = (name: string, operstate: string) => ({
  ...{ name, operstate: present(operstate), speedMbps: missing('not_found') },
});

test.each<[Nic['kind'], state: string, operstate: string, link: string]>([
  ['infiniband', 'ACTIVE', 'down', 'up'],
  ['infiniband', 'DOWN', 'up', 'down'],
  ['efa', 'ACTIVE', 'up', 'up'],
  ['efa', 'ACTIVE', 'down', 'down'],
  ['efa', 'ACTIVE', 'lowerlayerdown', 'down'],
  ['efa', 'ACTIVE', 'unknown', 'unknown'],
])('%s %s with an interface that is %s: %s', (kind, state, operstate, says) => {
  const interfaces = [named('eth1', operstate)];
  expect(
    linkOf({ nic: nic('a', { kind, interfaces }), port: { ...port, state: present(state) } }),
  ).toBe(says);
});

const lineOf = (time: string | null, more: Partial<KernelEvent>): KernelEvent => ({
  ...{ source: '/dev/kmsg', line: 1, kind: 'nic', pci: null, xid: null, sxid: null, pid: null },
  ...{ process: null, mig: null, time, timeUncertaintyMs: 0, bootSeconds: null, boot: null },
  ...{ severity: 'warning', blame: 'host', action: 'watch', text: '', details: {} },
  ...more,
});

test('lines of an adapter are those of its address or its interface, oldest first', () => {
  const pci = '0000:aa:00';
  const facts: NodeFacts = {
    ...eight,
    log: {
      ...eight.log,
      events: [
        lineOf('2026-03-01T03:00:00Z', { pci, line: 3 }),
        lineOf('2026-03-01T01:00:00Z', { pci, line: 1 }),
        lineOf('2026-03-01T02:00:00Z', { details: { interface: 'eth1' }, line: 2 }),
        lineOf('2026-03-01T02:00:00Z', { details: { interface: 'eth2' }, line: 9 }),
        lineOf('2026-03-01T02:00:00Z', {
          pci: '0000:bb:00',
          details: { interface: 'eth1' },
          line: 9,
        }),
        lineOf('2026-03-01T02:00:00Z', { pci, kind: 'oom', line: 9 }),
        lineOf(null, { pci, line: 0 }),
      ],
    },
  };
  const interfaces = [named('eth1', 'up')];
  const own = nic('a', { pci: present(pci), interfaces });
  expect(linesOf(facts, own, ['nic']).map(each => each.line)).toEqual([0, 1, 2, 3]);
});

describe('ports of which half or more are down', () => {
  const bootId = eight.host.bootId.ok ? eight.host.bootId.value : '';
  const of = (name: string, state: string, counters: Record<string, number> = {}): Nic =>
    nic(name, {
      pci: present(`0000:${name}:00`),
      ports: [{ ...port, state: present(state), counters }],
    });
  const UP = [of('a1', 'ACTIVE'), of('a2', 'ACTIVE')];
  const lines = (...events: readonly Partial<KernelEvent>[]): NodeFacts => ({
    ...eight,
    log: {
      ...eight.log,
      ...{ incidents: [], coverage: [], gpus: [] },
      events: events.map(more => lineOf('2026-03-01T10:00:00Z', { ...LINK_UP, ...more })),
    },
  });
  const LINK_UP = {
    kind: 'nic_link_up',
    pci: '0000:b1:00',
    boot: bootId,
    text: 'mlx5_core 0000:b1:00.0 eth1: Link up',
  } as const;
  const told = (down: readonly Nic[], { log }: NodeFacts) =>
    nics({ ...withNics(...UP, ...down, of('b3', 'DOWN')), ...(log && { log }) }).map(
      ({ id, confidence }) => [id, confidence],
    );

  test('may have no cable, and are nobody’s fault', () => {
    expect(told([of('b1', 'DOWN'), of('b2', 'DOWN')], lines())).toEqual([]);
  });

  test('are told where their own count, or a line of this boot, says that they were up', () => {
    const downed = of('b2', 'DOWN', { link_downed: 1 });
    expect(told([of('b1', 'DOWN'), downed], lines())).toEqual([['nic-down:b2-port-1', 'medium']]);
    expect(told([of('b1', 'DOWN'), of('b2', 'DOWN')], lines({}))).toEqual([
      ['nic-down:b1-port-1', 'medium'],
    ]);
    expect(told([of('b1', 'DOWN'), of('b2', 'DOWN')], lines({ boot: 'f'.repeat(32) }))).toEqual([]);
  });
});
