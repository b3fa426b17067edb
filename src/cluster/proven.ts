import type { IncomingHttpHeaders } from 'node:http';
import { ours, ServerError, told } from '../contract/errors.ts';
import { plainText } from '../contract/untrusted.ts';
import { answeredJson, isObject, type Json, objectAt, textOf } from './json.ts';
import type { ClusterAccess } from './port.ts';

/**
 * What answered is not the API server, or not with what was asked for: a login page, a proxy's page,
 * a cut or empty body, an object of another kind. Nothing may be concluded from it.
 */
export class UnprovenAnswer extends ServerError {}

/** What came over HTTP, and what was asked. */
export interface HttpAnswer {
  /** `list pods in namespace "gpu-mcp"`. */
  readonly doing: string;
  readonly access: ClusterAccess;
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What was asked for: one of these kinds, and of this name where it is one object. */
export interface Expected {
  readonly kinds: readonly string[];
  readonly name?: string | undefined;
}

/**
 * The object that was asked for, from an answer below 400.
 *
 * @throws UnprovenAnswer naming what came instead, and from whom.
 */
export function provenObject(answer: HttpAnswer, { kinds, name }: Expected): Json {
  const json = answeredJson(answer.body);
  if (!isOk(answer.code) || !isObject(json)) throw unproven(answer);
  const kind = textOf(json, 'kind');
  const wanted = kinds.join(' or ');
  if (!kinds.includes(kind)) {
    throw unproven(answer, kind ? `a ${kind} instead of a ${wanted}` : `JSON that is no ${wanted}`);
  }
  if (kind === 'Status' && textOf(json, 'status') !== 'Success') {
    throw unproven(answer, `a Status that is no success (${textOf(json, 'message')})`);
  }
  const found = textOf(objectAt(json, 'metadata'), 'name');
  if (name !== undefined && found !== name) {
    throw unproven(answer, `a ${kind} ${found ? `of the name "${found}"` : 'without a name'}`);
  }
  return json;
}

/** The items of a list that was asked for, each an object with a name. @throws UnprovenAnswer */
export function provenItems(
  list: Json,
  about: Pick<HttpAnswer, 'doing' | 'access'>,
): readonly unknown[] {
  const { items } = list;
  // An empty list of Go may be null.
  if (items === null) return [];
  const isWhole =
    Array.isArray(items) && items.every(item => textOf(objectAt(item, 'metadata'), 'name') !== '');
  if (isWhole) return items;
  throw refusal(
    about,
    `a ${textOf(list, 'kind')} without ${Array.isArray(items) ? 'the names of its items' : 'items'}`,
  );
}

/** Whether the API server itself says that it refuses: its Status. Anybody can answer 404. */
export const isStatus = (body: string): boolean => textOf(answeredJson(body), 'kind') === 'Status';

const isOk = (code: number): boolean => code >= 200 && code < 300;

/** What came instead of an object of Kubernetes. */
export function unproven(answer: HttpAnswer, what: string = looksLike(answer)): UnprovenAnswer {
  const server = plainText([answer.headers['server'] ?? ''].flat().join(' '), 60);
  return refusal(answer, `${what} (HTTP ${answer.code}${server && `, from "${server}"`})`);
}

const refusal = ({ doing, access }: Pick<HttpAnswer, 'doing' | 'access'>, what: string) =>
  new UnprovenAnswer(
    told`${ours(doing)}: ${ours(access.server)} answers with ${plainText(what, 400)}`,
    {
      hint: 'does a proxy or a login page stand in between, is it the right --context? kubectl get --raw /version',
    },
  );

function looksLike({ code, headers, body }: HttpAnswer): string {
  if (code >= 300 && code < 400) return `a redirect to ${headers.location ?? 'nowhere'}`;
  if (body.trim() === '') return 'nothing';
  if (/^\s*<|text\/html/i.test(`${body.slice(0, 200)} ${headers['content-type'] ?? ''}`)) {
    const title = /<title[^>]*>([^<]{1,200})/i.exec(body.slice(0, 20_000))?.[1]?.trim();
    return title ? `a web page titled "${title}"` : 'a web page';
  }
  if (/^\s*[[{]/.test(body))
    return answeredJson(body) === undefined ? 'JSON that is cut' : 'JSON that is no object';
  return `a text that is no JSON ("${body.trim().slice(0, 80)}")`;
}
