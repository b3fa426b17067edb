import { looksLikeXid } from '../contract/census.ts';

/**
 * Strings of which every message that concerns us holds at least one, as the kernel spells them.
 * A scanner may look for their bytes and skip all other lines.
 */
export const ANCHORS = [
  'NVRM',
  'nvidia',
  'NVSwitch',
  'driver interface version',
  'SXid',
  'fallen off the bus',
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
  '10de:',
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
export const mayConcernUs = (text: string): boolean => ANY_ANCHOR.test(text) || looksLikeXid(text);
