import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ClusterError } from '../contract/errors.ts';
import { plainText } from '../contract/untrusted.ts';
import { textOf } from './json.ts';
import type { AttachEnd, AttachStream, ContainerName } from './port.ts';
import { STDERR_BYTES_KEPT } from './socket-stream.ts';

export interface KubectlAttach {
  /** $KUBECTL_PATH, which kubectl 1.37 gives its plugins, or `kubectl`. */
  readonly kubectl: string;
  readonly flags: readonly string[];
  readonly container: ContainerName;
}

/**
 * The same stream through a `kubectl attach` of our own: it brings SPDY, every login with a
 * terminal and kubectl's proxies, for one more process. It has no ready signal: what we write
 * waits in the pipe until kubectl is attached.
 *
 * @throws ClusterError when kubectl cannot be started.
 */
export async function openKubectlAttach(
  { kubectl, flags, container }: KubectlAttach,
  signal: AbortSignal,
): Promise<AttachStream> {
  signal.throwIfAborted();
  const child = spawn(
    kubectl,
    [
      'attach',
      '--stdin',
      '--quiet',
      `--container=${container.container}`,
      `--namespace=${container.namespace}`,
      ...flags,
      '--',
      container.name,
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  let stderr = Buffer.alloc(0);
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = Buffer.concat([stderr, chunk]).subarray(-STDERR_BYTES_KEPT);
  });
  child.stdin.on('error', () => {
    // EPIPE: kubectl has ended, which `ended` tells.
  });
  let destroyed = false;
  const ended = new Promise<AttachEnd>(resolve => {
    child.once('close', (code, by) => {
      const text = stderr.toString('utf8');
      if (destroyed) return resolve({ kind: 'destroyed', detail: '', stderr: text });
      if (code === 0) return resolve({ kind: 'finished', detail: '', stderr: text });
      const words = plainText(text, 500) || `it ended with ${by ?? `exit code ${code}`}`;
      resolve({ kind: 'lost', detail: `kubectl attach: ${words}`, stderr: text });
    });
  });
  try {
    await once(child, 'spawn', { signal });
  } catch (cause) {
    child.kill();
    signal.throwIfAborted();
    throw new ClusterError(`${kubectl} could not be started (${textOf(cause, 'code')})`, {
      hint: 'is kubectl on PATH?',
      cause,
    });
  }
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    ended,
    destroy: () => {
      destroyed = true;
      child.kill('SIGKILL');
    },
  };
}
