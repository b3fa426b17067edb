import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { Redaction } from '../bridge/redacted-session.ts';
import { printedConnection } from '../cluster/connection-flags.ts';
import { UsageError } from '../contract/errors.ts';
import { SHUTDOWN_MS_MAX } from '../contract/limits.ts';
import { withConnection } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Session } from '../session/port.ts';
import type { Invocation } from './command.ts';
import type { TargetFlags } from './flags.ts';
import { driverRootArguments, nodeSessions } from './node-sessions.ts';
import { childSession, type SessionOptions } from './sessions.ts';

/** The sessions that a command line names; none of them has started anything yet. */
export interface Targets {
  readonly sessions: readonly Session[];
  /** Ends them all and says what could not be verified as removed. */
  close(): Promise<void>;
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
    return closing(await replaySessions(args.from, options), options);
  }
  const here = args.local === true || args.simulate !== undefined;
  if (here && (args.target.length > 0 || args.selector !== undefined)) {
    throw new UsageError('--local and --simulate take no node', 'leave out the node or the flag');
  }
  if (args.local === true && args.simulate !== undefined) {
    throw new UsageError('--local and --simulate exclude each other', 'leave out one of them');
  }
  if (args.local === true && args.driverRoot !== undefined) await checkFolder(args.driverRoot);
  if (here) return closing([await localSession(options)], options);
  const { sessions, disconnect } = await nodeSessions(options);
  return closing(sessions, options, disconnect);
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
async function newRedaction(): Promise<Redaction> {
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

const UNSEEN = { removed: 'the session', verified: false } as const;

function closing(
  sessions: readonly Session[],
  { args, progress }: SessionOptions,
  after?: () => Promise<void>,
): Targets {
  return {
    sessions,
    async close() {
      await Promise.all(
        sessions.map(async session => {
          const late = new Promise<undefined>(resolve => {
            setTimeout(() => resolve(undefined), SHUTDOWN_MS_MAX).unref();
          });
          const { removed, verified } = (await Promise.race([session.close(), late])) ?? UNSEEN;
          if (removed === null) return;
          progress.say(
            verified
              ? `${removed} deleted, verified`
              : withConnection(
                  `${removed}: deletion not verified; check with kubectl gpu-mcp clean --dry-run`,
                  printedConnection(args),
                ),
          );
        }),
      );
      await after?.();
    },
  };
}
