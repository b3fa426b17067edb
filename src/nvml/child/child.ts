import { writeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { ReadRequest } from '../messages.ts';
import type { Send } from '../reader/ask.ts';
import { nvmlSession } from '../reader/read.ts';
import type { OpenedLibrary } from '../table/calls.ts';
import { linesOf } from './lines.ts';

/** Where start-child.ts opens a pipe for the child's messages. */
const MESSAGES_FD = 3;

export interface NvmlChildOptions {
  /** Finds and opens the library; called in the child only, again while there is none. */
  readonly open: () => Promise<OpenedLibrary>;
  /** The child's stdin. Its end is the parent's. */
  readonly requests: Readable;
  /** The descriptor for messages; 3 as start-child.ts has it. */
  readonly messagesFd?: number;
}

/**
 * The main of the process that hosts NVML. Resolves when the parent has closed stdin; the caller
 * then exits. Calls run synchronously, one at a time: a call that hangs takes this process with it,
 * and nothing else.
 *
 * @throws Error when the parent is gone (EPIPE) or does not speak the protocol.
 */
export async function runNvmlChild(options: NvmlChildOptions): Promise<void> {
  const fd = options.messagesFd ?? MESSAGES_FD;
  const send = sendThrough(bytes => writeAll(fd, bytes));
  const session = nvmlSession(options.open);
  for await (const line of linesOf(options.requests)) {
    await session.read(ReadRequest.parse(JSON.parse(line)), send);
  }
  session.shutdown();
}

/** Of a series of equal calls one in so many is announced: the parent's patience is for all of them. */
const SERIES_CALLS = 8;

/**
 * Sends with as few writes as lose nothing when the next call never returns: a reading waits for
 * the next call's word, since nothing can hang in between; a call like the one before it (the next
 * link, the next counter) needs no word of its own.
 */
export function sendThrough(write: (bytes: Buffer) => void): Send {
  let unsent = '';
  let last = '';
  let series = 0;
  return message => {
    const line = `${JSON.stringify(message)}\n`;
    if (message.kind === 'call') {
      series = unsent === '' && line === last ? (series + 1) % SERIES_CALLS : 0;
      last = line;
      if (series > 0) return;
    }
    unsent += line;
    if (message.kind === 'driver' || message.kind === 'gpu') return;
    // The next request's first call is announced, whatever was the last of this one.
    if (message.kind === 'done') last = '';
    // Written through before the call begins: a stream would wait for an event loop that stands still.
    write(Buffer.from(unsent));
    unsent = '';
  };
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length; ) {
    written += writeSync(fd, bytes, written);
  }
}
