import { basename, join } from 'node:path';
import { pciKey } from '../contract/pci.ts';
import { known, missing, present, type Reading } from '../contract/reading.ts';
import type { NodeFiles } from './files.ts';
import type { PciDevice } from './port.ts';

/** PCI vendor id of NVIDIA; pci.ids. */
const NVIDIA = '0x10de';
const DEVICES_MAX = 4_096;
/** Widths that a PCIe link can have; PCI Express Base Specification, Link Status register. */
const WIDTHS = [1, 2, 4, 8, 12, 16, 32];

/**
 * NVIDIA's GPUs and NVSwitches on the PCI bus, also those that no driver is bound to.
 * Source of the files: Documentation/ABI/testing/sysfs-bus-pci.
 */
export async function readPciDevices(
  files: NodeFiles,
  sysRoot: string,
): Promise<Reading<readonly PciDevice[]>> {
  const directory = join(sysRoot, 'bus/pci/devices');
  const names = await files.names(directory);
  if (!names.ok) return names;
  const devices: PciDevice[] = [];
  for (const name of names.value.slice(0, DEVICES_MAX)) {
    const device = await readDevice(files, join(directory, name), name);
    if (device) devices.push(device);
  }
  return present(devices);
}

async function readDevice(
  files: NodeFiles,
  path: string,
  name: string,
): Promise<PciDevice | undefined> {
  const pci = pciKey(name);
  const vendor = known(await files.text(join(path, 'vendor')));
  if (pci === undefined || vendor?.toLowerCase() !== NVIDIA) return undefined;
  const kind = kindOf(known(await files.text(join(path, 'class'))));
  if (kind === undefined) return undefined;
  const deviceId = known(await files.text(join(path, 'device'))) ?? '';
  const driver = known(await files.link(join(path, 'driver')));
  return {
    pci,
    function: Number(/\.([0-7])$/.exec(name)?.[1] ?? 0),
    kind,
    deviceId: deviceId.replace(/^0x/, '').toLowerCase(),
    ...(driver === undefined ? {} : { driver: basename(driver) }),
    currentLinkSpeed: speed(await files.text(join(path, 'current_link_speed'))),
    currentLinkWidth: width(await files.text(join(path, 'current_link_width'))),
    maxLinkSpeed: speed(await files.text(join(path, 'max_link_speed'))),
    maxLinkWidth: width(await files.text(join(path, 'max_link_width'))),
    aerFatal: errorTotal(await files.text(join(path, 'aer_dev_fatal'))),
    aerNonFatal: errorTotal(await files.text(join(path, 'aer_dev_nonfatal'))),
    aerCorrectable: errorTotal(await files.text(join(path, 'aer_dev_correctable'))),
  };
}

/** Class code 0x030000 VGA, 0x030200 3D controller, 0x068000 other bridge (NVSwitch); pci.ids. */
function kindOf(classCode: string | undefined): PciDevice['kind'] | undefined {
  if (classCode === undefined) return undefined;
  if (/^0x03(?:00|02)/i.test(classCode)) return 'gpu';
  return /^0x0680/i.test(classCode) ? 'nvswitch' : undefined;
}

/** `32.0 GT/s PCIe`; the kernel writes `Unknown` for a device that no longer answers. */
function speed(text: Reading<string>): Reading<string> {
  if (!text.ok) return text;
  return /^\d/.test(text.value) ? text : missing('unreadable', text.value.slice(0, 40));
}

/** A device that left the bus reads as all ones: width 63 or 255. 0 is a device without a link. */
function width(text: Reading<string>): Reading<number> {
  if (!text.ok) return text;
  const lanes = Number(text.value);
  if (lanes === 0) return missing('not_supported', 'width 0');
  return WIDTHS.includes(lanes) ? present(lanes) : missing('unreadable', text.value.slice(0, 40));
}

/** `TOTAL_ERR_FATAL 3`: Documentation/ABI/testing/sysfs-bus-pci-devices-aer_stats. */
function errorTotal(text: Reading<string>): Reading<number> {
  if (!text.ok) return text;
  const total = /^TOTAL\S*[ \t]+(\d{1,15})$/m.exec(text.value)?.[1];
  return total === undefined ? missing('unreadable', 'no TOTAL line') : present(Number(total));
}
