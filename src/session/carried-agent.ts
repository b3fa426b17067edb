import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import type { AttachStream, NodeState } from '../cluster/port.ts';
import { inFull, SessionError, type Shown } from '../contract/errors.ts';
import {
  CARRY_FIRST_BYTE_SECONDS,
  CARRY_SILENCE_SECONDS,
  CARRY_STEP_BYTES,
  CARRY_TOLD_MS,
  POD_END_MS_MAX,
  POD_LIFE_SECONDS,
} from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Progress } from '../mcp/tool-call.ts';
import { type ArchiveChoice, type ArchivedAgent, archivedAgents } from './agent-archive.ts';
import { CarriedScript, ScriptFailure } from './carried-script.ts';
import imageTable from './node-images.json' with { type: 'json' };

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

interface Carrying {
  readonly carried: ArchivedAgent;
  readonly node: string;
  readonly image: string;
  /** What may be said of a text of others. */
  readonly foreign?: Shown;
}

/**
 * Sends the agent over the stream that will be its own.
 *
 * @throws SessionError when it does not come to run.
 */
export async function carryAgent(
  stream: AttachStream,
  { carried, node, image, foreign = inFull }: Carrying,
  { nowMs, signal, say }: { nowMs: () => number; signal: AbortSignal; say: Progress },
): Promise<void> {
  const beganMs = nowMs();
  const all = carried.layers.reduce((sum, { bytes }) => sum + bytes, 0);
  const script = new CarriedScript(stream, signal);
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
    const words = plainText(foreign(end?.stderr ?? ''), 300) || foreign(end?.detail ?? '');
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
  const [kind = '', tool = ''] = error instanceof ScriptFailure ? error.words : [];
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

/**
 * By the table of such images, best by its digest, which nobody else can come to bear. Both names are of the
 * publisher's repository: what another one calls the same image proves nothing.
 */
export function chosenImage(images: readonly (readonly string[])[]): string | undefined {
  const named = images.map(names => names.flatMap(partsOf));
  for (const { names, tags } of imageTable.images) {
    const [repositories, wanted] = [new RegExp(names), new RegExp(tags)];
    // The kubelet reports the largest first.
    for (const parts of named.toReversed()) {
      const fit = parts.find(
        ({ repository, tag }) => repositories.test(repository) && wanted.test(tag),
      );
      if (!fit) continue;
      const own = parts.filter(({ repository }) => repository === fit.repository);
      return (own.find(({ isDigest }) => isDigest) ?? fit).name;
    }
  }
  return undefined;
}

interface Parts {
  readonly name: string;
  readonly repository: string;
  readonly tag: string;
  readonly isDigest: boolean;
}

/** `docker.io/library/busybox` and `1.36` of `docker.io/library/busybox:1.36`. */
function partsOf(name: string): Parts[] {
  const [, repository, tag = '', digest] =
    /^([\w.-]+(?::\d+)?(?:\/[\w.-]+)+)(?::([\w][\w.-]{0,127}))?(@sha256:[0-9a-f]{64})?$/.exec(
      name,
    ) ?? [];
  return repository === undefined
    ? []
    : [{ name, repository, tag, isDigest: digest !== undefined }];
}
