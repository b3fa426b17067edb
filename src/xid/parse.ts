import { beginsForeign } from '../contract/comm-first.ts';
import { mayConcernUs } from './anchors.ts';
import { parseDriverLine } from './driver-line.ts';
import { parseHostLine } from './host-line.ts';
import { parseProcessLine } from './process-line.ts';
import { parseFabricManagerLine, parseSxidLine, parseVersionsDiffer } from './sxid-line.ts';
import type { Line } from './verdict.ts';
import { parseXidLine } from './xid-line.ts';

/** How a message of NVIDIA's drivers begins, at the first character of its record. */
const NVRM = /^NVRM(?::| Xid)/;
/** A record longer than this is cut: the kernel's own limit is below 2 KiB a line. */
const MESSAGE_CHARACTERS_MAX = 4_096;

/**
 * What one kernel message says; undefined for all that concerns neither a GPU nor the host's
 * part in its trouble.
 *
 * A message is what the kernel printed in one call, without a log's prefix: its first characters tell
 * whose it is, and text further on is never an XID. Never throws, whatever the text.
 */
export function parseMessage(text: string): Line | undefined {
  const message = inItsCase(text.slice(0, MESSAGE_CHARACTERS_MAX));
  if (!mayConcernUs(message)) return undefined;
  if (NVRM.test(message) && !beginsForeign(message)) {
    return parseXidLine(message) ?? parseDriverLine(message);
  }
  const named = parseProcessLine(message);
  if (named || beginsForeign(message)) return named;
  return (
    parseSxidLine(message) ??
    parseFabricManagerLine(message) ??
    parseVersionsDiffer(message) ??
    parseHostLine(message)
  );
}

/** `nvrm: xid (pci:`, as a pipeline leaves it that makes all letters small: the start as printed. */
const inItsCase = (message: string): string =>
  /^(?:NVRM:? Xid \((?!pci)|nvidia-nvswitch\d{1,3}: SXid \(P)/.test(message)
    ? message
    : message
        .replace(
          /^nvrm(:?) xid \((pci:)?/i,
          (_, colon: string, pci = '') => `NVRM${colon} Xid (${pci && 'PCI:'}`,
        )
        .replace(/^nvidia-nvswitch(\d{1,3}): sxid \(pci:/i, 'nvidia-nvswitch$1: SXid (PCI:');
