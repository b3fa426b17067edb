import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { JobSource } from '../bridge/ask-job.ts';
import type { Redaction } from '../bridge/redacted-session.ts';
import { printedConnection } from '../cluster/connection-flags.ts';
import type { ObjectRef } from '../cluster/port.ts';
import { targetWord } from '../cluster/workloads.ts';
import { UsageError } from '../contract/errors.ts';
import { ANNOTATIONS, EPHEMERAL } from '../contract/labels.ts';
import { SHUTDOWN_MS_MAX } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { withConnection } from '../contract/printed-command.ts';
import { plainLines, plainText } from '../contract/untrusted.ts';
import type { Session, SessionClosed } from '../session/port.ts';
import type { Invocation } from './command.ts';
import { concealing } from './concealed.ts';
import type { TargetFlags } from './flags.ts';
import { write } from './io.ts';
import { nodeSessions, selects } from './node-sessions.ts';
import { driverRootArguments } from './pod-choices.ts';
import type { SessionRecord } from './record.ts';
import { childSession, type SessionOptions } from './sessions.ts';

/** The sessions that a command line names; none of them has started anything yet. */
export interface Targets {
  readonly sessions: readonly Session[];
  /** Whether the answer is one over many, however many were found. */
  readonly isFleet: boolean;
  /** Where the only target is a job, another workload or a pod, and that is wanted. */
  readonly job?: JobSource | undefined;
  /** Ends them all, says what could not be verified as removed, and gives what was, as words. */
  close(): Promise<string>;
}

export interface TargetsChoice {
  /** What a target that has pods is made of, and not its nodes alone. */
  readonly jobs?: boolean;
}

/**
 * Names to sessions. A plain node name asks nothing of the cluster; a selector or a workload is
 * looked up here.
 *
 * @throws UsageError when nothing or the same node twice is named, ClusterError from a look-up.
 */
export async function openTargets(
  invocation: Invocation<TargetFlags>,
  { jobs = false }: TargetsChoice = {},
): Promise<Targets> {
  const { args } = invocation;
  const redaction = args.redactNames ? await newRedaction() : undefined;
  const record = await newRecord(invocation);
  const progress = redaction ? concealing(invocation, redaction) : invocation.progress;
  const options = { ...invocation, progress, redaction, record };
  try {
    return await targetsOf(options, jobs);
  } catch (error) {
    record?.close();
    throw redaction ? redaction.known.error(error) : error;
  }
}

/** With --record: opened before anything else is. */
export async function newRecord({ args, io }: Pick<Invocation<TargetFlags>, 'args' | 'io'>) {
  if (args.record === undefined) return undefined;
  const { openRecord } = await import('./record.ts');
  return openRecord(args.record, io.clock);
}

async function targetsOf(options: SessionOptions, jobs: boolean): Promise<Targets> {
  const { args } = options;
  const [word, ...more] = args.target;
  const isJob = jobs && word !== undefined && more.length === 0 && targetWord(word).of !== 'node';
  const job = isJob ? word : undefined;
  if (args.from !== undefined) {
    const { replaySessions } = await import('./replay-sessions.ts');
    const nodeless = isJob ? { ...options, args: { ...args, target: [] } } : options;
    const sessions = await replaySessions(args.from, nodeless);
    if (job !== undefined) return ofViews(sessions, job, options);
    return closing(sessions, options, args.from.length > 1);
  }
  const here = args.local === true || args.simulate !== undefined;
  if (here && ((args.target.length > 0 && !isJob) || selects(args))) {
    throw new UsageError('--local and --simulate take no node', 'leave out the node or the flag');
  }
  if (args.local === true && args.simulate !== undefined) {
    throw new UsageError('--local and --simulate exclude each other', 'leave out one of them');
  }
  if (args.local === true && args.driverRoot !== undefined) await checkFolder(args.driverRoot);
  if (here) {
    const sessions = [await localSession(options)];
    if (job !== undefined) return ofViews(sessions, job, options);
    return closing(sessions, options, false);
  }
  const found = await nodeSessions(options, job);
  const isFleet =
    args.fleet === true || selects(args) || found.sessions.length > 1 || found.job !== undefined;
  return {
    ...(await closing(found.sessions, options, isFleet, found.disconnect)),
    ...optional({ job: found.job }),
  };
}

/** A job as simulated machines and bundles know it, and those of them that it is on. */
async function ofViews(
  sessions: readonly Session[],
  word: string,
  options: SessionOptions,
): Promise<Targets> {
  const { viewedJob } = await import('./viewed-job.ts');
  const { redaction } = options;
  const wanted = { word, namespace: options.args.namespace, shown: redaction?.job };
  const job = await viewedJob(sessions, wanted, options.io.signal);
  const on = sessions.filter(({ target }) => job.found.pods.some(({ pod }) => pod.node === target));
  return { ...(await closing(on, options, true)), job };
}

/** A mistyped root would look like a machine without a driver. */
async function checkFolder(driverRoot: string): Promise<void> {
  const found = await stat(driverRoot).catch(() => undefined);
  if (found?.isDirectory()) return;
  throw new UsageError(
    `the folder "${plainText(driverRoot, 200)}" of --driver-root is not there`,
    'name the root of the driver, or leave the flag out: the usual places are searched',
  );
}

/** A key of its own for each run of the program: tokens of two runs have nothing in common. */
export async function newRedaction(): Promise<Redaction> {
  const { createRedaction } = await import('../bridge/redacted-session.ts');
  return createRedaction(randomBytes(16).toString('hex'));
}

async function localSession(options: SessionOptions): Promise<Session> {
  const { args, redaction } = options;
  if (args.simulate !== undefined) {
    const { simulatedSession } = await import('./simulated-session.ts');
    return simulatedSession(args.simulate, options);
  }
  const session = {
    ...childSession('local', driverRootArguments(args), options),
    commandWords: { connection: [], namespace: [], instead: ['--local'] },
  };
  return redaction?.session(session) ?? session;
}

/** The sessions as they are, or each writing down what is asked of it. */
async function recorded(
  sessions: readonly Session[],
  record: SessionRecord | undefined,
): Promise<readonly Session[]> {
  if (!record) return sessions;
  const { recordedSession } = await import('./record.ts');
  return sessions.map(session => recordedSession(session, record));
}

/** Ends the record, and says by what it is told later that nothing was cut off it. */
export const recordEnd = ({ record: file }: TargetFlags, record: SessionRecord): string =>
  `record ${plainText(file ?? '', 200)}: its last line is ${record.close()}`;

/** Of more sessions than these only those are named that are not seen gone. */
const ENDS_TOLD_MAX = 4;

async function closing(
  opened: readonly Session[],
  { args, io, redaction, progress, record }: SessionOptions,
  isFleet: boolean,
  after?: () => Promise<void>,
): Promise<Targets> {
  const sessions = await recorded(opened, record);
  return {
    ...{ sessions, isFleet },
    async close() {
      const seeing = args.profile === EPHEMERAL ? 'the container end' : 'the pod gone';
      progress.wait(`ending, and seeing ${seeing}`, SHUTDOWN_MS_MAX);
      const ends = await Promise.all(
        sessions.map(async session => {
          const closed = await session.close();
          const { stays } = closed;
          const ended = endedOf(closed);
          const words = ended === null ? '' : endWords([ended], stays);
          // Who interrupts a command reads of all of them at the end, in a line.
          if (words !== '' && sessions.length <= ENDS_TOLD_MAX && !io.signal.aborted) {
            progress.say(words);
          }
          const isLeft = await warnOfLeft(closed, session, { args, io, redaction });
          return { removed: ended, stays, isLeft };
        }),
      );
      const removed = ends.flatMap(end => end.removed ?? []);
      const [stays] = ends.flatMap(end => end.stays ?? []);
      const words = removedWords(removed, { isLeft: ends.some(({ isLeft }) => isLeft), stays });
      if (removed.length > 0 && sessions.length > ENDS_TOLD_MAX && !io.signal.aborted) {
        progress.say(words);
      }
      await after?.();
      if (record) progress.say(recordEnd(args, record));
      return words;
    },
  };
}

/** `job a/b deleted, verified`; of what is left the warnings tell. */
export function removedWords(
  removed: readonly string[],
  { isLeft, stays }: { readonly isLeft: boolean; readonly stays?: string | undefined },
): string {
  if (removed.length > ENDS_TOLD_MAX) {
    return `${removed.length} sessions' Jobs and pods deleted, verified`;
  }
  if (removed.length > 0) return endWords(removed, stays);
  return isLeft ? 'what was started was not seen gone' : 'no pod was left';
}

/** What was removed or, where that cannot be, has ended: all of it that was seen. */
export const endedOf = ({ removed, verified, ended }: SessionClosed): string | null =>
  verified ? removed : (ended ?? null);

/** What cannot be deleted has ended, and something of it stays. */
export const endWords = (removed: readonly string[], stays: string | undefined): string =>
  stays === undefined
    ? `${removed.join(', ')} deleted, verified`
    : `${removed.join(', ')} ${/, /.test(removed.join(', ')) ? 'have' : 'has'} ended, verified; ${stays}`;

/** A privileged pod that stays is said, --quiet or not, and a container that runs on; whether there is one. */
export async function warnOfLeft(
  { removed, verified, stays, ends, left }: SessionClosed,
  { commandWords }: Pick<Session, 'commandWords'>,
  { args, io, redaction }: Pick<SessionOptions, 'args' | 'io' | 'redaction'>,
): Promise<boolean> {
  const isRunning = stays !== undefined && !verified && removed !== null;
  // Nothing but its own end, or its pod's, ends it.
  if (isRunning) {
    const words = plainLines(`${removed} was not seen to end; ${ends}`);
    await write(io.stderr, `warning: ${words}\n`);
  }
  for (const object of left) {
    const words = leftWords(object);
    // The connection is the reader's own: with a token in its context the command would delete nothing.
    const shown = withConnection(
      redaction?.known.text(words) ?? words,
      commandWords ?? printedConnection(args),
    );
    await write(io.stderr, `warning: ${plainLines(shown)}\n`);
  }
  return isRunning || left.length > 0;
}

function leftWords({ kind, namespace, name }: ObjectRef): string {
  const which = kind === 'pods' ? `-l ${ANNOTATIONS.session}=${name}` : name;
  return `${kind} ${namespace}/${name} was not seen gone; this goes on for some minutes; by hand: kubectl delete ${kind} -n ${namespace} ${which}`;
}
