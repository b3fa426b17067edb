import { once } from 'node:events';
import type { AttachStream } from '../cluster/port.ts';
import { AGENT_ENVIRONMENT } from '../contract/labels.ts';
import {
  CARRY_ANSWER_MS_MAX,
  CARRY_FIRST_BYTE_SECONDS,
  CARRY_LINE_BYTES_MAX,
  CARRY_SILENCE_SECONDS,
} from '../contract/limits.ts';
import type { ArchivedAgent } from './agent-archive.ts';

/** Where the agent is unpacked: the container's own layer, which goes with it. */
const FOLDER = '/tmp/gpu-mcp';

/**
 * What a shell does in that container: takes each part of the agent, checks it, unpacks it, and becomes the
 * agent. Between two parts nothing may come: head of busybox reads more than it is to give.
 * Arguments: size and SHA-256 of each part, `--`, the agent's own command.
 *
 * Whoever started it may be dead before it attached, so a child of the shell watches how long nothing comes;
 * what does come, however slowly, has the pod's hour. The watcher ends with its parent, before anybody else can
 * have that PID, and before the agent has it. As PID 1 of a namespace the shell gets no signal from within but
 * one that it traps, and head alone is waited for in a way that lets a trap run: what outlasts the signal
 * is killed, which there is all but the shell.
 * What the image's own environment tells a loader or Node is not for this Node.
 */
const SCRIPT = `d=${FOLDER}
say() { echo "gpu-mcp $*"; }
fail() { say failed "$@"; exit 1; }
for t in head wc tar gzip sleep; do command -v $t >/dev/null 2>&1 || fail tool $t; done
mkdir $d || fail folder
h=
trap '[ "$h" ] && kill -9 $h; fail late' USR1
exec 3<&0
( alive() { read -r x x x p x </proc/self/stat && [ "$p" = $$ ] || exit; }
n=0; o=0; l=${CARRY_FIRST_BYTE_SECONDS}
while [ $n -lt $l ]; do
sleep 1
alive
n=$((n+1))
c=; [ -e $d/part ] && c=$(wc -c <$d/part)
[ "\${c:-$o}" = $o ] || { o=$c; n=0; l=${CARRY_SILENCE_SECONDS}; }
done
kill -USR1 $$
sleep 2
alive
[ $$ = 1 ] && kill -9 -1 || kill -9 $$
) </dev/null >/dev/null 2>&1 3<&- &
w=$!
command -v sha256sum >/dev/null 2>&1 || say unchecked
while [ "$1" != -- ]; do
head -c $1 <&3 >$d/part &
h=$!
wait $h || fail disk
h=
[ "$(wc -c <$d/part)" -eq $1 ] || fail cut
if command -v sha256sum >/dev/null 2>&1; then
echo "$2  $d/part" | sha256sum -c >/dev/null 2>&1 || fail digest
fi
tar -xzof $d/part -C $d || fail unpack
rm $d/part
shift 2
say taken
done
shift
for l in $d/lib*/ld-linux-*; do :; done
for ${AGENT_ENVIRONMENT.libraries} in $d/lib/*-linux-gnu; do :; done
export ${AGENT_ENVIRONMENT.libraries}
unset LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT NODE_OPTIONS NODE_PATH NODE_V8_COVERAGE NODE_COMPILE_CACHE
"$l" --inhibit-cache --library-path "$${AGENT_ENVIRONMENT.libraries}" "$1" --version </dev/null >/dev/null || fail run
kill -9 $w
wait $w 2>/dev/null
say ready
exec "$l" --inhibit-cache --library-path "$${AGENT_ENVIRONMENT.libraries}" "$@" 3<&-`;

/** The kubelet puts variables in for `$(NAME)`, and takes `$$` for `$`. */
const asWritten = (text: string) => text.replaceAll(/\$(?=[$(])/g, '$$$$');

/** What a container of the node's own image runs. */
export const carriedCommand = ({ layers, entrypoint }: ArchivedAgent) => ({
  command: ['sh', '-c', asWritten(SCRIPT), 'gpu-mcp'],
  args: [
    ...layers.flatMap(({ bytes, digest }) => [String(bytes), digest.slice('sha256:'.length)]),
    '--',
    ...entrypoint.map(word => (word.startsWith('/') ? `${FOLDER}${word}` : word)),
  ],
});

/** What the script says of itself when it gives up. */
export class ScriptFailure extends Error {
  readonly words: readonly string[];

  constructor(words: readonly string[]) {
    super(words.join(' '));
    this.words = words;
  }
}

const LISTENS = () => undefined;

/** The script at the other end of a stream. */
export class CarriedScript {
  isUnchecked = false;
  readonly #stream: AttachStream;
  readonly #signal: AbortSignal;
  #seen = Buffer.alloc(0);
  #heard: string[] = [];
  #isReady = false;

  constructor(stream: AttachStream, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
    // What nobody listens to, Node throws away where it comes from a child that ends.
    stream.stdout.on('readable', LISTENS);
  }

  /** Resolves when the bytes are on their way; each step has its time. */
  async write(chunk: Buffer): Promise<void> {
    this.#read();
    const { stdin } = this.#stream;
    await this.#within(
      new Promise<void>((resolve, reject) => {
        stdin.write(chunk, error => (error ? reject(error) : resolve()));
      }),
    );
  }

  /** Waits for a line of the script; what comes behind the last one is left in the stream. */
  async expect(wanted: string): Promise<void> {
    await this.#within(this.#hear(wanted, this.#signal));
  }

  /** What it gives as the reason for its end, which may be known before that is read. */
  async failure(signal: AbortSignal): Promise<ScriptFailure | undefined> {
    try {
      await this.#hear('failed', signal);
    } catch (error) {
      if (error instanceof ScriptFailure) return error;
    }
    return undefined;
  }

  async #hear(wanted: string, signal: AbortSignal): Promise<void> {
    const { stdout } = this.#stream;
    for (;;) {
      this.#read();
      const at = this.#heard.indexOf(wanted);
      this.#heard = this.#heard.slice(at + 1);
      if (at !== -1) return;
      if (stdout.readableEnded || stdout.destroyed) throw new Error('the stream ended');
      const over = new AbortController();
      const until = { signal: AbortSignal.any([signal, over.signal]) };
      const next = ['readable', 'end', 'close'].map(event => once(stdout, event, until));
      for (const one of next) one.catch(() => undefined);
      await Promise.race(next);
      over.abort();
    }
  }

  /** Takes the whole lines that have come. @throws ScriptFailure for the one that says so. */
  #read(): void {
    const { stdout } = this.#stream;
    while (!this.#isReady) {
      const at = this.#seen.indexOf('\n');
      if (at === -1) {
        const chunk: Buffer | null = stdout.read();
        if (chunk === null) return;
        this.#seen = Buffer.concat([this.#seen, chunk]);
        if (this.#seen.length > CARRY_LINE_BYTES_MAX) throw new Error('it says too much');
        continue;
      }
      const line = this.#seen.toString('utf8', 0, at);
      this.#seen = this.#seen.subarray(at + 1);
      const [, word = '', rest = ''] = /^gpu-mcp (\S+) ?(.*)$/.exec(line) ?? [];
      if (word === 'failed') throw new ScriptFailure(rest.split(' '));
      if (word === 'unchecked') this.isUnchecked = true;
      this.#heard.push(word);
      this.#isReady = word === 'ready';
    }
    // From here on it is the agent that speaks.
    stdout.off('readable', LISTENS);
    if (this.#seen.length > 0) stdout.unshift(this.#seen);
    this.#seen = Buffer.alloc(0);
  }

  async #within<T>(step: Promise<T>): Promise<T> {
    const late = AbortSignal.timeout(CARRY_ANSWER_MS_MAX);
    const over = AbortSignal.any([late, this.#signal]);
    const stopped = once(over, 'abort').then(() => {
      this.#signal.throwIfAborted();
      throw new Error(`nothing moved for ${CARRY_ANSWER_MS_MAX / 1_000} s`);
    });
    step.catch(() => undefined);
    return Promise.race([step, stopped]);
  }
}
