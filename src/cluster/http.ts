import { once } from 'node:events';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import { ClusterError } from '../contract/errors.ts';
import { API_REQUEST_MS_MAX } from '../contract/limits.ts';
import type { Clock } from '../contract/time.ts';
import { VERSION } from '../contract/version.ts';
import { askClientNode, needsClientNode } from './client-node.ts';
import { type Credentials, getCredentials } from './credentials.ts';
import { apiError, unreachable } from './errors.ts';
import { parseJson } from './json.ts';
import type { ConnectionSettings } from './settings.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** `/api/v1/nodes/a`, parts already encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** For messages: `create jobs`. */
  readonly doing: string;
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
  #credentials: Promise<Credentials> | undefined;
  #agent: HttpAgent | undefined;
  #agentFor: Credentials | undefined;
  #providerAuthorization: string | undefined;

  constructor(settings: ConnectionSettings, clock: Clock, requestMs: number | undefined) {
    this.settings = settings;
    this.#clock = clock;
    this.#requestMs = requestMs ?? API_REQUEST_MS_MAX;
  }

  /** The parsed JSON of the answer. @throws ApiError, or ClusterError when there is no answer. */
  async json(request: ApiRequest, signal: AbortSignal): Promise<unknown> {
    return parseJson(await this.text(request, signal));
  }

  async text(request: ApiRequest, signal: AbortSignal): Promise<string> {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(this.#requestMs)]);
    try {
      const response = await this.open(request, bounded);
      return await readBody(response);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ClusterError) throw error;
      throw unreachable(bounded.aborted ? { code: 'timed out' } : error, this.settings);
    }
  }

  /** The open answer of a request that succeeded, for streams. */
  async open(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const first = await this.#send(request, signal);
    const response =
      first.statusCode === 401 && this.#renew()
        ? await retry(first, () => this.#send(request, signal))
        : first;
    const code = response.statusCode ?? 0;
    if (code < 400) return response;
    const body = await readBody(response);
    throw apiError({ code, body, doing: request.doing, access: this.settings });
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

  close(): void {
    this.#agent?.destroy();
    this.#agent = undefined;
    this.#agentFor = undefined;
  }

  async #send(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
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
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(body),
        }),
      },
    });
    sent.end(body);
    try {
      const [response] = await once(sent, 'response');
      return response;
    } catch (error) {
      // Errors after the answer's head arrive at the body's reader.
      sent.on('error', () => {});
      if (signal.aborted) throw error;
      throw unreachable(error, this.settings);
    }
  }

  async #currentCredentials(signal: AbortSignal): Promise<Credentials> {
    const held = await this.#credentials;
    if (held && (held.expiresMs ?? Infinity) > this.#clock.nowMs()) return held;
    const asked = getCredentials(this.settings, this.#clock, signal);
    this.#credentials = asked;
    asked.catch(() => {
      if (this.#credentials === asked) this.#credentials = undefined;
    });
    return asked;
  }

  /** True when asking again may give other credentials than those just refused. */
  #renew(): boolean {
    const user = this.settings.userEntry;
    const renewable = 'exec' in user || 'tokenFile' in user || 'auth-provider' in user;
    if (renewable) this.#credentials = undefined;
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
    const kept = { keepAlive: true, keepAliveMsecs: 30_000, scheduling: 'lifo' } as const;
    const found = needsClientNode(settings) ? await askClientNode(settings, tls) : undefined;
    this.#providerAuthorization = found?.authorization;
    this.#agent =
      found?.agent ??
      (settings.url.protocol === 'https:'
        ? new HttpsAgent({ ...kept, ...tls })
        : new HttpAgent(kept));
    return this.#agent;
  }
}

async function retry(
  refused: IncomingMessage,
  send: () => Promise<IncomingMessage>,
): Promise<IncomingMessage> {
  refused.resume();
  return send();
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new ClusterError("the API server's answer is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
