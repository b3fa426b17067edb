import { join } from 'node:path';
import { optional } from '../contract/optional.ts';
import { known, mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { DISKS } from '../node-root/allowed.ts';
import { eachOf, type NodeFiles, pathInRoot } from './files.ts';
import type {
  Daemon,
  Filesystem,
  KernelClock,
  Load,
  NodeResources,
  Pressure,
  Space,
  Stall,
} from './port.ts';
import type { NodeRoot } from './root.ts';

const KIB = 1_024;
const CONTROLLERS_MAX = 64;

/** Memory, disks, load, pressure and time of the node. */
export async function readResources(
  files: NodeFiles,
  roots: { readonly root: NodeRoot; readonly procRoot: string; readonly sysRoot: string },
  daemons: Reading<readonly Daemon[]>,
  clock: Reading<KernelClock>,
): Promise<NodeResources> {
  const { root, procRoot, sysRoot } = roots;
  return {
    memory: await readMemory(files, procRoot),
    sharedMemory: mapReading(await root.statfs('/dev/shm'), spaceOf),
    memlockBytes: await readMemlock(files, procRoot, daemons),
    filesystems: await readFilesystems(files, root, procRoot),
    load: await readLoad(files, procRoot),
    pressure: await readPressure(files, procRoot),
    timeSync: timeSyncOf(daemons),
    clock,
    oomKills: await numberIn(files, join(procRoot, 'vmstat'), /^oom_kill (\d{1,15})$/m),
    edac: await readEdac(files, sysRoot),
    kernelTaint: await numberIn(files, join(procRoot, 'sys/kernel/tainted'), /^(\d{1,15})$/),
  };
}

async function numberIn(files: NodeFiles, path: string, pattern: RegExp): Promise<Reading<number>> {
  const text = await files.text(path);
  if (!text.ok) return text;
  const digits = pattern.exec(text.value)?.[1];
  return digits === undefined
    ? missing('not_supported', 'not in the file')
    : present(Number(digits));
}

/** proc_meminfo(5): `MemTotal:  2113402012 kB`. */
async function readMemory(files: NodeFiles, procRoot: string): Promise<Reading<Space>> {
  const text = await files.text(join(procRoot, 'meminfo'));
  if (!text.ok) return text;
  const bytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d{1,15}) kB$`, 'm').exec(text.value)?.[1] ?? Number.NaN) *
    KIB;
  const memory = {
    totalBytes: bytes('MemTotal'),
    availableBytes: bytes('MemAvailable'),
  };
  if (Object.values(memory).some(Number.isNaN)) return missing('unreadable', 'unknown form');
  return present(memory);
}

/** The soft limit of the container runtime, which containers inherit: proc_pid_limits(5). */
async function readMemlock(
  files: NodeFiles,
  procRoot: string,
  daemons: Reading<readonly Daemon[]>,
): Promise<Reading<number | 'unlimited'>> {
  if (!daemons.ok) return daemons;
  const runtime = daemons.value.find(({ kind }) => kind === 'container_runtime');
  if (!runtime) return missing('not_found', 'no container runtime is running');
  const text = await files.text(join(procRoot, String(runtime.pid), 'limits'));
  if (!text.ok) return text;
  const limit = /^Max locked memory\s+(unlimited|\d{1,20})\s/m.exec(text.value)?.[1];
  if (limit === undefined) return missing('unreadable');
  return present(limit === 'unlimited' ? limit : Number(limit));
}

async function readLoad(files: NodeFiles, procRoot: string): Promise<Reading<Load>> {
  const text = await files.text(join(procRoot, 'loadavg'));
  if (!text.ok) return text;
  const one = /^(\d+\.\d+) /.exec(text.value)?.[1];
  if (one === undefined) return missing('unreadable');
  const stat = await files.text(join(procRoot, 'stat'), 256 * KIB);
  const cpus = mapReading(stat, lines => (lines.match(/^cpu\d+ /gm) ?? []).length);
  return present({ one: Number(one), cpus });
}

async function readPressure(files: NodeFiles, procRoot: string): Promise<Reading<Pressure>> {
  const names = await files.names(join(procRoot, 'pressure'));
  // psi=0 and kernels without it have no directory.
  if (!names.ok) return names.reason === 'not_found' ? missing('not_supported', 'no PSI') : names;
  const stall = async (name: string) =>
    stallOf(await files.text(join(procRoot, 'pressure', name), KIB));
  return present({
    cpu: await stall('cpu'),
    memory: await stall('memory'),
    io: await stall('io'),
  });
}

/** `some avg10=0.00 avg60=0.12 avg300=0.05 total=1234`. */
function stallOf(text: Reading<string>): Reading<Stall> {
  if (!text.ok) return text;
  const row = (kind: string) =>
    new RegExp(`^${kind} avg10=\\d+\\.\\d+ avg60=(\\d+\\.\\d+) `, 'm').exec(text.value);
  const [some, full] = [row('some'), row('full')];
  if (!some) return missing('unreadable');
  return present({
    some60Percent: Number(some[1]),
    ...(full ? { full60Percent: Number(full[1]) } : {}),
  });
}

/** Which daemon keeps the time; whether it succeeds tells the kernel's clock. */
function timeSyncOf(daemons: Reading<readonly Daemon[]>): NodeResources['timeSync'] {
  return mapReading(daemons, all => {
    const daemon = all.find(({ kind }) => kind === 'time_sync')?.name;
    return optional({ daemon });
  });
}

/** Documentation/ABI/testing/sysfs-devices-edac: ce_count and ue_count of each controller. */
async function readEdac(files: NodeFiles, sysRoot: string): Promise<NodeResources['edac']> {
  const directory = join(sysRoot, 'devices/system/edac/mc');
  const names = await files.names(directory);
  if (!names.ok) return names.reason === 'not_found' ? missing('not_supported', 'no EDAC') : names;
  const controllers = names.value.filter(name => /^mc\d{1,3}$/.test(name));
  if (controllers.length === 0) return missing('not_supported', 'no memory controller');
  const sum = async (name: string) => {
    const counts = await eachOf(controllers.slice(0, CONTROLLERS_MAX), each =>
      numberIn(files, join(directory, each, name), /^(\d{1,15})$/),
    );
    return counts.reduce((total, count) => total + (known(count) ?? 0), 0);
  };
  return present({ corrected: await sum('ce_count'), uncorrected: await sum('ue_count') });
}

const MOUNTS_BYTES_MAX = 1024 * 1024;
/** File systems that cannot be written to at all. */
const PACKED = ['squashfs', 'erofs', 'iso9660', 'cramfs', 'romfs'];

/** Disks that the node lives on, from the mounts of its first process. */
async function readFilesystems(
  files: NodeFiles,
  root: NodeRoot,
  procRoot: string,
): Promise<Reading<readonly Filesystem[]>> {
  const text = await files.text(join(procRoot, '1/mountinfo'), MOUNTS_BYTES_MAX);
  if (!text.ok) return text;
  const mounts = text.value.split('\n').flatMap(line => mountOf(line) ?? []);
  // What was mounted last on a place hides what was there.
  const visible = new Map(mounts.map(mount => [mount.mountPoint, mount]));
  const wanted = DISKS.flatMap(place => visible.get(place) ?? []);
  if (wanted.length === 0) return missing('unreadable', 'no known mount');
  // Where only directories of the node are mounted, /var/log tells of the disk that it lies on.
  const ofLogs = wanted
    .filter(({ mountPoint }) => `${LOGS}/`.startsWith(mountPoint === '/' ? '/' : `${mountPoint}/`))
    .toSorted((one, other) => other.mountPoint.length - one.mountPoint.length)[0];
  return present(
    await eachOf(wanted, async mount => {
      const own = await root.statfs(mount.mountPoint);
      const seen = own.ok || mount !== ofLogs ? own : await logsOf(files, root);
      return { ...mount, space: mapReading(seen, spaceWithInodes) };
    }),
  );
}

const LOGS = '/var/log';
async function logsOf(files: NodeFiles, root: NodeRoot) {
  const place = await pathInRoot(files, root.path, LOGS);
  return place.ok ? files.statfs(place.value) : place;
}

/** proc_pid_mountinfo(5): `ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAGS] - TYPE SOURCE SUPER`. */
function mountOf(line: string): Omit<Filesystem, 'space'> | undefined {
  const [left = '', right = ''] = line.split(' - ');
  const [, , , , place, options] = left.split(' ');
  const [type, source, superOptions] = right.split(' ');
  if (place === undefined || type === undefined || source === undefined) return undefined;
  const has = (list: string | undefined) => (list ?? '').split(',').includes('ro');
  // dm-verity proves that a root is as it was built (COS, Bottlerocket), composefs too (RHCOS).
  const verified =
    place === '/' && /^(?:\/dev\/dm-\d+|\/dev\/mapper\/\w*root|composefs)$/.test(source);
  return {
    mountPoint: place,
    type: plainText(type, 32),
    device: plainText(source, 128),
    readOnly: has(options) || has(superOptions),
    readOnlyByDesign: PACKED.includes(type) || (verified && has(options)),
  };
}

const spaceWithInodes = (
  found: Parameters<typeof spaceOf>[0] & { files: number; ffree: number },
) => ({
  ...spaceOf(found),
  inodesTotal: found.files,
  inodesFree: found.ffree,
});

/** statfs(2), in bytes; available is what users other than root may take. */
const spaceOf = (found: { bsize: number; blocks: number; bavail: number }): Space => ({
  totalBytes: found.bsize * found.blocks,
  availableBytes: found.bsize * found.bavail,
});
