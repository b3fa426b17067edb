import { createHash } from 'node:crypto';
import { AGENT_HELLO } from '../../src/contract/labels.ts';
import { KINDS } from '../cluster/fake-api-server.ts';
import { asJson, type Json, matches, status } from '../cluster/fake-objects.ts';
import type { SimulatedAgent } from './agent.ts';
import {
  type FaultyRequest,
  isRefusal,
  REFUSALS,
  type RequestFault,
  type StreamFault,
} from './faults.ts';
import { metadataOf, phaseOf, type SimulatedKubernetes } from './kubernetes.ts';
import type { End } from './network.ts';

/** What the user may not do. */
export type Right = 'create jobs' | 'watch' | 'list events' | 'delete jobs' | 'delete many pods';

interface Request extends FaultyRequest {
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Json;
}

interface Reply {
  readonly code: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ApiServerOptions {
  readonly kubernetes: SimulatedKubernetes;
  readonly denied: readonly Right[];
  readonly faultOf: (asked: FaultyRequest) => RequestFault | undefined;
  readonly streamFaultOf: (frame: number) => StreamFault | undefined;
  readonly say: (what: string) => void;
  /** How long a slow answer takes. */
  readonly slowMs: number;
}

const PATH =
  /^\/(?:api\/v1|apis\/[\w.]+\/v1\w*)(?:\/namespaces\/([^/]+))?\/(\w+)(?:\/([^/]+))?(?:\/(\w+))?$/;

/** The API server over the simulated network: HTTP/1.1 and attach, written by hand as bytes. */
export class SimulatedApiServer {
  readonly #options: ApiServerOptions;
  readonly #kubernetes: SimulatedKubernetes;

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.#kubernetes = options.kubernetes;
  }

  accept(end: End): void {
    let bytes = Buffer.alloc(0);
    end.on('error', () => {});
    end.on('end', () => end.end());
    const feed = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const headEnd = bytes.indexOf('\r\n\r\n');
      if (headEnd < 0) return;
      const [first = '', ...lines] = bytes.subarray(0, headEnd).toString('latin1').split('\r\n');
      const headers = new Map(
        lines.map(line => [
          line.slice(0, line.indexOf(':')).toLowerCase(),
          line.slice(line.indexOf(':') + 1).trim(),
        ]),
      );
      const length = Number(headers.get('content-length') ?? 0);
      if (bytes.length < headEnd + 4 + length) return;
      const text = bytes.subarray(headEnd + 4, headEnd + 4 + length).toString('utf8');
      bytes = bytes.subarray(headEnd + 4 + length);
      const [method = '', target = ''] = first.split(' ');
      const url = new URL(target, 'http://api.example');
      const path = decodeURIComponent(url.pathname);
      const body = text === '' ? {} : asJson(JSON.parse(text));
      this.#serve({ method, path, query: url.searchParams, headers, body }, end, () =>
        end.off('data', feed),
      );
    };
    end.on('data', feed);
  }

  #serve(request: Request, end: End, stopReading: () => void): void {
    const fault = this.#options.faultOf(request);
    const query = request.query.toString();
    this.#options.say(
      `${request.method} ${request.path}${query && `?${query.slice(0, 60)}`}${fault ? `: ${fault}` : ''}`,
    );
    const { time } = this.#kubernetes;
    if (fault && isRefusal(fault)) this.#send(end, REFUSALS[fault]);
    else if (fault === 'lost') end.broken('ECONNRESET');
    else if (fault === 'garbage') end.write('\u0016\u0003\u0001 not HTTP at all\r\n\r\n');
    else if (fault === 'slow') {
      time.after(this.#options.slowMs, () => {
        if (!end.destroyed) this.#answer(request, end, stopReading, undefined);
      });
    } else if (fault !== 'silence') this.#answer(request, end, stopReading, fault);
  }

  #answer(
    request: Request,
    end: End,
    stopReading: () => void,
    fault: RequestFault | undefined,
  ): void {
    if (request.path.endsWith('/attach')) {
      if (fault === undefined) this.#attach(request, end, stopReading);
      else end.broken('ECONNRESET');
      return;
    }
    if (fault === 'done twice') this.#reply(request);
    if (request.query.has('watch') && !this.#refused(request)) {
      this.#watch(request, end);
      return;
    }
    const reply = this.#reply(request);
    switch (fault) {
      case 'silence':
      case 'done and silence':
        return;
      case 'done and lost':
        end.broken('ECONNRESET');
        return;
      case 'done and 503 with a time':
        this.#send(end, REFUSALS['503 with a time']);
        return;
      case 'done and 504':
        this.#send(end, REFUSALS['504']);
        return;
      case 'no items':
        this.#send(end, { ...reply, body: reply.body.replace(/"items":\[.*\]/s, '"count":0') });
        return;
      case 'cut body':
        end.write(headOf(reply, this.#kubernetes.time.nowMs));
        end.write(reply.body.slice(0, reply.body.length / 2));
        end.end();
        return;
      default:
        this.#send(end, reply);
    }
  }

  #send(end: End, reply: Reply): void {
    if (!end.destroyed) end.write(headOf(reply, this.#kubernetes.time.nowMs) + reply.body);
  }

  #refused({ method, path, query }: Request): Reply | undefined {
    const { denied } = this.#options;
    const may = (right: Right, verb: string, resource: string, group = '') =>
      denied.includes(right)
        ? replyOf(
            status(
              403,
              'Forbidden',
              `${resource} is forbidden: User "alice" cannot ${verb} resource "${resource}" in API group "${group}" in the namespace "gpu-mcp"`,
            ),
          )
        : undefined;
    if (query.has('watch')) {
      const events = path.endsWith('/events') ? may('list events', 'watch', 'events') : undefined;
      return events ?? may('watch', 'watch', 'pods');
    }
    if (path.endsWith('/events')) return may('list events', 'list', 'events');
    if (method === 'DELETE' && path.endsWith('/pods')) {
      return may('delete many pods', 'deletecollection', 'pods');
    }
    if (!path.includes('/jobs')) return undefined;
    if (method === 'POST') return may('create jobs', 'create', 'jobs', 'batch');
    return method === 'DELETE' ? may('delete jobs', 'delete', 'jobs', 'batch') : undefined;
  }

  #reply(request: Request): Reply {
    const refused = this.#refused(request);
    if (refused) return refused;
    const { method, path, query, body } = request;
    const [, namespace = '', resource = '', name, subresource] = PATH.exec(path) ?? [];
    if (resource === 'selfsubjectreviews') {
      const userInfo = { username: 'alice' };
      return json(201, { kind: 'SelfSubjectReview', status: { userInfo } });
    }
    const kind = KINDS[resource];
    if (kind === undefined) return { code: 404, body: '404 page not found' };
    if (subresource === 'log') return { code: 200, body: `${AGENT_HELLO}\n` };
    const kubernetes = this.#kubernetes;
    if (method === 'POST') {
      const given = String(metadataOf(body)['name']);
      if (kubernetes.get(resource, namespace, given)) {
        return replyOf(status(409, 'AlreadyExists', `${resource} "${given}" already exists`));
      }
      return json(201, { kind, ...kubernetes.create(resource, body) });
    }
    if (name === undefined) {
      const items = kubernetes.list(resource).filter(one => matches(one, namespace, query));
      if (method === 'DELETE') {
        for (const one of items) kubernetes.delete(resource, one, body['gracePeriodSeconds']);
      }
      return json(200, { kind: `${kind}List`, metadata: {}, items });
    }
    const found = kubernetes.get(resource, namespace, name);
    if (!found) return replyOf(status(404, 'NotFound', `${resource} "${name}" not found`));
    if (method !== 'DELETE') return json(200, { kind, ...found });
    const uid = asJson(body['preconditions'])['uid'];
    if (uid !== undefined && uid !== metadataOf(found)['uid']) {
      return replyOf(status(409, 'Conflict', 'the UID in the precondition does not match'));
    }
    kubernetes.delete(resource, found, body['gracePeriodSeconds']);
    // The registry of pods returns what it deletes: k8s.io/kubernetes/pkg/registry/core/pod/storage.
    if (resource === 'pods') return json(200, { kind, ...found });
    return json(200, { kind: 'Status', status: 'Success' });
  }

  #watch({ path, query }: Request, end: End): void {
    const [, namespace = '', resource = ''] = PATH.exec(path) ?? [];
    const head = { code: 200, body: '', headers: { 'Transfer-Encoding': 'chunked' } };
    end.write(headOf(head, this.#kubernetes.time.nowMs));
    const stop = this.#kubernetes.watch({ resource, namespace, query }, (type, object) => {
      if (end.destroyed) return;
      const line = `${JSON.stringify({ type, object })}\n`;
      end.write(`${Buffer.byteLength(line).toString(16)}\r\n${line}\r\n`);
    });
    end.on('close', stop);
  }

  #attach({ path, headers }: Request, end: End, stopReading: () => void): void {
    const [, namespace = '', , name = ''] = PATH.exec(path) ?? [];
    const pod = this.#kubernetes.get('pods', namespace, name);
    const agent = pod && this.#kubernetes.agents.get(String(metadataOf(pod)['uid']));
    const isRefused = !agent || phaseOf(pod) !== 'Running' || agent.isAttached;
    const words = `container mcp in pod ${name} is not available`;
    if (isRefused && !(pod && this.#kubernetes.traits.isOlder)) {
      const refusal = pod ? status(400, 'BadRequest', words) : status(404, 'NotFound', words);
      this.#send(end, replyOf(refusal));
      return;
    }
    stopReading();
    const key = `${headers.get('sec-websocket-key')}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    end.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n`,
    );
    if (!isRefused) bridge(agent, end, this.#options);
    else {
      end.write(frame(2, Buffer.of(1)));
      end.write(frame(2, Buffer.from(`\u0003{"status":"Failure","message":"${words}"}`)));
      end.write(frame(8, Buffer.of(3, 232)));
      end.end();
    }
  }
}

/** The kubelet's side of an attach: frames of v5.channel to the agent and back. */
function bridge(agent: SimulatedAgent, end: End, options: ApiServerOptions): void {
  let frames = 0;
  let isSilent = false;
  agent.isAttached = true;
  const send = (opcode: number, payload: Buffer) => {
    if (!end.destroyed && !isSilent) end.write(frame(opcode, payload));
  };
  const say = (channel: number, bytes: Buffer) => {
    frames += 1;
    const fault = options.streamFaultOf(frames);
    if (fault) options.say(`frame ${frames} of the stream: ${fault}`);
    const payload = Buffer.concat([Buffer.of(channel), bytes]);
    switch (fault) {
      case 'cut':
        end.broken('ECONNRESET');
        return;
      case 'silence':
        isSilent = true;
        return;
      case 'garbage':
        send(2, Buffer.concat([Buffer.of(channel), Buffer.from('\u0000{"jsonrpc\n[1,\n')]));
        return;
      case 'closed':
        send(8, Buffer.of(3, 233));
        end.end();
        return;
      case 'failure':
        send(2, Buffer.from('\u0003{"status":"Failure","message":"error dialing backend: EOF"}'));
        send(8, Buffer.of(3, 232));
        end.end();
        return;
      default:
        if (fault === 'twice') send(2, payload);
        send(2, payload);
    }
  };
  agent.onOutput = bytes => say(1, bytes);
  agent.onOver = () => {
    send(2, Buffer.from('\u0003{"status":"Success"}'));
    send(8, Buffer.of(3, 232));
    if (!end.destroyed) end.end();
  };
  say(1, Buffer.alloc(0));
  const parse = frameParser((opcode, payload) => {
    if (isSilent) return;
    if (opcode === 9) send(10, payload);
    else if (opcode === 8) end.end();
    else if (opcode === 2 && payload[0] === 255) agent.inputEnded();
    else if (opcode === 2 && payload[0] === 0) agent.input(payload.subarray(1));
  });
  end.on('data', parse);
  // stdinOnce: whoever was attached is gone.
  end.on('end', () => agent.inputEnded());
  end.on('close', () => agent.inputEnded());
}

const json = (code: number, body: Json): Reply => ({
  code,
  body: JSON.stringify(body),
  headers: { 'Content-Type': 'application/json' },
});
const replyOf = ({ code, body }: { code: number; body: unknown }): Reply =>
  json(code, asJson(body));

function headOf({ code, body, headers = {} }: Reply, nowMs: number): string {
  const length =
    'Transfer-Encoding' in headers ? {} : { 'Content-Length': Buffer.byteLength(body) };
  const all = { Date: new Date(nowMs).toUTCString(), ...length, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${code} Said\r\n${lines.join('')}\r\n`;
}

/** RFC 6455, 5.2: a server's frame, unmasked and whole. */
function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  if (length < 126) return Buffer.concat([Buffer.of(0x80 | opcode, length), payload]);
  const head = Buffer.alloc(length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  head[1] = length < 65_536 ? 126 : 127;
  if (length < 65_536) head.writeUInt16BE(length, 2);
  else head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}

/** A client's frames, masked and whole. */
function frameParser(onFrame: (opcode: number, payload: Buffer) => void): (chunk: Buffer) => void {
  let bytes = Buffer.alloc(0);
  return chunk => {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 6) {
      const short = (bytes[1] ?? 0) & 127;
      const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
      if (bytes.length < 6 + extra) return;
      const length =
        extra === 0
          ? short
          : extra === 2
            ? bytes.readUInt16BE(2)
            : Number(bytes.readBigUInt64BE(2));
      const start = 6 + extra;
      if (bytes.length < start + length) return;
      const mask = bytes.subarray(start - 4, start);
      const payload = Buffer.from(bytes.subarray(start, start + length));
      for (let at = 0; at < length; at += 1) payload[at] = (payload[at] ?? 0) ^ (mask[at % 4] ?? 0);
      const opcode = (bytes[0] ?? 0) & 15;
      bytes = bytes.subarray(start + length);
      onFrame(opcode, payload);
    }
  };
}
