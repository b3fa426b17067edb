/** `nvme 0000:01:00.0: `, `iommu ivhd0: `: how dev_printk names the device that a message is about. */
const DEVICE = /^[\w-]{1,32} [\w:.-]{1,32}: $/;

/**
 * What stands before a form of the kernel's inside a message may be a device's name and nothing
 * else: text that begins later is what a process, a file or a device calls itself.
 */
export const isAtStart = (before: string): boolean => before === '' || DEVICE.test(before);
