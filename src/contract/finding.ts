import * as z from 'zod';
import { optional } from './optional.ts';

/** What to do next. One fixed vocabulary for findings, XIDs and incidents; order is by weight. */
export const ACTIONS = [
  'none',
  'watch',
  'restart_app',
  'fix_configuration',
  'reset_gpu',
  'drain',
  'drain_and_reset',
  'reboot_node',
  'power_cycle',
  'contact_support',
] as const;
export const Action = z.enum(ACTIONS);
export type Action = z.infer<typeof Action>;

export const SEVERITIES = ['critical', 'warning', 'info'] as const;
export const Severity = z.enum(SEVERITIES);
export type Severity = z.infer<typeof Severity>;

/** What a node's findings and gaps come to. */
export const Verdict = z.enum(['critical', 'warning', 'healthy', 'unknown']);
export type Verdict = z.infer<typeof Verdict>;

export const Blame = z.enum([
  'hardware',
  'driver',
  'application',
  'fabric',
  'host',
  'configuration',
  'unknown',
]);
export type Blame = z.infer<typeof Blame>;

export const Confidence = z.enum(['high', 'medium', 'low']);
export type Confidence = z.infer<typeof Confidence>;

/** What was read, where, when, and the command that shows the same by hand. Times are ISO 8601 UTC. */
export const Evidence = z
  .strictObject({
    what: z.string(),
    source: z.string(),
    /** When it happened, by its own record: of several the first. */
    time: z.string().optional(),
    /** When the last of several records was written; absent where that is `time`. */
    lastTime: z.string().optional(),
    /** How many times the same was recorded; absent for one. */
    count: z.int().min(2).optional(),
    /** When it was read: of a state that has no record of when it began. */
    readAt: z.string().optional(),
    command: z.string().optional(),
  })
  .meta({ listedKeys: ['what', 'source'] });
export type Evidence = z.infer<typeof Evidence>;

/** When records of one thing were written: the first and the last; null and undefined are times not known. */
export function recordTimes(
  times: readonly (string | null | undefined)[],
): Pick<Evidence, 'time' | 'lastTime'> {
  const sorted = times
    .flatMap(time => time ?? [])
    .toSorted((a, b) => Date.parse(a) - Date.parse(b));
  const [time, lastTime] = [sorted[0], sorted.at(-1)];
  return optional({ time, lastTime: lastTime === time ? undefined : lastTime });
}

export type Recorded = Pick<Evidence, 'time' | 'lastTime' | 'count'>;

/** When evidence was recorded, of several records `A to B`, and how often: `2026-…Z to 2026-…Z (3 times)`. */
export function recorded(
  { time, lastTime, count }: Recorded,
  inWords: (time: string) => string = time => time,
): string | undefined {
  if (time === undefined) return undefined;
  const until = lastTime === undefined ? '' : ` to ${inWords(lastTime)}`;
  return `${inWords(time)}${until}${count === undefined ? '' : ` (${count} times)`}`;
}

/** Which GPU a statement is about: all names of it that are known. */
export const GpuRef = z
  .strictObject({
    index: z.int().min(0).max(1024).optional(),
    uuid: z.string().optional(),
    pci: z.string().optional(),
    name: z.string().optional(),
  })
  .meta({ listedKeys: ['index', 'pci'] });
export type GpuRef = z.infer<typeof GpuRef>;

/** Who loses GPUs by an action: pods by the kubelet's allocation, and processes in no pod. */
export const Hits = z.strictObject({
  pods: z.array(
    z.strictObject({
      namespace: z.string().optional(),
      /** Absent where only its uid is known. */
      pod: z.string().optional(),
      podUid: z.string().optional(),
    }),
  ),
  processes: z.array(z.strictObject({ pid: z.int(), name: z.string().optional() })),
  /** Further pods and processes. */
  more: z.int().min(0),
  /** What could not be looked through: an empty list then says nothing. */
  notRead: z.array(z.string()),
});
export type Hits = z.infer<typeof Hits>;

/** With what a fault began: `XID 79` where that line has a number, and when, where the log knows it (ISO 8601 UTC). */
export const Began = z.strictObject({ time: z.string().optional(), code: z.string().optional() });
export type Began = z.infer<typeof Began>;

export const Finding = z
  .strictObject({
    /** Stable within an answer and over answers: rule name and GPU, `gpu-lost:0000:3b:00`. */
    id: z.string(),
    severity: Severity,
    component: z.string(),
    gpu: GpuRef.optional(),
    /** Where one cause strikes several GPUs: all of them, and `gpu` is absent. */
    gpus: z.array(GpuRef).optional(),
    title: z.string(),
    action: Action,
    /** The next step as a sentence for the person on call, ours and never the node's text. */
    advice: z.string(),
    /** What to do where that did not help, step after step, as the machine's place allows. */
    otherwise: z.string().optional(),
    /** Absent where the action takes no GPU from anybody, and ends no pod. */
    hits: Hits.optional(),
    blame: Blame,
    confidence: Confidence,
    evidence: z.array(Evidence),
    counterEvidence: z.array(z.string()),
    /** The first line of the kernel log that tells of it; absent where none does. */
    began: Began.optional(),
    /** What would change this verdict: a reading to take or a thing to look at, in one sentence. */
    wouldChange: z.string().optional(),
  })
  .meta({
    listedKeys: [
      'id',
      'severity',
      'gpu',
      'title',
      'action',
      'advice',
      'blame',
      'confidence',
      'evidence',
    ],
  });
export type Finding = z.infer<typeof Finding>;

/** Every GPU that a finding is about; empty where it is about the node. */
export const gpusOf = ({ gpu, gpus }: Finding): readonly GpuRef[] => gpus ?? (gpu ? [gpu] : []);
