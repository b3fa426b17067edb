import * as z from 'zod';
import type { ClusterDevice, ClusterView } from '../../contract/cluster-view.ts';
import { optional } from '../../contract/optional.ts';
import { missing } from '../../contract/reading.ts';
import type { Allocation } from './allocations.ts';

/** A GPU by all that a ResourceSlice may call it. */
export const NamedGpu = z.strictObject({
  index: z.int().optional(),
  pci: z.string().optional(),
  uuid: z.string().optional(),
  migUuids: z.array(z.string()).optional(),
});
export type NamedGpu = z.infer<typeof NamedGpu>;

/** How the names of DRA's devices were told apart. */
export const BY_NAMES = 'the number in their names, which is no proof';
const BY_SLICES = "their driver's ResourceSlices";

interface Allocated {
  readonly allocations: Allocation[];
  readonly draDevicesBy?: string | undefined;
  readonly gpus?: NamedGpu[] | undefined;
  readonly contradictions: string[];
}

/**
 * Names the GPUs of DRA allocations by what their driver publishes, where the cluster lets it be
 * read, in place of the number in the device's name. Pure.
 */
export function withDraDevices<F extends Allocated>(facts: F, view: ClusterView): F {
  if (facts.draDevicesBy === undefined) return facts;
  const { devices = missing('not_read') } = view;
  if (!devices.ok) {
    const why = `ResourceSlices not read: ${devices.reason}`;
    return { ...facts, draDevicesBy: `${BY_NAMES} (${why})` };
  }
  const rows = facts.allocations.map(row => named(row, devices.value, facts.gpus ?? []));
  const moved = new Set(rows.flatMap(row => row.moved));
  return {
    ...facts,
    allocations: rows.map(({ row }) => row),
    draDevicesBy: rows.every(({ whole }) => whole)
      ? BY_SLICES
      : `${BY_SLICES}; those not in them by ${BY_NAMES}`,
    // Said of the GPUs that the names seemed to mean.
    contradictions: facts.contradictions.filter(
      text => ![...moved].some(index => text.startsWith(`GPU ${index} is used without`)),
    ),
  };
}

function named(row: Allocation, published: readonly ClusterDevice[], gpus: readonly NamedGpu[]) {
  if (row.pool === undefined) return { row, moved: [], whole: true };
  let whole = true;
  const devices = row.devices.map(device => {
    const found = published.find(
      ({ driver, pool, name }) =>
        driver === row.resource && pool === row.pool && name === device.id,
    );
    const gpu = found && gpuOf(found, gpus);
    if (!gpu) {
      whole = false;
      return device;
    }
    const { gpuIndex: _, pci: __, ...own } = device;
    return {
      ...own,
      ...optional({ gpuIndex: gpu.index, pci: gpu.pci }),
      ...(found.parentUuid === undefined || found.uuid === undefined
        ? {}
        : { migUuid: found.uuid }),
    };
  });
  const moved = devices.flatMap(({ gpuIndex }, at) =>
    gpuIndex === undefined || gpuIndex === row.devices[at]?.gpuIndex ? [] : [gpuIndex],
  );
  if (moved.length === 0) return { row: { ...row, devices }, moved, whole };
  // What was counted on the GPUs that the names seemed to mean is not of these.
  const { processes: _, usedBytes: __, ...rest } = row;
  return { row: { ...rest, devices }, moved, whole };
}

/** By UUID first: a bus address may belong to another board since. */
const gpuOf = (
  { uuid, parentUuid, pci }: ClusterDevice,
  gpus: readonly NamedGpu[],
): NamedGpu | undefined =>
  gpus.find(gpu => gpu.uuid !== undefined && (gpu.uuid === uuid || gpu.uuid === parentUuid)) ??
  gpus.find(gpu => uuid !== undefined && gpu.migUuids?.includes(uuid)) ??
  (uuid === undefined && parentUuid === undefined
    ? gpus.find(gpu => pci !== undefined && gpu.pci === pci)
    : undefined);
