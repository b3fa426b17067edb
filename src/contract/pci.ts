/**
 * PCI addresses are joined on one key: `dddd:bb:dd`, lower case, no function.
 *
 * The same GPU is `00000000:3B:00.0` in NVML, `0000:3b:00.0` in sysfs, `PCI:0000:3b:00` in an XID
 * line and `0000000B:00:00.0` on some clouds. The domain has four digits, more above 0xffff.
 */
export function pciKey(address: string): string | undefined {
  const found = /^(?:PCI:)?([0-9a-f]{4,8}):([0-9a-f]{1,2}):([0-9a-f]{1,2})(?:\.[0-7])?$/i.exec(
    address.trim(),
  );
  if (!found) return undefined;
  const [, domain = '', bus = '', device = ''] = found;
  const hex = (digits: string, width: number) =>
    Number.parseInt(digits, 16).toString(16).padStart(width, '0');
  return `${hex(domain, 4)}:${hex(bus, 2)}:${hex(device, 2)}`;
}
