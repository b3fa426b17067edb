import { expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
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

test('lines of an adapter are those of its address or its interface, oldest first', () => {
  const line = (time: string | null, more: Partial<KernelEvent>): KernelEvent => ({
    ...{ source: '/dev/kmsg', line: 1, kind: 'nic', pci: null, xid: null, sxid: null, pid: null },
    ...{ process: null, mig: null, time, timeUncertaintyMs: 0, bootSeconds: null, boot: null },
    ...{ severity: 'warning', blame: 'host', action: 'watch', text: '', details: {} },
    ...more,
  });
  const pci = '0000:aa:00';
  const facts: NodeFacts = {
    ...eight,
    log: {
      ...eight.log,
      events: [
        line('2026-03-01T03:00:00Z', { pci, line: 3 }),
        line('2026-03-01T01:00:00Z', { pci, line: 1 }),
        line('2026-03-01T02:00:00Z', { details: { interface: 'eth1' }, line: 2 }),
        line('2026-03-01T02:00:00Z', { details: { interface: 'eth2' }, line: 9 }),
        line('2026-03-01T02:00:00Z', {
          pci: '0000:bb:00',
          details: { interface: 'eth1' },
          line: 9,
        }),
        line('2026-03-01T02:00:00Z', { pci, kind: 'oom', line: 9 }),
        line(null, { pci, line: 0 }),
      ],
    },
  };
  const interfaces = [named('eth1', 'up')];
  const own = nic('a', { pci: present(pci), interfaces });
  expect(linesOf(facts, own, ['nic']).map(each => each.line)).toEqual([0, 1, 2, 3]);
});
