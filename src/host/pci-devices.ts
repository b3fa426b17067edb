import { basename, join } from 'node:path';
import { pciKey } from '../contract/pci.ts';
import { known, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { eachOf, type NodeFiles } from './files.ts';
import type { PciChains } from './pci-chain.ts';
import { readErrorTotals, readLink, readNumaNode } from './pci-link.ts';
import type { PciDevice } from './port.ts';

/** PCI vendor id of NVIDIA; pci.ids. */
const NVIDIA = '0x10de';
const DEVICES_MAX = 4_096;
const SLOTS_MAX = 512;

/**
 * NVIDIA's GPUs and NVSwitches on the PCI bus, also those that no driver is bound to.
 * Source of the files: Documentation/ABI/testing/sysfs-bus-pci.
 */
export async function readPciDevices(
  files: NodeFiles,
  sysRoot: string,
  chains: PciChains,
): Promise<Reading<readonly PciDevice[]>> {
  const directory = join(sysRoot, 'bus/pci/devices');
  const names = await files.names(directory);
  if (!names.ok) return names;
  const slots = await readSlots(files, sysRoot);
  const devices = await eachOf(names.value.slice(0, DEVICES_MAX), name =>
    readDevice({ files, chains, slots, path: join(directory, name), name }),
  );
  return present(devices.filter(device => device !== undefined));
}

interface Place {
  readonly files: NodeFiles;
  readonly chains: PciChains;
  readonly slots: Reading<ReadonlyMap<string, string>>;
  readonly path: string;
  readonly name: string;
}

async function readDevice(place: Place): Promise<PciDevice | undefined> {
  const { files, chains, path, name } = place;
  const pci = pciKey(name);
  const vendor = known(await files.text(join(path, 'vendor')));
  if (pci === undefined || vendor?.toLowerCase() !== NVIDIA) return undefined;
  const kind = kindOf(known(await files.text(join(path, 'class'))));
  if (kind === undefined) return undefined;
  const driver = known(await files.link(join(path, 'driver')));
  return {
    pci,
    function: Number(/\.([0-7])$/.exec(name)?.[1] ?? 0),
    kind,
    ...(driver === undefined ? {} : { driver: basename(driver) }),
    ...(await readLink(files, path)),
    ...(await readErrorTotals(files, path)),
    numaNode: await readNumaNode(files, path),
    slot: slotOf(place.slots, pci),
    bridges: await chains.above(name),
  };
}

/** Class code 0x030000 VGA, 0x030200 3D controller, 0x068000 other bridge (NVSwitch); pci.ids. */
function kindOf(classCode: string | undefined): PciDevice['kind'] | undefined {
  if (classCode === undefined) return undefined;
  if (/^0x03(?:00|02)/i.test(classCode)) return 'gpu';
  return /^0x0680/i.test(classCode) ? 'nvswitch' : undefined;
}

/** Labels of physical slots by `dddd:bb:dd`. */
async function readSlots(
  files: NodeFiles,
  sysRoot: string,
): Promise<Reading<ReadonlyMap<string, string>>> {
  const directory = join(sysRoot, 'bus/pci/slots');
  const names = await files.names(directory);
  if (!names.ok) return names;
  const rows = await eachOf(names.value.slice(0, SLOTS_MAX), async name => {
    const address = known(await files.text(join(directory, name, 'address'))) ?? '';
    const pci = pciKey(address);
    return pci === undefined ? [] : [[pci, plainText(name, 64)] as const];
  });
  return present(new Map(rows.flat()));
}

function slotOf(slots: Place['slots'], pci: string): Reading<string> {
  if (!slots.ok) return slots;
  const slot = slots.value.get(pci);
  return slot === undefined ? missing('not_found', 'firmware names no slot') : present(slot);
}
