import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { type ConnectionFlags, connect } from '../../src/cluster/kubernetes-cluster.ts';
import type { Cluster } from '../../src/cluster/port.ts';
import { type Answer, asJson, type Json, matches, status } from './fake-objects.ts';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Json;
  /** The client's, of its connection. */
  readonly port: number;
}
export { type Answer, asJson, type Json, status } from './fake-objects.ts';

/** The kind of an object by its resource. */
export const KINDS: Readonly<Record<string, string>> = {
  nodes: 'Node',
  namespaces: 'Namespace',
  pods: 'Pod',
  jobs: 'Job',
  cronjobs: 'CronJob',
  events: 'Event',
  leases: 'Lease',
  resourceslices: 'ResourceSlice',
  nodeclaims: 'NodeClaim',
  deployments: 'Deployment',
  daemonsets: 'DaemonSet',
  statefulsets: 'StatefulSet',
  replicasets: 'ReplicaSet',
};

const LISTS =
  /^\/(?:api\/v1|apis\/[\w.]+\/v1)(?:\/namespaces\/([^/]+))?\/(\w+)(?:\/([^/]+))?(?:\/(\w+))?$/;

/**
 * An API server made of data, over real HTTP and WebSockets: objects, lists, watches, attach. What
 * a test wants otherwise it says in `answer` (first word on every request), `onCreate` and `onAttach`.
 */
export class FakeApiServer implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  /** How many were opened. */
  connections = 0;
  /** Of the clients of these, in their order. */
  readonly ports: number[] = [];
  answer: (request: SeenRequest) => Answer | 'silence' | 'reset' | undefined = () => undefined;
  /** After a create was stored: what the controllers and the kubelet do. */
  onCreate: (resource: string, object: Json) => void = () => {};
  onAttach: (socket: WebSocket, request: SeenRequest) => void = () => {};
  /** What the handshake of an attach chooses of the offered protocols. */
  protocol: string | false = 'v5.channel.k8s.io';
  /** Its clock, which its answers carry; none unless a test says so. */
  nowMs: number | undefined;
  /** Whether an attach answers pings. */
  pongs = true;
  readonly #objects = new Map<string, Json>();
  readonly #changes = new EventEmitter().setMaxListeners(0);
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #sockets = new Set<Duplex>();
  #folder = '';
  #version = 1;

  static async start(): Promise<FakeApiServer> {
    const fake = new FakeApiServer();
    const upgrader = new WebSocketServer({
      noServer: true,
      autoPong: false,
      handleProtocols: offered =>
        fake.protocol && offered.has(fake.protocol) ? fake.protocol : false,
    });
    fake.#server.on('connection', socket => {
      fake.connections += 1;
      fake.ports.push(socket.remotePort ?? 0);
      fake.#sockets.add(socket);
      socket.on('close', () => fake.#sockets.delete(socket));
    });
    fake.#server.on('upgrade', (request, socket, head) => {
      const seen = fake.#note(request, '');
      const refused = fake.answer(seen);
      if (refused === 'silence') return;
      if (refused === 'reset') return void request.socket.resetAndDestroy();
      if (refused) {
        // Whoever was refused may break the connection first.
        socket.on('error', () => {});
        const text = typeof refused.body === 'string' ? refused.body : JSON.stringify(refused.body);
        socket.end(
          `HTTP/1.1 ${refused.code} No\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
        );
        return;
      }
      upgrader.handleUpgrade(request, socket, head, opened => {
        opened.on('ping', () => fake.pongs && opened.pong());
        fake.onAttach(opened, seen);
      });
    });
    fake.#server.listen(0, '127.0.0.1');
    await once(fake.#server, 'listening');
    fake.#folder = await mkdtemp(join(tmpdir(), 'fake-api-'));
    return fake;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  }

  /** A kubeconfig for this server; `more` is laid over its document. */
  async kubeconfig(more: Json = {}, name = 'config'): Promise<string> {
    const file = join(this.#folder, name);
    const document = {
      'current-context': 'fake',
      contexts: [
        { name: 'fake', context: { cluster: 'fake', user: 'alice', namespace: 'gpu-mcp' } },
      ],
      clusters: [{ name: 'fake', cluster: { server: this.url } }],
      users: [{ name: 'alice', user: { token: 'secret' } }],
      ...more,
    };
    await writeFile(file, JSON.stringify(document));
    return file;
  }

  /** A connection through the real adapter, of a machine with this clock. */
  async connect(
    flags: ConnectionFlags = {},
    environment: Readonly<Record<string, string | undefined>> = {},
    clock = { nowMs: Date.now },
  ): Promise<Cluster> {
    const kubeconfig = flags.kubeconfig ?? (await this.kubeconfig());
    return connect({
      flags: { kubeconfig, ...flags },
      environment,
      clock,
    });
  }

  put(resource: string, object: Json): Json {
    const metadata = { ...asJson(object['metadata']) };
    metadata['uid'] ??= `uid-${this.#version}`;
    metadata['resourceVersion'] = String(this.#version++);
    const stored = { ...object, metadata };
    const key = `${resource}/${metadata['namespace'] ?? ''}/${metadata['name']}`;
    const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED';
    this.#objects.set(key, stored);
    this.#changes.emit('change', resource, type, stored);
    return stored;
  }

  remove(resource: string, namespace: string, name: string): void {
    const key = `${resource}/${namespace}/${name}`;
    const object = this.#objects.get(key);
    this.#objects.delete(key);
    if (object) this.#changes.emit('change', resource, 'DELETED', object);
  }

  list(resource: string): readonly Json[] {
    return [...this.#objects]
      .filter(([key]) => key.startsWith(`${resource}/`))
      .map(([, one]) => one);
  }

  /** Requests of this method whose path matches. */
  seen(method: string, path: RegExp): readonly SeenRequest[] {
    return this.requests.filter(one => one.method === method && path.test(one.path));
  }

  /** Cuts every connection, as a dying load balancer does. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.cut();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #note(request: IncomingMessage, body: string): SeenRequest {
    const url = new URL(request.url ?? '/', this.url);
    const seen = {
      method: request.method ?? '',
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headers: request.headers,
      body: body === '' ? {} : asJson(JSON.parse(body)),
      port: request.socket.remotePort ?? 0,
    };
    this.requests.push(seen);
    return seen;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += chunk;
    const seen = this.#note(request, body);
    response.sendDate = false;
    if (this.nowMs !== undefined) response.setHeader('Date', new Date(this.nowMs).toUTCString());
    const answer = this.answer(seen) ?? this.#route(seen, response);
    if (answer === 'reset') return void request.socket.resetAndDestroy();
    if (!answer || answer === 'silence') return;
    await answer.after;
    response.writeHead(answer.code, { 'Content-Type': 'application/json', ...answer.headers });
    const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
    if (!answer.isCut) return void response.end(text);
    response.write(text, () => request.socket.resetAndDestroy());
  }

  #route(seen: SeenRequest, response: ServerResponse): Answer | undefined {
    const [, namespace = '', resource = '', name, subresource] = LISTS.exec(seen.path) ?? [];
    if (seen.path === '/apis/resource.k8s.io') {
      const versions = ['v1', 'v1beta2', 'v1beta1'].map(version => ({ version }));
      return { code: 200, body: { kind: 'APIGroup', versions } };
    }
    if (resource === 'selfsubjectreviews')
      return {
        code: 201,
        body: {
          kind: 'SelfSubjectReview',
          status: { userInfo: { username: 'alice@example.com' } },
        },
      };
    if (subresource === 'log') return { code: 200, body: 'a line of the log\n' };
    if (seen.method === 'POST') {
      const stored = this.put(resource, { ...seen.body, status: {} });
      setImmediate(() => this.onCreate(resource, stored));
      return { code: 201, body: { kind: KINDS[resource], ...stored } };
    }
    if (name === undefined) {
      if (seen.query.has('watch')) return this.#watch(seen, { resource, namespace }, response);
      const items = this.list(resource).filter(one => matches(one, namespace, seen.query));
      if (seen.method === 'DELETE') {
        for (const { metadata } of items) {
          this.remove(resource, namespace, String(asJson(metadata)['name']));
        }
      }
      return { code: 200, body: { kind: `${KINDS[resource]}List`, metadata: {}, items } };
    }
    const found = this.#objects.get(`${resource}/${namespace}/${name}`);
    const uid = asJson(seen.body['preconditions'])['uid'];
    if (!found) return status(404, 'NotFound', `${resource} "${name}" not found`);
    if (seen.method !== 'DELETE') return { code: 200, body: { kind: KINDS[resource], ...found } };
    if (uid && uid !== asJson(found['metadata'])['uid'])
      return status(
        409,
        'Conflict',
        'the UID in the precondition does not match the UID in record',
      );
    this.remove(resource, namespace, name);
    if (resource === 'jobs') this.#collect(namespace, name);
    return { code: 200, body: { kind: 'Status', status: 'Success' } };
  }

  /** The garbage collector: the pods of a Job that is gone. */
  #collect(namespace: string, job: string): void {
    for (const { metadata } of this.list('pods')) {
      const { name, ownerReferences } = asJson(metadata);
      const owners = Array.isArray(ownerReferences) ? ownerReferences : [];
      if (owners.some(owner => asJson(owner)['name'] === job)) {
        this.remove('pods', namespace, String(name));
      }
    }
  }

  #watch(
    seen: SeenRequest,
    { resource, namespace }: { resource: string; namespace: string },
    response: ServerResponse,
  ): undefined {
    const send = (changed: string, type: string, object: Json) => {
      if (changed !== resource || !matches(object, namespace, seen.query)) return;
      response.write(`${JSON.stringify({ type, object })}\n`);
    };
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.flushHeaders();
    for (const object of this.list(resource)) send(resource, 'ADDED', object);
    this.#changes.on('change', send);
    response.on('close', () => this.#changes.off('change', send));
  }
}
