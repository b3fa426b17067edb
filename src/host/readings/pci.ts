import * as z from 'zod';
import { publicText } from '../../contract/names-in-text.ts';
import {
  count,
  type Fixed,
  number,
  reading,
  text,
  yesOrNo,
} from '../../contract/reading-schema.ts';

/** The PCI bus; files of Documentation/ABI/testing/sysfs-bus-pci. */

/** Of a function: `32.0 GT/s PCIe`, and how many lanes. */
export const link = {
  currentLinkSpeed: text,
  currentLinkWidth: number,
  maxLinkSpeed: text,
  maxLinkWidth: number,
};

/** Totals of Advanced Error Reporting since boot; sysfs-bus-pci-devices-aer_stats. */
export const errorTotals = { aerFatal: number, aerNonFatal: number, aerCorrectable: number };

/** Where a function is: `dddd:bb:dd`, and which of the device's functions. */
export const place = { pci: publicText, function: count };

/** A PCI bridge between a device and its CPU. */
const pciBridge = z.object({
  ...place,
  ...link,
  ...errorTotals,
  /**
   * Access Control Services send peer traffic up to the CPU: P2P Request Redirect or Upstream
   * Forwarding is enabled. `not_supported` where the bridge has no ACS.
   */
  acsRedirect: yesOrNo,
});
export type PciBridge = Fixed<z.infer<typeof pciBridge>>;

export const pciDevice = z.object({
  ...place,
  kind: z.enum(['gpu', 'nvswitch']),
  /** nvidia, vfio-pci, nouveau, ...; absent when no driver is bound. */
  driver: publicText.exactOptional(),
  ...link,
  ...errorTotals,
  /** -1 in sysfs (no NUMA, or firmware that does not say) is `not_supported`. */
  numaNode: number,
  /** Label of the physical slot, from /sys/bus/pci/slots; `not_found` where firmware names none. */
  slot: text,
  /** The bridges above it, nearest first, up to the root port. */
  bridges: reading(z.array(pciBridge)),
});
export type PciDevice = Fixed<z.infer<typeof pciDevice>>;
