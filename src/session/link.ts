import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { SessionError } from '../contract/errors.ts';
import { AGENT_EXIT_MS_MAX } from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Silence } from './silence.ts';

/**
 * A byte stream to an agent, whichever way it is reached: attach, `kubectl attach`, a local child.
 * A Link exists from the moment the agent can be written to.
 */
export interface Link {
  /** Towards the agent's stdin; `write()` honours back-pressure, `end()` is a half-close. */
  readonly toAgent: Writable;
  /** The agent's stdout, bytes split anywhere. */
  readonly fromAgent: Readable;
  /** Resolves once, when the stream is over, with the reason; never rejects. */
  readonly ended: Promise<LinkEnd>;
  /**
   * Who of those between us and the agent is silent, by what the cluster says; undefined where all of
   * them answer. Absent for an agent on this machine.
   */
  readonly whoIsSilent?: (signal: AbortSignal) => Promise<Silence | undefined>;
  /** What the program at its other end has written before anybody listened; undefined where nobody can tell. */
  readonly firstWords?: (signal: AbortSignal) => Promise<string | undefined>;
  /** Ends the stream and whatever carried it, and removes the pod. Idempotent. */
  close(): Promise<LinkClosed>;
}

/** The stream is dead, though all who could be asked answer: another one would work. */
export class DeadStream extends SessionError {}

/** The node or its kubelet is silent: what was made there stays until it returns. */
export class SilentNode extends SessionError {}

export interface LinkEnd {
  /** `closed` by us, `agent_ended` by itself, `lost` the stream broke. */
  readonly kind: 'closed' | 'agent_ended' | 'lost';
  /** One sentence for people: the Status of the API server, the exit code, the last stderr lines. */
  readonly detail: string;
  /** Its pod had the time that any pod has. */
  readonly isTimeOver?: boolean;
}

export interface LinkClosed {
  /** What was removed (`job gpu-mcp/gpu-mcp-node-a-x7k2p`), and whether it was seen gone. */
  readonly removed: string | null;
  readonly verified: boolean;
  /** Of what cannot be removed and has ended: what the cluster keeps of it. */
  readonly stays?: string | undefined;
}

const STDERR_BYTES_KEPT = 4 * 1024;

/** Compiled code is kept for the agent too where the launcher keeps it for us. */
function compileCache(): { readonly NODE_COMPILE_CACHE?: string } {
  const folder = getCompileCacheDir();
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: dirname(folder) };
}

export interface LocalAgent {
  /** The agent's file, run by the same Node as ours; of a single executable its word for it. */
  readonly agentFile: string;
  readonly agentArguments: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs the agent as a child process on this machine: `--local` and `--simulate NAME`.
 *
 * @throws SessionError when it cannot be started.
 */
export async function openLocalLink(
  { agentFile, agentArguments, environment }: LocalAgent,
  signal: AbortSignal,
): Promise<Link> {
  signal.throwIfAborted();
  const child = spawn(process.execPath, [agentFile, ...agentArguments], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...environment, ...compileCache() },
    // A Ctrl-C is for us: we end the agent in order.
    detached: true,
  });
  let stderr = Buffer.alloc(0);
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = Buffer.concat([stderr, chunk]).subarray(-STDERR_BYTES_KEPT);
  });
  child.stdin.on('error', () => {
    // EPIPE: the agent has ended, which `ended` tells.
  });
  let closing = false;
  const ended = new Promise<LinkEnd>(resolve => {
    child.once('close', (code, by) => {
      if (closing) return resolve({ kind: 'closed', detail: 'closed' });
      const words = plainText(stderr.toString('utf8'), 400);
      const how = by ? `signal ${by}` : `exit code ${code}`;
      resolve({
        kind: 'agent_ended',
        detail: `the agent ended with ${how}${words ? `; its last words: ${words}` : ''}`,
      });
    });
  });
  try {
    await once(child, 'spawn', { signal });
  } catch (cause) {
    child.kill('SIGKILL');
    signal.throwIfAborted();
    throw new SessionError(`the agent ${agentFile} could not be started`, { cause });
  }
  return {
    toAgent: child.stdin,
    fromAgent: child.stdout,
    ended,
    close: async () => {
      closing = true;
      child.stdin.end();
      const late = AbortSignal.timeout(AGENT_EXIT_MS_MAX);
      late.addEventListener('abort', () => child.kill('SIGKILL'));
      await ended;
      return { removed: null, verified: true };
    },
  };
}
