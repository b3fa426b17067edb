import type { Boundary } from './boots.ts';
import type { Incident } from './events.ts';
import type { Column } from './identities.ts';
import type { Occurrence } from './occurrence.ts';
import type { Place } from './place.ts';
import type { Verdict } from './verdict.ts';

/** What lies around the incidents of one analysis. */
export interface Surroundings {
  readonly boundaries: readonly Boundary[];
  /** All occurrences, sorted by time. */
  readonly occurrences: readonly Occurrence[];
  /** Where the machine stands; null where nothing tells. */
  readonly place: Place | null;
  /** Which columns of NVIDIA's catalogue a GPU can be of; undefined where the log does not tell. */
  readonly columnsOf: (pci: string) => readonly Column[] | undefined;
}

/** What a group is judged by: its root, or the XID that the driver names and the log has lost. */
export interface Judgement {
  readonly root: Incident['root'];
  readonly verdict: Verdict;
  /** The last XID 154 of the group. */
  readonly recovery: Occurrence | undefined;
  /** The number that `caused by previous Xid N` names, where its own line is gone. */
  readonly lostCause: number | null;
}
