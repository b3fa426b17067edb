import { once } from 'node:events';
import { mkdtemp, readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Client as NewClient,
  StreamableHTTPClientTransport as NewTransport,
} from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, describe, expect, test } from 'vitest';
import { createBridge } from '../../src/bridge/bridge.ts';
import { freshToken, type HttpServer, httpPlace, serveHttp } from '../../src/bridge/http.ts';
import { clusterNodes, namedNodes } from '../../src/bridge/node-pool.ts';
import { CLIENT_LINE_BYTES_MAX, HTTP_SESSIONS_MAX } from '../../src/contract/limits.ts';
import { agentSession } from '../fakes/agent-session.ts';
import { instrumentsOf } from '../fakes/instruments.ts';
import { aNode } from '../fakes/wire.ts';

const open: HttpServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(server => server.close()));
});

/** A server over HTTP of a cluster whose nodes are simulated machines. */
async function served(where = '127.0.0.1:0', confirm?: string) {
  const pods: string[] = [];
  const nodes = clusterNodes({
    namesAreTokens: false,
    check: async () => {},
    open(node) {
      pods.push(node);
      return agentSession(node, instrumentsOf('healthy-t4'));
    },
    after: () => () => {},
    closed: async () => {},
  });
  const token = freshToken();
  const bridge = createBridge({ nodes, confirm, clock: { nowMs: () => 0 } });
  const server = await serveHttp({ bridge, place: httpPlace(where), token });
  open.push(server);
  const url = `http://127.0.0.1:${server.port}/mcp`;
  const ask = (body: unknown, headers: Readonly<Record<string, string>> = {}) =>
    send(url, {
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { authorization: `Bearer ${token}`, ...headers },
    });
  return { url, token, pods, ask, server };
}

interface Sent {
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A raw request: fetch would not let a test write its own Host. */
function send(url: string, { method = 'POST', body, headers = {} }: Sent) {
  const { hostname, port, pathname } = new URL(url);
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const asked = httpRequest(
      {
        ...{ method, hostname, port, path: pathname },
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...headers,
        },
      },
      response => {
        const parts: Buffer[] = [];
        response.on('data', part => parts.push(part));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: String(Buffer.concat(parts)) }),
        );
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

const LIST = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
const call = (id: number) => ({
  ...{ jsonrpc: '2.0', id, method: 'tools/call' },
  params: { name: 'get_gpu_inventory', arguments: { node: 'gpu-1' } },
});

async function clientOf(url: string, token: string) {
  const client = new Client({ name: 'test', version: '1' });
  const headers = { authorization: `Bearer ${token}` };
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }),
  );
  return client;
}

describe('who is let in over HTTP', () => {
  test.each([
    ['a name that was bound to this machine', { host: 'evil.example' }],
    ['the same with our port', { host: 'evil.example:80' }],
    ['an address that is not ours', { host: '192.168.0.9' }],
    ['a web page', { origin: 'http://evil.example' }],
    ['a page without a place', { origin: 'null' }],
    ['a page of another port of this machine', { origin: 'http://127.0.0.1:1' }],
    ['a page over another scheme', { origin: 'https://127.0.0.1' }],
  ])('%s is not, with the right token, and before anything is said', async (_who, headers) => {
    const { url, ask, pods } = await served();
    expect((await ask(LIST, headers)).status).toBe(403);
    const health = await send(url.replace('/mcp', '/healthz'), { method: 'GET', headers });
    expect(health.status).toBe(403);
    expect(pods).toEqual([]);
  });

  test.each([
    ['no token', {}],
    ['another token', { authorization: `Bearer ${freshToken()}` }],
    ['an empty one', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: 'Basic YTpi' }],
  ])('%s is not', async (_what, headers) => {
    const { url } = await served();
    const answer = await send(url, { body: JSON.stringify(LIST), headers });
    expect(answer).toEqual({ status: 401, text: 'wrong or missing bearer token\n' });
  });

  test('a token in the address is none', async () => {
    const { url, token } = await served();
    expect((await send(`${url}?token=${token}`, { body: JSON.stringify(LIST) })).status).toBe(401);
  });

  test('whoever has it is, from this machine and from a page of ours', async () => {
    const { url, ask } = await served();
    const { host } = new URL(url);
    expect((await ask(LIST)).status).toBe(200);
    expect((await ask(LIST, { origin: `http://${host}` })).status).toBe(200);
    expect((await ask(LIST, { host: 'localhost' })).status).toBe(200);
  });

  test('health needs no token and says nothing else', async () => {
    const { url } = await served();
    const health = url.replace('/mcp', '/healthz');
    expect(await send(health, { method: 'GET' })).toEqual({ status: 200, text: 'ok\n' });
    expect((await send(health, { method: 'POST' })).status).toBe(405);
  });
});

describe('a client of 2026-07-28 over HTTP', () => {
  const newClientOf = async (url: string, token: string) => {
    const client = new NewClient(
      { name: 'test', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    );
    const headers = { authorization: `Bearer ${token}` };
    await client.connect(new NewTransport(new URL(url), { requestInit: { headers } }));
    return client;
  };

  test('is served beside one of before, of the same pod', async () => {
    const { url, token, pods } = await served();
    const asked = { name: 'get_gpu_inventory', arguments: { node: 'gpu-1' } };
    const since = await (await newClientOf(url, token)).callTool(asked);
    const before = await (await clientOf(url, token)).callTool(asked);
    expect(since.structuredContent).toEqual(before.structuredContent);
    expect(pods).toEqual(['gpu-1']);
  });

  test('needs the token as well', async () => {
    const { url } = await served();
    await expect(newClientOf(url, freshToken())).rejects.toThrow();
  });

  test('that goes away stops its call on the node', async () => {
    const { node, calls, hold } = aNode();
    hold();
    const token = freshToken();
    const bridge = createBridge({ nodes: namedNodes([node]), clock: { nowMs: () => 0 } });
    const server = await serveHttp({ bridge, place: httpPlace('127.0.0.1:0'), token });
    open.push(server);
    const client = await newClientOf(`http://127.0.0.1:${server.port}/mcp`, token);
    const stop = new AbortController();
    const call = client.callTool(
      { name: 'get_gpu_health', arguments: {} },
      { signal: stop.signal },
    );
    while (calls.length === 0) await new Promise(resolve => setImmediate(resolve));
    stop.abort();
    await expect(call).rejects.toThrow();
    const signal = calls[0]?.signal;
    if (!signal?.aborted) await once(signal ?? stop.signal, 'abort');
    expect(signal?.aborted).toBe(true);
  });
});

describe('what is taken over HTTP', () => {
  test.each([
    ['a path that is none', '/other', 'POST', 404],
    ['a method that is none', '/mcp', 'PUT', 405],
    ['a stream without a session', '/mcp', 'GET', 400],
  ])('%s is refused', async (_what, path, method, status) => {
    const { url, token } = await served();
    const headers = { authorization: `Bearer ${token}` };
    expect((await send(url.replace('/mcp', path), { method, headers })).status).toBe(status);
  });

  test('no JSON, a body above the limit and a session that is gone are refused, and it goes on', async () => {
    const { ask } = await served();
    expect((await ask('{')).status).toBe(400);
    expect((await ask('x'.repeat(CLIENT_LINE_BYTES_MAX + 1))).status).toBe(413);
    expect((await ask(LIST, { 'mcp-session-id': 'nobody' })).status).toBe(404);
    expect((await ask(LIST)).status).toBe(200);
  });

  test('a hundred requests without a session make one pod', async () => {
    const { ask, pods } = await served();
    const answers = await Promise.all(Array.from({ length: 100 }, (_, at) => ask(call(at + 1))));
    expect(answers.map(({ status }) => status)).toEqual(Array(100).fill(200));
    expect(answers.every(({ text }) => text.includes('Tesla T4'))).toBe(true);
    expect(pods).toEqual(['gpu-1']);
  });

  test('sessions side by side share the pod and nothing else', async () => {
    const { url, token, pods } = await served();
    const clients = await Promise.all(Array.from({ length: 5 }, () => clientOf(url, token)));
    const input = { name: 'get_gpu_inventory', arguments: { node: 'gpu-1' } };
    const answers = await Promise.all(clients.map(client => client.callTool(input)));
    for (const answer of answers) expect(answer.structuredContent).toMatchObject({ gpuCount: 1 });
    expect(pods).toEqual(['gpu-1']);
    await clients[0]?.close();
    expect(await clients[1]?.ping()).toEqual({});
  });

  test('of too many sessions the one that asked longest ago goes', async () => {
    const { url, token } = await served();
    const first = await clientOf(url, token);
    const second = await clientOf(url, token);
    await first.ping();
    for (let more = 2; more <= HTTP_SESSIONS_MAX; more += 1) await clientOf(url, token);
    await expect(second.ping()).rejects.toThrow('no such session');
    expect(await first.ping()).toEqual({});
  });

  test('a question to the user goes the way of the call that needs its answer', async () => {
    const { url, token } = await served('127.0.0.1:0', 'a pod');
    const client = new Client(
      { name: 'test', version: '1' },
      { capabilities: { elicitation: {} } },
    );
    const questions: string[] = [];
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      questions.push(params.message);
      return { action: 'accept' as const };
    });
    const headers = { authorization: `Bearer ${token}` };
    await client.connect(
      new StreamableHTTPClientTransport(new URL(url), {
        requestInit: { headers },
        // No stream of its own for what a server asks: only those of the calls.
        fetch: (input, init) =>
          init?.method === 'GET'
            ? Promise.resolve(new Response(null, { status: 405 }))
            : fetch(input, init),
      }),
    );
    const input = { name: 'get_gpu_inventory', arguments: { node: 'gpu-1' } };
    expect((await client.callTool(input)).structuredContent).toMatchObject({ gpuCount: 1 });
    expect(questions).toEqual([expect.stringContaining('Start a pod, on gpu-1?')]);
  });

  test('its end ends every session', async () => {
    const { url, token, server } = await served();
    const client = await clientOf(url, token);
    open.length = 0;
    await server.close();
    await expect(client.ping()).rejects.toThrow();
    await expect(send(url, { body: '{}' })).rejects.toThrow('ECONNREFUSED');
  });
});

describe('where it listens', () => {
  test('a socket in the file system is reached by its path', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'gpu-mcp-http-')), 's');
    await served(`unix:${path}`);
    const status = await new Promise(resolve =>
      httpRequest({ socketPath: path, path: '/healthz', headers: { host: 'localhost' } }, answer =>
        resolve(answer.statusCode),
      ).end(),
    );
    expect(status).toBe(200);
  });

  test.each([
    ['127.0.0.1:0', true, '127.0.0.1'],
    ['localhost:80', true, 'localhost'],
    ['[::1]:80', true, '[::1]'],
    ['gpu.example.com:443', false, 'gpu.example.com'],
    ['10.0.0.5:443', false, '10.0.0.5'],
    ['127.0.0.1.evil.example:80', false, '127.0.0.1.evil.example'],
  ])('%j is on this machine alone: %s', (words, isLoopback, host) => {
    const hosts = isLoopback ? ['127.0.0.1', '[::1]', 'localhost'] : [host];
    expect(httpPlace(words)).toMatchObject({ isLoopback });
    expect(httpPlace(words).hosts.toSorted()).toEqual(hosts);
  });

  test.each(['0.0.0.0:80', '[::]:80', '', '80', 'unix:', ':80', 'a b:80', '127.0.0.1:99999'])(
    '%s is no place',
    words => expect(() => httpPlace(words)).toThrow(),
  );

  test('over TLS it is called by the name of its place, and not without TLS', async () => {
    const read = (file: string) =>
      readFile(new URL(`../fixtures/tls/${file}`, import.meta.url), 'utf8');
    const [ca, cert, key] = await Promise.all(['ca.crt', 'server.crt', 'server.key'].map(read));
    const bridge = createBridge({ nodes: namedNodes([]), clock: { nowMs: () => 0 } });
    const place = { ...httpPlace('127.0.0.1:0'), hosts: ['api.gpu-mcp.test'] };
    const tls = { cert: cert ?? '', key: key ?? '' };
    const server = await serveHttp({ bridge, place, token: freshToken(), tls });
    open.push(server);
    const statusFor = (headers: object) =>
      new Promise(resolve =>
        httpsRequest(
          {
            ...{ hostname: '127.0.0.1', port: server.port, path: '/healthz', ca },
            ...{ servername: 'api.gpu-mcp.test', headers: { ...headers } },
          },
          answer => resolve(answer.statusCode),
        ).end(),
      );
    const host = 'api.gpu-mcp.test';
    expect(await statusFor({ host })).toBe(200);
    expect(await statusFor({ host, origin: `https://${host}` })).toBe(200);
    expect(await statusFor({ host, origin: `http://${host}` })).toBe(403);
    expect(await statusFor({ host: 'localhost' })).toBe(403);
    await expect(send(`http://127.0.0.1:${server.port}/healthz`, {})).rejects.toThrow();
  });

  test('a port that is taken is said', async () => {
    const { server } = await served();
    await expect(served(`127.0.0.1:${server.port}`)).rejects.toThrow('cannot be listened on');
  });
});
