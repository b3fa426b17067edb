import { emitKeypressEvents, type Key } from 'node:readline';
import type { Terminal } from './io.ts';

/** A screen of our own beside what stood on the terminal, which comes back at the end. */
export interface Screen {
  /** Shows these lines from the top, in the place of what stood there. */
  draw(lines: readonly string[]): void;
  size(): { readonly columns: number; readonly rows: number };
  /** Gives the terminal back as it was. Idempotent. */
  close(): void;
}

const ESC = '\u001b[';
/** The other screen; no cursor; a line that is too long is cut and not continued. */
const ENTER = `${ESC}?1049h${ESC}?25l${ESC}?7l`;
const LEAVE = `${ESC}0m${ESC}?7h${ESC}?25h${ESC}?1049l`;
const CLEAR = `${ESC}0m${ESC}2J`;

/** Where a terminal does not tell its size. */
const SIZE = { columns: 80, rows: 24 };

/** Takes the terminal; keys come one by one, Ctrl-C as an interrupt. */
export function openScreen(
  { input, output, atExit, interrupt }: Terminal,
  on: { key(name: string): void; resized(): void },
): Screen {
  let shown: readonly string[] | undefined;
  let isOpen = true;
  const pressed = (text: string | undefined, { name, ctrl, shift }: Key) => {
    if (ctrl && name === 'c') interrupt();
    else on.key((shift ? text : name) ?? text ?? '');
  };
  const resized = () => {
    shown = undefined;
    on.resized();
  };
  // A terminal that is gone says so by an error, and the signal that ends us comes beside it.
  const ignored = () => undefined;
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    forget();
    output.off('resize', resized);
    input.off('keypress', pressed);
    output.write(LEAVE);
    rawMode(false);
    input.pause();
  };
  const rawMode = (isRaw: boolean) => {
    try {
      input.setRawMode(isRaw);
    } catch {
      // It is gone: there is nothing to give back.
    }
  };
  const forget = atExit(close);
  input.on('error', ignored);
  emitKeypressEvents(input);
  input.on('keypress', pressed);
  output.on('resize', resized);
  rawMode(true);
  input.resume();
  output.write(ENTER);
  return {
    draw(lines) {
      if (!isOpen) return;
      const changed = lines.flatMap((line, row) =>
        shown?.[row] === line ? [] : [`${ESC}${row + 1};1H${ESC}0m${ESC}2K${line}`],
      );
      const text = `${shown ? '' : CLEAR}${changed.join('')}`;
      if (text !== '') output.write(text);
      shown = lines;
    },
    size: () => ({ columns: output.columns || SIZE.columns, rows: output.rows || SIZE.rows }),
    close,
  };
}
