import { plainText } from '../contract/untrusted.ts';
import { note, ours } from './plain-verdict.ts';
import { type Line, line } from './verdict.ts';

/**
 * What the kernel says of the machine as a whole: what it is, a panic, disks and file systems that
 * stand still. Lines of the timeline: a job that waits for its data looks like a GPU that hangs.
 *
 * Forms: kernel/panic.c, drivers/nvme/host/pci.c, fs/ext4/super.c, fs/xfs/xfs_fsops.c,
 * net/sunrpc/clnt.c, drivers/firmware/dmi_scan.c of Linux 5.4 to 7.2. Names in them are users' text.
 */
export function parseMachineLine(message: string): Line | undefined {
  for (const [form, read] of FORMS) {
    const found = form.exec(message);
    if (found) return read(found);
  }
  return undefined;
}

type Form = readonly [form: RegExp, read: (found: RegExpExecArray) => Line];

const background = (
  kind: string,
  details: Record<string, unknown>,
  verdict: Line['verdict'],
): Line => line({ kind, role: 'background', rank: 2, details, verdict });

const FORMS: readonly Form[] = [
  [
    /^DMI: ([^,]{1,160}), BIOS /,
    ([, machine = '']) =>
      background(
        'machine',
        { machine: plainText(machine, 160) },
        note('Kind of machine', 'The kernel names the machine that it runs on.'),
      ),
  ],
  [
    /^Kernel panic - not syncing: (.{1,160})/,
    ([, reason = '']) =>
      background(
        'panic',
        { reason: plainText(reason, 160) },
        ours({
          action: 'watch',
          severity: 'warning',
          blame: 'host',
          title: 'Kernel panic',
          meaning: 'The kernel stopped the machine.',
          advice: 'Read the trace before it and the host’s own error log (BMC, rasdaemon).',
        }),
      ),
  ],
  [
    /^nvme (nvme\d{1,4}): (?:I\/O (?:tag )?\d+ .{0,80}?timeout, (?:aborting|reset controller|disable controller|completion polled)|(controller is down; will reset|Device not ready; aborting reset|Disabling device after reset failure))/,
    ([, name, what]) =>
      background(
        'disk_stalled',
        { disk: name, what: what ?? 'timeout' },
        ours({
          action: 'watch',
          severity: 'warning',
          blame: 'host',
          title: 'NVMe disk does not answer',
          meaning: 'An NVMe disk did not answer a command in time.',
          advice:
            'Look at the disk and its PCIe link; jobs that wait for it are not hung on a GPU.',
        }),
      ),
  ],
  [
    /^(EXT4-fs|BTRFS\b[\w ]{0,12}|XFS|F2FS-fs) \((?:device )?([^)]{1,64})\): (?:Remounting filesystem read-only|.{0,240}(?:forced readonly|[Ss]hutting down filesystem|Filesystem has been shut down))/,
    ([, type, name = '']) =>
      background(
        'filesystem_stopped',
        { type: type?.trim(), device: plainText(name, 64) },
        ours({
          action: 'watch',
          severity: 'warning',
          blame: 'host',
          title: 'File system went read-only or stopped',
          meaning: 'The kernel stopped writing to a file system after an error.',
          advice: 'Look at the disk below it; drain the node if it is the root or the kubelet’s.',
        }),
      ),
  ],
  [
    /^nfs: server (\S{1,128}) not responding, (still trying|timed out)/,
    ([, server = '', what]) =>
      background(
        'nfs_stalled',
        { server: plainText(server, 128), what },
        ours({
          action: 'watch',
          severity: 'warning',
          blame: 'host',
          title: 'NFS server does not answer',
          meaning: 'A network file server did not answer; who reads from it waits.',
          advice:
            'Look at the server and the network; jobs that wait for data are not hung on a GPU.',
        }),
      ),
  ],
];
