import * as z from 'zod';
import type { Verdict } from './finding.ts';
import type { CommandWords } from './printed-command.ts';

/** What a line of an answer is. Whoever shows it colours it by this, never by what it reads like. */
export type LineKind =
  | Verdict
  | 'info'
  /** The whole answer in a sentence, which begins with where it is from. */
  | 'summary'
  /** What was searched and read, below the answer itself. */
  | 'detail'
  /** A command to copy, behind what marks it. */
  | 'command'
  | 'plain';

export interface Line {
  readonly kind: LineKind;
  readonly text: string;
  /** Of a command: how many characters stand before it. */
  readonly lead?: number;
}

/** A line as its author writes it: a bare text is a plain one. */
export type Written = Line | string;

/** What is to be read, and the facts behind it. */
export interface AnswerForms {
  readonly lines: readonly Line[];
  readonly structured: Readonly<Record<string, unknown>>;
}

/** An answer: for a person and a program, and for a model where it reads another. */
export interface Answer extends AnswerForms {
  /** As a model reads it, in either form the same facts; absent where it reads the above. */
  readonly forModel?: AnswerForms;
  /** The tool that gave it; absent where it is of no tool. */
  readonly tool?: string;
  /** What the commands carry that it prints. */
  readonly commandWords?: CommandWords;
  /** Absent where no node was asked. */
  readonly provenance?: Provenance;
  /** What else was asked of its node for a report: answers of other tools by name, or why there is none. */
  readonly beside?: Readonly<Record<string, Answer | Unanswered>>;
}

/** Why a tool gave no answer. */
export interface Unanswered {
  readonly why: string;
}

/** Where an answer's facts are from; empty: from a node as it is now. */
export const Provenance = z.strictObject({
  /** The name of a machine made of data. */
  simulated: z.string().max(253).exactOptional(),
  /** Whose bundle was read, and when that was captured. */
  replay: z
    .strictObject({ node: z.string().max(253), capturedAt: z.string().max(40) })
    .exactOptional(),
});
export type Provenance = z.infer<typeof Provenance>;

/** What a summary begins with where its facts are not of a node as it is now. */
export function markOf({ simulated, replay }: Provenance = {}): string {
  const ofReplay = replay ? `REPLAY of ${replay.node} captured ${replay.capturedAt}: ` : '';
  return simulated === undefined ? ofReplay : `${ofReplay}SIMULATED machine "${simulated}": `;
}

/** The answer in a sentence, as the first line. */
export const summaryLine = ({ summary }: { readonly summary: string }): Line => ({
  kind: 'summary',
  text: summary,
});

/** What could not be read, and what is therefore not certain. */
export const gapLine = (gap: string): Line => ({ kind: 'unknown', text: `gap: ${gap}` });

export const commandLine = (lead: string, command: string): Line => ({
  ...{ kind: 'command', text: `${lead}${command}`, lead: lead.length },
});

export const linesOf = (written: readonly Written[]): readonly Line[] =>
  written.map(line => (typeof line === 'string' ? { kind: 'plain', text: line } : line));

/** The lines as one text, for a model or a file. */
export const textOf = (lines: readonly Line[]): string => lines.map(({ text }) => text).join('\n');
