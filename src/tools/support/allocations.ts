import * as z from 'zod';
import { optional } from '../../contract/optional.ts';
import { known, MISSING_REASONS } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import type { DeviceRef, PodAllocation, PodState } from '../../host/port.ts';
import { count } from './gpu-fields.ts';
import { type GpuRow, gpuRows } from './gpu-rows.ts';
import { type ProcessRow, processRows, whose } from './process-rows.ts';

const DEVICES_MAX = 32;

const Device = z
  .strictObject({
    id: z.string(),
    gpuIndex: z.int().optional(),
    pci: z.string().optional(),
    migUuid: z.string().optional(),
    /** Of time-slicing and MPS: others may share this GPU. */
    replica: z.int().optional(),
  })
  .meta({ listedKeys: ['id', 'gpuIndex', 'replica'] });

/** The devices of one resource that one container holds. */
export const Allocation = z
  .strictObject({
    namespace: z.string().optional(),
    pod: z.string().optional(),
    podUid: z.string().optional(),
    container: z.string(),
    resource: z.string(),
    /** Where DRA allocated them: the pool of its driver, `resource`. */
    pool: z.string().optional(),
    devices: z.array(Device),
    devicesTotal: z.int(),
    /** Processes of this pod on these GPUs and what they hold; absent where it could not be told. */
    processes: z.int().optional(),
    usedBytes: count.optional(),
    phase: z.string().optional(),
    owner: z.string().optional(),
  })
  .meta({
    listedKeys: ['namespace', 'pod', 'container', 'resource', 'devices', 'processes', 'phase'],
  });
export type Allocation = z.infer<typeof Allocation>;

/** A process and the index of its GPU. */
export type Used = ProcessRow & { readonly gpu: number };

/** Every process that the driver names, with its GPU. */
export const usedGpus = (facts: NodeFacts): Used[] =>
  facts.driver.gpus.flatMap(gpu =>
    (processRows(facts, gpu) ?? []).map(process => ({ ...process, gpu: gpu.index })),
  );

/** One allocation as a row: its GPUs by index, and what its pod does on them. */
export function allocationRow(
  facts: NodeFacts,
  one: PodAllocation,
  used: readonly Used[],
): Allocation {
  const devices = one.devices.map(device => deviceRow(facts, device));
  const gpus = new Set(devices.flatMap(({ gpuIndex }) => gpuIndex ?? []));
  const told = facts.driver.gpus
    .filter(({ index }) => gpus.has(index))
    .every(gpu => gpu.processes.ok);
  const names = { namespace: one.namespace, pod: one.pod, podUid: one.podUid };
  const mine = used.filter(process => gpus.has(process.gpu) && isSamePod(process, names));
  const sizes = mine.flatMap(({ usedBytes }) => usedBytes ?? []);
  return {
    ...Object.fromEntries(
      Object.entries(names).flatMap(([key, text]) =>
        text === undefined ? [] : [[key, plainText(text, 253)]],
      ),
    ),
    container: plainText(one.container, 128),
    resource: plainText(one.resource, 128),
    ...(one.claim && { pool: plainText(one.claim.pool, 253) }),
    devices: devices.slice(0, DEVICES_MAX),
    devicesTotal: devices.length,
    ...(told && gpus.size > 0 && { processes: mine.length }),
    ...(sizes.length > 0 && { usedBytes: sizes.reduce((sum, size) => sum + size, 0) }),
  };
}

/** Which GPUs a pod was given, by index. */
export const PodGpus = z.strictObject({
  namespace: z.string().optional(),
  pod: z.string().optional(),
  gpus: z.array(z.int()),
});

const PODS_MAX = 128;

/** GPUs by pod, as the kubelet allocated them. */
export function gpusByPod(facts: NodeFacts): z.infer<typeof PodGpus>[] {
  const { allocations, checkpoint } = facts.host.pods;
  const held = known(allocations.ok ? allocations : checkpoint) ?? [];
  return held.slice(0, PODS_MAX).map(one => {
    const { namespace, pod, devices } = allocationRow(facts, one, []);
    const gpus = devices.flatMap(({ gpuIndex }) => gpuIndex ?? []);
    return { ...optional({ namespace, pod }), gpus };
  });
}

interface PodNames {
  readonly namespace?: string | undefined;
  readonly pod?: string | undefined;
  readonly podUid?: string | undefined;
}

/** By uid where both have one, else by name. */
export function isSamePod(a: PodNames, b: PodNames): boolean {
  if (a.podUid !== undefined && b.podUid !== undefined) return a.podUid === b.podUid;
  return a.pod !== undefined && a.pod === b.pod && a.namespace === b.namespace;
}

function deviceRow(facts: NodeFacts, device: DeviceRef): z.infer<typeof Device> {
  const place = placeOf(facts, device);
  return {
    id: plainText(device.id, 96),
    ...optional({
      gpuIndex: place?.index,
      pci: place?.pci,
      migUuid: device.migUuid && plainText(device.migUuid, 96),
      replica: device.replica,
    }),
  };
}

/** Which GPU a device is; of one that the driver has lost, other layers still know the UUID. */
function placeOf(
  facts: NodeFacts,
  { gpuUuid, minor, migUuid }: DeviceRef,
): Pick<GpuRow, 'index' | 'pci'> | undefined {
  const gpu = facts.driver.gpus.find(
    other =>
      (minor !== undefined && known(other.minorNumber) === minor) ||
      (migUuid !== undefined &&
        known(other.migInstances)?.some(({ uuid }) => known(uuid) === migUuid)),
  );
  const listed = known(facts.host.driverGpus)?.find(
    other => minor !== undefined && known(other.minor) === minor,
  );
  return gpuRows(facts, ['uuid']).find(
    row =>
      (gpuUuid !== undefined && row.uuid === gpuUuid) ||
      (gpu !== undefined && row.index === gpu.index) ||
      (listed !== undefined && row.pci === listed.pci),
  );
}

/** Devices by resource that no pod holds. */
export function freeOf(facts: NodeFacts, held: readonly PodAllocation[]): Record<string, number> {
  const free: Record<string, number> = {};
  for (const { resource, deviceIds } of known(facts.host.pods.allocatable) ?? []) {
    const taken = new Set(
      held.filter(one => one.resource === resource).flatMap(one => one.deviceIds),
    );
    const name = plainText(resource, 128);
    free[name] = (free[name] ?? 0) + deviceIds.filter(id => !taken.has(id)).length;
  }
  return free;
}

/** Processes of pods on GPUs that the kubelet has not given them: privileged, or an old setting. */
export function usedUnallocated(rows: readonly Allocation[], used: readonly Used[]): string[] {
  const found = used
    .filter(({ place }) => place === 'pod')
    .filter(
      process =>
        !rows.some(
          row =>
            isSamePod(row, process) &&
            // A device that names no GPU may be this one.
            row.devices.some(({ gpuIndex }) => gpuIndex === undefined || gpuIndex === process.gpu),
        ),
    )
    .map(
      process =>
        `GPU ${process.gpu} is used without being allocated: pid ${process.pid}, ${whose(process)}`,
    );
  return [...new Set(found)].slice(0, 16);
}

/** What the kubelet's checkpoint adds to pod-resources; a reason where it was not read. */
export const Checkpoint = z.enum(['agrees', 'differs', 'is the source', ...MISSING_REASONS]);

interface Compared {
  readonly checkpoint: z.infer<typeof Checkpoint>;
  readonly contradictions: readonly string[];
}

/**
 * Compares the kubelet's two records. Entries of pods that pod-resources does not list are old: the
 * checkpoint keeps them until the device is given away again. Claims (DRA) are not in it.
 */
export function compareSources({
  allocations,
  checkpoint,
}: Pick<PodState, 'allocations' | 'checkpoint'>): Compared {
  if (!checkpoint.ok) return { checkpoint: checkpoint.reason, contradictions: [] };
  if (!allocations.ok) return { checkpoint: 'is the source', contradictions: [] };
  const contradictions = allocations.value
    .filter(({ claim, podUid }) => claim === undefined && podUid !== undefined)
    .filter(live => !checkpoint.value.some(entry => isSame(live, entry)))
    .map(
      ({ namespace, pod, container, resource }) =>
        `pod-resources and checkpoint differ on ${plainText(resource, 128)} of ${plainText(`${namespace}/${pod}`, 320)}, container ${plainText(container, 128)}`,
    );
  return {
    checkpoint: contradictions.length > 0 ? 'differs' : 'agrees',
    contradictions: contradictions.slice(0, 8),
  };
}

const isSame = (live: PodAllocation, entry: PodAllocation): boolean =>
  isSamePod(live, entry) &&
  live.container === entry.container &&
  live.resource === entry.resource &&
  live.deviceIds.length === entry.deviceIds.length &&
  live.deviceIds.every(id => entry.deviceIds.includes(id));
