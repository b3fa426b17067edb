import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { packed } from '../bundle/bundle-file.ts';
import { CaptureInput, type CapturePart } from '../contract/capture.ts';
import { UsageError } from '../contract/errors.ts';
import { BUNDLE_BYTES_MAX, BUNDLE_PART_BYTES_MAX } from '../contract/limits.ts';
import { momentMs } from '../contract/time.ts';
import { captureNode } from './capture-node.ts';
import type { AgentInstruments } from './instruments.ts';

export type CaptureAnswers = (
  input: unknown,
  signal: AbortSignal,
  progress: (message: string) => void,
) => Promise<CallToolResult>;

/** Reads the node once and hands the bundle over in parts; what is read is kept until it is fetched. */
export function captureAnswers(instruments: AgentInstruments): CaptureAnswers {
  let kept: Buffer | undefined;
  return async (raw, signal, progress) => {
    const { from, since, seconds } = CaptureInput.parse(raw);
    if (from === 0) {
      const sinceMs = momentMs(since, instruments.clock.nowMs());
      const read = await captureNode({ ...instruments, progress }, { sinceMs, seconds }, signal);
      kept = packed({ ...read, cluster: undefined });
    }
    if (!kept || from > kept.length) throw new UsageError(`no bundle has a byte ${from} here`);
    if (kept.length > BUNDLE_BYTES_MAX) {
      throw new UsageError(
        `the bundle would have ${kept.length} bytes, more than ${BUNDLE_BYTES_MAX}`,
        'a shorter time: --since 1d',
      );
    }
    const part = kept.subarray(from, from + BUNDLE_PART_BYTES_MAX);
    const bytes = kept.length;
    if (from + part.length === bytes) kept = undefined;
    const structured: CapturePart = { from, bytes, base64: part.toString('base64') };
    return { content: [], structuredContent: structured };
  };
}
