import { writeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { OpenedLibrary } from './functions.ts';
import { linesOf } from './lines.ts';
import { type ChildMessage, ReadRequest } from './messages.ts';
import { nvmlSession } from './read.ts';

/** How the child is started: requests on stdin, messages on descriptor 3, last words on stderr. */
export const NVML_CHILD_STDIO = ['pipe', 'ignore', 'pipe', 'pipe'] as const;
const MESSAGES_FD = 3;

export interface NvmlChildOptions {
  /** Finds and opens the library; called in the child only, again while there is none. */
  readonly open: () => Promise<OpenedLibrary>;
  /** The child's stdin. Its end is the parent's. */
  readonly requests: Readable;
  /** The descriptor for messages; 3 as NVML_CHILD_STDIO has it. */
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
  // Written through before the call begins: a stream would wait for an event loop that stands still.
  const tell = (message: ChildMessage): void => {
    writeAll(fd, Buffer.from(`${JSON.stringify(message)}\n`));
  };
  const session = nvmlSession(options.open);
  for await (const line of linesOf(options.requests)) {
    await session.read(ReadRequest.parse(JSON.parse(line)), tell);
  }
  session.shutdown();
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length; ) {
    written += writeSync(fd, bytes, written);
  }
}
