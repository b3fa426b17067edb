import { basename, join } from 'node:path';
import { pciKey } from '../contract/pci.ts';
import { known, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { eachOf, type NodeFiles } from './files.ts';
import { readErrorTotals, readLink, readNumaNode } from './pci-link.ts';
import type { PciBridge, PciDevice, PciPath } from './port.ts';

/** PCI allows 256 buses; real machines have at most a dozen bridges in a row. */
const BRIDGES_MAX = 32;
const ADDRESS = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i;

/** Reads the bridges above devices; each once, however many devices share it. */
export class PciChains {
  readonly #files: NodeFiles;
  readonly #directory: string;
  readonly #bridges = new Map<string, Promise<PciBridge>>();

  constructor(files: NodeFiles, sysRoot: string) {
    this.#files = files;
    this.#directory = join(sysRoot, 'bus/pci/devices');
  }

  /** The bridges above a function, nearest first. @param name of its directory, `0000:3b:00.0` */
  async above(name: string): Promise<Reading<readonly PciBridge[]>> {
    const place = await this.place(name);
    if (!place.ok) return place;
    const bridges = place.value.bridges.toReversed().slice(0, BRIDGES_MAX);
    return present(await Promise.all(bridges.map(each => this.#bridge(each))));
  }

  /** Where the function hangs: its host bridge and the bridges from the root down. */
  async place(name: string): Promise<Reading<PciPlace>> {
    const link = await this.#files.link(join(this.#directory, name));
    if (!link.ok) return link;
    const parts = link.value.split('/');
    const root = parts.find(part => /^pci[0-9a-f]{4,8}:[0-9a-f]{2}$/i.test(part));
    const chain = parts.filter(part => ADDRESS.test(part));
    if (chain.at(-1) !== name || root === undefined) {
      return missing('unreadable', 'not below a PCI host bridge');
    }
    return present({ root, bridges: chain.slice(0, -1) });
  }

  #bridge(name: string): Promise<PciBridge> {
    const known = this.#bridges.get(name) ?? this.#readBridge(name);
    this.#bridges.set(name, known);
    return known;
  }

  async #readBridge(name: string): Promise<PciBridge> {
    const path = join(this.#directory, name);
    return {
      pci: pciKey(name) ?? name,
      function: Number(name.at(-1)),
      ...(await readLink(this.#files, path)),
      ...(await readErrorTotals(this.#files, path)),
      acsRedirect: acsRedirect(await this.#files.bytes(join(path, 'config'), CONFIG_BYTES)),
    };
  }
}

export interface PciPlace {
  /** `pci0000:3a`: a host bridge, which is part of one CPU. */
  readonly root: string;
  /** From the root port down. */
  readonly bridges: readonly string[];
}

/** How two functions reach each other, in the words of `nvidia-smi topo -m`. */
export function pathBetween(
  a: { readonly place: Reading<PciPlace>; readonly numaNode: Reading<number> },
  b: typeof a,
): PciPath {
  if (!a.place.ok || !b.place.ok) return 'unknown';
  const [one, two] = [a.place.value, b.place.value];
  if (one.root === two.root) {
    let shared = 0;
    while (shared < one.bridges.length && one.bridges[shared] === two.bridges[shared]) shared++;
    if (shared === 0) return 'PHB';
    const below = Math.max(one.bridges.length, two.bridges.length) - shared;
    // Each side of one switch has its downstream port below the upstream port that both share.
    return below <= 1 ? 'PIX' : 'PXB';
  }
  if (!a.numaNode.ok || !b.numaNode.ok) return 'unknown';
  return a.numaNode.value === b.numaNode.value ? 'NODE' : 'SYS';
}

/** The whole configuration space; without CAP_SYS_ADMIN the kernel gives the first 64 bytes. */
const CONFIG_BYTES = 4_096;
const EXTENDED_START = 0x100;
const ACS_CAPABILITY = 0x000d;
/** Request Redirect (bit 2), Completion Redirect (bit 3), Upstream Forwarding (bit 4). */
const REDIRECTS = 0b1_1100;

/** PCI Express Base Specification 7.7.11: control register at offset 6 of the capability. */
export function acsRedirect(config: Reading<Buffer>): Reading<boolean> {
  if (!config.ok) return config;
  const bytes = config.value;
  if (bytes.length < CONFIG_BYTES) {
    return missing('no_permission', 'only the header of the configuration space is readable');
  }
  let at = EXTENDED_START;
  // Each capability is at least 8 bytes long: a circle in a broken device ends.
  for (let seen = 0; seen < CONFIG_BYTES / 8 && at >= EXTENDED_START; seen++) {
    const header = bytes.readUInt32LE(at);
    if (header === 0xffff_ffff) return missing('unreadable', 'the configuration space reads ff');
    if ((header & 0xffff) === ACS_CAPABILITY && at + 8 <= CONFIG_BYTES) {
      return present((bytes.readUInt16LE(at + 6) & REDIRECTS) !== 0);
    }
    at = (header >>> 20) & 0xffc;
  }
  return missing('not_supported', 'no ACS');
}

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
