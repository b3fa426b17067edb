import { Readable, Writable } from 'node:stream';
import WebSocket from 'ws';
import {
  ATTACH_BUFFER_BYTES_MAX,
  ATTACH_FRAME_BYTES_MAX,
  ATTACH_PING_MS,
  ATTACH_PONG_MS_MAX,
} from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';
import { parseJson, textOf } from './json.ts';
import type { AttachEnd, AttachStream } from './port.ts';

/** k8s.io/apimachinery/pkg/util/remotecommand: the first byte of each message. */
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, close: 255 } as const;
export const STDERR_BYTES_KEPT = 4 * 1024;

/** An open WebSocket as an attach stream: channels to streams, back-pressure, pings, the end. */
export class SocketStream implements AttachStream {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly ended: Promise<AttachEnd>;
  /** Called at the first frame on stdout's channel. */
  onReady: () => void = () => {};
  readonly #socket: WebSocket;
  #settle: (end: AttachEnd) => void = () => {};
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
    this.stdin = new Writable({
      highWaterMark: ATTACH_BUFFER_BYTES_MAX,
      write: (chunk: Buffer, _encoding, done) => this.#send(chunk, done),
      final: done => this.#halfClose(done),
    });
    this.stdout = new Readable({ read: () => this.#resume() });
    // The reason of a broken stream is told by `ended`; a write after it must not crash us.
    this.stdin.on('error', () => {});
    const heartbeat = setInterval(() => this.#ping(), ATTACH_PING_MS);
    socket.on('message', data => this.#receive(data));
    socket.on('pong', () => {
      this.#unanswered = 0;
    });
    socket.on('error', error => {
      this.#lostBecause ||= error.message;
    });
    socket.on('close', code => {
      clearInterval(heartbeat);
      this.#end(code);
    });
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
    switch (data[0]) {
      case CHANNEL.stdout:
        this.onReady();
        if (body.length > 0 && !this.stdout.push(body)) this.#pause();
        return;
      case CHANNEL.stderr:
        this.#stderr = Buffer.concat([this.#stderr, body]).subarray(-STDERR_BYTES_KEPT);
        return;
      case CHANNEL.error:
        this.#status = parseJson(body.toString('utf8'));
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
