import { status } from '../cluster/fake-objects.ts';

/** One fault of a simulation: when or on what, and what happens. As data, so that it can be left out. */
export type Fault =
  | {
      readonly on: 'request';
      /** Which requests are counted, and the how-manieth of them it hits; how many after it too. */
      readonly of: RequestKind;
      readonly nth: number;
      readonly times: number;
      readonly what: RequestFault;
    }
  | {
      readonly on: 'stream';
      readonly nth: number;
      readonly what: StreamFault;
    }
  | {
      readonly on: 'time';
      readonly atMs: number;
      readonly forMs: number;
      readonly what: TimeFault;
    };

export const REQUEST_KINDS = ['any', 'create', 'delete', 'attach', 'watch', 'list', 'get'] as const;
export type RequestKind = (typeof REQUEST_KINDS)[number];

export interface Refusal {
  readonly code: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}
const said = (code: number, reason: string, message: string): Refusal => ({
  code,
  body: JSON.stringify(status(code, reason, message).body),
  headers: { 'Content-Type': 'application/json' },
});
const later = (refusal: Refusal, after: string): Refusal => ({
  ...refusal,
  headers: { ...refusal.headers, 'Retry-After': after },
});
const HTML = '<!doctype html><html><head><title>Sign in</title></head></html>';
const page = (code: number): Refusal => ({
  code,
  body: HTML,
  headers: { 'Content-Type': 'text/html', Server: 'nginx' },
});

export const REFUSALS = {
  '401': said(401, 'Unauthorized', 'Unauthorized'),
  '403': said(403, 'Forbidden', 'pods is forbidden: not allowed'),
  '409': said(409, 'Conflict', 'the object has been modified'),
  '410': said(410, 'Expired', 'too old resource version'),
  '429': later(said(429, 'TooManyRequests', 'too many requests'), '1'),
  '429 without a time': said(429, 'TooManyRequests', 'too many requests'),
  '500': said(500, 'InternalError', 'etcdserver: leader changed'),
  '503': said(503, 'ServiceUnavailable', 'apiserver is shutting down'),
  '503 with a time': later(said(503, 'ServiceUnavailable', 'apiserver is starting'), '2'),
  '504': said(504, 'Timeout', 'request did not complete'),
  'a login page': page(200),
  'a page that says 404': page(404),
  'a page that says 503': page(503),
  'a redirect': { code: 302, body: '', headers: { Location: 'https://sso.example/' } },
  nothing: { code: 200, body: '', headers: {} },
  'an empty object': { code: 200, body: '{}', headers: { 'Content-Type': 'application/json' } },
} as const satisfies Readonly<Record<string, Refusal>>;
export type RefusalName = keyof typeof REFUSALS;

/** Whether the request was done before its answer was lost. */
export const REQUEST_FAULTS = [
  'lost',
  'done and lost',
  'silence',
  'done and silence',
  'slow',
  'cut body',
  'garbage',
  'done twice',
  'done and 503 with a time',
  'done and 504',
  'no items',
] as const;
export type RequestFault = (typeof REQUEST_FAULTS)[number] | RefusalName;

export const STREAM_FAULTS = ['cut', 'silence', 'garbage', 'twice', 'closed', 'failure'] as const;
export type StreamFault = (typeof STREAM_FAULTS)[number];

export const TIME_FAULTS = [
  'link down',
  'link down and forgotten',
  'API server restarts',
  'laptop sleeps',
  'clock jumps',
  'eviction',
  'pod deleted by another',
  'Job deleted by another',
  'kubelet is dead',
  'node is deleted',
  'agent crashes',
  // It and all after it, for good.
  'agents hang',
] as const;
export type TimeFault = (typeof TIME_FAULTS)[number];

/** What of a request tells its kind. */
export interface FaultyRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

export function isOfKind({ method, path, query }: FaultyRequest, kind: RequestKind): boolean {
  switch (kind) {
    case 'any':
      return true;
    case 'create':
      return method === 'POST' && /\/(jobs|pods)$/.test(path);
    case 'delete':
      return method === 'DELETE';
    case 'attach':
      return path.endsWith('/attach');
    case 'watch':
      return query.has('watch');
    case 'list':
      return query.has('limit');
    case 'get':
      return (
        method === 'GET' && !query.has('watch') && !query.has('limit') && !path.endsWith('/attach')
      );
  }
}

/** Which fault hits this request; counts it. */
export function requestFaults(faults: readonly Fault[]) {
  const seen = new Map<RequestKind, number>();
  return (asked: FaultyRequest): RequestFault | undefined => {
    let hit: RequestFault | undefined;
    for (const kind of REQUEST_KINDS) {
      if (!isOfKind(asked, kind)) continue;
      const count = (seen.get(kind) ?? 0) + 1;
      seen.set(kind, count);
      for (const fault of faults) {
        if (fault.on !== 'request' || fault.of !== kind) continue;
        if (count >= fault.nth && count < fault.nth + fault.times) hit ??= fault.what;
      }
    }
    return hit;
  };
}

export const isRefusal = (what: RequestFault): what is RefusalName => what in REFUSALS;

export function textOf(fault: Fault): string {
  switch (fault.on) {
    case 'request': {
      const more = fault.times > 1 ? ` and ${fault.times - 1} more` : '';
      return `request ${fault.of} ${fault.nth}${more}: ${fault.what}`;
    }
    case 'stream':
      return `frame ${fault.nth} of a stream: ${fault.what}`;
    case 'time':
      return `at ${fault.atMs} ms for ${fault.forMs} ms: ${fault.what}`;
  }
}
