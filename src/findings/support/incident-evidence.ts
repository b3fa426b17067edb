import type { Evidence } from '../../contract/finding.ts';
import { isoTime } from '../../contract/time.ts';
import type { Incident } from '../../xid/events.ts';
import { type Family, knownFamily } from '../../xid/families.ts';
import type { Cause } from '../clue.ts';
import type { NodeFacts } from '../facts.ts';

/** An incident of the kernel log as evidence. */
export const incidentEvidence = (facts: NodeFacts, incident: Incident): Evidence => ({
  what: `${incident.why} ${incident.count === 1 ? '1 line' : `${incident.count} lines`}, action by ${incident.actionSource}`,
  source: incident.source,
  time: incident.lastTime ?? isoTime(facts.nowMs),
  command: 'dmesg -T | grep -E "NVRM|nvidia-nvswitch"',
});

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
