import { join } from 'node:path';
import { pciKey } from '../contract/pci.ts';
import { known, mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { eachOf, type NodeFiles } from './files.ts';
import type {
  DeviceNode,
  DriverFiles,
  DriverGpu,
  HostState,
  InstalledPackage,
  KernelModule,
} from './port.ts';
import type { NodeRoot } from './root.ts';

const GPUS_MAX = 1_024;

interface KernelModuleRoots {
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

const ROWS_MAX = 256;
const NODES_MAX = 1_024;
/** Modules of NVIDIA's, those that take a GPU from them, and those of RDMA to GPU memory. */
const MODULES =
  /^(?:nvidia\w*|nouveau|nova_core|vfio\w*|nv_peer_mem|gdrdrv|ib_core|ib_uverbs|mlx5_core|mlx5_ib|efa|bnxt_re|irdma)$/;

/** Parameters, modules and device nodes of NVIDIA's driver. */
export async function readDriverFiles(
  files: NodeFiles,
  roots: { readonly procRoot: string; readonly sysRoot: string; readonly devRoot: string },
  root: NodeRoot,
): Promise<DriverFiles> {
  const { procRoot, devRoot } = roots;
  return {
    parameters: await readPairs(files, join(procRoot, 'driver/nvidia/params')),
    modules: await readModules(files, roots),
    nodes: await readNodes(files, devRoot),
    charLinks: mapReading(await readCharLinks(files, devRoot, root), names =>
      names.some(name => name.startsWith('195:')),
    ),
    packages: await readPackages(root),
  };
}

/** The database of a full desktop is half as large. */
const DPKG_BYTES_MAX = 16 * 1024 * 1024;

/** deb-version(7) `1:570.124.06-1` is epoch, the version that NVIDIA gave it, and the packager's. */
async function readPackages(root: NodeRoot): Promise<Reading<readonly InstalledPackage[]>> {
  return mapReading(await root.text('/var/lib/dpkg/status', DPKG_BYTES_MAX), text =>
    [...text.matchAll(/^Package: (nvidia-(?:fabricmanager|imex)(?:-\d{1,4})?)$/gm)].flatMap(
      ({ index, 1: name = '' }) => {
        const [paragraph = ''] = text
          .slice(index, index + PARAGRAPH_CHARACTERS_MAX)
          .split('\n\n', 1);
        const version = /^Version: (?:\d+:)?(\d{1,4}(?:\.\d{1,4}){1,3})\b/m.exec(paragraph)?.[1];
        // What was removed and left its configuration behind has a version too.
        const isInstalled = /^Status: \w+ ok installed$/m.test(paragraph);
        return isInstalled && version !== undefined ? [{ name, version }] : [];
      },
    ),
  );
}

const PARAGRAPH_CHARACTERS_MAX = 16_384;

/** The node's own: a container runtime leaves links out of the /dev that it makes. */
async function readCharLinks(files: NodeFiles, devRoot: string, root: NodeRoot) {
  const names = await root.names('/dev/char');
  return names.ok ? names : files.names(join(devRoot, 'char'));
}

/** `EnableMSI: 1` and `Binary: ""`, one a line. */
async function readPairs(
  files: NodeFiles,
  path: string,
): Promise<Reading<Readonly<Record<string, string>>>> {
  return mapReading(await files.text(path), text => {
    const pairs = text.split('\n').flatMap(line => {
      const [, name, value = ''] = /^(\w{1,64}):\s*(.*)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, plainText(value, 256)] as const];
    });
    return Object.fromEntries(pairs.slice(0, ROWS_MAX));
  });
}

/** /proc/modules: `nvidia_uvm 4984832 2 - Live 0x0000000000000000 (OE)`. */
async function readModules(
  files: NodeFiles,
  { procRoot, sysRoot }: { readonly procRoot: string; readonly sysRoot: string },
): Promise<Reading<readonly KernelModule[]>> {
  const text = await files.text(join(procRoot, 'modules'));
  if (!text.ok) return text;
  const rows = text.value.split('\n').flatMap(line => {
    const [name = '', , uses = '', , state = ''] = line.split(' ');
    return MODULES.test(name) ? [{ name, uses: Number(uses), state: moduleState(state) }] : [];
  });
  const modules = await eachOf(rows.slice(0, ROWS_MAX), async row => {
    const version = known(await files.text(join(sysRoot, 'module', row.name, 'version')));
    return version === undefined ? row : { ...row, version: plainText(version, 64) };
  });
  return present(modules);
}

function moduleState(text: string): KernelModule['state'] {
  if (text === 'Loading') return 'loading';
  return text === 'Unloading' ? 'unloading' : 'live';
}

async function readNodes(
  files: NodeFiles,
  devRoot: string,
): Promise<Reading<readonly DeviceNode[]>> {
  const names = await files.names(devRoot);
  if (!names.ok) return names;
  const below = async (folder: string) =>
    (known(await files.names(join(devRoot, folder))) ?? []).map(name => `${folder}/${name}`);
  const found = [
    ...names.value.filter(name => /^nvidia/.test(name) && !FOLDERS.includes(name)),
    ...(await below('nvidia-caps')),
    ...(await below('nvidia-caps-imex-channels')),
  ];
  return present(
    await eachOf(found.slice(0, NODES_MAX), name => readNode(files, join(devRoot, name), name)),
  );
}

const FOLDERS = ['nvidia-caps', 'nvidia-caps-imex-channels'];

async function readNode(files: NodeFiles, path: string, name: string): Promise<DeviceNode> {
  const stat = await files.stat(path);
  const device =
    stat.ok && !stat.value.isCharacterDevice() ? missing('unreadable', 'no device') : stat;
  return {
    name: plainText(name, 80),
    // makedev(3): 12 bits of major above 8 bits of minor; the rest of both is higher up.
    major: mapReading(device, ({ rdev }) => Math.floor(rdev / 256) & 0xfff),
    minor: mapReading(device, ({ rdev }) => (rdev & 0xff) | ((rdev >>> 12) & 0xfff00)),
    mode: mapReading(stat, ({ mode }) => mode & 0o7777),
  };
}
