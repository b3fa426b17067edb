import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { load } from 'js-yaml';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import {
  cluster,
  kubectl,
  leftAfterTenSeconds,
  leftovers,
  mcpClient,
  withImage,
} from './plugin.ts';

afterEach(async () => {
  expect(await leftAfterTenSeconds()).toEqual([]);
});

const Kubeconfig = z.object({
  clusters: z.tuple([
    z.object({
      cluster: z.object({ server: z.string(), 'certificate-authority-data': z.string() }),
    }),
  ]),
  users: z.tuple([
    z.object({
      user: z.object({ 'client-certificate-data': z.string(), 'client-key-data': z.string() }),
    }),
  ]),
});

/** How the administrator's kubeconfig reaches the API server. */
function upstream(): RequestOptions {
  const { clusters, users } = Kubeconfig.parse(load(readFileSync(cluster().kubeconfig, 'utf8')));
  const { server, 'certificate-authority-data': ca } = clusters[0].cluster;
  const { 'client-certificate-data': cert, 'client-key-data': key } = users[0].user;
  const bytes = (base64: string) => Buffer.from(base64, 'base64');
  const { hostname, port } = new URL(server);
  return { host: hostname, port, ca: bytes(ca), cert: bytes(cert), key: bytes(key) };
}

interface Manners {
  /** Answers in the API server's place; undefined lets it through. */
  readonly page?: (request: IncomingMessage) => string | undefined;
  /** The same of an upgrade: the answer that it is refused with. */
  readonly refuses?: (request: IncomingMessage) => string | undefined;
  /** Breaks a connection that was idle for so long. */
  readonly idleMs?: number;
}

/** A proxy of HTTP in front of the API server, as companies have them; gives its address. */
async function proxyWith({ page, refuses, idleMs }: Manners): Promise<string> {
  const target = upstream();
  const pass: RequestListener = (asked, response) => {
    const text = page?.(asked);
    if (text !== undefined) {
      asked.resume();
      response.writeHead(200, { 'Content-Type': 'text/html' }).end(text);
      return;
    }
    const { method, url: path, headers } = asked;
    const { host: _, ...others } = headers;
    const onward = request({ ...target, method, path, headers: others }, answered => {
      response.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    asked.pipe(onward);
  };
  const server = createServer(pass);
  server.on('upgrade', (asked: IncomingMessage, client: Duplex) => {
    client.on('error', () => client.destroy());
    const refusal = refuses?.(asked);
    if (refusal !== undefined) {
      client.end(refusal);
      return;
    }
    const { method, url: path, headers } = asked;
    const { host: _, ...others } = headers;
    const onward = request({ ...target, method, path, headers: others });
    onward.on('upgrade', (answered, socket) => {
      const lines = answered.rawHeaders.flatMap((name, at, all) =>
        at % 2 === 0 ? [`${name}: ${all[at + 1]}`] : [],
      );
      client.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
      socket.on('error', () => client.destroy());
      socket.pipe(client).pipe(socket);
    });
    onward.on('response', answered => {
      client.write(`HTTP/1.1 ${answered.statusCode} ${answered.statusMessage}\r\n\r\n`);
      answered.pipe(client);
    });
    onward.on('error', () => client.destroy());
    onward.end();
  });
  return listening(server, idleMs);
}

async function listening(server: Server, idleMs?: number): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', socket => {
    sockets.add(socket);
    if (idleMs !== undefined) socket.setTimeout(idleMs, () => socket.resetAndDestroy());
  });
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
}

const NO_UPGRADES =
  'HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n<title>No upgrades</title>';

test('a proxy that lets no WebSocket through: kubectl attach goes another way', async () => {
  const refused: string[] = [];
  const server = await proxyWith({
    refuses({ headers }) {
      if (headers.upgrade?.toLowerCase() !== 'websocket') return undefined;
      refused.push(String(headers['sec-websocket-protocol']));
      return NO_UPGRADES;
    },
  });
  const ran = await kubectl(withImage('triage', 'node-a', '--server', server));
  expect(ran.stdout).toMatch(/^CRITICAL {2}node-a/);
  expect(ran.code).toBe(0);
  expect(refused.join()).toContain('v5.channel.k8s.io');
});

test('a login that ends before the attach is told as that, and leaves nothing', async () => {
  const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 401 };
  const body = JSON.stringify({ ...status, reason: 'Unauthorized', message: 'Unauthorized' });
  const head = 'HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json';
  const server = await proxyWith({
    refuses: () => `${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  });
  const ran = await kubectl(withImage('triage', 'node-a', '--server', server));
  expect(ran.stderr).toMatch(/does not accept the credentials of user/);
  expect(ran.stderr).not.toMatch(/not seen gone/);
  expect(ran.code).toBe(3);
  expect(await leftovers()).toEqual([]);
});

/** Much longer than an agent takes to start or answer on a busy machine: its stream is as silent then as an idle one. */
const IDLE_MS = 20_000;

test('a proxy that resets idle connections costs a session no answer', async () => {
  const { client } = await mcpClient(['node-a', '--server', await proxyWith({ idleMs: IDLE_MS })]);
  for (const waitMs of [0, IDLE_MS + 1_000, 2 * IDLE_MS]) {
    await new Promise(resolve => setTimeout(resolve, waitMs));
    const answer = await client.callTool({ name: 'get_gpu_inventory', arguments: {} });
    expect(JSON.stringify(answer.content)).toContain('H100');
    expect(answer.isError).not.toBe(true);
  }
  await client.close();
}, 240_000);

describe('a login page', () => {
  const LOGIN = '<html><head><title>Sign in to Example</title></head></html>';
  test.each([
    ['triage', withImage('triage', 'node-a')],
    ['triage --fleet', withImage('triage', '--fleet', '--all-gpu-nodes')],
    ['nodes', ['gpu-mcp', 'nodes']],
    ['clean', ['gpu-mcp', 'clean']],
  ])('is no answer to %s', async (_what, words) => {
    const server = await proxyWith({ page: () => LOGIN });
    const ran = await kubectl([...words, '--server', server]);
    expect(ran.stderr).toContain('a web page titled "Sign in to Example"');
    expect(ran.code).toBe(3);
    expect(ran.stdout).not.toMatch(/healthy|nothing of ours/i);
  });

  test('that comes in the midst is not taken for the end of a pod', async () => {
    const pods = /^\/api\/v1\/namespaces\/[^/]+\/pods/;
    const server = await proxyWith({
      page: ({ method, url = '' }) => (method === 'GET' && pods.test(url) ? LOGIN : undefined),
    });
    const ran = await kubectl(withImage('triage', 'node-a', '--server', server));
    expect(ran.stderr).toContain('a web page titled "Sign in to Example"');
    expect([3, 4]).toContain(ran.code);
    expect(ran.stderr).not.toMatch(/deleted, verified/);
  });
});

test('the proxy of a kubeconfig is asked for a tunnel, and a session goes through it', async () => {
  const tunnels: string[] = [];
  const proxy = createServer();
  proxy.on('connect', (asked: IncomingMessage, client: Duplex) => {
    tunnels.push(String(asked.url));
    const [host = '', port = ''] = String(asked.url).split(':');
    const server = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      server.pipe(client).pipe(server);
    });
    for (const socket of [server, client]) {
      socket.on('error', () => {
        server.destroy();
        client.destroy();
      });
    }
  });
  const url = await listening(proxy);
  const ran = await kubectl(withImage('triage', 'node-a'), { environment: { HTTPS_PROXY: url } });
  expect(ran.stdout).toMatch(/^CRITICAL {2}node-a/);
  expect(ran.code).toBe(0);
  const { host, port } = upstream();
  expect(new Set(tunnels)).toEqual(new Set([`${host}:${port}`]));
});
