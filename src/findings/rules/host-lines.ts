import { recordTimes } from '../../contract/finding.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { KernelEvent } from '../../xid/events.ts';
import { type Clue, nodeClue } from '../clue.ts';
import type { NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { gpusOnBus } from '../support/places.ts';

/**
 * What the kernel says of disks, slots and CPUs: no incident of a GPU, and no node is well
 * that waits for its disk or has lost a card. Of an earlier boot it is over.
 */
export const hostLines = rule(
  'host-lines',
  { host: { tells: ['bootId', 'pciDevices', 'pciDevices.bridges'] }, log: true } as const,
  facts => {
    const boot = known(facts.host.bootId);
    const now = (facts.log?.events ?? []).filter(
      event => boot === undefined || event.boot === null || event.boot === boot,
    );
    return KINDS.flatMap(kind => {
      const groups = Map.groupBy(
        now.filter(event => isOf(kind, event) && !isBack(facts, event)),
        // A name of a process belongs to no id.
        event => (kind.which === 'process' ? '' : nameIn(kind, event)),
      );
      return [...groups.values()].flatMap(events => clueOf(kind, events));
    });
  },
);

interface Kind {
  readonly of: string;
  /** The detail that says which of several it is. */
  readonly which: string;
  readonly rule: string;
  readonly severity: Clue['severity'];
  readonly title: (name: string) => string;
  readonly advice: string;
  readonly wouldChange: string;
  readonly command: (name: string) => string;
}

const KINDS: readonly Kind[] = [
  {
    of: 'disk_stalled',
    which: 'disk',
    rule: 'disk-stalled',
    severity: 'warning',
    title: name => `The disk ${name} does not answer in time`,
    advice:
      'Look at the disk and its PCIe link; a job that waits for it is not hung on a GPU. Drain the node if it goes on.',
    wouldChange: 'A disk that has answered ever since: one slow command is no broken disk.',
    command: disk =>
      'dmesg -T | grep -iE "nvme|I/O error"' +
      (/^nvme\d+$/.test(disk) ? shell`; nvme smart-log /dev/${disk}` : ''),
  },
  {
    of: 'filesystem_stopped',
    which: 'device',
    rule: 'filesystem-stopped',
    severity: 'warning',
    title: name => `The kernel stopped the file system on ${name} after an error`,
    advice: 'Look at the disk below it; drain the node if it is the root or the kubelet’s.',
    wouldChange: 'A file system that has been mounted anew since.',
    command: () => 'dmesg -T | grep -iE "EXT4-fs|XFS|BTRFS"; grep " ro," /proc/mounts',
  },
  {
    of: 'slot_down',
    which: 'slot',
    rule: 'slot-down',
    severity: 'warning',
    title: name => `The PCIe slot ${name} lost its card`,
    advice:
      'Look which card was in it (lspci before and after, the chassis): a GPU, an adapter or a disk is gone from the bus.',
    wouldChange: 'A card that somebody took out on purpose.',
    command: () => 'dmesg -T | grep pciehp; lspci -tv',
  },
  {
    of: 'soft_lockup',
    which: 'process',
    rule: 'cpu-stuck',
    severity: 'warning',
    title: name => `A CPU of the host was stuck in the kernel for seconds, with ${name}`,
    advice: 'Read the trace of the line: it names the driver that did not give the CPU back.',
    wouldChange: 'A single line under extreme load, as of a virtual machine that was paused.',
    command: () => 'dmesg -T | grep -A30 "soft lockup"',
  },
];

/** One that waits in NVIDIA's driver is an incident of its own. */
const isOf = ({ of }: Kind, { kind, details }: KernelEvent): boolean =>
  kind === of && details['blocked_in'] === undefined;

/** Below the port of a slot that was lost there is a GPU now. */
const isBack = (facts: NodeFacts, { kind, pci }: KernelEvent): boolean =>
  kind === 'slot_down' &&
  gpusOnBus(facts).some(gpu => known(gpu.bridges)?.some(bridge => bridge.pci === pci));

const nameIn = ({ which }: Kind, { process, details }: KernelEvent): string =>
  plainText(String((which === 'process' ? process : details[which]) ?? '?'), 64);

function clueOf(kind: Kind, events: readonly KernelEvent[]): readonly Clue[] {
  const last = events.at(-1);
  if (!last) return [];
  const name = nameIn(kind, last);
  const repeated = events.length === 1 ? '' : `; ${events.length} such lines`;
  return [
    nodeClue(kind.rule, {
      ...(kind.which === 'process' ? {} : { of: name }),
      severity: kind.severity,
      component: 'host',
      title: kind.title(name),
      action: 'watch',
      advice: kind.advice,
      blame: 'host',
      confidence: 'medium',
      evidence: [
        {
          what: `${plainText(last.text, 160)}${repeated}`,
          source: last.source,
          ...recordTimes(events.map(({ time }) => time)),
          command: kind.command(name),
        },
      ],
      wouldChange: kind.wouldChange,
    }),
  ];
}
