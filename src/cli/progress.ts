import { Writable } from 'node:stream';
import stringWidth from 'fast-string-width';
import { WAIT_SHOWN_AFTER_MS, WAIT_TICK_MS } from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Io } from './io.ts';

/** What is going on, for people, on stderr; silent with --quiet. */
export interface Progress {
  /** What is being done. On a terminal it is gone when it is done, elsewhere it is a line. */
  say(message: string): void;
  /** What stays to be read. */
  tell(message: string): void;
  /** What is waited for, and how long at most; shown on a terminal alone. */
  wait(message: string, limitMs?: number): void;
}

interface Options {
  readonly quiet: boolean;
  readonly verbose: boolean;
}

/** Plain lines, each message once. */
export function progressOn(
  { stderr, clock }: Pick<Io, 'stderr' | 'clock'>,
  options: Options,
): Progress {
  const startMs = clock.nowMs();
  let last = '';
  const say = (message: string): void => {
    if (options.quiet || message === last) return;
    last = message;
    const passed = ((clock.nowMs() - startMs) / 1_000).toFixed(2);
    stderr.write(options.verbose ? `[${passed} s] ${message}\n` : `${message}\n`);
  };
  return { say, tell: say, wait: () => undefined };
}

/** How a command shows what is going on, and the streams that do not run into it. */
export interface Shown {
  readonly progress: Progress;
  readonly io: Io;
  end(): void;
}

/** One line that moves on a terminal, plain lines elsewhere and with --verbose. */
export function shownOn(io: Io, options: Options): Shown {
  const isLive = io.stderrIsTerminal && io.environment['TERM'] !== 'dumb';
  const shown =
    isLive && !options.quiet && !options.verbose
      ? liveLine(io)
      : { progress: progressOn(io, options), io, end: () => undefined };
  return { ...shown, progress: ofPlainWords(shown.progress) };
}

/** What is told names nodes, images and whatever a cluster says of them. */
const ofPlainWords = ({ say, tell, wait }: Progress): Progress => ({
  say: message => say(plainText(message)),
  tell: message => tell(plainText(message)),
  wait: (message, limitMs) => wait(plainText(message), limitMs),
});

const ERASE = '\r\u001b[K';
const FRAMES = ['-', '\\', '|', '/'];
/** Where nothing tells a terminal's width. */
const COLUMNS = 80;

function liveLine(io: Io): Shown {
  const { stderr, clock, columns = COLUMNS } = io;
  const bornMs = clock.nowMs();
  let now: { message: string; sinceMs: number; limitMs: number | undefined } = {
    message: 'starting',
    sinceMs: bornMs,
    limitMs: undefined,
  };
  let isDrawn = false;
  let frame = 0;
  const erase = (): void => {
    if (isDrawn) stderr.write(ERASE);
    isDrawn = false;
  };
  const draw = (): void => {
    if (clock.nowMs() - bornMs < WAIT_SHOWN_AFTER_MS) return;
    frame += 1;
    const seconds = Math.floor((clock.nowMs() - now.sinceMs) / 1_000);
    const limit = now.limitMs === undefined ? '' : ` of ${Math.round(now.limitMs / 1_000)}`;
    const passed = `  ${seconds}${limit} s`;
    const room = columns - 3 - passed.length;
    stderr.write(`${ERASE}${FRAMES[frame % FRAMES.length]} ${cut(now.message, room)}${passed}`);
    isDrawn = true;
  };
  const timer = setInterval(draw, WAIT_TICK_MS);
  timer.unref();
  const wait = (message: string, limitMs?: number): void => {
    if (message === now.message) {
      now = { ...now, limitMs: limitMs ?? now.limitMs };
      return;
    }
    now = { message, sinceMs: clock.nowMs(), limitMs };
    if (isDrawn) draw();
  };
  const above = (stream: Writable): Writable =>
    new Writable({
      write(chunk, _encoding, done) {
        erase();
        stream.write(chunk, () => done());
      },
    });
  return {
    progress: {
      say: wait,
      tell(message) {
        erase();
        stderr.write(`${message}\n`);
      },
      wait,
    },
    io: { ...io, stdout: above(io.stdout), stderr: above(stderr) },
    end() {
      clearInterval(timer);
      erase();
    },
  };
}

/** The beginning of a text that is too wide for its place. */
function cut(words: string, columns: number): string {
  if (stringWidth(words) <= columns) return words;
  let shown = words.slice(0, Math.max(0, columns - 1));
  while (stringWidth(shown) >= columns && shown !== '') shown = shown.slice(0, -1);
  return `${shown}…`;
}
