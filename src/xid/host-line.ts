import { optional } from '../contract/optional.ts';
import { pciKey } from '../contract/pci.ts';
import { plainText } from '../contract/untrusted.ts';
import { parseNicLine } from './nic-line.ts';
import { parseAer, parsePciLine } from './pci-line.ts';
import { note, ours } from './plain-verdict.ts';
import { isAtStart } from './provenance.ts';
import { type Line, line, type Verdict } from './verdict.ts';

/**
 * What the kernel says of the host that a GPU's trouble can come from: PCIe, IOMMU, memory,
 * processes that it ended, network adapters, other drivers.
 */
export function parseHostLine(message: string): Line | undefined {
  return (
    parseAer(message) ??
    parsePciLine(message) ??
    parseNicLine(message) ??
    parseMachineLine(message) ??
    byForm(message)
  );
}

type Form = readonly [form: RegExp, read: (found: RegExpExecArray) => Line];

function byForm(message: string): Line | undefined {
  for (const [form, read] of FORMS) {
    const found = form.exec(message);
    if (found && isAtStart(message.slice(0, found.index))) return read(found);
  }
  return undefined;
}

const HOST_ADDRESS = '([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7])';

const FORMS: readonly Form[] = [
  [
    /\bDMAR:\s?DRHD: handling fault status/,
    () =>
      line({
        kind: 'iommu_fault_summary',
        role: 'companion',
        rank: 1,
        verdict: note('IOMMU fault', 'The IOMMU reports faults; the next lines name the device.'),
      }),
  ],
  [
    /\bDMAR:\s?\[(?:INTR-REMAP|DMA (Read|Write))[^\]]*\] Request device \[(?:0x)?([0-9a-f]{2}):(?:0x)?([0-9a-f]{2})\.([0-7])\](?:.*?fault addr (?:0x)?([0-9a-f]+))?(?:.*?\[fault reason (?:0x)?([0-9a-f]+)\]\s*(.*))?/i,
    ([, operation, bus, device, fn, address, reason, text]) =>
      iommu(`0000:${bus}:${device}.${fn}`, {
        operation: operation ?? null,
        address: address === undefined ? null : `0x${address}`,
        reason: reason === undefined ? null : Number.parseInt(reason, 16),
        reason_text: text?.trim() ?? null,
      }),
  ],
  [
    new RegExp(
      `(?:${HOST_ADDRESS}: )?AMD-Vi: Event logged \\[(\\w+)(?: device=(?:([0-9a-f]{4}):)?([0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]))?(?:.*?address=(0x[0-9a-f]+))?`,
      'i',
    ),
    ([, own, event, domain, device, address]) =>
      iommu(own ?? (device === undefined ? undefined : `${domain ?? '0000'}:${device}`), {
        operation: event,
        address: address ?? null,
      }),
  ],
  [
    new RegExp(`nouveau ${HOST_ADDRESS}: (?:gsp: )?(?:Xid:(\\d{1,5}) )?(.*)`, 'i'),
    ([, raw = '', number, detail]) =>
      line({
        kind: 'nouveau',
        pci: pciKey(raw) ?? null,
        role: 'background',
        rank: 2,
        details: {
          pci_raw: raw,
          ...(number === undefined ? {} : { nouveau_xid: Number(number) }),
          detail,
        },
        verdict: note('Message of nouveau', "Another driver than NVIDIA's holds this GPU."),
      }),
  ],
  [
    /\bnvidia-modeset: (?:(ERROR|WARNING): )?(?:GPU:(\d{1,3}): )?(.*)/,
    ([, level, index, detail]) =>
      line({
        kind: 'modeset',
        role: 'background',
        rank: 1,
        details: {
          gpu_index: index === undefined ? null : Number(index),
          level: level ?? null,
          detail,
        },
        verdict: note('Display message', 'A message about displays, which compute does not use.'),
      }),
  ],
  [
    /\b(?:nvidia[-_]peermem|nv_peer_mem)\b:?\s*(?:(\w+):(\d+) )?(.*)/,
    ([, fn, , detail]) =>
      line({
        kind: 'peermem',
        role: 'background',
        rank: 2,
        details: { function_name: fn ?? null, detail },
        verdict: note('Peer memory message', 'It usually follows the end of a CUDA process.'),
      }),
  ],
  [
    new RegExp(
      `(\\S{1,64}) ${HOST_ADDRESS}: ([0-9.]+) Gb/s available PCIe bandwidth, limited by ([0-9.]+) GT/s PCIe x(\\d+) link at ${HOST_ADDRESS}(?: \\(capable of ([0-9.]+) Gb/s)?`,
      'i',
    ),
    ([, driver, raw = '', available, speed, width, at, capable]) =>
      line({
        kind: 'pcie_bandwidth',
        pci: pciKey(raw) ?? null,
        role: 'background',
        rank: 2,
        details: {
          pci_raw: raw,
          driver,
          available_gbps: Number(available),
          speed_gts: Number(speed),
          width: Number(width),
          limited_at: at,
          capable_gbps: capable === undefined ? null : Number(capable),
        },
        verdict: note(
          'Narrow PCIe link',
          'A device started with less PCIe bandwidth than it can use.',
        ),
      }),
  ],
  [
    /\{\d+\}\[Hardware Error\]:\s*Hardware error from APEI Generic Hardware Error Source: \d+/,
    () =>
      line({
        kind: 'apei_header',
        rank: 33,
        verdict: { ...HARDWARE, action: 'none', severity: 'info', title: 'Firmware error report' },
      }),
  ],
  [
    /\{\d+\}\[Hardware Error\]:\s*(.*)/,
    ([, detail = '']) => {
      const device = /device_id: ([0-9a-f:.]+)/.exec(detail)?.[1];
      const severity = /(?:event severity|type): (\w+)/.exec(detail)?.[1];
      return line({
        kind: 'apei_detail',
        pci: device === undefined ? null : (pciKey(device) ?? null),
        role: 'companion',
        rank: 2,
        details: { severity: severity ?? null, detail },
        verdict: note('Firmware error detail', 'A line of an error report of the firmware.'),
      });
    },
  ],
  [
    /\bEDAC (\w+): (\d+) (UE|CE) (.*)/,
    ([, controller, count, type, detail]) =>
      line({
        kind: 'edac',
        rank: type === 'UE' ? 34 : 2,
        role: type === 'UE' ? 'event' : 'background',
        details: { controller, count: Number(count), type, detail },
        verdict: type === 'UE' ? HARDWARE : note('Corrected host memory error', 'Nothing to do.'),
      }),
  ],
  [
    /\bmce: \[Hardware Error\]: (.*)/,
    ([, detail = '']) =>
      line({
        kind: 'mce',
        rank: 33,
        role: /Machine Check: |Uncorrected/i.test(detail) ? 'event' : 'background',
        details: { detail },
        verdict: HARDWARE,
      }),
  ],
];

function iommu(raw: string | undefined, facts: Record<string, unknown>): Line {
  return line({
    kind: 'iommu_fault',
    pci: raw === undefined ? null : (pciKey(raw) ?? null),
    rank: 31,
    details: { ...optional({ pci_raw: raw }), ...facts },
    verdict: ours({
      action: 'watch',
      severity: 'warning',
      blame: 'host',
      title: 'IOMMU fault',
      meaning: 'A device asked for memory that the IOMMU does not map for it.',
      advice: 'Check IOMMU and ACS settings and the driver of the device if it repeats.',
    }),
  });
}

const HARDWARE: Verdict = ours({
  action: 'watch',
  severity: 'warning',
  blame: 'host',
  title: 'Hardware error of the host',
  meaning: 'The processor or the memory of the host reported an error.',
  advice: "Read the host's own error log (BMC, rasdaemon) before blaming a GPU.",
});

/**
 * What the kernel says of the machine as a whole: what it is, a panic, disks and file systems that
 * stand still. Lines of the timeline: a job that waits for its data looks like a GPU that hangs.
 *
 * Forms: kernel/panic.c, drivers/nvme/host/pci.c, fs/ext4/super.c, fs/xfs/xfs_fsops.c,
 * net/sunrpc/clnt.c, drivers/firmware/dmi_scan.c of Linux 5.4 to 7.2. Names in them are users' text.
 */
function parseMachineLine(message: string): Line | undefined {
  for (const [form, read] of MACHINE_FORMS) {
    const found = form.exec(message);
    if (found) return read(found);
  }
  return undefined;
}

const background = (
  kind: string,
  details: Record<string, unknown>,
  verdict: Line['verdict'],
): Line => line({ kind, role: 'background', rank: 2, details, verdict });

const MACHINE_FORMS: readonly Form[] = [
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
    /^pci ([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2})\.0: \[10de:([0-9a-f]{4})\] type 00 class 0x03/,
    ([, address = '', device]) => ({
      ...background(
        'machine',
        { device },
        note('Kind of GPU', 'The kernel names a device of NVIDIA that it found on the bus.'),
      ),
      pci: pciKey(address) ?? null,
    }),
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
