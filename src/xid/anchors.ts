/**
 * Strings of which every message that concerns us holds at least one, as the kernel spells them.
 * A scanner may look for their bytes and skip all other lines.
 */
export const ANCHORS = [
  'NVRM',
  'nvidia',
  'NVSwitch',
  'nouveau',
  'nv_peer_mem',
  'AER:',
  'DPC: ',
  'pciehp: ',
  'inaccessible',
  'ms after ',
  'Kernel panic',
  'nvme nvme',
  'DMI: ',
  'read-only',
  'readonly',
  'hutting down filesystem',
  'nfs: server',
  'PCIe Bus Error',
  'error status/mask=',
  'available PCIe bandwidth',
  'DMAR',
  'AMD-Vi',
  'Hardware Error',
  'EDAC',
  'mce:',
  'oom-kill',
  'Out of memory',
  'out of memory',
  'segfault at',
  'blocked for more than',
  'soft lockup',
  'mlx5_core',
  'NIC Link is',
  'NETDEV WATCHDOG',
  // Continuations of NVRM messages, which dmesg prints without their first word.
  'installed in this system',
  'not responding to commands',
  'this kernel module has',
  'make sure that this',
  'bad state and may need to be reset',
] as const;

// No anchor holds a character that is special in a regular expression.
const ANY_ANCHOR = new RegExp(ANCHORS.join('|'));

/** False for most lines of a log, and cheap: worth asking before anything else. */
export const mayConcernUs = (text: string): boolean => ANY_ANCHOR.test(text);

/** The words that a log puts before a colon in front of a kernel message. */
const PREFIX_WORD = /^(?:kernel|kern|emerg|alert|crit|err|error|warn|warning|notice|info|debug)$/i;
const PREFIX_CHARACTERS_MAX = 256;

/**
 * True when the text before an anchor can be the prefix of a log or what a ticket left of it.
 *
 * An XID in another message's quotes or fields is someone's data: `usb 1-1: Product: NVRM: Xid`,
 * `comm="NVRM: Xid"`. So there may be no quote, no assignment, no opened bracket, and no
 * `subsystem:` word other than those that logs write.
 */
export function isPrefix(before: string): boolean {
  if (before.trim() === '') return true;
  if (before.length > PREFIX_CHARACTERS_MAX || /["'`=\\“”‘’«»]/.test(before)) return false;
  if (!closed(before, '(', ')') || !closed(before, '{', '}') || !closed(before, '[', ']')) {
    return false;
  }
  const words = before.trim().split(/\s+/);
  return words.every((word, position) => {
    if (!word.endsWith(':')) return true;
    if (PREFIX_WORD.test(word.slice(0, -1)) || /^[[<\d:]/.test(word)) return true;
    // Talos names the machine first: `node-a: kern: warning: [time]: NVRM: ...`.
    return position === 0 && words[1] === 'kern:';
  });
}

const closed = (text: string, open: string, close: string) =>
  text.split(open).length === text.split(close).length;
