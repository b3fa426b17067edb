import { beginsWithComm } from '../contract/comm-first.ts';

/** `nvme 0000:01:00.0: `, `iommu ivhd0: `: how dev_printk names the device that a message is about. */
const DEVICE = /^[\w-]{1,32} [\w:.-]{1,32}: $/;

/**
 * What stands before a form of the kernel's inside a message may be a device's name and nothing
 * else: text that begins later is what a process, a file or a device calls itself.
 */
export const isAtStart = (before: string): boolean => before === '' || DEVICE.test(before);

/**
 * Messages that begin with text which somebody chose and end in the kernel's own words: a name of a
 * process, a prefix of iptables' or nft's LOG (and what it tells of a packet), the source of a mount.
 * A process's name of 15 bytes cannot hold these endings.
 */
const FOREIGN_ENDINGS =
  / ?IN=\S* OUT=\S* (?:.*\bSRC=\S+ DST=|ARP HTYPE=|.*\bMACPROTO=)|: Can't (?:open|lookup) blockdev\s*$/;

export const beginsForeign = (message: string): boolean =>
  beginsWithComm(message) || FOREIGN_ENDINGS.test(message);
