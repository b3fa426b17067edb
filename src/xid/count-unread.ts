import { type Census, looksLikeXid } from '../contract/census.ts';
import type { KernelRecord } from '../contract/kernel-record.ts';
import { isContinuation } from './joiner.ts';
import type { Line } from './verdict.ts';

/** What a plain search finds in a record and its line does not tell. */
export function countUnread(
  census: Census,
  { source, line: at, text }: KernelRecord,
  line: Line | undefined,
): void {
  if (!looksLikeXid(text)) return;
  const [first = '', ...others] = text.split('\n');
  if (looksLikeXid(first) && !isRead(first, line)) {
    const reason = line
      ? 'it is cut off or of a form that is not known'
      : 'it stands inside another message';
    census.unread(source, reason, at);
  }
  for (const other of others) {
    if (looksLikeXid(other) && !(line && isContinuation(other))) {
      census.unread(source, 'it is a further line of another message', at);
    }
  }
}

/** Lines of the switch driver without an SXid (`open (major=510)`) say nothing that matters. */
const HARMLESS = /^nvidia-nvswitch\d+: (?!.*SXid)/;

function isRead(text: string, line: Line | undefined): boolean {
  if (!line) return HARMLESS.test(text);
  return line.kind !== 'xid_unreadable' && line.kind !== 'nvrm_other';
}
