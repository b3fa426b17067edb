import { type ChildProcess, spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { plainText } from '../contract/untrusted.ts';
import { NVML_CHILD_STDIO } from './child.ts';
import { linesOf } from './lines.ts';
import { ChildMessage, type ReadRequest } from './messages.ts';

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

/** How the agent starts itself again as the child: `node agent.mjs nvml-child ...`. */
export interface ChildCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** The whole environment: nothing is inherited, least of all LD_LIBRARY_PATH. */
  readonly env: Readonly<Record<string, string>>;
}

const WORDS_CHARACTERS_MAX = 400;

export function spawnNvmlChild(command: ChildCommand): NvmlProcess {
  const { file, args, env } = command;
  return hostedBy(spawn(file, args, { env: { ...env }, stdio: [...NVML_CHILD_STDIO] }));
}

/** A child process with stdio as in NVML_CHILD_STDIO. */
export function hostedBy(child: ChildProcess): NvmlProcess {
  const messages = child.stdio[3];
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', chunk => {
    words = `${words}${String(chunk)}`.slice(-WORDS_CHARACTERS_MAX);
  });
  // EPIPE on stdin is the child's end, which its exit tells better.
  child.stdin?.on('error', () => {});

  return {
    listen({ onMessage, onEnd }) {
      const told = messages instanceof Readable ? tellAll(messages, onMessage) : Promise.resolve();
      const ended = new Promise<string>(resolve => {
        child.once('error', error => resolve(`could not be started: ${error.message}`));
        child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
      });
      // What it said last is heard before its end.
      void Promise.all([told, ended]).then(([, why]) => {
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

async function tellAll(stream: Readable, onMessage: (message: ChildMessage) => void) {
  try {
    for await (const line of linesOf(stream)) onMessage(ChildMessage.parse(JSON.parse(line)));
  } catch {
    // A stream that breaks or speaks another language ends here; the child's exit says the rest.
  }
}
