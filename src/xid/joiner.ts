import type { KernelRecord } from '../contract/kernel-record.ts';
import { mayConcernUs } from './anchors.ts';

/** Messages that the driver breaks over several lines. */
const OPENER =
  /^NVRM:\s*(?:The NVIDIA GPU [0-9a-f]|API mismatch:|The NVIDIA probe routine was not|GPU\d* _kgspBootGspRm: )/;
/** What their next lines begin with, with or without the repeated `NVRM:`. */
const CONTINUATION =
  /^\s*(?:NVRM:\s*)?(?:\(PCI ID: |installed in this|fallen off the bus and|(?:is )?not supported|this kernel module has|has the version|the version \S+\.|make sure that|kernel module and all|components have|have the same|This can occur|nouveau, rivafb|was loaded and|\(the GPU is likely)/;

/** A further line of such a message. */
export const isContinuation = (text: string): boolean => CONTINUATION.test(text);

const LINES_MAX = 8;
/** A process that is stuck, and the driver's frames in the trace that the kernel prints after it. */
const STUCK = /^(?:INFO: task .{1,16}:\d{1,7} blocked for|watchdog: BUG: soft lockup)/;
const DRIVER_FRAME = /^ *(?:RIP: 0010:)?[\w.]+\+0x[0-9a-f]+\/0x[0-9a-f]+ \[nvidia/;
const TRACE_LINES_MAX = 64;
const TRACE_SECONDS_MAX = 1;

/**
 * Puts the lines of one message together again: text logs store each line as a record of its own,
 * the kernel's ring and the journal store one record with newlines in it.
 */
export function createJoiner(emit: (record: KernelRecord) => void): {
  see(record: KernelRecord): void;
  flush(): void;
} {
  let open: { record: KernelRecord; texts: string[] } | undefined;

  const flush = () => {
    if (!open) return;
    const { record, texts } = open;
    open = undefined;
    emit(texts.length === 1 ? record : { ...record, text: texts.join('\n') });
  };

  return {
    flush,
    see(record) {
      if (open && continues(open, record)) {
        open.texts.push(record.text);
        return;
      }
      if (!mayConcernUs(record.text)) return;
      flush();
      const opens = OPENER.test(record.text) || STUCK.test(record.text);
      if (opens && !record.text.includes('\n')) {
        open = { record, texts: [record.text] };
      } else {
        emit(record);
      }
    },
  };
}

function continues(open: { record: KernelRecord; texts: string[] }, next: KernelRecord): boolean {
  const { record, texts } = open;
  if (STUCK.test(record.text)) return texts.length < LINES_MAX && isFrameOf(record, next);
  return (
    next.source === record.source &&
    texts.length < LINES_MAX &&
    next.line > record.line &&
    next.line - record.line <= LINES_MAX * 2 &&
    isContinuation(next.text)
  );
}

const isFrameOf = (record: KernelRecord, next: KernelRecord): boolean =>
  next.source === record.source &&
  next.line > record.line &&
  next.line - record.line <= TRACE_LINES_MAX &&
  Math.abs((next.bootSeconds ?? 0) - (record.bootSeconds ?? 0)) <= TRACE_SECONDS_MAX &&
  DRIVER_FRAME.test(next.text);
