import { mapReading, missing, present, type Reading } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { GpuProcess, ListedProcess, MigInstance, MigProfile } from '../readings/sharing.ts';
import { GPU_INSTANCE_PROFILES, NOT_AVAILABLE_32, NOT_AVAILABLE_64 } from '../table/enums.ts';
import type { Value } from '../table/functions.ts';
import type { Handle } from '../table/shapes.ts';
import type { Asker } from './ask.ts';
import { andThen, isOlder, plain } from './steps.ts';

/** How a GPU is divided and who uses it. */

/* ---- instances of MIG ---- */

/** More than a GPU can be divided into. */
const MIG_DEVICES_MAX = 16;

/** The MIG devices of a GPU; none where MIG is off, which costs one call. */
export function readMigInstances(ask: Asker, gpu: Handle): Reading<readonly MigInstance[]> {
  const mode = ask.call('deviceGetMigMode', gpu);
  if (!mode.ok) return mode;
  if (mode.value.current === 0) return present([]);
  const count = ask.call('deviceGetMaxMigDeviceCount', gpu);
  if (!count.ok) return count;
  const indexes = Array.from({ length: Math.min(count.value, MIG_DEVICES_MAX) }, (_, i) => i);
  const instances: MigInstance[] = [];
  const infoOf = gpuInstances(ask, gpu);
  for (const index of indexes) {
    const device = ask.call('deviceGetMigDeviceHandleByIndex', gpu, index);
    if (device.ok) instances.push(instanceOf(ask, { index, device: device.value, infoOf }));
    // An index without a device is free; any other reason is one not to know what is there.
    else if (device.reason !== 'not_found' && device.reason !== 'invalid_argument') return device;
  }
  return present(instances);
}

type InstanceInfo = Reading<Value<'gpuInstanceGetInfo'>>;

/** The GPU instances by their ids: several compute instances may share one, which is read once. */
function gpuInstances(ask: Asker, gpu: Handle): (id: number) => InstanceInfo {
  const known = new Map<number, InstanceInfo>();
  return id => {
    const info =
      known.get(id) ??
      andThen(ask.call('deviceGetGpuInstanceById', gpu, id), instance =>
        ask.call('gpuInstanceGetInfo', instance),
      );
    known.set(id, info);
    return info;
  };
}

function instanceOf(
  ask: Asker,
  {
    index,
    device,
    infoOf,
  }: { index: number; device: Handle; infoOf: (id: number) => InstanceInfo },
): MigInstance {
  const memory = ask.call('deviceGetMemoryInfo', device);
  const gpuInstance = ask.call('deviceGetGpuInstanceId', device);
  const info = andThen(gpuInstance, infoOf);
  return {
    index,
    gpuInstance,
    computeInstance: ask.call('deviceGetComputeInstanceId', device),
    uuid: plain(ask.call('deviceGetUUID', device)),
    profile: andThen(plain(ask.call('deviceGetName', device)), profileOf),
    profileId: mapReading(info, ({ profileId }) => profileId),
    placement: mapReading(info, instance => ({
      start: instance['placement.start'],
      size: instance['placement.size'],
    })),
    totalBytes: mapReading(memory, ({ total }) => Number(total)),
    usedBytes: mapReading(memory, ({ used }) => Number(used)),
    slices: mapReading(ask.call('deviceGetAttributes', device), attributes => ({
      gpuInstance: attributes.gpuInstanceSliceCount,
      computeInstance: attributes.computeInstanceSliceCount,
      multiprocessors: attributes.multiprocessorCount,
    })),
  };
}

/** What the GPU can be divided into and how much of it is left; where MIG is off that costs no call. */
export function readMigProfiles(ask: Asker, gpu: Handle): Reading<readonly MigProfile[]> {
  const mode = ask.call('deviceGetMigMode', gpu);
  if (!mode.ok) return mode;
  const profiles: MigProfile[] = [];
  const end = mode.value.current === 0 ? 0 : GPU_INSTANCE_PROFILES;
  for (let profile = 0; profile < end; profile++) {
    const info = ask.call('deviceGetGpuInstanceProfileInfo', gpu, profile);
    if (info.ok) {
      const { id, name, sliceCount, memorySizeMB, instanceCount } = info.value;
      profiles.push({
        id,
        name: plainText(name.replace(/^MIG /, ''), 32),
        slices: sliceCount,
        memoryMib: Number(memorySizeMB),
        instancesMax: instanceCount,
        remaining: ask.call('deviceGetGpuInstanceRemainingCapacity', gpu, id),
      });
    } else if (info.reason === 'invalid_argument' && profile > 0) {
      // An older driver has fewer profiles and says so at the first that it does not know.
      break;
    } else if (info.reason !== 'not_supported') return info;
  }
  return present(profiles);
}

/** The driver names a MIG device `NVIDIA A100-SXM4-80GB MIG 3g.40gb`. */
function profileOf(name: string): Reading<string> {
  const [, profile] = / MIG (\S+)$/.exec(name) ?? [];
  return profile === undefined ? missing('unreadable', name) : present(profile);
}

/* ---- processes ---- */

/**
 * Compute and graphics processes as one list. A process that does both is in it twice, as in the
 * driver. A driver without the graphics call lists compute processes only.
 */
export function readProcesses(ask: Asker, gpu: Handle): Reading<readonly GpuProcess[]> {
  const compute = processes('compute', ask.call('deviceGetComputeRunningProcesses', gpu), () =>
    ask.call('deviceGetComputeRunningProcessesV1', gpu),
  );
  if (!compute.ok) return compute;
  const withMps = [...compute.value, ...mpsBeside(ask, gpu, compute.value)];
  const graphics = processes('graphics', ask.call('deviceGetGraphicsRunningProcesses', gpu), () =>
    ask.call('deviceGetGraphicsRunningProcessesV1', gpu),
  );
  if (graphics.ok) return present([...withMps, ...graphics.value]);
  return graphics.reason === 'not_supported' ? present(withMps) : graphics;
}

/** Clients of the Multi-Process Service, which the driver lists apart; old drivers have no such call. */
function mpsBeside(ask: Asker, gpu: Handle, listed: readonly GpuProcess[]): GpuProcess[] {
  const clients = ask.call('deviceGetMPSComputeRunningProcesses', gpu);
  if (!clients.ok) return [];
  return clients.value
    .filter(({ pid }) => !listed.some(process => process.pid === pid))
    .map(info => ({ ...processOf('compute', info), mps: true }));
}

/** The list of all kinds of processes: it alone has some of them, and their protected memory. */
export function readAllProcesses(ask: Asker, gpu: Handle): Reading<readonly ListedProcess[]> {
  const all = ask.call('deviceGetRunningProcessDetailList', gpu);
  // Drivers that have the call know the modes compute, graphics and MPS; all of them at once is newer.
  if (!all.ok && all.reason === 'invalid_argument') return missing('not_supported');
  return mapReading(all, infos =>
    infos.map(({ pid, usedGpuMemory, usedGpuCcProtectedMemory }) => ({
      pid,
      ...bytes('usedBytes', usedGpuMemory),
      ...bytes('protectedBytes', usedGpuCcProtectedMemory),
    })),
  );
}

const bytes = <K extends 'usedBytes' | 'protectedBytes'>(key: K, amount: bigint) =>
  amount === NOT_AVAILABLE_64 ? {} : { [key]: Number(amount) };

interface ProcessInfo {
  readonly pid: number;
  readonly usedGpuMemory: bigint;
  readonly gpuInstanceId?: number;
  readonly computeInstanceId?: number;
}

function processes(
  kind: GpuProcess['kind'],
  newer: Reading<readonly ProcessInfo[]>,
  older: () => Reading<readonly ProcessInfo[]>,
): Reading<readonly GpuProcess[]> {
  const found = newer.ok || !isOlder(newer) ? newer : older();
  return mapReading(found, infos => infos.map(info => processOf(kind, info)));
}

const processOf = (kind: GpuProcess['kind'], info: ProcessInfo): GpuProcess => ({
  pid: info.pid,
  kind,
  ...bytes('usedBytes', info.usedGpuMemory),
  ...instance('gpuInstance', info.gpuInstanceId),
  ...instance('computeInstance', info.computeInstanceId),
});

const instance = <K extends 'gpuInstance' | 'computeInstance'>(key: K, id: number | undefined) =>
  id === undefined || id === NOT_AVAILABLE_32 ? {} : { [key]: id };
