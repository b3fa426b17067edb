import { known } from '../../contract/reading.ts';
import type { KernelEvent } from '../../xid/events.ts';
import type { Clue } from '../clue.ts';
import { GPU_NAMES, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import {
  linesOf,
  linkOf,
  nicsNearGpus,
  type PortAt,
  portBesideGpus,
  portClue,
} from '../support/nics.ts';

/** Adapters beside GPUs of which the kernel log says that they do not answer, or do not send. */
export const nicFirmware = rule(
  'nic-firmware',
  {
    gpu: { tells: [...GPU_NAMES] },
    host: { decides: ['nics', 'bootId', 'nics.pci'], tells: ['nics.ports.state'] },
    log: true,
  },
  facts =>
    nicsNearGpus(facts)
      .filter(({ nic, port }) => nic.ports[0] === port)
      .flatMap(at => {
        const [dead, stalled] = [['nic_health'], ['nic_stalled']].map(kinds =>
          linesOf(facts, at.nic, kinds),
        );
        return [...silent(facts, at, dead ?? []), ...stuck(facts, at, stalled ?? [])];
      }),
);

function silent(facts: NodeFacts, at: PortAt, events: readonly KernelEvent[]): readonly Clue[] {
  const last = events.at(-1);
  if (!last) return [];
  const boot = known(facts.host.bootId);
  const before = last.boot !== null && boot !== undefined && last.boot !== boot;
  return [
    portClue('nic-firmware', at, {
      // Of a line whose boot cannot be compared nobody knows whether it is over.
      severity: before || boot === undefined ? 'info' : 'warning',
      title: `The adapter of port ${portBesideGpus(facts, at)} ${before ? 'did not answer its driver before the last boot' : 'does not answer its driver'}`,
      action: before ? 'watch' : 'drain',
      advice: before
        ? 'Nothing to do unless it comes back; then have the adapter changed.'
        : 'Drain the node and reboot it; have the adapter changed if it comes back.',
      confidence: linkOf(at) === 'up' ? 'medium' : 'high',
      evidence: [evidenceOf(last, `${last.details['detail']}${times(events)}`)],
      counterEvidence: linkOf(at) === 'up' ? ['its port is active now'] : [],
    }),
  ];
}

function stuck(facts: NodeFacts, at: PortAt, events: readonly KernelEvent[]): readonly Clue[] {
  const last = events.at(-1);
  if (!last) return [];
  return [
    portClue('nic-stalled', at, {
      severity: 'info',
      title: `The adapter of port ${portBesideGpus(facts, at)} sent nothing for seconds`,
      action: 'watch',
      advice: 'Its driver resets the queue by itself: look at port and switch if it repeats.',
      confidence: 'medium',
      evidence: [
        evidenceOf(
          last,
          `NETDEV WATCHDOG: transmit queue ${last.details['queue']} timed out${times(events)}`,
        ),
      ],
    }),
  ];
}

const times = ({ length }: readonly KernelEvent[]): string =>
  length === 1 ? '' : `; ${length} such lines`;

const evidenceOf = ({ source, time }: KernelEvent, what: string) => ({
  what,
  source,
  ...(time === null ? {} : { time }),
  command: 'dmesg -T | grep -E "mlx5_core|NETDEV WATCHDOG"',
});
