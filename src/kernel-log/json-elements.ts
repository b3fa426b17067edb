const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LINE_FEED = 0x0a;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACE = 0x7d;
const CLOSE_BRACKET = 0x5d;
const NOTHING: Buffer = Buffer.alloc(0);

/** A longer text is no message, and a larger entry is no log's. */
const TEXT_BYTES_MAX = 1024 * 1024;
const VALUE_BYTES_MAX = 4 * 1024 * 1024;
const LINE_BYTES_MAX = 64 * 1024;
const DEPTH_MAX = 64;
/** An array of more texts than a row has cells is a list of lines. */
const ROW_CELLS_MAX = 64;

/** A value that stands in a list or at the top of the text. */
export interface JsonElement {
  readonly value: unknown;
  /** The line where it begins, counted from 1. */
  readonly line: number;
  /** Its texts, keys among them, that concern the visitor. */
  readonly texts: readonly Buffer[];
  /** No entry around it is still open: what it lacks will not come. */
  readonly isLast: boolean;
}

export interface JsonVisitor {
  /** Asked for each text: whether an entry that holds it must be kept whole. */
  concerns(text: Buffer, line: number): boolean;
  /** Takes an element; false leaves it to the entry around it, which may have its time. */
  element(element: JsonElement): boolean;
  /** An entry that was cut off or is too large, with the texts of it that concern. */
  lost(texts: readonly Buffer[], line: number): void;
  /** A text or a line is longer than what is kept of it. */
  tooLong(): void;
  /** A line between the values. */
  outside(line: string, number: number): void;
}

interface Open {
  readonly line: number;
  readonly items: unknown[] | undefined;
  readonly members: Map<string, unknown>;
  readonly texts: Buffer[];
  key: string | undefined;
  bytes: number;
}

/** Splits a stream of JSON into its elements, innermost first; memory is one entry. */
export class JsonElements {
  readonly #visitor: JsonVisitor;
  readonly #stack: Open[] = [];
  #lines = 1;
  #columnZero = true;
  #inString = false;
  #escaped = false;
  #pieces: Buffer[] = [];
  #length = 0;
  #word = '';
  #outside: Buffer[] = [];
  #outsideLength = 0;

  constructor(visitor: JsonVisitor) {
    this.#visitor = visitor;
  }

  push(chunk: Buffer): void {
    let start = this.#inString ? 0 : -1;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (byte === LINE_FEED) {
        // No string of JSON holds a line feed: this one was cut off.
        if (this.#inString) this.#abandon(chunk.subarray(start, at));
        else this.#endWord();
        if (this.#stack.length === 0) this.#endOutside();
        start = -1;
        this.#lines++;
        this.#columnZero = true;
        continue;
      }
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) {
          this.#keep(chunk.subarray(start, at));
          start = -1;
          this.#endString();
        }
      } else if (this.#stack.length === 0 && !this.#opensOutside(byte)) {
        this.#keepOutside(chunk.subarray(at, at + 1));
      } else if (byte === QUOTE) {
        this.#inString = true;
        start = at + 1;
      } else {
        this.#punctuation(byte);
      }
      this.#columnZero = false;
    }
    if (start >= 0 && this.#inString) this.#keep(chunk.subarray(start));
  }

  /** The line that is being read, counted from 1. */
  get line(): number {
    return this.#lines;
  }

  end(): void {
    if (this.#inString) this.#keep(NOTHING);
    if (this.#stack.length > 0) this.#abandon(NOTHING);
    this.#endOutside();
  }

  /** Between values a brace opens one only where its line holds nothing else before it. */
  #opensOutside(byte: number): boolean {
    return (byte === OPEN_BRACE || byte === OPEN_BRACKET) && this.#outsideText().trim() === '';
  }

  #punctuation(byte: number): void {
    switch (byte) {
      case OPEN_BRACE:
      case OPEN_BRACKET:
        this.#endWord();
        // Each entry of journalctl begins at the line's first column: the one before was cut off.
        if (byte === OPEN_BRACE && this.#columnZero && this.#inObject()) this.#abandon(NOTHING);
        this.#open(byte === OPEN_BRACKET);
        return;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        this.#endWord();
        this.#close();
        return;
      case COMMA:
        this.#endWord();
        return;
      case COLON:
        return;
      default:
        if (byte > 0x20 && this.#word.length < 64) this.#word += String.fromCharCode(byte);
    }
  }

  #inObject = (): boolean => this.#stack.some(({ items }) => items === undefined);

  #open(isArray: boolean): void {
    this.#outside = [];
    this.#outsideLength = 0;
    if (this.#stack.length === DEPTH_MAX) this.#abandon(NOTHING);
    this.#stack.push({
      line: this.#lines,
      items: isArray ? [] : undefined,
      members: new Map(),
      texts: [],
      key: undefined,
      bytes: 0,
    });
  }

  #close(): void {
    const closed = this.#stack.pop();
    if (!closed) return;
    const value = closed.items ?? Object.fromEntries(closed.members);
    const parent = this.#stack.at(-1);
    const isElement = parent === undefined || parent.items !== undefined;
    const element = { value, line: closed.line, texts: closed.texts, isLast: parent === undefined };
    if (isElement && this.#visitor.element(element)) return;
    if (parent) this.#put(parent, value, closed.bytes, closed.texts);
  }

  #endString(): void {
    this.#inString = false;
    const text = this.#taken();
    const open = this.#stack.at(-1);
    if (!open || !text) return;
    const concerns = this.#visitor.concerns(text, this.#lines);
    if (open.items === undefined && open.key === undefined) {
      open.key = unescaped(text);
      if (concerns) open.texts.push(text);
      return;
    }
    const isLine = open.items !== undefined && open.items.length >= ROW_CELLS_MAX;
    if (isLine) {
      this.#visitor.element({
        value: unescaped(text),
        line: this.#lines,
        texts: concerns ? [text] : [],
        isLast: true,
      });
      return;
    }
    this.#put(open, unescaped(text), text.length, concerns ? [text] : []);
  }

  #endWord(): void {
    const word = this.#word;
    const open = this.#stack.at(-1);
    this.#word = '';
    if (word === '' || !open) return;
    const number = Number(word);
    this.#put(open, Number.isNaN(number) ? null : number, 8, []);
  }

  #put(open: Open, value: unknown, bytes: number, texts: readonly Buffer[]): void {
    const { key, items, members } = open;
    open.key = undefined;
    if (open.bytes + bytes > VALUE_BYTES_MAX) {
      this.#visitor.lost(texts, this.#lines);
      return;
    }
    open.bytes += bytes;
    open.texts.push(...texts);
    if (items) items.push(value);
    else if (key !== undefined) members.set(key, value);
  }

  /** Gives up the entries that are open, down to the list that holds them. */
  #abandon(rest: Buffer): void {
    if (this.#inString) this.#keep(rest);
    const half = this.#taken();
    const texts = half ? [half] : [];
    if (half) this.#visitor.concerns(half, this.#lines);
    const outermost = this.#stack.findIndex(({ items }) => items === undefined);
    const from = outermost < 0 ? 0 : outermost;
    const line = this.#stack[from]?.line ?? this.#lines;
    for (const open of this.#stack.splice(from)) texts.push(...open.texts);
    this.#inString = false;
    this.#escaped = false;
    this.#word = '';
    this.#visitor.lost(texts, line);
  }

  #keep(bytes: Buffer): void {
    this.#length += bytes.length;
    if (this.#length <= TEXT_BYTES_MAX) this.#pieces.push(Buffer.from(bytes));
  }

  #taken(): Buffer | undefined {
    const [only] = this.#pieces;
    if (this.#length > TEXT_BYTES_MAX) this.#visitor.tooLong();
    const taken = this.#pieces.length === 1 ? only : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#length = 0;
    return taken;
  }

  #keepOutside(bytes: Buffer): void {
    this.#outsideLength += bytes.length;
    if (this.#outsideLength <= LINE_BYTES_MAX) this.#outside.push(Buffer.from(bytes));
  }

  #outsideText = (): string => Buffer.concat(this.#outside).toString('utf8');

  #endOutside(): void {
    const text = this.#outsideText();
    if (this.#outsideLength > LINE_BYTES_MAX) this.#visitor.tooLong();
    this.#outside = [];
    this.#outsideLength = 0;
    if (text.trim() !== '' && text.trim() !== ',') this.#visitor.outside(text, this.#lines);
  }
}

function unescaped(text: Buffer): string {
  const raw = text.toString('utf8');
  if (!raw.includes('\\')) return raw;
  try {
    const parsed: unknown = JSON.parse(`"${raw}"`);
    return typeof parsed === 'string' ? parsed : raw;
  } catch {
    return raw;
  }
}
