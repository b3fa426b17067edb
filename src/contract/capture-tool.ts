import * as z from 'zod';
import { BUNDLE_BYTES_MAX, CAPTURE_SECONDS_MAX } from './limits.ts';

/**
 * How the plugin asks the agent for a bundle: a tool that is not listed, so no model sees it. The
 * call from 0 reads the node; the following ones fetch the rest of what it read, part by part.
 */
export const CAPTURE_TOOL = 'capture_node';

export const CaptureInput = z.strictObject({
  /** How far back the kernel log is kept: a moment, as momentMs reads it by the node's clock. */
  since: z.string().max(40),
  /** Between the two readings of the driver; 0: one reading. */
  seconds: z.number().min(0).max(CAPTURE_SECONDS_MAX),
  /** Bytes that the plugin has already. */
  from: z.int().min(0).max(BUNDLE_BYTES_MAX),
});
export type CaptureInput = z.infer<typeof CaptureInput>;

/** A part of the bundle; it is whole when `from` and the part's bytes make `bytes`. */
export const CapturePart = z.strictObject({
  from: z.int().min(0),
  bytes: z.int().min(0).max(BUNDLE_BYTES_MAX),
  base64: z.base64(),
});
export type CapturePart = z.infer<typeof CapturePart>;
