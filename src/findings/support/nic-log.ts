import type { Evidence } from '../../contract/finding.ts';
import { known } from '../../contract/reading.ts';
import { durationText } from '../../contract/time.ts';
import type { Nic } from '../../host/port.ts';
import type { KernelEvent } from '../../xid/events.ts';
import type { NodeFacts } from '../facts.ts';
import { THRESHOLDS } from './thresholds.ts';

/** What the kernel log says of an adapter, oldest first: by its address, else by its interface. */
export function linesOf(
  { log }: NodeFacts,
  nic: Nic,
  kinds: readonly string[],
): readonly KernelEvent[] {
  const pci = known(nic.pci);
  const names = nic.interfaces.map(({ name }) => name);
  return (log?.events ?? [])
    .filter(
      event =>
        kinds.includes(event.kind) &&
        (event.pci === null
          ? names.includes(String(event.details['interface']))
          : event.pci === pci),
    )
    .toSorted((a, b) => timeOf(a) - timeOf(b));
}

const timeOf = ({ time }: KernelEvent): number => (time === null ? 0 : Date.parse(time));

/** A link that went; `backMs` where it came back. */
interface Loss {
  readonly event: KernelEvent;
  readonly atMs: number;
  readonly backMs?: number;
}

/** Lines without a time say nothing of how long. A log that two sources show tells each line twice. */
function lossesOf(facts: NodeFacts, nic: Nic): readonly Loss[] {
  const losses: Loss[] = [];
  let open: Loss | undefined;
  for (const event of linesOf(facts, nic, ['nic_link_down', 'nic_link_up'])) {
    if (event.time === null) continue;
    if (event.kind === 'nic_link_down') open ??= { event, atMs: timeOf(event) };
    else if (open) {
      losses.push({ ...open, backMs: timeOf(event) });
      open = undefined;
    }
  }
  return open ? [...losses, open] : losses;
}

const COMMAND = 'dmesg -T | grep -iE "link (is )?(up|down)|mlx5_core"';
const HOUR_MS = 3_600_000;

/** How often a link flapped in the worst hours of the log, and whether these are the last ones. */
export function flapsOf(
  facts: NodeFacts,
  nic: Nic,
): { readonly count: number; readonly recent: boolean; readonly evidence: readonly Evidence[] } {
  const { flapSeconds, flapHours } = THRESHOLDS;
  const spanMs = flapHours.value * HOUR_MS;
  const flaps = lossesOf(facts, nic).flatMap(({ event, atMs, backMs }) =>
    backMs !== undefined && backMs - atMs >= flapSeconds.value * 1_000
      ? [{ event, atMs, backMs }]
      : [],
  );
  const within = (endMs: number) =>
    flaps.filter(({ atMs }) => atMs <= endMs && atMs > endMs - spanMs);
  const windows = flaps.map(({ atMs }) => within(atMs));
  const last = within(facts.nowMs);
  const worst = [...windows, last].toSorted((a, b) => b.length - a.length)[0] ?? [];
  const recent = last.length >= THRESHOLDS.linkFlaps.value;
  const told = recent ? last : worst;
  const newest = told.at(-1);
  return {
    count: told.length,
    recent,
    evidence: newest
      ? [
          {
            what: `link down for ${told
              .slice(-FLAPS_TOLD)
              .map(({ atMs, backMs }) => durationText(backMs - atMs))
              .join(', ')}, then up again`,
            source: newest.event.source,
            time: newest.event.time ?? '',
            command: COMMAND,
          },
        ]
      : [],
  };
}

const FLAPS_TOLD = 4;

/** Since when the link of a port that is down is gone; nothing where the log does not tell. */
export function downSince(facts: NodeFacts, nic: Nic): readonly Evidence[] {
  const last = lossesOf(facts, nic).at(-1);
  if (!last || last.backMs !== undefined) return [];
  const seconds = (facts.nowMs - last.atMs) / 1_000;
  const { dropSeconds } = THRESHOLDS;
  return [
    {
      what: `link down for ${durationText(facts.nowMs - last.atMs)}${seconds >= dropSeconds.value ? `, longer than a flap (${dropSeconds.source})` : ''}`,
      source: last.event.source,
      ...(last.event.time === null ? {} : { time: last.event.time }),
      command: COMMAND,
    },
  ];
}

/** The last error of the cable or transceiver; the adapter's own words are a fixed list. */
export function cableErrors(facts: NodeFacts, nic: Nic): readonly Evidence[] {
  const last = linesOf(facts, nic, ['nic_module']).at(-1);
  if (!last) return [];
  const { status, error } = last.details;
  return [
    {
      what: `the adapter says: ${[status, error].filter(word => typeof word === 'string').join(', ')}`,
      source: last.source,
      ...(last.time === null ? {} : { time: last.time }),
      command: COMMAND,
    },
  ];
}
