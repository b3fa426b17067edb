import { isPrefix, mayConcernUs } from './anchors.ts';
import { parseDriverLine } from './driver-line.ts';
import { parseHostLine } from './host-line.ts';
import { parseProcessLine } from './process-line.ts';
import { parseFabricManagerLine, parseSxidLine } from './sxid-line.ts';
import type { Line } from './verdict.ts';
import { parseXidLine } from './xid-line.ts';

/** Where a message of NVIDIA's drivers begins. */
const NVIDIA_START = /NVRM:|nvidia-nvswitch\d{1,3}: SXid|detected NVSwitch /;
/** A record longer than this is cut: the kernel's own limit is below 2 KiB a line. */
const MESSAGE_CHARACTERS_MAX = 4_096;

/**
 * What one kernel message says; undefined for all that concerns neither a GPU nor the host's
 * part in its trouble.
 *
 * The first anchor counts, and what stands before it must be a log's prefix: text in another
 * message's field is never an XID. Never throws, whatever the text.
 */
export function parseMessage(text: string): Line | undefined {
  const message = text.slice(0, MESSAGE_CHARACTERS_MAX);
  if (!mayConcernUs(message)) return undefined;
  const named = parseProcessLine(message);
  if (named) return named;
  const start = NVIDIA_START.exec(message);
  if (!start || !isPrefix(message.slice(0, start.index))) return parseHostLine(message);
  const own = message.slice(start.index);
  if (start[0] === 'NVRM:') return parseXidLine(own) ?? parseDriverLine(own);
  return parseSxidLine(own) ?? parseFabricManagerLine(own);
}
