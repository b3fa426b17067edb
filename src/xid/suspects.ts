import { familyOf } from './families.ts';
import { secondsBetween } from './moment.ts';
import { CAUSE_SECONDS, type Occurrence, once } from './occurrence.ts';
import type { Verdict } from './verdict.ts';

/** Programs of different names, or processes of one name, that fail alike before the GPU is doubted. */
const PROGRAMS_MIN = 2;
const PROCESSES_MIN = 3;
/** NVIDIA wants several runs for a pattern. */
const RUNS_MIN = 2;
/** NVIDIA has a workflow for the repetition of these two. */
const REPEATED = new Set([13, 31]);

/** Programs whose own faults came on one GPU, and the processes that they ran as. */
interface Faulted {
  readonly programs: number;
  readonly processes: number;
}

/**
 * Whether the same fault of several processes on one GPU, and on no other, makes that GPU the
 * suspect: NVIDIA's WORKFLOW_XID_31 (same GPU) and WORKFLOW_XID_13 (same GPC and TPC), edition 610.
 */
export function suspected(
  root: Occurrence,
  occurrences: readonly Occurrence[],
): Faulted | undefined {
  const { xid, pci } = root.line;
  if (xid === null || pci === null || !REPEATED.has(xid)) return undefined;
  const { gpus, byPlace } = repeatedFaults(occurrences)(xid);
  if (gpus.size > 1) return undefined;
  return byPlace.get(placeOf(root));
}

/** Of each repeated number: the GPUs that had it, and of each place whether it is a pattern. */
const repeatedFaults = once(occurrences => {
  const known = new Map<number, PatternsOf>();
  return (xid: number): PatternsOf => {
    const found = known.get(xid) ?? patternsOf(xid, occurrences);
    known.set(xid, found);
    return found;
  };
});

interface PatternsOf {
  readonly gpus: ReadonlySet<string | null>;
  readonly byPlace: ReadonlyMap<string, Faulted | undefined>;
}

function patternsOf(xid: number, occurrences: readonly Occurrence[]): PatternsOf {
  const alike = occurrences.filter(({ line }) => line.xid === xid && line.role !== 'notice');
  const places = grouped(alike, placeOf);
  return {
    gpus: new Set(alike.map(({ line }) => line.pci)),
    byPlace: new Map([...places].map(([place, faults]) => [place, patternIn(faults)])),
  };
}

function patternIn(here: readonly Occurrence[]): Faulted | undefined {
  const faulted = countOf(here);
  const several = faulted.programs >= PROGRAMS_MIN || faulted.processes >= PROCESSES_MIN;
  return several && runsOf(here) >= RUNS_MIN ? faulted : undefined;
}

/** Processes that share a GPU die together of one fault: only what comes apart is a pattern. */
function runsOf(faults: readonly Occurrence[]): number {
  const sorted = faults.toSorted((a, b) => a.at - b.at || a.order - b.order);
  return sorted.filter((fault, index) => {
    const before = sorted[index - 1];
    return !before || secondsBetween(before.last, fault.first) > CAUSE_SECONDS;
  }).length;
}

/** An XID 13 counts at one GPC and TPC; without them it is a place of its own. */
function placeOf({ line: { xid, details }, order }: Occurrence): string {
  if (xid !== 13) return '';
  const { gpc, tpc } = details;
  return typeof gpc === 'number' ? `${gpc}/${String(tpc)}` : `#${order}`;
}

const countOf = (faults: readonly Occurrence[]): Faulted => ({
  programs: new Set(faults.flatMap(({ line }) => line.process ?? [])).size,
  processes: new Set(faults.flatMap(({ pids }) => [...pids])).size,
});

/** How many programs had faults of their own on a GPU. */
export const programsOn = (pci: string | null, occurrences: readonly Occurrence[]): number =>
  pci === null ? 0 : (programsByGpu(occurrences).get(pci) ?? 0);

const programsByGpu = once(occurrences => {
  const own = occurrences.filter(other => familyOf(other) === 'application');
  const byGpu = grouped(own, ({ line }) => line.pci);
  return new Map([...byGpu].map(([pci, faults]) => [pci, countOf(faults).programs]));
});

/** The verdict on a GPU that several processes met the same fault on. */
export const suspectVerdict = (verdict: Verdict, { processes, programs }: Faulted): Verdict => ({
  ...verdict,
  action: 'drain',
  blame: 'unknown',
  confidence: 'low',
  meaning: `${verdict.meaning} ${Math.max(processes, programs)} processes met it on this GPU and none on another: the GPU is a suspect.`,
  advice:
    'Take work off this GPU and run diagnostics (dcgmi diag -r 3, then NVIDIA’s field diagnostics); where they pass, debug the programs.',
  source: "the repetition on one GPU, by NVIDIA's workflows for XID 13 and 31 (edition 610)",
});

function grouped<K>(all: readonly Occurrence[], keyOf: (one: Occurrence) => K) {
  const groups = new Map<K, Occurrence[]>();
  for (const one of all) {
    const group = groups.get(keyOf(one));
    if (group) group.push(one);
    else groups.set(keyOf(one), [one]);
  }
  return groups;
}
