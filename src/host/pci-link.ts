import { join } from 'node:path';
import { missing, present, type Reading } from '../contract/reading.ts';
import type { NodeFiles } from './files.ts';
import type { PciBridge } from './port.ts';

/** Widths that a PCIe link can have; PCI Express Base Specification, Link Status register. */
const WIDTHS = [1, 2, 4, 8, 12, 16, 32];

type Link = Pick<
  PciBridge,
  'currentLinkSpeed' | 'currentLinkWidth' | 'maxLinkSpeed' | 'maxLinkWidth'
>;
type ErrorTotals = Pick<PciBridge, 'aerFatal' | 'aerNonFatal' | 'aerCorrectable'>;

/** The link of a PCI function, from its directory in sysfs. */
export async function readLink(files: NodeFiles, path: string): Promise<Link> {
  return {
    currentLinkSpeed: speed(await files.text(join(path, 'current_link_speed'))),
    currentLinkWidth: width(await files.text(join(path, 'current_link_width'))),
    maxLinkSpeed: speed(await files.text(join(path, 'max_link_speed'))),
    maxLinkWidth: width(await files.text(join(path, 'max_link_width'))),
  };
}

/** Its Advanced Error Reporting totals since boot. */
export async function readErrorTotals(files: NodeFiles, path: string): Promise<ErrorTotals> {
  return {
    aerFatal: errorTotal(await files.text(join(path, 'aer_dev_fatal'))),
    aerNonFatal: errorTotal(await files.text(join(path, 'aer_dev_nonfatal'))),
    aerCorrectable: errorTotal(await files.text(join(path, 'aer_dev_correctable'))),
  };
}

/** -1 is how the kernel writes "no node". */
export async function readNumaNode(files: NodeFiles, path: string): Promise<Reading<number>> {
  const text = await files.text(join(path, 'numa_node'));
  if (!text.ok) return text;
  if (text.value === '-1') return missing('not_supported', '-1');
  return /^\d{1,4}$/.test(text.value) ? present(Number(text.value)) : missing('unreadable');
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
