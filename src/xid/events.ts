import * as z from 'zod';
import { Action, Blame, Confidence, Severity } from '../contract/finding.ts';

/**
 * One thing that the kernel log says of a GPU, a switch or the host: a typed line.
 *
 * Absent facts are null. `process` and `text` are foreign text: cut and made plain, still hostile.
 */
export const KernelEvent = z.strictObject({
  /** Source of the record and its place there (a line counted from 1 in texts). */
  source: z.string(),
  line: z.int().min(0).max(1e12),
  /** xid, sxid, gpu_uuid, board_serial, rm_init_failed, driver_load, gpu_lost, oom, ... */
  kind: z.string(),
  /** `dddd:bb:dd`. */
  pci: z.string().nullable(),
  xid: z.int().min(0).max(65_535).nullable(),
  sxid: z.int().min(0).max(99_999).nullable(),
  pid: z.int().min(0).max(4_194_304).nullable(),
  process: z.string().nullable(),
  mig: z
    .strictObject({
      gpuInstance: z.int().min(0).max(255),
      computeInstance: z.int().min(0).max(255).nullable(),
    })
    .nullable(),
  /** ISO 8601 UTC by the node's clock. */
  time: z.string().nullable(),
  /** How wrong `time` may be against that clock: resolution and drift of the log. */
  timeUncertaintyMs: z.number().nullable(),
  bootSeconds: z.number().nullable(),
  boot: z.string().nullable(),
  severity: Severity,
  blame: Blame,
  action: Action,
  text: z.string(),
  /** Facts decoded from the text, named as in the project's fixtures. */
  details: z.record(z.string(), z.unknown()),
});
export type KernelEvent = z.infer<typeof KernelEvent>;

/** Events that have one cause: what began it, what to do, why we think so, what speaks against it. */
export const Incident = z.strictObject({
  root: z.strictObject({
    kind: z.string(),
    pci: z.string().nullable(),
    xid: z.int().nullable(),
    sxid: z.int().nullable(),
  }),
  /** The first event in time, also where it is not the root. */
  first: z.strictObject({ kind: z.string(), xid: z.int().nullable(), sxid: z.int().nullable() }),
  title: z.string(),
  action: Action,
  /** Where the action comes from: NVIDIA's catalogue, an XID 154 line, a decoded register. */
  actionSource: z.string(),
  /** The next step as a sentence, ours and never the node's text. */
  advice: z.string().optional(),
  /** Where NVIDIA's own documents or tools disagree on it. */
  disagreement: z.array(z.string()),
  severity: Severity,
  blame: Blame,
  confidence: Confidence,
  gpu: z.string().nullable(),
  firstLine: z.int(),
  lastLine: z.int(),
  lines: z.array(z.int()),
  source: z.string(),
  firstTime: z.string().nullable(),
  firstTimeUncertaintyMs: z.number().nullable(),
  lastTime: z.string().nullable(),
  /** All events folded into it, also those whose lines are not listed. */
  count: z.int(),
  codes: z.array(z.int()),
  why: z.string(),
  counterEvidence: z.array(z.string()),
  /** What came after the last reset, driver load or boot that followed it; null when none did. */
  sinceThen: z.string().nullable(),
  /** The node booted or the driver was loaded since, and nothing of it has come back. */
  over: z.boolean().optional(),
  /** The MIG instance of the GPU that the root names. */
  mig: KernelEvent.shape.mig.optional(),
});
export type Incident = z.infer<typeof Incident>;
