import { Readable } from 'node:stream';
import { plainText } from '../../contract/untrusted.ts';
import { ChildMessage, type ReadRequest } from '../messages.ts';
import { linesOf } from './lines.ts';
import type { StartedChild } from './start-child.ts';

/** A process that hosts NVML, as its parent sees it. */
export interface NvmlProcess {
  /** Called once, before anything is sent. `onEnd` comes last and says why in a few words. */
  listen(events: {
    readonly onMessage: (message: ChildMessage) => void;
    readonly onEnd: (why: string) => void;
  }): void;
  send(request: ReadRequest): void;
  /** Lets it end by itself: it shuts NVML down when it reads the end of its stdin. */
  retire(): void;
  /** SIGKILL, not awaited: a process in uninterruptible sleep outlives it. */
  kill(): void;
}

const WORDS_CHARACTERS_MAX = 400;

/** Speaks with a child, also with one that has ended meanwhile. */
export function hostedBy({ child, ended }: StartedChild): NvmlProcess {
  const messages = child.stdio[3];
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', chunk => {
    words = `${words}${String(chunk)}`.slice(-WORDS_CHARACTERS_MAX);
  });
  // EPIPE on stdin is the child's end, which its exit explains better.
  child.stdin?.on('error', () => {});

  return {
    listen({ onMessage, onEnd }) {
      const heard = messages instanceof Readable ? hearAll(messages, onMessage) : Promise.resolve();
      // What it said last is heard before its end.
      void Promise.all([heard, ended]).then(([, why]) => {
        onEnd(plainText(words === '' ? why : `${why}: ${words}`, WORDS_CHARACTERS_MAX));
      });
    },
    send(request) {
      child.stdin?.write(`${JSON.stringify(request)}\n`);
    },
    retire() {
      child.stdin?.end();
    },
    kill() {
      child.kill('SIGKILL');
      child.stdin?.destroy();
      child.stderr?.destroy();
      if (messages instanceof Readable) messages.destroy();
      child.unref();
    },
  };
}

async function hearAll(stream: Readable, onMessage: (message: ChildMessage) => void) {
  try {
    for await (const line of linesOf(stream)) onMessage(ChildMessage.parse(JSON.parse(line)));
  } catch {
    // A stream that breaks or speaks another language ends here; the child's exit says the rest.
  }
}
