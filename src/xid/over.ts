import type { Action } from '../contract/finding.ts';
import type { Boundary } from './boots.ts';
import { isoOf, type Moment } from './moment.ts';
import type { Occurrence } from './occurrence.ts';
import type { Verdict } from './verdict.ts';

/** What came after the last reset, driver load or boot that followed an incident. */
export interface Since {
  /** What followed, in words with its time. */
  readonly what: string;
  /** XIDs and SXids of the device since then. */
  readonly xids: number;
  /** Faults of the device since then, also those without a number. */
  readonly faults: number;
}

interface Ended {
  readonly pci: string | null;
  readonly members: readonly Occurrence[];
  /** The line by which the driver withdrew its demand. */
  readonly cleared: Occurrence | null;
}

/** Null where nothing followed that could have ended the incident. */
export function sinceOf(
  { pci, members, cleared }: Ended,
  boundaries: readonly Boundary[],
  occurrences: readonly Occurrence[],
): Since | null {
  const end = Math.max(...members.map(member => member.at));
  const last = boundaries.filter(({ at }) => at > end).at(-1);
  const useBoundary = last !== undefined && (!cleared || last.at >= cleared.at);
  if (!useBoundary && !cleared) return null;
  const at = useBoundary ? last.at : (cleared?.at ?? 0);
  const moment = useBoundary ? last.moment : cleared?.first;
  const later = occurrences.filter(
    ({ at: other, line: { role } }) => other > at && role !== 'companion' && role !== 'clear',
  );
  const onDevice = later.filter(({ line }) => line.pci === pci);
  const xids = onDevice.filter(({ line }) => line.xid !== null || line.sxid !== null);
  const faults = later.filter(
    ({ line }) => line.verdict.severity === 'critical' && (line.pci === pci || line.pci === null),
  );
  return {
    what: `${wordsOf(useBoundary ? last : null)} (${placeOf(moment)})`,
    xids: xids.reduce((sum, { count }) => sum + count, 0),
    faults: faults.length,
  };
}

const wordsOf = (boundary: Boundary | null): string =>
  boundary === null
    ? 'the driver withdrew its recovery action'
    : boundary.kind === 'boot'
      ? 'the node booted again'
      : 'the driver was loaded again';

const placeOf = (moment: Moment | undefined): string =>
  isoOf(moment?.timeMs ?? null) ?? `line ${moment?.line ?? 0}`;

/** `the node booted again (time); since then no XID on this device`. */
export function sinceText({ what, xids }: Since, pci: string | null): string {
  const place = pci === null ? 'of this kind of device' : 'on this device';
  return `${what}; since then ${xids === 0 ? 'no XID' : `${xids} XID${xids === 1 ? '' : 's'}`} ${place}`;
}

/** Steps that a boot or a new load of the driver has taken, or that nothing calls for any more. */
const TAKEN: readonly Action[] = [
  'restart_app',
  'fix_configuration',
  'reset_gpu',
  'drain',
  'drain_and_reset',
  'reboot_node',
  'power_cycle',
];

/** Whether what was asked for has been done, as far as the log tells. */
export const isOver = (since: Since | null, { action, severity }: Verdict): boolean =>
  since !== null &&
  since.xids === 0 &&
  since.faults === 0 &&
  severity !== 'info' &&
  TAKEN.includes(action);

/** An incident that is over asks for a look, and keeps what to do if it comes back. */
export const overVerdict = (verdict: Verdict, { what }: Since): Verdict => ({
  ...verdict,
  action: 'watch',
  severity:
    verdict.blame === 'application' || verdict.blame === 'configuration' ? 'info' : 'warning',
  advice: `It is over as far as the log tells: ${what}, and it has not come back. Check that the GPU works. If it comes back: ${verdict.advice}`,
});
