import { join } from 'node:path';
import { mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { eachOf, type NodeFiles, pathInRoot } from './files.ts';
import type { Filesystem, Space } from './port.ts';
import type { NodeRoot } from './root.ts';

const MOUNTS_BYTES_MAX = 1024 * 1024;
/** What pods, images and logs live on; other mounts are no matter of ours. */
const MOUNT_POINTS = [
  ...['/', '/var', '/var/lib', '/var/lib/kubelet', '/var/lib/containerd', '/var/lib/containers'],
  ...['/var/lib/docker', '/var/log', '/run', '/tmp', '/mnt/stateful_partition', '/local', '/data'],
];
/** File systems that cannot be written to at all. */
const PACKED = ['squashfs', 'erofs', 'iso9660', 'cramfs', 'romfs'];

/** Disks that the node lives on, from the mounts of its first process. */
export async function readFilesystems(
  files: NodeFiles,
  root: NodeRoot,
  procRoot: string,
): Promise<Reading<readonly Filesystem[]>> {
  const text = await files.text(join(procRoot, '1/mountinfo'), MOUNTS_BYTES_MAX);
  if (!text.ok) return text;
  const mounts = text.value.split('\n').flatMap(line => mountOf(line) ?? []);
  // What was mounted last on a place hides what was there.
  const visible = new Map(mounts.map(mount => [mount.mountPoint, mount]));
  const wanted = MOUNT_POINTS.flatMap(place => visible.get(place) ?? []);
  if (wanted.length === 0) return missing('unreadable', 'no known mount');
  // Where only directories of the node are mounted, /var/log tells of the disk that it lies on.
  const ofLogs = wanted
    .filter(({ mountPoint }) => `${LOGS}/`.startsWith(mountPoint === '/' ? '/' : `${mountPoint}/`))
    .toSorted((one, other) => other.mountPoint.length - one.mountPoint.length)[0];
  return present(
    await eachOf(wanted, async mount => {
      const place = root.whole ? mount.mountPoint : LOGS;
      const seen = root.whole || mount === ofLogs;
      return { ...mount, space: seen ? await readSpace(files, root, place) : NOT_MOUNTED };
    }),
  );
}

const LOGS = '/var/log';
const NOT_MOUNTED = missing('not_read', 'this part of the node is not mounted into the pod');

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

async function readSpace(
  files: NodeFiles,
  root: NodeRoot,
  place: string,
): Promise<Filesystem['space']> {
  const stat = await files.statfs(await pathInRoot(files, root.path, place));
  return mapReading(stat, found => ({
    ...spaceOf(found),
    inodesTotal: found.files,
    inodesFree: found.ffree,
  }));
}

/** statfs(2), in bytes; available is what users other than root may take. */
export const spaceOf = (found: { bsize: number; blocks: number; bavail: number }): Space => ({
  totalBytes: found.bsize * found.blocks,
  availableBytes: found.bsize * found.bavail,
});
