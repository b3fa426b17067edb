import type { Answer } from './answer.ts';

/** A sentence of ours with words of others in it, each apart: who keeps names from a text maps those. */
export interface Sentence {
  readonly texts: readonly string[];
  readonly words: readonly (string | Ours | undefined)[];
}

interface Ours {
  readonly ours: string;
}

/** What is put into such a sentence is of others, unless it is said to be ours. */
export const told = (texts: readonly string[], ...words: Sentence['words']): Sentence => ({
  texts,
  words,
});

export const ours = (words: string | null = ''): Ours => ({ ours: words ?? '' });

/** What may be said of a text of others. */
export type Shown = (foreign: string) => string;
export const inFull: Shown = foreign => foreign;

export const sentenceOf = ({ texts, words }: Sentence, shown = inFull): string =>
  String.raw(
    { raw: texts },
    ...words.map(word => (typeof word === 'object' ? word.ours : shown(word ?? ''))),
  );

/**
 * An error with a sentence for people: what failed, on which object, and what to try.
 * `exit` is the exit code of the command line (design: 2 usage, 3 cluster, 4 session).
 */
export class GpuMcpError extends Error {
  readonly hint: string | undefined;
  readonly exit: 1 | 2 | 3 | 4 | 5;
  /** What can be told all the same. */
  readonly answer: Answer | undefined;

  constructor(
    message: string,
    options: {
      exit: 1 | 2 | 3 | 4 | 5;
      hint?: string | undefined;
      cause?: unknown;
      answer?: Answer;
    },
  ) {
    super(message, { cause: options.cause });
    this.name = new.target.name;
    this.hint = options.hint;
    this.exit = options.exit;
    this.answer = options.answer;
  }
}

/** The command line or a tool's input is wrong. */
export class UsageError extends GpuMcpError {
  constructor(message: string, hint?: string) {
    super(message, { exit: 2, hint });
  }
}

/** The cluster does not answer or does not allow. */
export class ClusterError extends GpuMcpError {
  constructor(message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, { ...options, exit: 3 });
  }
}

/** The same by the word of an API server, or of what answers in its place: no text of that is taken for ours. */
export class ServerError extends ClusterError {
  readonly told: Sentence;
  /** Words of others in the hint that are not in the sentence. */
  readonly foreign: readonly string[];

  constructor(
    message: Sentence,
    {
      foreign = [],
      ...options
    }: {
      hint?: string | undefined;
      foreign?: readonly string[] | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(sentenceOf(message), options);
    this.told = message;
    this.foreign = foreign;
  }
}

/** There is no session: the pod, its image or the stream failed. */
export class SessionError extends GpuMcpError {
  constructor(message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, { ...options, exit: 4 });
  }
}

/** The same, and the cluster is not asked about it either: nobody answers from here, or nobody asks any more. */
export class CutOffError extends SessionError {}

/** The agent was ended after the time that any pod or container of a session has. */
export class TimeOverError extends CutOffError {
  constructor(target: string, options: { cause?: unknown } = {}) {
    super(`the agent on ${target} has had its hour and was ended`, {
      ...options,
      hint: 'start it again: no agent of a session lives longer',
    });
  }
}
