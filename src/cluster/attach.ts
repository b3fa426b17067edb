import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import WebSocket from 'ws';
import { ClusterError, ServerError, told } from '../contract/errors.ts';
import {
  ATTACH_BUFFER_BYTES_MAX,
  ATTACH_FRAME_BYTES_MAX,
  ATTACH_HANDSHAKE_MS_MAX,
  ATTACH_PING_MS,
  ATTACH_PONG_MS_MAX,
} from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';
import { apiError, unreachable } from './errors.ts';
import type { Route } from './http.ts';
import { answeredJson, textOf } from './json.ts';
import {
  type AttachEnd,
  type AttachStream,
  type ClusterAccess,
  type ContainerName,
  NotAttachable,
  type TriedStream,
} from './port.ts';

/** k8s.io/apimachinery/pkg/util/remotecommand: only v5 has a half-close. */
const PROTOCOL = 'v5.channel.k8s.io';
/** Of a refusal's body. */
const REFUSAL_BYTES_MAX = 64 * 1024;

/** The API server, or something before it, does not speak v5: kubectl may still get through. */
export class AttachUnsupported extends ServerError {}

/**
 * Opens the attach stream and resolves when the server says that it is attached (an empty frame on
 * channel 1) or sends data.
 *
 * @throws ApiError when the API server refuses, AttachUnsupported when v5 is not spoken here,
 * ClusterError when there is no answer or the container cannot be attached to.
 */
export function openAttach(
  route: Route,
  access: ClusterAccess,
  signal: AbortSignal,
): Promise<TriedStream> {
  const url = new URL(route.url);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(url, [PROTOCOL], {
    ...route.options,
    perMessageDeflate: false,
    handshakeTimeout: ATTACH_HANDSHAKE_MS_MAX,
    // Frames of the server are 32 KiB; this bounds what a hostile one can make us hold.
    maxPayload: 4 * ATTACH_BUFFER_BYTES_MAX,
  });
  socket.binaryType = 'nodebuffer';
  const stream = new SocketStream(socket);
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      signal.removeEventListener('abort', abort);
      reject(error);
    };
    const abort = () => {
      stream.destroy();
      fail(signal.reason);
    };
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    socket.on('unexpected-response', async (_request, response) => {
      const body = await readSome(response);
      const code = response.statusCode ?? 0;
      // Its connection goes back to the agent: terminate() would break the next request's.
      stream.abandon();
      fail(refusal({ code, body, access }));
    });
    socket.on('error', error => {
      const wrongProtocol = /subprotocol/i.test(error.message);
      fail(
        wrongProtocol
          ? new AttachUnsupported(told`the API server does not speak attach v5`, { cause: error })
          : unreachable(error, access),
      );
    });
    void stream.ended.then(end =>
      fail(
        new NotAttachable(
          told`the container cannot be attached to: ${end.detail || 'it has ended'}`,
        ),
      ),
    );
    stream.onReady = () => {
      signal.removeEventListener('abort', abort);
      resolve(stream);
    };
  });
}

function refusal(answer: { code: number; body: string; access: ClusterAccess }): ServerError {
  const isStatus = textOf(answeredJson(answer.body), 'kind') === 'Status';
  const error = apiError({ ...answer, doing: 'attach to the pod' });
  // A proxy that knows no WebSockets answers with a page of its own, an API server before 1.30
  // with the runtime's plain text. A Status is the API server's own word on the pod.
  if (isStatus && !/upgrade|subprotocol/i.test(error.message)) return error;
  return new AttachUnsupported(error.told, { cause: error });
}

async function readSome(response: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  try {
    for await (const chunk of response) {
      text += chunk.toString('utf8');
      if (text.length > REFUSAL_BYTES_MAX) break;
    }
  } catch {
    // Cut short: what came is what we show.
  }
  return text;
}

interface KubectlAttach {
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

/** k8s.io/apimachinery/pkg/util/remotecommand: the first byte of each message. */
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, close: 255 } as const;
const STDERR_BYTES_KEPT = 4 * 1024;
const isOfContainer = (channel: number | undefined): boolean =>
  channel === CHANNEL.stdout || channel === CHANNEL.stderr;

/** An open WebSocket as an attach stream: channels to streams, back-pressure, pings, the end. */
class SocketStream implements TriedStream {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly ended: Promise<AttachEnd>;
  readonly heard: Promise<void>;
  /** Called at the first frame on stdout's channel. */
  onReady: () => void = () => {};
  readonly #socket: WebSocket;
  readonly #heartbeat: NodeJS.Timeout;
  #settle: (end: AttachEnd) => void = () => {};
  #onHeard: () => void = () => {};
  #stderr = Buffer.alloc(0);
  #status: unknown;
  #lostBecause = '';
  #destroyed = false;
  #paused = false;
  #unanswered = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.ended = new Promise(resolve => {
      this.#settle = resolve;
    });
    this.heard = new Promise(resolve => {
      this.#onHeard = resolve;
    });
    this.stdin = new Writable({
      highWaterMark: ATTACH_BUFFER_BYTES_MAX,
      write: (chunk: Buffer, _encoding, done) => this.#send(chunk, done),
      final: done => this.#halfClose(done),
    });
    this.stdout = new Readable({ read: () => this.#resume() });
    // The reason of a broken stream is told by `ended`; a write after it must not crash us.
    this.stdin.on('error', () => {});
    this.#heartbeat = setInterval(() => this.#ping(), ATTACH_PING_MS);
    socket.on('message', data => this.#receive(data));
    socket.on('pong', () => {
      this.#unanswered = 0;
    });
    socket.on('error', error => {
      this.#lostBecause ||= error.message;
    });
    socket.on('close', code => {
      clearInterval(this.#heartbeat);
      this.#end(code);
    });
  }

  /** It never became a stream: the handshake was refused. */
  abandon(): void {
    clearInterval(this.#heartbeat);
  }

  destroy(): void {
    this.#destroyed = true;
    this.#socket.terminate();
  }

  /** One message a chunk: the server takes each continuation of a fragmented one for a new one. */
  #send(chunk: Buffer, done: (error?: Error | null) => void): void {
    if (this.#socket.readyState !== WebSocket.OPEN) {
      done(new Error('the stream is over'));
      return;
    }
    const step = ATTACH_FRAME_BYTES_MAX - 1;
    for (let from = 0; from < chunk.length; from += step) {
      const last = from + step >= chunk.length;
      const frame = Buffer.concat([Buffer.of(CHANNEL.stdin), chunk.subarray(from, from + step)]);
      // The callback comes when the socket took the bytes: that is the back-pressure.
      this.#socket.send(frame, last ? error => done(error) : undefined);
    }
    if (chunk.length === 0) done();
  }

  #halfClose(done: (error?: Error | null) => void): void {
    if (this.#socket.readyState !== WebSocket.OPEN) done();
    else this.#socket.send(Buffer.of(CHANNEL.close, CHANNEL.stdin), error => done(error));
  }

  #receive(data: WebSocket.RawData): void {
    if (!Buffer.isBuffer(data) || data.length === 0) return;
    this.#unanswered = 0;
    const body = data.subarray(1);
    if (body.length > 0 && isOfContainer(data[0])) this.#onHeard();
    switch (data[0]) {
      case CHANNEL.stdout:
        this.onReady();
        if (body.length > 0 && !this.stdout.push(body)) this.#pause();
        return;
      case CHANNEL.stderr:
        this.#stderr = Buffer.concat([this.#stderr, body]).subarray(-STDERR_BYTES_KEPT);
        return;
      case CHANNEL.error:
        this.#status = answeredJson(body.toString('utf8'));
        return;
      // Half-closes of the server's side and channels of a later protocol are not for us.
      default:
        return;
    }
  }

  #pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#unanswered = 0;
    this.#socket.resume();
  }

  #ping(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#unanswered * ATTACH_PING_MS >= ATTACH_PONG_MS_MAX) {
      this.#lostBecause = `no answer to pings for ${ATTACH_PONG_MS_MAX / 1_000} s`;
      this.#socket.terminate();
      return;
    }
    // While we do not read, pongs lie unread: that silence is ours.
    if (!this.#paused) this.#unanswered += 1;
    this.#socket.ping();
  }

  #end(code: number): void {
    this.stdout.push(null);
    this.stdin.destroy();
    const stderr = this.#stderr.toString('utf8');
    const status = textOf(this.#status, 'status');
    const finished = status === 'Success' || (status === '' && code === 1000);
    const words = plainText(textOf(this.#status, 'message'), 500);
    const detail = words || this.#lostBecause || `the connection broke (WebSocket ${code})`;
    if (this.#destroyed) this.#settle({ kind: 'destroyed', detail: '', stderr });
    else if (finished) this.#settle({ kind: 'finished', detail: '', stderr });
    else this.#settle({ kind: status === 'Failure' ? 'finished' : 'lost', detail, stderr });
  }
}
