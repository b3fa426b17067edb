import { join } from 'node:path';
import { pciKey } from '../contract/pci.ts';
import { mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import type { NodeFiles } from './files.ts';
import type { DriverGpu, HostState } from './port.ts';

const GPUS_MAX = 1_024;

export interface KernelModuleRoots {
  readonly procRoot: string;
  readonly sysRoot: string;
}

/** Version and kind of the loaded NVIDIA module. `driver_not_loaded` when there is none. */
export async function readKernelModule(
  files: NodeFiles,
  { procRoot, sysRoot }: KernelModuleRoots,
): Promise<Pick<HostState, 'moduleVersion' | 'moduleKind'>> {
  const text = await files.text(join(procRoot, 'driver/nvidia/version'));
  // Both forms: `Kernel Module  535.104.05` and `Open Kernel Module for x86_64  570.195.03`.
  const found = text.ok
    ? /(Open )?Kernel Module(?: for \S+)?\s+(\d{1,4}(?:\.\d{1,4}){1,3})/.exec(text.value)
    : null;
  if (found) {
    return {
      moduleVersion: present(found[2] ?? ''),
      moduleKind: present(found[1] === undefined ? 'proprietary' : 'open'),
    };
  }
  const kind: Reading<never> = text.ok ? missing('unreadable', 'unknown form') : text;
  const version = await files.text(join(sysRoot, 'module/nvidia/version'));
  if (version.ok && /^\d+(?:\.\d+)+$/.test(version.value)) {
    return { moduleVersion: version, moduleKind: kind };
  }
  // sysfs lists every loaded module: without a directory there, none is loaded.
  const modules = await files.names(join(sysRoot, 'module'));
  if (modules.ok && !modules.value.includes('nvidia')) {
    const reason = missing('driver_not_loaded');
    return { moduleVersion: reason, moduleKind: reason };
  }
  return { moduleVersion: version.ok ? kind : version, moduleKind: kind };
}

/**
 * The GPUs that the kernel module has taken, from /proc/driver/nvidia/gpus. These files take the
 * driver's own locks: after the first one that hangs the others are not touched.
 */
export async function readDriverGpus(
  files: NodeFiles,
  { procRoot, sysRoot }: KernelModuleRoots,
): Promise<Reading<readonly DriverGpu[]>> {
  const directory = join(procRoot, 'driver/nvidia/gpus');
  const names = await files.names(directory);
  if (!names.ok) {
    if (names.reason !== 'not_found') return names;
    const modules = await files.names(join(sysRoot, 'module'));
    const absent = modules.ok && !modules.value.includes('nvidia');
    return absent ? missing('driver_not_loaded') : names;
  }
  const gpus: DriverGpu[] = [];
  let wedged = false;
  for (const name of names.value.slice(0, GPUS_MAX)) {
    const pci = pciKey(name);
    if (pci === undefined) continue;
    const text = wedged
      ? missing('timeout', 'not asked after another GPU hung')
      : await files.text(join(directory, name, 'information'));
    if (!text.ok && text.reason === 'timeout') wedged = true;
    gpus.push(driverGpu(pci, text));
  }
  return present(gpus);
}

function driverGpu(pci: string, text: Reading<string>): DriverGpu {
  const minor = field(text, 'Device Minor');
  const uuid = field(text, 'GPU UUID');
  return {
    pci,
    model: mapReading(field(text, 'Model'), model => plainText(model, 128)),
    // The driver writes question marks until it has initialised the GPU.
    uuid:
      uuid.ok && !/^(?:GPU|DLA)-[0-9a-f-]{36}$/i.test(uuid.value)
        ? missing('uninitialized', plainText(uuid.value, 64))
        : uuid,
    minor:
      minor.ok && !/^\d{1,4}$/.test(minor.value)
        ? missing('unreadable', plainText(minor.value, 64))
        : mapReading(minor, Number),
  };
}

/** One line of `information`: `GPU UUID: \t GPU-...`. */
function field(text: Reading<string>, name: string): Reading<string> {
  if (!text.ok) return text;
  const line = text.value.split('\n').find(each => each.startsWith(`${name}:`));
  const value = line?.slice(name.length + 1).trim();
  return value === undefined || value === '' ? missing('not_found', name) : present(value);
}
