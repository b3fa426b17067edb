import { join } from 'node:path';
import { known, mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { eachOf, type NodeFiles } from './files.ts';
import type { DeviceNode, DriverFiles, KernelModule } from './port.ts';
import type { NodeRoot } from './root.ts';

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
  };
}

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
