import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterError } from '../contract/errors.ts';
import { WATCH_POLL_MS } from '../contract/limits.ts';
import type { ApiServer } from './http.ts';
import { answeredJson, objectAt, parseJson, textOf } from './json.ts';
import type { ListRequest } from './list.ts';
import { ApiError } from './port.ts';
import { provenItems, UnprovenAnswer, unproven } from './proven.ts';
import { type Retries, retriesOf } from './retry.ts';

export interface Change {
  readonly type: 'present' | 'deleted';
  readonly object: unknown;
}

/**
 * Every change of a list, the present objects first; ends only with the signal or an error that
 * asking again cannot cure. Without a resourceVersion the API server starts each watch with what
 * is there, so a watch that breaks is simply opened again.
 */
export async function* watchList(
  api: ApiServer,
  list: ListRequest,
  signal: AbortSignal,
): AsyncGenerator<Change> {
  const retries = retriesOf('WATCH');
  while (!signal.aborted) {
    let broke: unknown;
    try {
      for await (const change of watchOnce(api, list, retries, signal)) {
        retries.begun();
        yield change;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.code === 403) {
        yield* pollList(api, list, signal);
        return;
      }
      if (error instanceof UnprovenAnswer) throw error;
      if (error instanceof ApiError && error.code !== 410) throw error;
      broke = error;
    }
    const waitMs = retries.brokenMs();
    if (waitMs === undefined)
      throw broke ?? new ClusterError(`${list.doing}: the watch ends at once`);
    await pause(waitMs, signal);
  }
}

async function* watchOnce(
  api: ApiServer,
  { path, query, doing }: ListRequest,
  retries: Retries,
  signal: AbortSignal,
): AsyncGenerator<Change> {
  const asked = { path, query: { ...query, watch: '1' }, doing };
  const response = await api.open({ method: 'GET', ...asked, retries }, signal);
  const { statusCode: code = 0, headers } = response;
  const noEvent = (body: string) => unproven({ doing, access: api.settings, code, headers, body });
  try {
    let rest = '';
    response.setEncoding('utf8');
    for await (const chunk of response) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (!isEvent(line)) throw noEvent(line);
        const change = readChange(line);
        if (change) yield change;
      }
    }
    // A page may have no end of a line. An event that is cut is another trouble.
    const isCut = rest.startsWith('{') && parseJson(rest) === undefined;
    if (rest.trim() !== '' && !isCut && !isEvent(rest)) throw noEvent(rest);
  } finally {
    response.destroy();
  }
}

const isEvent = (line: string) => textOf(answeredJson(line), 'type') !== '';

function readChange(line: string): Change | undefined {
  const json = answeredJson(line);
  const object = objectAt(json, 'object');
  switch (textOf(json, 'type')) {
    case 'ADDED':
    case 'MODIFIED':
      return { type: 'present', object };
    case 'DELETED':
      return { type: 'deleted', object };
    case 'ERROR':
      throw new ClusterError(`the watch ended: ${textOf(object, 'message')}`);
    // A BOOKMARK.
    default:
      return undefined;
  }
}

async function* pollList(
  api: ApiServer,
  list: ListRequest,
  signal: AbortSignal,
): AsyncGenerator<Change> {
  let before = new Map<string, string>();
  let objects = new Map<string, unknown>();
  while (!signal.aborted) {
    const { kind, ...request } = list;
    const found = await api.object({ method: 'GET', ...request, kinds: [kind] }, signal);
    const now = new Map<string, string>();
    const present = new Map<string, unknown>();
    for (const object of provenItems(found, { doing: list.doing, access: api.settings })) {
      const metadata = objectAt(object, 'metadata');
      const uid = textOf(metadata, 'uid');
      present.set(uid, object);
      now.set(uid, textOf(metadata, 'resourceVersion'));
      if (before.get(uid) !== now.get(uid)) yield { type: 'present', object };
    }
    for (const [uid, object] of objects) if (!present.has(uid)) yield { type: 'deleted', object };
    before = now;
    objects = present;
    await pause(WATCH_POLL_MS, signal);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    // Aborted: the caller's loop ends.
  }
}
