import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { WebSocket } from 'ws';
import { connect } from '../../src/cluster/kubernetes-cluster.ts';
import type { AttachStream } from '../../src/cluster/port.ts';
import { FakeApiServer, status } from './fake-api-server.ts';

const signal = new AbortController().signal;
const container = { namespace: 'gpu-mcp', name: 'pod-a', container: 'mcp' };
let api: FakeApiServer;

beforeEach(async () => {
  api = await FakeApiServer.start();
});
afterEach(async () => {
  vi.useRealTimers();
  await api[Symbol.asyncDispose]();
});

const channel = (number: number, data: string | Buffer = '') =>
  Buffer.concat([Buffer.of(number), Buffer.from(data)]);
const success = channel(3, JSON.stringify({ kind: 'Status', status: 'Success' }));

/** Attaches; the server's socket comes along, already ready. */
async function attach(): Promise<{ stream: AttachStream; socket: WebSocket; sent: Buffer[] }> {
  const sent: Buffer[] = [];
  const opened = new Promise<WebSocket>(resolve => {
    api.onAttach = socket => {
      socket.on('message', (data: Buffer) => sent.push(data));
      socket.send(channel(1));
      resolve(socket);
    };
  });
  const cluster = await api.connect();
  const stream = await cluster.attach(container, signal);
  return { stream, socket: await opened, sent };
}

async function textOf(stream: AttachStream): Promise<string> {
  let text = '';
  for await (const chunk of stream.stdout) text += chunk;
  return text;
}

test('asks for stdin, stdout and stderr of the container over v5 alone, as this user', async () => {
  const { stream } = await attach();
  const [request] = api.seen('GET', /attach$/);
  expect(request?.path).toBe('/api/v1/namespaces/gpu-mcp/pods/pod-a/attach');
  expect(request?.query.toString()).toBe(
    'container=mcp&stdin=true&stdout=true&stderr=true&tty=false',
  );
  expect(request?.headers).toMatchObject({
    'sec-websocket-protocol': 'v5.channel.k8s.io',
    authorization: 'Bearer secret',
  });
  stream.destroy();
  expect(await stream.ended).toEqual({ kind: 'destroyed', detail: '', stderr: '' });
});

test('what is written arrives in messages of at most 32 KiB, the half-close last', async () => {
  const { stream, socket, sent } = await attach();
  const text = 'é'.repeat(60_000);
  stream.stdin.end(text);
  while (sent.at(-1)?.[0] !== 255) await once(socket, 'message');
  expect(sent.pop()).toEqual(Buffer.of(255, 0));
  expect(Math.max(...sent.map(({ length }) => length))).toBeLessThanOrEqual(32 * 1024);
  expect(new Set(sent.map(frame => frame[0]))).toEqual(new Set([0]));
  expect(Buffer.concat(sent.map(frame => frame.subarray(1))).toString('utf8')).toBe(text);
  stream.destroy();
});

test('the answer comes after the half-close, and Success ends it without a word', async () => {
  const { stream, socket } = await attach();
  socket.on('message', (data: Buffer) => {
    if (data[0] !== 255) return;
    socket.send(channel(1, 'the rest'));
    socket.send(success);
    socket.close(1000);
  });
  stream.stdin.end();
  expect(await textOf(stream)).toBe('the rest');
  expect(await stream.ended).toEqual({ kind: 'finished', detail: '', stderr: '' });
});

test('a Failure keeps its words, and the last 4 KiB of stderr', async () => {
  const { stream, socket } = await attach();
  socket.send(channel(2, 'x'.repeat(5_000)));
  socket.send(channel(2, 'out of memory'));
  socket.send(channel(3, JSON.stringify({ status: 'Failure', message: 'command terminated' })));
  socket.close(1000);
  const end = await stream.ended;
  expect(end).toMatchObject({ kind: 'finished', detail: 'command terminated' });
  expect(end.stderr).toHaveLength(4_096);
  expect(end.stderr).toMatch(/xout of memory$/);
});

test('a Failure before the stream is ready is the error of the attach', async () => {
  api.onAttach = socket => {
    socket.send(
      channel(3, JSON.stringify({ status: 'Failure', message: 'container is not running' })),
    );
    socket.close(1000);
  };
  const cluster = await api.connect();
  await expect(cluster.attach(container, signal)).rejects.toThrow(
    'the container cannot be attached to: container is not running',
  );
});

test('a connection that is cut is lost, and writing after it does not crash', async () => {
  const { stream } = await attach();
  stream.stdout.resume();
  api.cut();
  expect(await stream.ended).toMatchObject({
    kind: 'lost',
    detail: 'the connection broke (WebSocket 1006)',
  });
  stream.stdin.write('too late');
  await turn();
});

test('a refusal at the upgrade keeps the text of the API server', async () => {
  api.answer = () =>
    status(
      403,
      'Forbidden',
      'pods "pod-a" is forbidden: User "alice" cannot create resource "pods/attach" in API group "" in the namespace "gpu-mcp"',
    );
  const cluster = await api.connect();
  await expect(cluster.attach(container, signal)).rejects.toThrow(
    'user "alice" may not create pods/attach in namespace "gpu-mcp"',
  );
});

test('a reader that stalls stops the sender and loses nothing', async () => {
  const { stream, socket } = await attach();
  const chunk = Buffer.alloc(32_767, 'a');
  const frames = 1_000;
  for (let i = 0; i < frames; i += 1) socket.send(channel(1, chunk));
  stream.stdout.read(0);
  await once(stream.stdout, 'readable');
  for (let i = 0; i < 100; i += 1) await turn();
  expect(stream.stdout.readableLength).toBeLessThan(2 * 1024 * 1024);
  expect(socket.bufferedAmount).toBeGreaterThan(0);
  let bytes = 0;
  for await (const data of stream.stdout) {
    bytes += data.length;
    if (bytes === frames * chunk.length) break;
  }
  expect(bytes).toBe(frames * chunk.length);
});

test('a container that does not read stops the writer', async () => {
  const { stream, socket } = await attach();
  socket.pause();
  let written = 0;
  while (stream.stdin.write(Buffer.alloc(64 * 1024))) {
    written += 64 * 1024;
    await turn();
    if (written > 64 * 1024 * 1024) break;
  }
  expect(written).toBeLessThan(64 * 1024 * 1024);
  expect(stream.stdin.writableNeedDrain).toBe(true);
  socket.resume();
  await once(stream.stdin, 'drain');
  stream.destroy();
});

test('60 s without a pong end the stream', async () => {
  api.pongs = false;
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const { stream, socket } = await attach();
  vi.advanceTimersByTime(15_000);
  await once(socket, 'ping');
  vi.advanceTimersByTime(3 * 15_000);
  expect(socket.readyState).toBe(socket.OPEN);
  vi.advanceTimersByTime(15_000);
  expect(await stream.ended).toMatchObject({ kind: 'lost', detail: 'no answer to pings for 60 s' });
});

test('an aborted attach gives the reason and leaves no connection', async () => {
  api.answer = ({ path }) => (path.endsWith('attach') ? 'silence' : undefined);
  const cluster = await api.connect();
  const stop = new AbortController();
  const attached = cluster.attach(container, stop.signal);
  stop.abort(new Error('the user left'));
  await expect(attached).rejects.toThrow('the user left');
});

const FAKE_KUBECTL = `#!${process.execPath}
require('node:fs').writeFileSync(__dirname + '/argv', JSON.stringify(process.argv.slice(2)));
process.stdin.pipe(process.stdout);
process.stdin.on('end', () => { process.stderr.write('done'); process.exitCode = Number(process.env.FAKE_EXIT ?? 0); });
`;

const oldServers: readonly [string, (api: FakeApiServer) => void][] = [
  [
    'an API server that speaks only v4',
    api => {
      api.protocol = false;
    },
  ],
  [
    'a proxy that knows no WebSockets',
    api => {
      api.answer = () => ({ code: 400, body: '<html>Bad Request</html>' });
    },
  ],
];
test.each(oldServers)('%s is reached through kubectl attach', async (_name, prepare) => {
  const folder = await mkdtemp(join(tmpdir(), 'fake-kubectl-'));
  const kubectl = join(folder, 'kubectl.cjs');
  await writeFile(kubectl, FAKE_KUBECTL);
  await chmod(kubectl, 0o755);
  const kubeconfig = await api.kubeconfig();
  const cluster = await api.connect(
    { kubeconfig, asGroup: [], context: 'fake' },
    { KUBECTL_PATH: kubectl },
  );
  prepare(api);
  const stream = await cluster.attach(container, signal);
  stream.stdin.end('hello');
  expect(await textOf(stream)).toBe('hello');
  expect(await stream.ended).toEqual({ kind: 'finished', detail: '', stderr: 'done' });
  expect(JSON.parse(await readFile(join(folder, 'argv'), 'utf8'))).toEqual([
    'attach',
    '--stdin',
    '--quiet',
    '--container=mcp',
    '--namespace=gpu-mcp',
    '--context=fake',
    `--kubeconfig=${kubeconfig}`,
    '--',
    'pod-a',
  ]);
  await rm(folder, { recursive: true });
});

/** A kubectl that runs this code, and a cluster that attaches through it only. */
async function throughKubectl(code: string) {
  const folder = await mkdtemp(join(tmpdir(), 'fake-kubectl-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const kubectl = join(folder, 'kubectl.cjs');
  await writeFile(kubectl, `#!${process.execPath}\n${code}`);
  await chmod(kubectl, 0o755);
  return connect({
    flags: { kubeconfig: await api.kubeconfig() },
    ...{ environment: { KUBECTL_PATH: kubectl }, clock: { nowMs: () => 0 }, transport: 'kubectl' },
  });
}

test('--transport kubectl asks for no WebSocket; its failure is told in its words', async () => {
  const failing = await throughKubectl(
    "process.stderr.write('error: pod\\nnot found'); process.exitCode = 3",
  );
  const stream = await failing.attach(container, signal);
  expect(await stream.ended).toEqual({
    ...{ kind: 'lost', stderr: 'error: pod\nnot found' },
    detail: 'kubectl attach: error: pod not found',
  });
  expect(api.requests).toEqual([]);
});

test.each([
  ['process.exitCode = 3', 'it ended with exit code 3'],
  ["process.kill(process.pid, 'SIGTERM')", 'it ended with SIGTERM'],
])('a kubectl that ends without a word: %s', async (code, words) => {
  const stream = await (await throughKubectl(code)).attach(container, signal);
  expect(await stream.ended).toMatchObject({ kind: 'lost', detail: `kubectl attach: ${words}` });
});

test('a kubectl that is ended by us is no loss', async () => {
  const stream = await (await throughKubectl('setInterval(() => {}, 1000)')).attach(
    container,
    signal,
  );
  stream.destroy();
  expect(await stream.ended).toEqual({ kind: 'destroyed', detail: '', stderr: '' });
});

test('a kubectl that nobody waits for any more is not started, or ended', async () => {
  const cluster = await throughKubectl('setInterval(() => {}, 1000)');
  await expect(cluster.attach(container, AbortSignal.abort(new Error('before')))).rejects.toThrow(
    'before',
  );
  const stop = new AbortController();
  const attached = cluster.attach(container, stop.signal);
  stop.abort(new Error('meanwhile'));
  await expect(attached).rejects.toThrow('meanwhile');
});

test('a kubectl that is not there is named', async () => {
  api.protocol = false;
  const cluster = await api.connect({}, { KUBECTL_PATH: '/nowhere/kubectl' });
  await expect(cluster.attach(container, signal)).rejects.toThrow(
    expect.objectContaining({
      message: '/nowhere/kubectl could not be started (ENOENT)',
      hint: 'is kubectl on PATH?',
    }),
  );
});
