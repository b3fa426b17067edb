import type { NodeFacts } from '../../src/findings/facts.ts';
import { H100, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const STALLED = 'nvme nvme0: I/O 24 QID 5 timeout, aborting';

/** The lines of its log are of this boot. */
const ofBoot =
  (boot: string | null) =>
  (facts: NodeFacts): NodeFacts => ({
    ...facts,
    host: { ...facts.host, bootId: { ok: true, value: 'now' } },
    ...(facts.log && {
      log: { ...facts.log, events: facts.log.events.map(event => ({ ...event, boot })) },
    }),
  });

/** What the kernel says of the machine around the GPUs. */
export const HOST_LOG: readonly Scenario[] = [
  {
    name: 'a disk that did not answer before the last boot is over',
    truth: 'healthy',
    machine: h100({ log: [[900, STALLED]] }),
    facts: ofBoot('before'),
    verdict: 'healthy',
    findings: [],
  },
  ...[null, 'now'].map(
    (boot): Scenario => ({
      name: `a disk that did not answer, by a line of the boot ${boot}`,
      truth: 'host',
      machine: h100({ log: [[900, STALLED]] }),
      facts: ofBoot(boot),
      verdict: 'warning',
      findings: ['disk-stalled:nvme0'],
    }),
  ),
  {
    name: 'two disks did not answer',
    truth: 'host',
    machine: h100({
      log: [
        [900, STALLED],
        [880, 'nvme nvme9: I/O 192 QID 5 timeout, reset controller'],
      ],
    }),
    verdict: 'warning',
    findings: ['disk-stalled:nvme0', 'disk-stalled:nvme9'],
  },
  {
    name: 'the kernel stopped a file system',
    truth: 'host',
    machine: h100({ log: [[900, 'EXT4-fs (dm-17): Remounting filesystem read-only']] }),
    verdict: 'warning',
    findings: ['filesystem-stopped:dm-17'],
  },
  {
    name: 'a CPU was stuck twice, with two programs',
    truth: 'host',
    machine: h100({
      log: [
        [900, 'watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [kswapd0:212]'],
        [800, 'watchdog: BUG: soft lockup - CPU#7 stuck for 26s! [kworker/7:1:993]'],
      ],
    }),
    verdict: 'warning',
    findings: ['cpu-stuck'],
  },
  {
    name: 'a slot lost its card, and the GPUs are below other ports',
    truth: 'host',
    machine: h100({
      host: {
        pci: Object.fromEntries(H100.map((_, at) => [at, { bridges: [{ pci: '0000:17:01' }] }])),
      },
      log: [[700, 'pcieport 0000:a0:01.0: pciehp: Slot(7): Card not present']],
    }),
    verdict: 'warning',
    findings: ['slot-down:7'],
  },
];
