import * as z from 'zod';
import { known, type Reading } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import type { Restarts } from './comparison-settings.ts';
import { counterDeltas, countersOf, countsOf } from './gpu-counters.ts';
import type { GpuRow } from './gpu-rows.ts';
import type { Judged } from './snapshot.ts';

/** One GPU over the time between: what became of it, and what its counters did. */
export const GpuChange = z.strictObject({
  /** `failed`: it is there and can no longer be read. `another_board`: the slot holds another GPU. */
  change: z.enum(['gone', 'failed', 'another_board', 'new', 'came_back', 'moved', 'same']),
  index: z.int().optional(),
  indexBefore: z.int().optional(),
  pci: z.string().optional(),
  pciBefore: z.string().optional(),
  uuid: z.string().optional(),
  uuidBefore: z.string().optional(),
  error: z.string().optional(),
  errorBefore: z.string().optional(),
  /** What counters grew by; those that stood still are left out. Nanoseconds end in Ns. */
  grew: z.record(z.string(), z.number()),
  /** Counters that began again in between, with what they have counted since. */
  restarted: z.record(z.string(), z.number()),
  /** How counts of the board's whole life changed; no restart touches these. */
  lifetime: z.record(z.string(), z.number()),
});
export type GpuChange = z.infer<typeof GpuChange>;

const ORDER = GpuChange.shape.change.options;

/** Boards are matched by UUID, and where that is unknown by place. What changed most comes first. */
export function compareGpus(before: Judged, after: Judged, restarts: Restarts): GpuChange[] {
  const pairs = pairsOf(before.rows, after.rows);
  return pairs
    .map(([then, now]) => {
      const change = changeOf(then, now);
      const same = then && now && change !== 'another_board';
      const counters = same
        ? countersBetween(stateOf(before, then), stateOf(after, now), restarts)
        : { grew: {}, restarted: {}, lifetime: {} };
      return { change, ...names(then, now), ...counters };
    })
    .toSorted(
      (a, b) =>
        ORDER.indexOf(a.change) - ORDER.indexOf(b.change) || (a.index ?? 0) - (b.index ?? 0),
    );
}

type Pair = readonly [GpuRow | undefined, GpuRow | undefined];

function pairsOf(before: readonly GpuRow[], after: readonly GpuRow[]): readonly Pair[] {
  const left = new Set(after);
  const take = (found: GpuRow | undefined) => {
    if (found) left.delete(found);
    return found;
  };
  const byBoard = before.map(then =>
    take([...left].find(({ uuid }) => uuid !== undefined && uuid === then.uuid)),
  );
  const pairs = before.map((then, place): Pair => {
    const board = byBoard[place];
    return [
      then,
      board ?? take([...left].find(({ pci }) => pci !== undefined && pci === then.pci)),
    ];
  });
  return [...pairs, ...[...left].map((now): Pair => [undefined, now])];
}

function changeOf(then: GpuRow | undefined, now: GpuRow | undefined): GpuChange['change'] {
  if (!now) return 'gone';
  if (!then) return 'new';
  if (then.uuid !== undefined && now.uuid !== undefined && then.uuid !== now.uuid) {
    return 'another_board';
  }
  if (now.error !== undefined) return then.error === undefined ? 'failed' : 'same';
  if (then.error !== undefined) return 'came_back';
  return then.index === now.index && then.pci === now.pci ? 'same' : 'moved';
}

/** The names that it has now, and those it had where they differ. */
function names(then: GpuRow | undefined, now: GpuRow | undefined) {
  const shown = now ?? then;
  const keys = ['index', 'pci', 'uuid', 'error'] as const;
  const told: Record<string, unknown> = {};
  for (const key of keys) {
    if (shown?.[key] !== undefined) told[key] = shown[key];
    if (now && then?.[key] !== undefined && then[key] !== now[key]) {
      told[`${key}Before`] = then[key];
    }
  }
  return Names.parse(told);
}

const Names = GpuChange.pick({
  index: true,
  indexBefore: true,
  pci: true,
  pciBefore: true,
  uuid: true,
  uuidBefore: true,
  error: true,
  errorBefore: true,
});

const stateOf = ({ facts }: Judged, { index }: GpuRow): GpuState | undefined =>
  facts.driver.gpus.find(gpu => gpu.index === index);

function countersBetween(
  then: GpuState | undefined,
  now: GpuState | undefined,
  restarts: Restarts,
): Pick<GpuChange, 'grew' | 'restarted' | 'lifetime'> {
  if (!then || !now) return { grew: {}, restarted: {}, lifetime: {} };
  const { deltas, restarted } = counterDeltas(then, now);
  const counted = countersOf(now);
  const all = restarts.rebooted === true || restarts.driverLoads.length > 0;
  const again = all ? [...counted.keys()] : restarted;
  return {
    grew: Object.fromEntries(Object.entries(deltas).filter(([name]) => !again.includes(name))),
    restarted: Object.fromEntries(
      again.flatMap(name => {
        const amount = counted.get(name) ?? 0;
        return amount > 0 || restarted.includes(name) ? [[name, amount] as const] : [];
      }),
    ),
    lifetime: lifetimeBetween(then, now),
  };
}

/** Counts that the board keeps: in its InfoROM, or in remapped rows. */
function lifetimeOf(gpu: GpuState): ReadonlyMap<string, number> {
  const rows = known(gpu.remappedRows);
  const readings: Record<string, Reading<number>> = {
    eccCorrectedAggregate: gpu.eccCorrectedAggregate,
    eccUncorrectedAggregate: gpu.eccUncorrectedAggregate,
    retiredPagesSingleBit: gpu.retiredPagesSingleBit,
    retiredPagesDoubleBit: gpu.retiredPagesDoubleBit,
  };
  return new Map([
    ...countsOf(readings),
    ...(rows
      ? ([
          ['remappedRowsCorrected', rows.corrected],
          ['remappedRowsUncorrected', rows.uncorrected],
        ] as const)
      : []),
  ]);
}

function lifetimeBetween(then: GpuState, now: GpuState): Record<string, number> {
  const before = lifetimeOf(then);
  return Object.fromEntries(
    [...lifetimeOf(now)].flatMap(([name, amount]) => {
      const grown = amount - (before.get(name) ?? amount);
      return grown === 0 ? [] : [[name, grown] as const];
    }),
  );
}
