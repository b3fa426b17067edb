import { mapReading, missing, present, type Reading } from '../contract/reading.ts';
import type { Asker } from './ask.ts';
import type { MigInstance } from './port.ts';
import { andThen, plain } from './reading-steps.ts';
import type { Handle } from './shapes.ts';

/** More than a GPU can be divided into. */
const MIG_DEVICES_MAX = 16;

/** The MIG devices of a GPU; none where MIG is off, which costs one call. */
export function readMigInstances(ask: Asker, gpu: Handle): Reading<readonly MigInstance[]> {
  const mode = ask.migMode(gpu);
  if (!mode.ok) return mode;
  if (mode.value.current === 0) return present([]);
  const count = ask.call('deviceGetMaxMigDeviceCount', gpu);
  if (!count.ok) return count;
  const indexes = Array.from({ length: Math.min(count.value, MIG_DEVICES_MAX) }, (_, i) => i);
  const instances: MigInstance[] = [];
  for (const index of indexes) {
    const device = ask.call('deviceGetMigDeviceHandleByIndex', gpu, index);
    if (device.ok) instances.push(instanceOf(ask, index, device.value));
    // An index without a device is free; any other reason is one not to know what is there.
    else if (device.reason !== 'not_found' && device.reason !== 'invalid_argument') return device;
  }
  return present(instances);
}

function instanceOf(ask: Asker, index: number, device: Handle): MigInstance {
  const memory = ask.call('deviceGetMemoryInfo', device);
  return {
    index,
    gpuInstance: ask.call('deviceGetGpuInstanceId', device),
    computeInstance: ask.call('deviceGetComputeInstanceId', device),
    uuid: plain(ask.call('deviceGetUUID', device)),
    profile: andThen(plain(ask.call('deviceGetName', device)), profileOf),
    totalBytes: mapReading(memory, ({ total }) => Number(total)),
    usedBytes: mapReading(memory, ({ used }) => Number(used)),
    slices: mapReading(ask.call('deviceGetAttributes', device), attributes => ({
      gpuInstance: attributes.gpuInstanceSliceCount,
      computeInstance: attributes.computeInstanceSliceCount,
      multiprocessors: attributes.multiprocessorCount,
    })),
  };
}

/** The driver names a MIG device `NVIDIA A100-SXM4-80GB MIG 3g.40gb`. */
function profileOf(name: string): Reading<string> {
  const [, profile] = / MIG (\S+)$/.exec(name) ?? [];
  return profile === undefined ? missing('unreadable', name) : present(profile);
}
