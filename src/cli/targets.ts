import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { Redaction } from '../bridge/redacted-session.ts';
import { printedConnection } from '../cluster/connection-flags.ts';
import type { ObjectRef } from '../cluster/port.ts';
import { UsageError } from '../contract/errors.ts';
import { ANNOTATIONS } from '../contract/labels.ts';
import { SHUTDOWN_MS_MAX } from '../contract/limits.ts';
import { withConnection } from '../contract/printed-command.ts';
import { plainLines, plainText } from '../contract/untrusted.ts';
import type { Session } from '../session/port.ts';
import type { Invocation } from './command.ts';
import type { TargetFlags } from './flags.ts';
import { write } from './io.ts';
import { driverRootArguments, nodeSessions, selects } from './node-sessions.ts';
import { childSession, type SessionOptions } from './sessions.ts';

/** The sessions that a command line names; none of them has started anything yet. */
export interface Targets {
  readonly sessions: readonly Session[];
  /** Whether the answer is one over many, however many were found. */
  readonly isFleet: boolean;
  /** Ends them all, says what could not be verified as removed, and gives what was, as words. */
  close(): Promise<string>;
}

/**
 * Names to sessions. A plain node name asks nothing of the cluster; a selector or a workload is
 * looked up here.
 *
 * @throws UsageError when nothing or the same node twice is named, ClusterError from a look-up.
 */
export async function openTargets(invocation: Invocation<TargetFlags>): Promise<Targets> {
  const { args } = invocation;
  const redaction = args.redactNames ? await newRedaction() : undefined;
  const options = { ...invocation, redaction };
  if (args.from !== undefined) {
    const { replaySessions } = await import('./replay-sessions.ts');
    return closing(await replaySessions(args.from, options), options, args.from.length > 1);
  }
  const here = args.local === true || args.simulate !== undefined;
  if (here && (args.target.length > 0 || selects(args))) {
    throw new UsageError('--local and --simulate take no node', 'leave out the node or the flag');
  }
  if (args.local === true && args.simulate !== undefined) {
    throw new UsageError('--local and --simulate exclude each other', 'leave out one of them');
  }
  if (args.local === true && args.driverRoot !== undefined) await checkFolder(args.driverRoot);
  if (here) return closing([await localSession(options)], options, false);
  const { sessions, disconnect } = await nodeSessions(options);
  const isFleet = args.fleet === true || selects(args) || sessions.length > 1;
  return closing(sessions, options, isFleet, disconnect);
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

/** Of more sessions than these only those are named that are not seen gone. */
const ENDS_TOLD_MAX = 4;

function closing(
  sessions: readonly Session[],
  { args, io, progress }: SessionOptions,
  isFleet: boolean,
  after?: () => Promise<void>,
): Targets {
  return {
    ...{ sessions, isFleet },
    async close() {
      progress.wait('ending, and seeing the pod gone', SHUTDOWN_MS_MAX);
      const ends = await Promise.all(
        sessions.map(async session => {
          const { removed, verified, left } = await session.close();
          const words = verified && removed !== null ? `${removed} deleted, verified` : '';
          // Who interrupts a command reads of all of them at the end, in a line.
          if (words !== '' && sessions.length <= ENDS_TOLD_MAX && !io.signal.aborted) {
            progress.say(words);
          }
          await warnOfLeft(left, session, { args, io });
          return { removed: verified ? removed : null, isLeft: left.length > 0 };
        }),
      );
      const removed = ends.flatMap(end => end.removed ?? []);
      const words = removedWords(removed, { isLeft: ends.some(({ isLeft }) => isLeft) });
      if (removed.length > 0 && sessions.length > ENDS_TOLD_MAX && !io.signal.aborted) {
        progress.say(words);
      }
      await after?.();
      return words;
    },
  };
}

/** `job a/b deleted, verified`; of what is left the warnings tell. */
export function removedWords(removed: readonly string[], { isLeft }: { isLeft: boolean }): string {
  if (removed.length > ENDS_TOLD_MAX) {
    return `${removed.length} sessions' Jobs and pods deleted, verified`;
  }
  if (removed.length > 0) return `${removed.join(', ')} deleted, verified`;
  return isLeft ? 'what was started was not seen gone' : 'no pod was left';
}

/** A privileged pod that stays is said, --quiet or not. */
export async function warnOfLeft(
  left: readonly ObjectRef[],
  { commandWords }: Pick<Session, 'commandWords'>,
  { args, io }: Pick<SessionOptions, 'args' | 'io'>,
): Promise<void> {
  for (const object of left) {
    const words = withConnection(leftWords(object), commandWords ?? printedConnection(args));
    await write(io.stderr, `warning: ${plainLines(words)}\n`);
  }
}

function leftWords({ kind, namespace, name }: ObjectRef): string {
  const which = kind === 'pods' ? `-l ${ANNOTATIONS.session}=${name}` : name;
  return `${kind} ${namespace}/${name} was not seen gone; this goes on for some minutes; by hand: kubectl delete ${kind} -n ${namespace} ${which}`;
}
