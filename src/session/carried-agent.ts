import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import type { AttachStream, NodeState } from '../cluster/port.ts';
import { SessionError } from '../contract/errors.ts';
import { AGENT_ENVIRONMENT } from '../contract/labels.ts';
import {
  CARRY_ANSWER_MS_MAX,
  CARRY_FIRST_BYTE_SECONDS,
  CARRY_LINE_BYTES_MAX,
  CARRY_SILENCE_SECONDS,
  CARRY_STEP_BYTES,
  CARRY_TOLD_MS,
  POD_END_MS_MAX,
  POD_LIFE_SECONDS,
} from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Progress } from '../mcp/tool-call.ts';
import { type ArchiveChoice, type ArchivedAgent, archivedAgents } from './agent-archive.ts';
import { chosenImage } from './node-images.ts';

/** --no-image: an image that is on the node already, and where the agent is. */
export interface CarryChoice {
  /** Absent: one that the node reports. */
  readonly image?: string | undefined;
  readonly archive: ArchiveChoice;
}

/**
 * The same choices with the agent of the node's architecture, and an image of its own to start from.
 *
 * @throws UsageError for an archive that is none; SessionError where the node has nothing to start from.
 */
export async function withCarriedAgent<
  Pod extends { readonly image: string; readonly carry?: CarryChoice | undefined },
>(
  pod: Pod,
  node: Pick<NodeState, 'name' | 'architecture' | 'images'>,
  say: Progress,
): Promise<Pod & { readonly carried?: ArchivedAgent }> {
  const { carry } = pod;
  if (!carry) return pod;
  const agents = await archivedAgents(carry.archive);
  const carried = agents.find(({ architecture }) => architecture === node.architecture);
  if (!carried) {
    const held = agents.map(({ architecture }) => architecture).join(', ');
    throw new SessionError(
      `the archive holds the agent for ${held}, and node "${node.name}" is ${plainText(node.architecture, 40) || 'of no known architecture'}`,
      { hint: '--agent-archive names one for both: gpu-mcp-image-VERSION.oci.tar of a release' },
    );
  }
  const image = carry.image ?? imageOf(node);
  say(`no image is pulled: ${plainText(image, 300)} is on the node, the agent is sent to it`);
  return { ...pod, image, carried };
}

/** Of the node's images the first that surely has what the script needs. */
function imageOf({ name, images = [] }: Pick<NodeState, 'name' | 'images'>): string {
  const found = chosenImage(images);
  if (found !== undefined) return found;
  throw new SessionError(
    `none of the ${images.length} images that node "${name}" reports is known to have a shell and tar`,
    { hint: OTHER_IMAGE },
  );
}

/** For whoever names one. */
const OTHER_IMAGE =
  '--no-image=IMAGE names an image of the node: any with sh, head, wc, tar and gzip, such as busybox or what is made from Debian';

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

/**
 * Sends the agent over the stream that will be its own.
 *
 * @throws SessionError when it does not come to run.
 */
export async function carryAgent(
  stream: AttachStream,
  { carried, node, image }: { carried: ArchivedAgent; node: string; image: string },
  { nowMs, signal, say }: { nowMs: () => number; signal: AbortSignal; say: Progress },
): Promise<void> {
  const beganMs = nowMs();
  const all = carried.layers.reduce((sum, { bytes }) => sum + bytes, 0);
  const script = new Script(stream, signal);
  let sent = 0;
  let toldMs = beganMs;
  try {
    for (const layer of carried.layers) {
      for await (const chunk of bytesOf(carried.file, layer)) {
        await script.write(chunk);
        sent += chunk.length;
        if (nowMs() - toldMs < CARRY_TOLD_MS) continue;
        toldMs = nowMs();
        say(`sending the agent to ${node}: ${megabytes(sent)} of ${megabytes(all)} MB`);
      }
      await script.expect('taken');
    }
    await script.expect('ready');
  } catch (error) {
    if (signal.aborted) stream.destroy();
    signal.throwIfAborted();
    // The script waits on and has nothing to say to it.
    if (error instanceof Unread) {
      stream.destroy();
      throw refusal(error, { node, image, words: '', progress: '' });
    }
    // The script says why, and ends: its last words come with the end of the stream.
    const late = AbortSignal.timeout(POD_END_MS_MAX);
    const cause = (await script.failure(late)) ?? error;
    const end = await Promise.race([stream.ended, once(late, 'abort').then(() => undefined)]);
    const words = plainText(end?.stderr ?? '', 300) || (end?.detail ?? '');
    const progress = `${megabytes(sent)} of ${megabytes(all)} MB`;
    stream.destroy();
    throw refusal(cause, { node, image, words, progress });
  }
  const unchecked = script.isUnchecked
    ? '; the image has no sha256sum, so gzip alone checked it'
    : '';
  say(
    `the agent is on ${node}: ${megabytes(all)} MB in ${((nowMs() - beganMs) / 1_000).toFixed(1)} s${unchecked}`,
    'info',
  );
}

/** What keeps a layer from being read here, which no stream is to blame for. */
class Unread extends Error {}

async function* bytesOf(
  file: string,
  { at, bytes }: ArchivedAgent['layers'][number],
): AsyncGenerator<Buffer> {
  let left = bytes;
  try {
    const place = { start: at, end: at + bytes - 1, highWaterMark: CARRY_STEP_BYTES };
    for await (const chunk of createReadStream(file, place)) {
      left -= chunk.length;
      yield chunk;
    }
  } catch (cause) {
    throw new Unread(cause instanceof Error ? cause.message : String(cause), { cause });
  }
  if (left > 0) throw new Unread('it was longer when it was checked');
}

const megabytes = (bytes: number) => (bytes / 1_000_000).toFixed(0);

/** What the script says of itself when it gives up. */
class Failed extends Error {
  readonly words: readonly string[];

  constructor(words: readonly string[]) {
    super(words.join(' '));
    this.words = words;
  }
}

const LISTENS = () => undefined;

/** The script at the other end of a stream. */
class Script {
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
  async failure(signal: AbortSignal): Promise<Failed | undefined> {
    try {
      await this.#hear('failed', signal);
    } catch (error) {
      if (error instanceof Failed) return error;
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

  /** Takes the whole lines that have come. @throws Failed for the one that says so. */
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
      if (word === 'failed') throw new Failed(rest.split(' '));
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

interface Failure {
  readonly node: string;
  readonly image: string;
  /** Of the script's stderr, or of the stream's end. */
  readonly words: string;
  /** `12 of 49 MB`. */
  readonly progress: string;
}

const SLOW = `the same command sends it again; a link slower than 49 MB in the pod’s ${POD_LIFE_SECONDS / 60} minutes, 14 KB/s, needs a pod with the image`;

/** One sentence for each way in which it goes wrong. */
function refusal(error: unknown, { node, image, words, progress }: Failure): SessionError {
  const why = words === '' ? '' : `: ${words}`;
  const failed = (sentence: string, hint: string) =>
    new SessionError(sentence, { hint, cause: error });
  if (error instanceof Unread) {
    return failed(
      `the archive of the agent could not be read on its way to ${node}: ${plainText(error.message, 200)}`,
      'is its disk or share still there? the same command reads it again',
    );
  }
  const [kind = '', tool = ''] = error instanceof Failed ? error.words : [];
  switch (kind) {
    case 'tool':
      return failed(
        `the image ${image} has no ${plainText(tool, 20)}, which unpacks the agent`,
        OTHER_IMAGE,
      );
    case 'folder':
      return failed(
        `/tmp of a container of the image ${image} cannot be written${why}`,
        OTHER_IMAGE,
      );
    case 'disk':
      return failed(
        `the agent could not be written to the disk of ${node} after ${progress}${why}`,
        'it takes 180 MB there while it is unpacked; kubectl describe node tells of a full disk',
      );
    case 'late':
      return failed(
        `nothing more of the agent came to ${node} for ${CARRY_SILENCE_SECONDS} s (${CARRY_FIRST_BYTE_SECONDS} s for the first byte), after ${progress}`,
        SLOW,
      );
    case 'unpack':
      return failed(
        `the agent could not be unpacked on ${node}${why}`,
        'it takes 180 MB there while it is unpacked; kubectl describe node tells of a full disk',
      );
    case 'digest':
      return failed(
        `what arrived on ${node} is not the agent that was sent`,
        'something on the way changes streams; --transport kubectl goes another way',
      );
    case 'run':
      return failed(
        `${node} does not run what was unpacked in /tmp of a container of the image ${image}${why}`,
        'is /tmp mounted noexec there, or the image built for another architecture? --no-image=IMAGE names another',
      );
    default: {
      const how = error instanceof Error ? error.message : String(error);
      return failed(
        `the agent did not reach ${node}, the stream broke after ${progress}: ${words || plainText(how, 200)}`,
        SLOW,
      );
    }
  }
}
