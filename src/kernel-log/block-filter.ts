/** As much as stays in a processor's second cache while it is searched. */
export const BLOCK_BYTES = 128 * 1024;

/** A shorter word has too little to tell it by. */
export const WORD_BYTES_MIN = 4;

/** Hashes of three bytes, which must stay in the first cache, and of four. */
const TABLES = [
  { at: 0, bits: 14, factor: 0x9e3779b1 },
  { at: 1 << 14, bits: 17, factor: 0x85ebca6b },
] as const;
/** Then the block, and what a load at its end reads beyond it. */
const BLOCK_AT = (1 << 14) + (1 << 17);
const PAGE_BYTES = 64 * 1024;
const PAGES = Math.ceil((BLOCK_AT + BLOCK_BYTES + 64) / PAGE_BYTES);
/** Letters without their case: a set bit more does no harm to what is no letter. */
const CASELESS = 0x20202020;
const THREE = 0xffffff;

/**
 * Tells where in a block of bytes one of many words may stand, at several bytes a nanosecond, and how
 * many lines the block has.
 *
 * Of each word four bytes in a row are chosen; whichever way they lie, three of them begin at an even
 * place. So every second place of the block is looked up in a table by a hash of its three bytes,
 * without their case, and nothing depends on what was found before. A place may be shown where no
 * word is; none is left out. In WebAssembly, for JavaScript takes three times as long.
 */
export class BlockFilter {
  readonly #memory: Uint8Array;
  readonly #next: Search;
  readonly #lines: Search;

  /**
   * A filter for words of WORD_BYTES_MIN bytes or more. Undefined on a processor without vectors, as
   * some virtual machines show theirs: there a search has to do without.
   */
  static for(words: readonly Uint8Array[]): BlockFilter | undefined {
    module ??= compiled();
    return module === null ? undefined : new BlockFilter(words, module);
  }

  private constructor(words: readonly Uint8Array[], code: object) {
    const { memory, next, lines } = new WebAssembly.Instance(code).exports;
    this.#memory = new Uint8Array(memory.buffer);
    this.#next = next;
    this.#lines = lines;
    for (const word of words) {
      const at = rarest(word);
      const four = Buffer.from(word).readUInt32LE(at) | CASELESS;
      for (const three of [four & THREE, four >>> 8]) this.#memory[placeIn(0, three)] = 1;
      this.#memory[placeIn(1, four)] = 1;
    }
  }

  /** Takes a block of at most BLOCK_BYTES. */
  load(block: Uint8Array): void {
    this.#memory.set(block, BLOCK_AT);
  }

  /** A place in [from, to) before which no word ends, or -1 where none begins in it. */
  next(from: number, to: number): number {
    const found = this.#next(BLOCK_AT + (from & ~1) - 1, BLOCK_AT + to - 1);
    return found < 0 ? -1 : Math.max(from, found - BLOCK_AT);
  }

  /** Line feeds in [from, to). */
  lines(from: number, to: number): number {
    return this.#lines(BLOCK_AT + from, BLOCK_AT + to);
  }
}

type Search = (from: number, to: number) => number;

function placeIn(table: 0 | 1, bytes: number): number {
  const { at, bits, factor } = TABLES[table];
  return at + (Math.imul(bytes, factor) >>> (32 - bits));
}

/** Letters of logs from the most frequent; what is not among them is rarer. */
const FREQUENT = ' etaoinsrdlcupmgh0-1b2:f';
/** What most lines of any log are made of. */
const ORDINARY =
  'kernel: systemd service started session user root connection closed port container filesystem mounted memory link ready command process failed error device driver found possible active successful network interface time level info message address unit target block lock socket operation action count: not responding nvme0n1 for from with were only after module make may check commands killed collector audit type pid';

/** Where the four bytes begin that are the least frequent in logs. */
function rarest(word: Uint8Array): number {
  const text = Buffer.from(word).toString('latin1').toLowerCase();
  const weights = [...text].map(letter =>
    FREQUENT.includes(letter) ? FREQUENT.indexOf(letter) : FREQUENT.length,
  );
  let best = 0;
  let most = -1;
  for (let at = 0; at + 4 <= text.length; at++) {
    const isRare = !ORDINARY.includes(text.slice(at, at + 4));
    const sum =
      (isRare ? 1_000 : 0) + weights.slice(at, at + 4).reduce((total, weight) => total + weight, 0);
    if (sum > most) [best, most] = [at, sum];
  }
  return best;
}

/** The part of WebAssembly's interface that is used; the types of Node do not have it. */
declare const WebAssembly: {
  readonly validate: (code: Uint8Array) => boolean;
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (
    module: object,
  ) => {
    readonly exports: {
      readonly memory: { readonly buffer: ArrayBuffer };
      readonly next: Search;
      readonly lines: Search;
    };
  };
};

/** Null where it cannot be compiled. */
let module: object | null | undefined;
function compiled(): object | null {
  const code = Uint8Array.from(moduleCode());
  return WebAssembly.validate(code) ? new WebAssembly.Module(code) : null;
}

type Code = readonly number[];

/** Whole numbers of WebAssembly's binary form: seven bits a byte, the lowest first. */
function signed(value: number): Code {
  const low = value & 0x7f;
  const rest = value >> 7;
  const isLast = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return isLast ? [low] : [low | 0x80, ...signed(rest)];
}
const unsigned = (value: number): Code =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];

const list = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const sized = (code: Code): Code => [...unsigned(code.length), ...code];
const section = (id: number, content: Code): Code => [id, ...sized(content)];
const name = (text: string): Code => sized([...Buffer.from(text)]);

const I32 = 0x7f;
const END = 0x0b;
const number = (value: number): Code => [0x41, ...signed(value | 0)];
const get = (local: number): Code => [0x20, local];
const set = (local: number): Code => [0x22, local, 0x1a];
const load = (offset: number): Code => [0x28, 0, ...unsigned(offset)];
const loadByte = (offset: number): Code => [0x2d, 0, ...unsigned(offset)];
const IS_ZERO: Code = [0x45];
const EQUALS: Code = [0x46];
const IS_LESS: Code = [0x49];
const IS_LESS_OR_EQUAL: Code = [0x4d];
const ADD: Code = [0x6a];
const MULTIPLY: Code = [0x6c];
const AND: Code = [0x71];
const OR: Code = [0x72];
const SHIFT_RIGHT: Code = [0x76];
const COUNT_BITS: Code = [0x69];
const RETURN: Code = [0x0f];
const repeatWhile = (body: Code, condition: Code): Code => [
  0x03,
  0x40,
  ...body,
  ...condition,
  0x0d,
  0,
  END,
];
const when = (condition: Code, body: Code): Code => [...condition, 0x04, 0x40, ...body, END];
const addTo = (local: number, code: Code): Code => [...get(local), ...code, ...ADD, ...set(local)];

const PLACES = 8;
const FROM = 0;
const TO = 1;
const THIRD = 2;

const fourAt = (offset: number): Code => [
  ...get(FROM),
  ...load(offset),
  ...number(CASELESS),
  ...OR,
];
function lookup(table: 0 | 1): Code {
  const { at, bits, factor } = TABLES[table];
  return [...number(factor), ...MULTIPLY, ...number(32 - bits), ...SHIFT_RIGHT, ...loadByte(at)];
}

/** Eight places at once, and each of them where one of the eight is in the table. */
const NEXT: Code = [
  ...repeatWhile(
    [
      ...Array.from({ length: PLACES }, (_, at) => [
        ...fourAt(1 + 2 * at),
        ...number(THREE),
        ...AND,
        ...lookup(0),
        ...(at === 0 ? [] : OR),
      ]).flat(),
      ...IS_ZERO,
      0x04,
      0x40,
      ...addTo(FROM, number(2 * PLACES)),
      0x05,
      ...get(FROM),
      ...number(2 * PLACES),
      ...ADD,
      ...set(THIRD),
      ...repeatWhile(
        [
          ...when(
            [
              ...fourAt(1),
              ...lookup(1),
              ...[...fourAt(0), ...lookup(1), ...OR],
              ...[...get(FROM), ...get(TO), ...IS_LESS, ...AND],
            ],
            [...get(FROM), ...RETURN],
          ),
          ...addTo(FROM, number(2)),
        ],
        [...get(FROM), ...get(THIRD), ...IS_LESS],
      ),
      END,
    ],
    [...get(FROM), ...get(TO), ...IS_LESS],
  ),
  ...number(-1),
];

const LANES = 16;
/** Sixteen bytes at once, then one by one. */
const LINES: Code = [
  ...when(
    [...get(FROM), ...number(LANES), ...ADD, ...get(TO), ...IS_LESS_OR_EQUAL],
    repeatWhile(
      [
        ...addTo(THIRD, [
          ...get(FROM),
          ...[0xfd, 0x00, 0, 0],
          ...number(0x0a),
          ...[0xfd, 0x0f],
          ...[0xfd, 0x23],
          ...[0xfd, 0x64],
          ...COUNT_BITS,
        ]),
        ...addTo(FROM, number(LANES)),
      ],
      [...get(FROM), ...number(LANES), ...ADD, ...get(TO), ...IS_LESS_OR_EQUAL],
    ),
  ),
  ...when(
    [...get(FROM), ...get(TO), ...IS_LESS],
    repeatWhile(
      [
        ...addTo(THIRD, [...get(FROM), ...loadByte(0), ...number(0x0a), ...EQUALS]),
        ...addTo(FROM, number(1)),
      ],
      [...get(FROM), ...get(TO), ...IS_LESS],
    ),
  ),
  ...get(THIRD),
];

const oneLocal = (code: Code): Code => sized([...list([[1, I32]]), ...code, END]);

/** A module of two functions over one memory, in the binary form of WebAssembly 2.0. */
const moduleCode = (): Code => [
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...section(1, list([[0x60, ...list([[I32], [I32]]), ...list([[I32]])]])),
  ...section(3, list([[0], [0]])),
  ...section(5, list([[0, ...unsigned(PAGES)]])),
  ...section(
    7,
    list([
      [...name('memory'), 2, 0],
      [...name('next'), 0, 0],
      [...name('lines'), 0, 1],
    ]),
  ),
  ...section(10, list([oneLocal(NEXT), oneLocal(LINES)])),
];
