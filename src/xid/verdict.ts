import type { Action, Blame, Confidence, Severity } from '../contract/finding.ts';

/** What one line says about the GPU: the action, why, and where that comes from. */
export interface Verdict {
  readonly action: Action;
  readonly severity: Severity;
  readonly blame: Blame;
  readonly confidence: Confidence;
  /** Short name of the thing, without a code: `GPU has fallen off the bus`. */
  readonly title: string;
  /** One sentence of ours on what happened. */
  readonly meaning: string;
  /** One sentence of ours on the next step. */
  readonly advice: string;
  /** Whose word the action is: NVIDIA's catalogue, the driver's XID 154, a decoded register. */
  readonly source: string;
  /** Where NVIDIA's own documents or tools disagree with it. */
  readonly disagreement: readonly string[];
}

/**
 * How a line takes part in an incident.
 * `event` can be its root; `notice` repeats an event for one channel or process; `companion`
 * belongs to the line beside it and is never counted; `clear` ends what came before on its GPU;
 * `background` is kept as an event and starts no incident.
 */
export type Role = 'event' | 'notice' | 'companion' | 'clear' | 'background';

/** One parsed message, before it is given its place and time. */
export interface Line {
  readonly kind: string;
  readonly pci: string | null;
  readonly xid: number | null;
  readonly sxid: number | null;
  readonly pid: number | null;
  readonly process: string | null;
  readonly mig: { readonly gpuInstance: number; readonly computeInstance: number | null } | null;
  readonly details: Readonly<Record<string, unknown>>;
  readonly verdict: Verdict;
  readonly role: Role;
  /** What orders candidates for the root of an incident; higher is nearer to the cause. */
  readonly rank: number;
}

type LineParts = Partial<Omit<Line, 'kind' | 'verdict'>> & Pick<Line, 'kind' | 'verdict'>;

/** A line with everything that was not found set to null. */
export const line = (parts: LineParts): Line => ({
  pci: null,
  xid: null,
  sxid: null,
  pid: null,
  process: null,
  mig: null,
  details: {},
  role: 'event',
  rank: 10,
  ...parts,
});

/** What a decoder read from the text of an XID. */
export interface Decoded {
  readonly facts: Readonly<Record<string, unknown>>;
  /** What the text changes in the catalogue's verdict. */
  readonly verdict?: Partial<Verdict>;
  readonly role?: Role;
  readonly rank?: number;
}

/** Reads the text after the envelope; undefined where the text is not of this family. */
export type Decoder = (text: string, xid: number) => Decoded | undefined;

/** `0000002a` as a number. */
export const hex = (digits: string): number => Number.parseInt(digits, 16);
