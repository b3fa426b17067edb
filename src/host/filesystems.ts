import { join } from 'node:path';
import { mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { DISKS } from './beyond-mounts.ts';
import { eachOf, type NodeFiles, pathInRoot } from './files.ts';
import type { Filesystem, Space } from './port.ts';
import type { NodeRoot } from './root.ts';

const MOUNTS_BYTES_MAX = 1024 * 1024;
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
const logsOf = async (files: NodeFiles, root: NodeRoot) =>
  files.statfs(await pathInRoot(files, root.path, LOGS));

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
export const spaceOf = (found: { bsize: number; blocks: number; bavail: number }): Space => ({
  totalBytes: found.bsize * found.blocks,
  availableBytes: found.bsize * found.bavail,
});
