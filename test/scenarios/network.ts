import { present } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import type { HostCounters } from '../../src/host/port.ts';
import { H100, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const PCI = [0, 1, 2, 3].map(at => `0000:${20 + at}:00`);

/** Four adapters, each beside two GPUs, busy for months; the first of them different. */
const nics = (first: object = {}, kind = 'infiniband', own: object = {}) =>
  PCI.map((pci, at) => ({
    name: `mlx5_${at}`,
    kind,
    pci,
    gpuPaths: [
      { gpuPci: H100[at * 2], path: 'PXB' },
      { gpuPci: H100[at * 2 + 1], path: 'PXB' },
    ],
    interfaces: [{ name: `eth${at}` }],
    ...(at === 0 ? own : {}),
    ports: [
      {
        counters: { symbol_error: 41, rnr_nak_retry_err: 7_000, roce_slow_restart: 90_000 },
        ...(at === 0 ? first : {}),
      },
    ],
  }));

/** While they were watched, a counter grew by so much on each of the adapters. */
const grew =
  (counter: string, by: readonly number[]) =>
  (facts: NodeFacts): NodeFacts => {
    const counters = (value: readonly number[]): HostCounters => ({
      ports: by.map((_, at) => ({
        nic: `mlx5_${at}`,
        port: 1,
        counters: { [counter]: value[at] ?? 0 },
      })),
      aer: [],
    });
    const host = { seconds: 1.5, before: counters(by.map(() => 0)), after: counters(by) };
    return { ...facts, secondLook: { because: [], seconds: 1.5, notReadAgain: [], host } };
  };

const flap = (secondsAgo: number, seconds: number): (readonly [number, string])[] => [
  [secondsAgo, `mlx5_core ${PCI[0]}.0 eth0: Link down`],
  [secondsAgo - seconds, `mlx5_core ${PCI[0]}.0 eth0: Link up`],
];

const HOUR = 3_600;

/** The network beside the GPUs, over time. */
export const NETWORK: readonly Scenario[] = [
  {
    name: 'busy network ports with counters of a long life, all alike',
    truth: 'healthy',
    machine: h100({ host: { nics: nics() } }),
    facts: grew('symbol_error', [3, 2, 4, 3]),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'one port counts a hundred symbol errors a second, the others none',
    truth: 'host',
    machine: h100({ host: { nics: nics() } }),
    facts: grew('symbol_error', [150, 0, 1, 0]),
    verdict: 'warning',
    findings: ['nic-errors:mlx5_0-port-1'],
  },
  {
    name: 'all ports count a hundred symbol errors a second: a remark',
    truth: 'healthy',
    machine: h100({ host: { nics: nics() } }),
    facts: grew('symbol_error', [150, 160, 140, 155]),
    verdict: 'healthy',
    findings: ['nic-errors'],
  },
  {
    name: 'a port has errors on its link that no well link has',
    truth: 'host',
    machine: h100({ host: { nics: nics() } }),
    facts: grew('local_link_integrity_errors', [1, 0, 0, 0]),
    verdict: 'warning',
    findings: ['nic-errors:mlx5_0-port-1'],
  },
  {
    name: 'one port is slowed down by congestion',
    truth: 'unknown',
    machine: h100({ host: { nics: nics({}, 'roce') } }),
    facts: grew('roce_slow_restart', [900, 2, 0, 3]),
    verdict: 'warning',
    findings: ['nic-congestion:mlx5_0-port-1'],
  },
  {
    name: 'the other side of a connection was not ready to receive: no fault of the port',
    truth: 'healthy',
    machine: h100({ host: { nics: nics() } }),
    facts: grew('rnr_nak_retry_err', [12, 0, 0, 0]),
    verdict: 'healthy',
    findings: ['nic-peer-not-ready:mlx5_0-port-1'],
  },
  {
    name: 'a link flapped three times in six hours',
    truth: 'host',
    machine: h100({
      host: { nics: nics() },
      log: [...flap(7 * HOUR, 40), ...flap(4 * HOUR, 31), ...flap(HOUR, 95)],
    }),
    verdict: 'warning',
    findings: ['nic-flapping:mlx5_0-port-1'],
  },
  {
    name: 'a link flapped twice, and blinked often: no flapping by the rule',
    truth: 'healthy',
    machine: h100({
      host: { nics: nics() },
      log: [
        ...flap(7 * HOUR, 40),
        ...flap(4 * HOUR, 31),
        ...[5, 4, 3, 2].flatMap(minutes => flap(minutes * 60, 3)),
      ],
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a link flapped three times four days ago: a remark',
    truth: 'healthy',
    machine: h100({
      host: { nics: nics() },
      log: [100, 99, 98].flatMap(hours => flap(hours * HOUR, 40)),
    }),
    verdict: 'healthy',
    findings: ['nic-flapping:mlx5_0-port-1'],
  },
  {
    name: 'a management port that is near no GPU flaps: nobody’s matter here',
    truth: 'healthy',
    machine: h100({
      host: { nics: nics() },
      log: [5, 4, 3].flatMap(hours => [
        [hours * HOUR, 'bnxt_en 0000:c1:00.0 eno1: NIC Link is Down'] as const,
        [hours * HOUR - 60, 'bnxt_en 0000:c1:00.0 eno1: NIC Link is Up, 25000 Mbps'] as const,
      ]),
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a port is down since the cable failed',
    truth: 'host',
    machine: h100({
      host: { nics: nics({ state: 'DOWN', physicalState: 'Polling' }) },
      log: [
        [
          HOUR + 2,
          `mlx5_core ${PCI[0]}.0: Port module event[error]: module 0, Cable error, Bad or shorted cable/module`,
        ],
        [HOUR, `mlx5_core ${PCI[0]}.0 eth0: Link down`],
      ],
    }),
    verdict: 'warning',
    findings: ['nic-down:mlx5_0-port-1'],
  },
  {
    name: 'the firmware of an adapter does not answer',
    truth: 'host',
    machine: h100({
      host: { nics: nics() },
      log: [
        [
          900,
          `mlx5_core ${PCI[0]}.0: poll_health:800:(pid 0): device's health compromised - reached miss count`,
        ],
      ],
    }),
    verdict: 'warning',
    findings: ['nic-firmware:mlx5_0-port-1'],
  },
  {
    name: 'the firmware of an adapter did not answer before the last boot: a remark',
    truth: 'healthy',
    machine: h100({
      host: { nics: nics() },
      log: [
        [
          900,
          `mlx5_core ${PCI[0]}.0: wait_func:964:(pid 112): MODIFY_QP(0x502) timeout. Will cause a leak of a command resource`,
        ],
      ],
    }),
    facts: facts => ({ ...facts, host: { ...facts.host, bootId: present('f'.repeat(32)) } }),
    verdict: 'healthy',
    findings: ['nic-firmware:mlx5_0-port-1'],
  },
  {
    name: 'an adapter sent nothing for seconds and went on: a remark',
    truth: 'healthy',
    machine: h100({
      host: { nics: nics() },
      log: [[900, 'NETDEV WATCHDOG: eth0 (mlx5_core): transmit queue 3 timed out']],
    }),
    verdict: 'healthy',
    findings: ['nic-stalled:mlx5_0-port-1'],
  },
  {
    name: 'EFA says ACTIVE whatever happens; its interface is down',
    truth: 'host',
    machine: h100({
      host: { nics: nics({}, 'efa', { interfaces: [{ name: 'eth0', operstate: 'down' }] }) },
    }),
    verdict: 'warning',
    findings: ['nic-down:mlx5_0-port-1'],
  },
  {
    name: 'EFA without an interface tells nothing of its link',
    truth: 'healthy',
    machine: h100({ host: { nics: nics({}, 'efa', { interfaces: [] }) } }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'every adapter of a cloud runs below the rate of NVIDIA’s own machines',
    truth: 'healthy',
    machine: h100({
      host: { nics: nics().map(nic => ({ ...nic, ports: [{ rateGbps: 100 }] })) },
    }),
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'a port is switched off, perhaps on purpose',
    truth: 'host',
    machine: h100({ host: { nics: nics({ state: 'DOWN', physicalState: 'Disabled' }) } }),
    verdict: 'warning',
    findings: ['nic-down:mlx5_0-port-1'],
  },
  {
    name: 'three ports of four are down: perhaps nobody uses them',
    truth: 'healthy',
    machine: h100({
      host: {
        nics: nics().map((nic, at) =>
          at < 3 ? { ...nic, ports: [{ state: 'DOWN', physicalState: 'Polling' }] } : nic,
        ),
      },
    }),
    verdict: 'healthy',
    findings: [],
  },
  ...[239, 240].map(
    (seconds): Scenario => ({
      name: `a port is down for ${seconds} s`,
      truth: 'host',
      machine: h100({
        host: { nics: nics({ state: 'DOWN', physicalState: 'Polling' }) },
        log: [[seconds, `mlx5_core ${PCI[0]}.0 eth0: Link down`]],
      }),
      verdict: 'warning',
      findings: ['nic-down:mlx5_0-port-1'],
    }),
  ),
  {
    name: 'the firmware of an adapter whose port is down does not answer, and says so twice',
    truth: 'host',
    machine: h100({
      host: { nics: nics({ state: 'DOWN', physicalState: 'Polling' }) },
      log: [900, 800].map(
        secondsAgo =>
          [
            secondsAgo,
            `mlx5_core ${PCI[0]}.0: poll_health:800:(pid 0): device's health compromised - reached miss count`,
          ] as const,
      ),
    }),
    verdict: 'warning',
    findings: ['nic-down:mlx5_0-port-1', 'nic-firmware:mlx5_0-port-1'],
  },
];
