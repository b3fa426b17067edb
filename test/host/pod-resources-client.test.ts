import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttp2, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { askPodResources } from '../../src/host/pod-resources-client.ts';
import { pass } from '../fakes/deadlines.ts';
import { PATIENCE_MS } from './tree.ts';

/** What grpc-js makes of a kubelet's answers stands in pods.test.ts; here are sockets of any kind. */

const undo: (() => void)[] = [];
afterEach(() => {
  for (const back of undo.splice(0)) back();
});

const ask = (socket: string, ms = PATIENCE_MS, signal = new AbortController().signal) =>
  askPodResources(socket, ms, signal);

async function listen(server: Server | Http2Server): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-kubelet-'));
  const socket = join(folder, 'kubelet.sock');
  await new Promise<void>(resolve => {
    server.listen(socket, resolve);
  });
  undo.push(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  return socket;
}

/** Anything that listens on the socket. */
function raw(speak: (socket: Socket) => void): Promise<string> {
  const server = createServer(socket => {
    undo.push(() => socket.destroy());
    socket.on('error', () => {});
    speak(socket);
  });
  return listen(server);
}

/** A server of HTTP/2 that answers both calls as it likes. */
function http2(answer: (stream: ServerHttp2Stream) => void): Promise<string> {
  const server = createHttp2({ maxSessionMemory: 64 });
  server.on('session', session => undo.push(() => session.destroy()));
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {});
    answer(stream);
  });
  return listen(server);
}

/** Answers with these bytes behind a prefix, and with the trailers. */
function replies(
  body: Buffer,
  trailers: Readonly<Record<string, string>> = { 'grpc-status': '0' },
  prefix = lengthOf(body),
): Promise<string> {
  return http2(stream => {
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc' },
      { waitForTrailers: true },
    );
    stream.end(Buffer.concat([prefix, body]));
  });
}

function lengthOf(body: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(body.length, 1);
  return prefix;
}

/** A field with a length: number, and what lies in it. */
function field(number: number, content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}

const devices = (...ids: readonly string[]) =>
  Buffer.concat([field(1, 'nvidia.com/gpu'), ...ids.map(id => field(2, id))]);

describe('an answer', () => {
  test('fields of a newer kubelet are skipped, whatever their type, and of two texts the last counts', async () => {
    const unknown = [
      [...varint(9 * 8), ...varint(2 ** 40)],
      [...varint(10 * 8 + 1), ...Buffer.alloc(8, 0xff)],
      [...varint(11 * 8 + 5), ...Buffer.alloc(4, 0xff)],
    ];
    const device = Buffer.concat([
      Buffer.from(unknown.flat()),
      field(1, 'first'),
      field(300, 'new'),
      devices('GPU-a'),
    ]);
    const { allocatable } = await ask(await replies(field(1, device)));
    expect(allocatable).toEqual({
      ok: true,
      value: [{ resourceName: 'nvidia.com/gpu', deviceIds: ['GPU-a'] }],
    });
  });

  test('one of 12 MB is read whole', async () => {
    const one = field(1, devices('x'.repeat(128)));
    const many = Buffer.concat(Array.from({ length: 80_000 }, () => one));
    const { allocatable } = await ask(await replies(many));
    expect(allocatable.ok && allocatable.value.length).toBe(80_000);
  });

  const deep = (message: Buffer) => field(1, field(3, field(2, message)));
  test.each([
    ['more than 16 MiB', Buffer.alloc(17 * 1024 * 1024), 'an answer of more than 16777216 bytes'],
    ['a field longer than its message', Buffer.from([0x0a, 0x05, 0x00]), 'unknown form'],
    ['a number that is cut', deep(Buffer.from([0x80])), 'unknown form'],
    ['a number without an end', Buffer.alloc(32, 0xff), 'unknown form'],
    ['a group', Buffer.from([0x0b, 0x0c]), 'unknown form'],
    ['millions of empty messages', Buffer.alloc(2_000_000, '\x0a\x00'), 'unknown form'],
    [
      'more devices than a node has',
      deep(devices(...Array.from({ length: 4_097 }, () => 'g'))),
      'unknown form',
    ],
  ])('%s is unreadable', async (_, body, detail) => {
    const { pods } = await ask(await replies(body));
    expect(pods).toEqual({ ok: false, reason: 'unreadable', detail });
  });

  test.each([
    ['compressed', Buffer.from([1, 0, 0, 0, 0])],
    ['of another length', Buffer.from([0, 0, 0, 0, 9])],
    ['cut within its prefix', Buffer.alloc(3)],
  ])('a message that is %s is unreadable', async (_, prefix) => {
    const { pods } = await ask(await replies(Buffer.alloc(0), undefined, prefix));
    expect(pods).toEqual({ ok: false, reason: 'unreadable', detail: 'unknown form' });
  });

  test.each([
    ['%25 %zz', '%25 %zz'],
    ['not%20for%0Ayou', 'not for you'],
  ])('a refusal with the words %s', async (words, detail) => {
    const trailers = { 'grpc-status': '7', 'grpc-message': words };
    const { pods } = await ask(await replies(Buffer.alloc(0), trailers, Buffer.alloc(0)));
    expect(pods).toEqual({ ok: false, reason: 'no_permission', detail });
  });
});

describe('a socket that is no kubelet’s', () => {
  test.each([
    ['closes at once', (socket: Socket) => void socket.destroy()],
    ['speaks HTTP/1.1', (socket: Socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['sends noise', (socket: Socket) => void socket.write(Buffer.alloc(4_096, 7))],
  ])('%s: not_ready, for both calls', async (_, speak) => {
    const { pods, allocatable } = await ask(await raw(speak));
    expect([pods, allocatable]).toMatchObject([
      { ok: false, reason: 'not_ready' },
      { ok: false, reason: 'not_ready' },
    ]);
  });

  test('says nothing: timeout', async () => {
    const answer = ask(await raw(() => {}), 30);
    await pass(30);
    const { pods } = await answer;
    expect(pods).toEqual({
      ok: false,
      reason: 'timeout',
      detail: 'the kubelet did not answer in 30 ms',
    });
  });

  test('answers without a status: not_ready, with what HTTP said', async () => {
    const socket = await http2(stream => stream.respond({ ':status': 503 }, { endStream: true }));
    expect((await ask(socket)).pods).toEqual({
      ok: false,
      reason: 'not_ready',
      detail: 'no status; HTTP 503',
    });
  });

  test('resets the call: not_ready', async () => {
    const socket = await http2(stream => stream.close(2));
    expect((await ask(socket)).pods).toMatchObject({ ok: false, reason: 'not_ready' });
  });

  test('a call that is cancelled meanwhile is not_read', async () => {
    const cancel = new AbortController();
    const socket = await raw(() => cancel.abort());
    expect((await ask(socket, PATIENCE_MS, cancel.signal)).pods).toEqual({
      ok: false,
      reason: 'not_read',
      detail: 'the call was cancelled',
    });
  });
});
