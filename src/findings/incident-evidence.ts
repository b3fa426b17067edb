import type { Evidence } from '../contract/finding.ts';
import { isoTime } from '../contract/time.ts';
import type { Incident } from '../xid/events.ts';
import type { Cause, NodeFacts } from './facts.ts';

/** An incident of the kernel log as evidence. */
export const incidentEvidence = (facts: NodeFacts, incident: Incident): Evidence => ({
  what: `${incident.why} ${incident.count === 1 ? '1 line' : `${incident.count} lines`}, action by ${incident.actionSource}`,
  source: incident.source,
  time: incident.lastTime ?? isoTime(facts.nowMs),
  command: 'dmesg -T | grep -E "NVRM|nvidia-nvswitch"',
});

/**
 * XIDs by what the live readings show of the same cause; the codes of programs stand for
 * themselves. Grouped as in src/xid/families.ts, which orders lines within the log.
 */
const XIDS: readonly (readonly [cause: Cause, codes: readonly number[]])[] = [
  ['lost', [79, 110, 143]],
  ['memory', [48, 63, 64, 92, 94, 95, 140, 160, 161, 171, 172]],
  ['firmware', [44, 46, 61, 62, 119, 120, 158, 169]],
  ['nvlink', [74, 108, 137, 144, 145, 146, 147, 148, 149, 150, 155]],
  ['pcie', [167, 176]],
  ['asked', [154]],
];
const CAUSE_OF_XID: ReadonlyMap<number, Cause> = new Map(
  XIDS.flatMap(([cause, codes]) => codes.map(code => [code, cause] as const)),
);
const CAUSE_OF_KIND: Readonly<Record<string, Cause>> = {
  fallen_off_bus: 'lost',
  gpu_lost: 'lost',
  rm_init_failed: 'lost',
  gsp_boot_failed: 'lost',
  nvlink_driver: 'nvlink',
  aer: 'pcie',
  api_mismatch: 'node-versions',
  mce: 'node-hardware',
  edac: 'node-hardware',
  apei_header: 'node-hardware',
};

/** What an incident is a sign of; undefined for what stands for itself, as programs' faults do. */
export const causeOf = ({ root, severity }: Incident): Cause | undefined =>
  severity === 'info'
    ? undefined
    : root.xid === null
      ? CAUSE_OF_KIND[root.kind]
      : CAUSE_OF_XID.get(root.xid);

/** What part of the machine an incident is about. */
export function componentOf({ root }: Incident): string {
  if (root.sxid !== null) return 'nvswitch';
  const cause = root.xid === null ? CAUSE_OF_KIND[root.kind] : CAUSE_OF_XID.get(root.xid);
  if (cause === 'memory' || cause === 'nvlink' || cause === 'pcie') return cause;
  const host = ['oom', 'hung_task', 'soft_lockup', 'iommu_fault', 'mce', 'edac', 'apei_header'];
  return host.includes(root.kind) ? 'host' : 'gpu';
}
