import type { Occurrence } from './occurrence.ts';

/** Kinds of cause: what can follow from what. */
export type Family =
  | 'lost'
  | 'memory'
  | 'firmware'
  | 'init'
  | 'link'
  | 'pcie'
  | 'bus'
  | 'application'
  | 'process'
  | 'cleanup'
  | 'configuration'
  | 'host'
  | 'other';

const XIDS: readonly (readonly [family: Family, codes: readonly number[]])[] = [
  ['lost', [79, 110]],
  ['memory', [48, 63, 64, 92, 94, 95, 140, 160, 161, 168, 171, 172, 177]],
  // 175 is the driver's other number for a time-out of the GSP: its text is that of 119.
  ['firmware', [38, 44, 46, 61, 62, 119, 120, 158, 169, 175]],
  ['init', [143]],
  ['link', [74, 136, 144, 145, 146, 147, 148, 149, 150, 155, 166, 170]],
  ['pcie', [167, 176]],
  ['application', [8, 11, 13, 25, 31, 32, 68, 69, 80, 108, 109, 137]],
  ['cleanup', [43, 45, 154]],
  ['configuration', [54, 78]],
];
const FAMILY_OF_XID: ReadonlyMap<number, Family> = new Map(
  XIDS.flatMap(([family, codes]) => codes.map(code => [code, family] as const)),
);
const FAMILY_OF_KIND: Readonly<Record<string, Family>> = {
  sxid: 'link',
  sxid_detail: 'link',
  fabric_manager: 'link',
  fabric_manager_version: 'configuration',
  nvlink_driver: 'link',
  nvlink_degraded: 'link',
  fallen_off_bus: 'lost',
  gpu_lost: 'lost',
  rm_init_failed: 'init',
  gsp_boot_failed: 'init',
  gsp: 'firmware',
  gsp_detail: 'firmware',
  gsp_silent: 'firmware',
  gsp_unanswered: 'firmware',
  gsp_crashed: 'firmware',
  pmu_halted: 'firmware',
  rc_watchdog: 'firmware',
  gpu_reset_required: 'firmware',
  os_reboot_required: 'firmware',
  resume_failed: 'init',
  firmware_boot_failed: 'init',
  rm_init_words: 'init',
  power_cables: 'init',
  open_modules_needed: 'init',
  firmware_files: 'configuration',
  firmware_mismatch: 'configuration',
  module_refused: 'configuration',
  pci_resources: 'configuration',
  no_gpu_found: 'configuration',
  pci_inaccessible: 'lost',
  pm_failed: 'init',
  gsp_rate_limit: 'firmware',
  probe_failed: 'init',
  probe_not_called: 'configuration',
  api_mismatch: 'configuration',
  gpu_not_supported: 'configuration',
  oom: 'process',
  segfault: 'process',
  hung_task: 'host',
  soft_lockup: 'host',
  aer: 'bus',
  aer_detail: 'bus',
  aer_unrecovered: 'bus',
  dpc: 'bus',
  slot_down: 'bus',
  iommu_fault: 'host',
  iommu_fault_summary: 'host',
  mce: 'host',
  edac: 'host',
  apei_header: 'host',
  apei_detail: 'host',
};

/** The family of a number, or of a message without one; undefined where the table has none. */
export const knownFamily = ({
  kind,
  xid,
}: {
  readonly kind: string;
  readonly xid: number | null;
}): Family | undefined => (xid === null ? FAMILY_OF_KIND[kind] : FAMILY_OF_XID.get(xid));

export const familyOf = ({ line }: Occurrence): Family =>
  knownFamily(line) ??
  (line.xid !== null && line.verdict.blame === 'application' ? 'application' : 'other');

/** True where a line of this kind names a device of any sort by its PCI address, not only GPUs. */
export const namesAnyDevice = (kind: string): boolean =>
  /^(?:aer|iommu|apei|pcie|dpc|slot)_?/.test(kind);

/** What may follow from what on the same GPU until the burst ends. */
const FOLLOWERS: Readonly<Record<Family, readonly Family[]>> = {
  lost: [
    'lost',
    'memory',
    'firmware',
    'init',
    'link',
    'pcie',
    'bus',
    'application',
    'host',
    'other',
  ],
  memory: ['memory', 'application', 'lost'],
  firmware: ['firmware', 'pcie', 'application', 'init', 'lost'],
  init: ['init', 'firmware', 'lost'],
  link: ['link', 'lost'],
  pcie: ['pcie', 'bus', 'firmware', 'application', 'init', 'host', 'lost'],
  bus: ['bus', 'pcie', 'firmware', 'application', 'init', 'link', 'host', 'lost'],
  application: [],
  process: ['process', 'application'],
  cleanup: [],
  configuration: ['configuration'],
  host: ['host', 'bus', 'lost'],
  other: [],
};

/** True where an occurrence can be a consequence or repeat of what began a group. */
export function follows(root: Occurrence, next: Occurrence): boolean {
  if (sameThing(root, next)) return true;
  const family = familyOf(next);
  if (isOwnTimeout(root, next)) return true;
  if (next.line.role !== 'event' || family === 'cleanup') return true;
  return FOLLOWERS[familyOf(root)].includes(family);
}

/** A context-switch time-out (XID 109) of the program whose own fault came before it. */
const isOwnTimeout = (root: Occurrence, next: Occurrence): boolean =>
  next.line.xid === 109 &&
  familyOf(root) === 'application' &&
  [...root.pids].some(pid => next.pids.has(pid));

export const sameThing = (a: Occurrence, b: Occurrence): boolean =>
  a.line.kind === b.line.kind &&
  a.line.xid === b.line.xid &&
  a.line.sxid === b.line.sxid &&
  (familyOf(a) !== 'application' || shares(a.pids, b.pids));

/** True where two sets of processes do not contradict each other. */
export function shares(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  return a.size === 0 || b.size === 0 || [...a].some(pid => b.has(pid));
}
