import { addAbortListener, once } from 'node:events';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterError } from '../contract/errors.ts';
import { API_KEPT_MS, API_REQUEST_MS_MAX } from '../contract/limits.ts';
import type { Clock } from '../contract/time.ts';
import { VERSION } from '../contract/version.ts';
import { askClientNode, needsClientNode } from './client-node.ts';
import { type Credentials, getCredentials } from './credentials.ts';
import { apiError, unreachable } from './errors.ts';
import type { Json } from './json.ts';
import { Pace } from './pace.ts';
import { ApiError } from './port.ts';
import { type Expected, isStatus, provenObject, unproven } from './proven.ts';
import { isBroken, type Retries, retriesOf } from './retry.ts';
import type { ConnectionSettings } from './settings.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** `/api/v1/nodes/a`, parts already encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** For messages: `create jobs`. */
  readonly doing: string;
  /** Where tries are counted over several requests. */
  readonly retries?: Retries;
  /** Where it is counted what an answer took. */
  readonly tally?: { requests: number; bytes: number };
}

/** What a request or an upgrade needs besides its path. */
export interface Route {
  readonly url: URL;
  readonly options: RequestOptions & {
    readonly headers: Record<string, string | string[]>;
  };
}

/** Of one answer. */
const BODY_BYTES_MAX = 64 * 1024 * 1024;

/**
 * The API server over plain HTTPS with kept connections: a request costs one round trip, and the
 * attach re-uses a connection that a request opened.
 */
export class ApiServer {
  readonly settings: ConnectionSettings;
  readonly #clock: Clock;
  readonly #requestMs: number;
  readonly #pace: Pace;
  #credentials: Credentials | undefined;
  #login: Promise<Credentials> | undefined;
  #closed = new AbortController();
  #agent: HttpAgent | undefined;
  #agentFor: Credentials | undefined;
  #providerAuthorization: string | undefined;
  #aheadMs: number | undefined;

  constructor(settings: ConnectionSettings, clock: Clock, requestMs: number | undefined) {
    this.settings = settings;
    this.#clock = clock;
    this.#pace = new Pace(clock);
    this.#requestMs = requestMs ?? API_REQUEST_MS_MAX;
  }

  /** The API server's clock by the date of its last proven answer, to a second; before the first one ours. */
  nowMs(): number {
    return this.#clock.nowMs() + (this.#aheadMs ?? 0);
  }

  /** How far that clock is ahead of ours; undefined before the first proven answer with a date. */
  get aheadMs(): number | undefined {
    return this.#aheadMs;
  }

  /**
   * The object that was asked for, proven to be of its kind.
   *
   * @throws ApiError where the API server refuses, UnprovenAnswer where something else answered,
   * ClusterError when there is no answer.
   */
  async object(request: ApiRequest & Expected, signal: AbortSignal): Promise<Json> {
    const { response, body } = await this.#read(request, signal);
    const object = provenObject(this.#answerOf(request, response, body), request);
    const dateMs = Date.parse(response.headers.date ?? '');
    if (!Number.isNaN(dateMs)) this.#aheadMs = dateMs - this.#clock.nowMs();
    return object;
  }

  /** A text that is no object: a log. @throws as `object` does. */
  async text(request: ApiRequest, signal: AbortSignal): Promise<string> {
    const { response, body } = await this.#read(request, signal);
    const answer = this.#answerOf(request, response, body);
    if (/\bhtml\b/i.test(response.headers['content-type'] ?? '')) throw unproven(answer);
    return body;
  }

  async #read(
    request: ApiRequest,
    signal: AbortSignal,
  ): Promise<{ response: IncomingMessage; body: string }> {
    // A login may wait for a person: the time of a request begins behind it.
    await this.#currentCredentials(signal);
    const bounded = this.#requestMs
      ? AbortSignal.any([signal, AbortSignal.timeout(this.#requestMs)])
      : signal;
    const ask = async () => {
      const response = await this.open(request, bounded);
      return { response, body: await readBody(response, request.tally) };
    };
    try {
      // What only reads may be asked twice. Of a deletion or a create its session knows what to make of a break.
      return await (request.method === 'GET' ? this.#onceMore(ask, bounded) : ask());
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ClusterError) throw error;
      throw unreachable(bounded.aborted ? { code: 'timed out' } : error, this.settings);
    }
  }

  /** The same once more, over a new connection, where one broke; what closed one has closed the other kept ones. */
  async #onceMore<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const closed = this.#closed.signal;
    try {
      return await ask();
    } catch (error) {
      // What our own end breaks is asked of nobody any more.
      if (signal.aborted || closed.aborted || !isBroken(error)) throw error;
      for (const kept of Object.values(this.#agent?.freeSockets ?? {})) {
        for (const socket of kept ?? []) socket.destroy();
      }
      return ask();
    }
  }

  /**
   * The open answer of a request that succeeded, for streams; a busy API server is asked again.
   *
   * @throws as `object` does.
   */
  async open(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const credentials = await this.#currentCredentials(signal);
    let response = await this.#send(request, signal);
    if (response.statusCode === 401 && this.#renew(credentials)) {
      response = await again(response, () => this.#send(request, signal));
    }
    let mayBeDone = false;
    for (const retries = request.retries ?? retriesOf(request.method); ; ) {
      const code = response.statusCode ?? 0;
      if (code >= 200 && code < 300) return response;
      const wait = retries.waitMs(code, response.headers['retry-after'], this.#clock.nowMs());
      if (wait === undefined) break;
      mayBeDone ||= code >= 500;
      await sleep(wait, undefined, { signal });
      response = await again(response, () => this.#send(request, signal));
    }
    const code = response.statusCode ?? 0;
    const body = await readBody(response, request.tally);
    const { doing } = request;
    // Only the API server's own word is a refusal, or "not found". A path that it does not know is text.
    const isOwnWord =
      code >= 400 && (isStatus(body) || code === 401 || body.trim() === UNKNOWN_PATH);
    if (isOwnWord) throw apiError({ code, body, doing, access: this.settings, mayBeDone });
    throw unproven(this.#answerOf(request, response, body));
  }

  #answerOf({ doing }: ApiRequest, { statusCode = 0, headers }: IncomingMessage, body: string) {
    return { doing, access: this.settings, code: statusCode, headers, body };
  }

  /** Address, headers and agent for a request to this path. */
  async route(path: string, query: ApiRequest['query'], signal: AbortSignal): Promise<Route> {
    const { settings } = this;
    const credentials = await this.#currentCredentials(signal);
    const agent = await this.#currentAgent(credentials);
    const url = new URL(settings.url.pathname.replace(/\/$/, '') + path, settings.url);
    for (const [key, value] of Object.entries(query ?? {})) url.searchParams.set(key, value);
    const authorization = credentials.authorization ?? this.#providerAuthorization;
    return {
      url,
      options: {
        agent,
        headers: {
          'User-Agent': `kubectl-gpu-mcp/${VERSION}`,
          ...settings.impersonation,
          ...(authorization && { Authorization: authorization }),
        },
      },
    };
  }

  /** An upgrade to this path; once more where a connection breaks before it, or its login is refused and another can be had. */
  async upgrade<T>(
    path: string,
    query: ApiRequest['query'],
    ask: (route: Route) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const credentials = await this.#currentCredentials(signal);
    const upgraded = async () => ask(await this.route(path, query, signal));
    try {
      return await this.#onceMore(upgraded, signal);
    } catch (error) {
      if (!isUnauthorized(error) || !this.#renew(credentials)) throw error;
      return upgraded();
    }
  }

  close(): void {
    this.#closed.abort();
    this.#closed = new AbortController();
    this.#agent?.destroy();
    this.#agent = undefined;
    this.#agentFor = undefined;
  }

  async #send(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    await this.#pace.turn(request.method === 'DELETE', signal);
    if (request.tally) request.tally.requests += 1;
    const { url, options } = await this.route(request.path, request.query, signal);
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const sent = send(url, {
      ...options,
      method: request.method,
      signal,
      headers: {
        ...options.headers,
        Accept: 'application/json',
        ...(body !== undefined && {
          'Content-Type': CONTENT_TYPES[request.method] ?? 'application/json',
          'Content-Length': Buffer.byteLength(body),
        }),
      },
    });
    sent.end(body);
    try {
      const [response]: IncomingMessage[] = await once(sent, 'response');
      if (!response) throw new ClusterError('an answer without a status line');
      return response;
    } catch (error) {
      // Errors after the answer's head arrive at the body's reader.
      sent.on('error', () => {});
      if (signal.aborted) throw error;
      throw unreachable(error, this.settings);
    }
  }

  /** One login for all requests that wait for it: no request's end ends it, and it has its own bound. */
  async #currentCredentials(signal: AbortSignal): Promise<Credentials> {
    const held = this.#credentials;
    if (held && (held.expiresMs ?? Infinity) > this.#clock.nowMs()) return held;
    this.#login ??= this.#logIn();
    let stop = (_why: unknown) => {};
    const aborted = new Promise<never>((_, reject) => {
      stop = reject;
    });
    using _listener = addAbortListener(signal, () => stop(signal.reason));
    return await Promise.race([this.#login, aborted]);
  }

  async #logIn(): Promise<Credentials> {
    try {
      this.#credentials = await getCredentials(this.settings, this.#clock, this.#closed.signal);
      return this.#credentials;
    } finally {
      this.#login = undefined;
    }
  }

  /** True when asking again may give other credentials than those just refused. */
  #renew(refused: Credentials): boolean {
    const user = this.settings.userEntry;
    const renewable = 'exec' in user || 'tokenFile' in user || 'auth-provider' in user;
    // Another request may have logged in anew meanwhile.
    if (renewable && this.#credentials === refused) this.#credentials = undefined;
    return renewable;
  }

  async #currentAgent(credentials: Credentials): Promise<HttpAgent> {
    if (this.#agent && this.#agentFor === credentials) return this.#agent;
    const unchanged =
      this.#agent &&
      this.#agentFor?.certificate?.toString() === credentials.certificate?.toString() &&
      !needsClientNode(this.settings);
    this.#agentFor = credentials;
    if (unchanged && this.#agent) return this.#agent;
    const { settings } = this;
    const tls = {
      ...(settings.ca && { ca: settings.ca }),
      ...(credentials.certificate && { cert: credentials.certificate }),
      ...(credentials.key && { key: credentials.key }),
      ...(settings.tlsServerName && { servername: settings.tlsServerName }),
      ...(settings.insecure && { rejectUnauthorized: false }),
    };
    const found = needsClientNode(settings) ? await askClientNode(settings, tls) : undefined;
    this.#providerAuthorization = found?.authorization;
    const isTls = settings.url.protocol === 'https:';
    this.#agent = keeping(found?.agent ?? (isTls ? new HttpsAgent(tls) : new HttpAgent()));
    return this.#agent;
  }
}

/**
 * Keeps connections, also those through a proxy, which client-node's agents close after each request;
 * but none for long: what a proxy or a firewall drops in silence looks like an API server that hangs.
 */
function keeping(agent: HttpAgent): HttpAgent {
  return Object.assign(agent, {
    keepAlive: true,
    scheduling: 'lifo',
    keepSocketAlive(socket: Socket) {
      socket.unref();
      // A free connection that times out is closed by the agent itself.
      socket.setTimeout(API_KEPT_MS);
      return true;
    },
  });
}

/** A patch says how it is to be merged. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  PATCH: 'application/strategic-merge-patch+json',
};

const isUnauthorized = (error: unknown): boolean =>
  error instanceof ApiError
    ? error.code === 401
    : error instanceof Error && isUnauthorized(error.cause);

/** k8s.io/apiserver/pkg/server/mux/pathrecorder.go answers so by http.NotFound. */
const UNKNOWN_PATH = '404 page not found';

async function again(
  refused: IncomingMessage,
  send: () => Promise<IncomingMessage>,
): Promise<IncomingMessage> {
  refused.resume();
  return send();
}

async function readBody(response: IncomingMessage, tally?: ApiRequest['tally']): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    if (tally) tally.bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new ClusterError("the API server's answer is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
