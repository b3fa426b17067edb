import { createHash, randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, ClusterAccess, ContainerState, ObjectName } from '../cluster/port.ts';
import { SessionError, UsageError } from '../contract/errors.ts';
import { CONTAINER } from '../contract/labels.ts';
import {
  POD_LOOK_MS,
  RECORD_INPUT_BYTES_MAX,
  RECORD_LINE_BYTES_MAX,
  RECORD_POD_MS_MAX,
} from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import type { Clock } from '../contract/time.ts';
import { plainText } from '../contract/untrusted.ts';
import { VERSION } from '../contract/version.ts';
import type { Session } from '../session/port.ts';

export type Fact = Readonly<Record<string, unknown>>;

/** What a run of the program writes down of itself, a line for each thing, before it happens where it can. */
export interface SessionRecord {
  /** The number of the line. @throws SessionError when it cannot be written: nothing goes on unrecorded. */
  write(fact: Fact): number;
  /** Writes the end; the hash of the last line, by which it is known later whether lines were cut off. */
  close(): string;
}

/** A line of a record as it is read. */
export interface SealedLine {
  /** Of one run of the program: several may write to a file, each has a chain of its own. */
  readonly run: string;
  /** From 1 on. */
  readonly line: number;
  /** The hash of the run's line before; of its first line that of the file's last line then, or ''. */
  readonly previous: string;
  readonly hash: string;
  /** Whether its hash is that of its text. */
  readonly isWhole: boolean;
  readonly fact: Fact;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A line with the hash of all that stands before it in the line. */
const sealed = (fact: Fact): { readonly text: string; readonly hash: string } => {
  const body = JSON.stringify(fact);
  const hash = sha256(body);
  return { text: `${body.slice(0, -1)},"hash":"${hash}"}`, hash };
};

const SEALED = /^(\{.*),"hash":"([0-9a-f]{64})"\}$/;

/** Undefined in what is no line of a record. */
export function sealedLine(text: string): SealedLine | undefined {
  const [, body, hash = ''] = SEALED.exec(text) ?? [];
  if (body === undefined) return undefined;
  let fact: unknown;
  try {
    fact = JSON.parse(`${body}}`);
  } catch {
    return undefined;
  }
  if (typeof fact !== 'object' || fact === null) return undefined;
  const { run, line, previous, ...rest }: Fact = { ...fact };
  if (typeof run !== 'string' || typeof previous !== 'string' || !Number.isInteger(line)) {
    return undefined;
  }
  return {
    ...{ run, line: Number(line), previous, hash, fact: rest },
    isWhole: sha256(`${body}}`) === hash,
  };
}

/**
 * Opens a record to append to; makes the file for its owner alone. Nothing is followed to another file.
 *
 * @throws UsageError when it cannot be written, is readable by others, or ends in no line of a record.
 */
export function openRecord(file: string, clock: Clock): SessionRecord {
  const descriptor = opened(file);
  const run = randomBytes(8).toString('hex');
  let previous = lastHash(descriptor, file);
  let line = 0;
  const write = (fact: Fact): number => {
    line += 1;
    const at = new Date(clock.nowMs()).toISOString();
    const { text, hash } = sealed({ run, line, at, ...fact, previous });
    const bytes = Buffer.from(`${text}\n`);
    try {
      if (writeSync(descriptor, bytes) !== bytes.length) throw new Error('the disk is full');
      fsyncSync(descriptor);
    } catch (cause) {
      throw new SessionError(`the record ${file} cannot be written: ${reasonOf(cause)}`, {
        hint: 'nothing is asked or answered that is not recorded',
        cause,
      });
    }
    previous = hash;
    return line;
  };
  write({ event: 'begin', version: VERSION, localUser: localUser() });
  return {
    write,
    close() {
      write({ event: 'end' });
      closeSync(descriptor);
      return previous;
    },
  };
}

function opened(file: string): number {
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  let descriptor: number;
  try {
    descriptor = openSync(file, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (cause) {
    throw new UsageError(
      `the record "${plainText(file, 200)}" cannot be opened: ${reasonOf(cause)}`,
      'name a file that you may write, and no link to one',
    );
  }
  const found = fstatSync(descriptor);
  const isFile = found.isFile();
  if (isFile && (found.mode & 0o077) === 0) return descriptor;
  closeSync(descriptor);
  throw new UsageError(
    isFile
      ? `the record "${plainText(file, 200)}" is readable or writable by others`
      : `the record "${plainText(file, 200)}" is not a file`,
    isFile ? 'chmod 600 that file, or name another' : 'name a file',
  );
}

/** The hash of the last line; '' in an empty file. */
function lastHash(descriptor: number, file: string): string {
  const { size } = fstatSync(descriptor);
  const tail = Buffer.alloc(Math.min(size, RECORD_LINE_BYTES_MAX));
  readSync(descriptor, tail, 0, tail.length, size - tail.length);
  if (size === 0) return '';
  const [last, after] = tail.toString('utf8').split('\n').slice(-2);
  const line = after === '' ? sealedLine(last ?? '') : undefined;
  if (line) return line.hash;
  closeSync(descriptor);
  throw new UsageError(
    `"${plainText(file, 200)}" does not end in a line of a record`,
    'kubectl gpu-mcp verify-record FILE says what is wrong with it; name a new file',
  );
}

const reasonOf = (cause: unknown): string =>
  plainText(cause instanceof Error ? cause.message : String(cause), 200);

/** Who runs the program on this machine; in a container without that entry nobody. */
function localUser(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}

/** Hash and size of what is too much to write down, or nobody's to keep. */
const measured = (value: unknown): { readonly sha256: string; readonly bytes: number } => {
  const text = JSON.stringify(value) ?? '';
  return { sha256: sha256(text), bytes: Buffer.byteLength(text) };
};

const inputOf = (input: Fact): unknown =>
  JSON.stringify(input).length > RECORD_INPUT_BYTES_MAX ? measured(input) : input;

/** The session, with each call, answer and end written down. */
export function recordedSession(session: Session, record: SessionRecord): Session {
  const { target: node, clusterView } = session;
  let closing: ReturnType<Session['close']> | undefined;
  return {
    ...session,
    async call(request) {
      const { tool, input } = request;
      const of = record.write({ event: 'call', node, tool, input: inputOf(input) });
      try {
        const answer = await session.call(request);
        record.write({ event: 'answer', node, of, ...measured(answer) });
        return answer;
      } catch (error) {
        record.write({ event: 'failure', node, of, words: reasonOf(error) });
        throw error;
      }
    },
    ...(clusterView && {
      clusterView: async (question, signal) => {
        const of = record.write({ event: 'cluster', node, question });
        const view = await clusterView(question, signal);
        record.write({ event: 'answer', node, of, ...measured(view) });
        return view;
      },
    }),
    close() {
      closing ??= session.close().then(closed => {
        try {
          record.write({ event: 'closed', node, ...closed });
        } catch {
          // The pods of others are still being removed; the end of the record fails as this did.
        }
        return closed;
      });
      return closing;
    },
  };
}

interface PodOfNode {
  readonly node: string;
  /** Of ours, where the pod is of others. */
  readonly container?: string | undefined;
  readonly pod: ObjectName & { readonly uid: string };
  /** As it was asked for. */
  readonly image: string;
  /** Of --no-image: the digest of the agent that was sent. */
  readonly sent?: string | undefined;
}

/** Whose pod a record's calls are asked of: who started it, where, and what runs in it. */
export async function podFact(of: PodOfNode & { readonly cluster: Cluster }): Promise<Fact> {
  const { cluster, pod, container } = of;
  const within = AbortSignal.timeout(RECORD_POD_MS_MAX);
  const user = await cluster.whoAmI(within).catch(() => undefined);
  const { imageId } = await agentOf(cluster, { ...pod, container }, within);
  return runningFact({ ...of, user, imageId, access: cluster.access });
}

/** The same of a pod of which all is known. */
export function runningFact({
  node,
  container,
  pod: { namespace, name, uid },
  image,
  sent,
  user,
  imageId,
  access: { context, server },
}: PodOfNode & {
  readonly user: string | undefined;
  readonly imageId: string | undefined;
  readonly access: Pick<ClusterAccess, 'context' | 'server'>;
}): Fact {
  const digest = (of: string) => /@(sha256:[0-9a-f]{64})$/.exec(of)?.[1];
  const asked = digest(image);
  const runs = imageId ?? null;
  return {
    ...{ event: 'pod', node, user: user ?? null, context, server, pod: { namespace, name, uid } },
    ...optional({ container }),
    image: {
      ...{ asked: image, runs },
      // An index and the image of one platform in it have different digests: it is written, not judged.
      sameDigest: asked === undefined || runs === null ? null : asked === digest(runs),
    },
    // It is checked before it is sent, and where the node can by the node too.
    ...(sent !== undefined && { agent: { sent } }),
  };
}

/** The agent's container, once its runtime has said which image it runs. */
async function agentOf(
  cluster: Cluster,
  { container: own, ...pod }: ObjectName & { readonly container: string | undefined },
  signal: AbortSignal,
): Promise<Pick<ContainerState, 'imageId'>> {
  let container: Pick<ContainerState, 'imageId'> | undefined;
  try {
    while (container?.imageId === undefined) {
      const containers = own
        ? (await cluster.targetPod(pod, signal))?.own
        : (await cluster.getPod(pod, signal))?.containers;
      container = containers?.find(({ name }) => name === (own ?? CONTAINER));
      if (container?.imageId === undefined) await sleep(POD_LOOK_MS, undefined, { signal });
    }
  } catch {
    // It is recorded as not known.
  }
  return container ?? {};
}
