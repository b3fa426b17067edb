/**
 * A page as data: what stands on it, and not how it looks. Writers make a terminal's text, Markdown
 * or HTML of it. A no-break space in a text holds two words on one line: `4 min`, `57-64 °C`.
 */

/** What a piece of text is, for its colour. */
export type Tone =
  | 'critical'
  | 'warning'
  | 'healthy'
  | 'unknown'
  | 'simulated'
  | 'strong'
  | 'faint';

export interface Span {
  readonly text: string;
  readonly tone?: Tone;
}
/** A text in pieces; a bare string is plain. */
export type Text = readonly (Span | string)[];

export type Block =
  | { readonly kind: 'text'; readonly text: Text }
  /** Blocks under a short label at their left: HIT, DO, WHY. */
  | { readonly kind: 'section'; readonly label: string; readonly blocks: readonly Block[] }
  | { readonly kind: 'steps'; readonly steps: readonly Step[] }
  /** A command to copy, on a line of its own or on several that a shell joins again. */
  | { readonly kind: 'command'; readonly command: string }
  /** Rows of cells. Where they do not fit beside each other, those from `flow` on follow as one text. */
  | { readonly kind: 'table'; readonly rows: readonly (readonly Text[])[]; readonly flow: number };

export interface Step {
  readonly command: string;
  /** Where it runs, or what it does. */
  readonly note?: string;
}

export interface Document {
  readonly title: string;
  readonly headline: {
    readonly verdict: Span;
    readonly node: string;
    /** `1 of 8 GPUs`. */
    readonly extent: string;
    /** Where the facts are from, and from when. */
    readonly origin: string;
    readonly isReal: boolean;
  };
  readonly groups: readonly Group[];
}

/** Blocks that stand together; a line is free between groups. */
export type Group = readonly Block[];

export const text = (...pieces: Text): Block => ({ kind: 'text', text: pieces });
export const section = (label: string, blocks: readonly Block[]): Block => ({
  kind: 'section',
  label,
  blocks,
});
export const faint = (words: string): Span => ({ text: words, tone: 'faint' });

/** The words of a text without its tones. */
export const wordsOf = (pieces: Text): string =>
  pieces.map(piece => (typeof piece === 'string' ? piece : piece.text)).join('');
