import { type PrefixedLine, parsePrefix } from './prefixes.ts';

/** How a message of the NVIDIA drivers begins: what a paste may have put before it is junk. */
const MESSAGE_START =
  /NVRM: |nvidia-nvswitch\d{0,3}: |nvidia-modeset: |nvidia-peermem |nvidia-uvm: /;
/** Line numbers, host names of a parallel shell, list marks: longer junk is another line's text. */
const JUNK_CHARACTERS_MAX = 96;
/** Where a quote, a bracket or `=` opens, the text after it is somebody's data. */
const QUOTED = /["'=({<]/;

/**
 * Takes the prefix off a line that a person pasted: list marks, line numbers, `diff:371;` or
 * `node-7: ` may stand before it. What another program logged stays another program's.
 */
export function parsePasted(line: string): PrefixedLine {
  const whole = parsePrefix(line);
  if (whole.form !== 'raw') return whole;
  return furtherOn(line) ?? afterJunk(line) ?? whole;
}

/** The same prefix forms, beginning at a later word. */
function furtherOn(line: string): PrefixedLine | undefined {
  for (const boundary of line.slice(0, JUNK_CHARACTERS_MAX).matchAll(/[\s|;>`:]+/g)) {
    const from = boundary.index + boundary[0].length;
    if (!isJunk(line.slice(0, from)) || isMessageStart(line, from)) return undefined;
    const found = parsePrefix(line.slice(from));
    if (found.form !== 'raw') return { ...found, width: found.width + from };
  }
  return undefined;
}

function afterJunk(line: string): PrefixedLine | undefined {
  const start = line.slice(0, JUNK_CHARACTERS_MAX + 20).search(MESSAGE_START);
  if (start <= 0) return undefined;
  const junk = line.slice(0, start);
  if (!isJunk(junk) || !/[\s|;>`:]$/.test(junk)) return undefined;
  return {
    form: 'raw',
    text: line.slice(start),
    width: start,
    origin: 'unsaid',
    level: null,
    bootSeconds: null,
    stamp: null,
  };
}

/**
 * Junk holds no `subsystem:` word: `usb 1-1: Product: NVRM: Xid` is what a device calls itself.
 * Only the first word may end so, and only as host names, file names and line numbers do.
 */
function isJunk(junk: string): boolean {
  if (QUOTED.test(junk)) return false;
  const words = junk.trim().split(/\s+/);
  return words.every(
    (word, position) => !word.endsWith(':') || (position === 0 && /[\d./]/.test(word)),
  );
}

/** The message itself has begun: what looks like a prefix from here on is part of it. */
const isMessageStart = (line: string, from: number): boolean =>
  line.slice(0, from).search(MESSAGE_START) >= 0;
