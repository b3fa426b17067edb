import {
  type Began,
  type Evidence,
  type Finding,
  gpusOf,
  recordTimes,
} from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import type { Incident } from '../../xid/events.ts';
import { type Family, knownFamily } from '../../xid/families.ts';
import type { Cause } from '../clue.ts';
import type { NodeFacts } from '../facts.ts';

/** An incident of the kernel log as evidence. */
export const incidentEvidence = (incident: Incident): Evidence => ({
  what: `${incident.why} ${incident.count === 1 ? '1 line' : `${incident.count} lines`}, action by ${incident.actionSource}`,
  source: incident.source,
  ...recordTimes([incident.firstTime, incident.lastTime]),
  command: 'dmesg -T | grep -E "NVRM|nvidia-nvswitch"',
});

/** The incidents that a finding tells of, or that its GPUs have beside it; none that is over. */
export function incidentsOf({ log }: NodeFacts, finding: Finding): readonly Incident[] {
  const places = gpusOf(finding).flatMap(({ pci }) => pci ?? []);
  return (log?.incidents ?? []).filter(
    incident =>
      incident.severity !== 'info' &&
      !incident.over &&
      ((incident.gpu !== null && places.includes(incident.gpu)) || isToldBy(finding, incident)),
  );
}

/** Whether it is among the evidence of a finding: what is told alike of another time is another one. */
function isToldBy({ evidence }: Finding, incident: Incident): boolean {
  const own = incidentEvidence(incident);
  return evidence.some(
    ({ what, source, time, lastTime = time }) =>
      what === own.what &&
      source === own.source &&
      (time === undefined || lastTime === undefined || own.time === undefined
        ? time === own.time
        : Date.parse(time) <= Date.parse(own.time) &&
          Date.parse(own.lastTime ?? own.time) <= Date.parse(lastTime)),
  );
}

/**
 * With which line of the kernel log that began of which these incidents tell; undefined where none does.
 * What else its GPU had before is told beside it, and began something else.
 */
export function beganWith(incidents: readonly Incident[]): Began | undefined {
  return firstBegan(
    incidents.filter(({ severity, over }) => severity !== 'info' && !over).map(beganAt),
  );
}

function beganAt({ root, codes, firstTime }: Incident): Began {
  // A line without a number, as of a PCIe error, may lead to an XID.
  const [xid] = codes;
  const code = numberOf(root) ?? (xid === undefined ? undefined : `XID ${xid}`);
  return optional({ time: firstTime ?? undefined, code });
}

/** The earliest of them; what the log has no time of comes last. */
export const firstBegan = (all: readonly Began[]): Began | undefined =>
  all.toSorted((a, b) => atMs(a) - atMs(b))[0];

const atMs = ({ time }: Began): number =>
  time === undefined ? Number.POSITIVE_INFINITY : Date.parse(time);

/** The number of an event or an incident's root that has one, as people write it. */
export const numberOf = ({
  xid,
  sxid,
}: {
  readonly xid: number | null;
  readonly sxid: number | null;
}): string | undefined =>
  xid !== null ? `XID ${xid}` : sxid !== null ? `SXid ${sxid}` : undefined;

/** What the live readings show of the same cause as a family of lines; programs stand for themselves. */
const CAUSE_OF_FAMILY: Readonly<Partial<Record<Family, Cause>>> = {
  lost: 'lost',
  init: 'lost',
  memory: 'memory',
  firmware: 'firmware',
  link: 'nvlink',
  pcie: 'pcie',
};
const CAUSE_OF_KIND: Readonly<Record<string, Cause>> = {
  aer: 'pcie',
  aer_unrecovered: 'pcie',
  api_mismatch: 'node-versions',
  mce: 'node-hardware',
  edac: 'node-hardware',
  apei_header: 'node-hardware',
};

function causeOfRoot(root: Incident['root']): Cause | undefined {
  if (root.xid === 154) return 'asked';
  const family = knownFamily(root);
  const ofKind = root.xid === null ? CAUSE_OF_KIND[root.kind] : undefined;
  return ofKind ?? (family && CAUSE_OF_FAMILY[family]);
}

/** What an incident is a sign of; undefined for what stands for itself, as programs' faults do. */
export const causeOf = ({ root, severity }: Incident): Cause | undefined =>
  severity === 'info' ? undefined : causeOfRoot(root);

/** What part of the machine an incident is about. */
export function componentOf({ root }: Incident): string {
  if (root.sxid !== null) return 'nvswitch';
  const cause = causeOfRoot(root);
  if (cause === 'memory' || cause === 'nvlink' || cause === 'pcie') return cause;
  const host = ['oom', 'hung_task', 'soft_lockup', 'iommu_fault', 'mce', 'edac', 'apei_header'];
  return host.includes(root.kind) ? 'host' : 'gpu';
}
