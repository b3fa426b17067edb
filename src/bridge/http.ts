import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { ListenOptions } from 'node:net';
import { pipeline } from 'node:stream/promises';
import {
  createMcpHandler,
  isInitializeRequest,
  isLegacyRequest,
  type McpHttpHandler,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import { UsageError } from '../contract/errors.ts';
import {
  CLIENT_LINE_BYTES_MAX,
  HTTP_CONNECTIONS_MAX,
  HTTP_REQUEST_MS_MAX,
  HTTP_SESSIONS_MAX,
} from '../contract/limits.ts';
import type { Bridge } from './bridge.ts';

/** Where a server listens, and by which names its clients may call it. */
export interface HttpPlace {
  readonly listen: ListenOptions;
  /** Host names without a port, lower case. */
  readonly hosts: readonly string[];
  readonly isLoopback: boolean;
}

/**
 * `127.0.0.1:0`, `[::1]:7000`, `gpu.example.com:443`, `unix:/run/user/1000/gpu.sock`.
 *
 * @throws UsageError for what is none of these.
 */
export function httpPlace(text: string): HttpPlace {
  if (text.startsWith('unix:') && text.length > 'unix:'.length) {
    const listen = { path: text.slice('unix:'.length) };
    return { listen, hosts: ['localhost'], isLoopback: true };
  }
  const [, bracketed, plain, digits] =
    /^(?:\[([\da-f:.]+)\]|([a-z\d.-]+)):(\d{1,5})$/i.exec(text) ?? [];
  const host = (bracketed ?? plain ?? '').toLowerCase();
  const port = Number(digits);
  if (host === '' || port > 65_535) {
    throw new UsageError(
      `"${text.slice(0, 80)}" is not an address to listen on`,
      '--http 127.0.0.1:7000',
    );
  }
  if (['0.0.0.0', '::'].includes(host)) {
    throw new UsageError(
      'a server on every address has no name that its clients can be held to',
      'name the address that clients use: --http gpu.example.com:443 --allow-remote',
    );
  }
  const isLoopback = host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
  const name = bracketed === undefined ? host : `[${host}]`;
  return {
    listen: { host, port },
    hosts: isLoopback ? [...new Set([name, 'localhost', '127.0.0.1', '[::1]'])] : [name],
    isLoopback,
  };
}

/** A token that nobody guesses. */
export const freshToken = (): string => randomBytes(32).toString('base64url');

interface HttpOptions {
  readonly bridge: Bridge;
  readonly place: HttpPlace;
  readonly token: string;
  readonly tls?: { readonly cert: string; readonly key: string };
}

export interface HttpServer {
  readonly port: number | undefined;
  /** Ends every session and connection. */
  close(): Promise<void>;
}

/**
 * MCP over Streamable HTTP for whoever has the token. A web page that a browser shows is kept out by
 * its Origin, and one whose name was bound to this machine's address by its Host, before anything
 * else is looked at.
 */
export async function serveHttp({ bridge, place, token, tls }: HttpOptions): Promise<HttpServer> {
  const clients = new Clients(bridge);
  const expected = digest(token);
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    const refusal = refusalOf(request, { hosts: place.hosts, expected, isTls: tls !== undefined });
    if (refusal) return refuse(response, ...refusal);
    if (pathOf(request) === HEALTH) return void response.writeHead(200, TEXT).end('ok\n');
    clients.handle(request, response).catch(() => refuse(response, 500, 'it failed'));
  };
  const server = tls ? createTlsServer({ ...tls }, listener) : createServer(listener);
  server.maxConnections = HTTP_CONNECTIONS_MAX;
  server.requestTimeout = HTTP_REQUEST_MS_MAX;
  await listening(server, place.listen);
  const address = server.address();
  return {
    port: typeof address === 'object' ? address?.port : undefined,
    async close() {
      const closed = new Promise(resolve => server.close(resolve));
      await clients.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const listening = (server: Server, where: ListenOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', cause =>
      reject(
        new UsageError(`the address cannot be listened on: ${cause.message}`, '--http 127.0.0.1:0'),
      ),
    );
    server.listen(where, resolve);
  });

const MCP = '/mcp';
const HEALTH = '/healthz';
const TEXT = { 'content-type': 'text/plain; charset=utf-8' } as const;

const pathOf = ({ url = '' }: IncomingMessage): string => url.split('?')[0] ?? '';
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

interface Gate {
  readonly hosts: readonly string[];
  readonly expected: Buffer;
  readonly isTls: boolean;
}

type Refusal = readonly [status: number, why: string];

/** Why a request is not let in. Host and Origin go first: who fails there learns nothing else. */
function refusalOf(
  request: IncomingMessage,
  { hosts, expected, isTls }: Gate,
): Refusal | undefined {
  const { host = '', origin, authorization = '' } = request.headers;
  if (!hosts.includes(withoutPort(host))) return [403, 'wrong Host'];
  if (origin !== undefined) {
    const [, scheme, name = ''] = /^(https?):\/\/([^/]+)$/.exec(origin.toLowerCase()) ?? [];
    const isOwn = scheme === (isTls ? 'https' : 'http') && name === host.toLowerCase();
    if (!isOwn) return [403, 'wrong Origin'];
  }
  const path = pathOf(request);
  if (path === HEALTH) return request.method === 'GET' ? undefined : [405, 'GET only'];
  // Digests have one length: how long it takes tells nothing of the token.
  const given = digest(/^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '');
  if (!timingSafeEqual(given, expected)) return [401, 'wrong or missing bearer token'];
  if (path !== MCP) return [404, `MCP is at ${MCP}`];
  return ['POST', 'GET', 'DELETE'].includes(request.method ?? '')
    ? undefined
    : [405, 'POST, GET or DELETE'];
}

const withoutPort = (host: string): string => host.toLowerCase().replace(/:\d+$/, '');

function refuse(response: ServerResponse, status: number, why: string): void {
  if (response.headersSent) return void response.end();
  response.writeHead(status, {
    ...TEXT,
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    connection: 'close',
  });
  response.end(`${why}\n`);
}

/** The clients of an HTTP server. Pods are the bridge's: no session and no request has its own. */
class Clients {
  readonly #bridge: Bridge;
  /** Those of before 2026-07-28; the one that asked last stands last. */
  readonly #sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
  /** Those since then: each request stands for itself. */
  readonly #stateless: McpHttpHandler;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
    this.#stateless = createMcpHandler(({ era }) => bridge.server(era), { legacy: 'reject' });
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = request.method === 'POST' ? await bodyOf(request) : undefined;
    if (body === TOO_LONG) {
      return refuse(response, 413, `a body has ${CLIENT_LINE_BYTES_MAX} bytes at most`);
    }
    if (body === NO_JSON) return refuse(response, 400, 'the body is no JSON');
    const asked = requestOf(request, response);
    if (!(await isLegacyRequest(asked, body))) {
      return reply(response, await this.#stateless.fetch(asked, { parsedBody: body }));
    }
    const id = asked.headers.get('mcp-session-id');
    if (id === null && !isInitializeRequest(body) && asked.method !== 'POST') {
      return refuse(response, 400, 'Mcp-Session-Id is missing');
    }
    const transport = id === null ? await this.#fresh(body, response) : this.#known(id);
    if (!transport) return refuse(response, 404, 'there is no such session: initialize again');
    await reply(response, await transport.handleRequest(asked, { parsedBody: body }));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map(session => session.close()));
    await this.#stateless.close();
  }

  #known(id: string): WebStandardStreamableHTTPServerTransport | undefined {
    const known = this.#sessions.get(id);
    if (!known) return undefined;
    this.#sessions.delete(id);
    this.#sessions.set(id, known);
    return known;
  }

  /** A session for who begins one; what others ask is answered, and forgotten. */
  async #fresh(
    body: unknown,
    response: ServerResponse,
  ): Promise<WebStandardStreamableHTTPServerTransport> {
    const server = this.#bridge.server('legacy');
    if (!isInitializeRequest(body)) {
      const once = new WebStandardStreamableHTTPServerTransport();
      await server.connect(once);
      response.once('close', () => void once.close());
      return once;
    }
    const [oldest] = this.#sessions.values();
    if (this.#sessions.size >= HTTP_SESSIONS_MAX) await oldest?.close();
    const session: WebStandardStreamableHTTPServerTransport =
      new WebStandardStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: id => void this.#sessions.set(id, session),
      });
    server.onclose = () => void this.#sessions.delete(session.sessionId ?? '');
    await server.connect(session);
    return session;
  }
}

/** A request as the SDK takes it, without its body; it is aborted when its client goes away. */
function requestOf(request: IncomingMessage, response: ServerResponse): Request {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const headers = new Headers();
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  const { method = 'GET', url = '' } = request;
  return new Request(new URL(url, 'http://localhost'), { method, headers, signal: gone.signal });
}

async function reply(response: ServerResponse, answer: Response): Promise<void> {
  response.writeHead(answer.status, Object.fromEntries(answer.headers)).flushHeaders();
  if (answer.body === null) return void response.end();
  // A client that goes away ends its stream: nobody is left to be told.
  await pipeline(answer.body, response).catch(() => undefined);
}

const TOO_LONG = Symbol('too long');
const NO_JSON = Symbol('no JSON');

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += part.length;
    if (bytes > CLIENT_LINE_BYTES_MAX) return TOO_LONG;
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch {
    return NO_JSON;
  }
}
