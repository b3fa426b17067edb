import type { ApiServer } from './http.ts';
import { listAt, objectAt, textOf } from './json.ts';

/** More nodes or pods than that in one list are read page by page. */
const PAGE_OBJECTS = 500;

/** Every object of a list, page by page. @throws ApiError, or ClusterError when there is no answer. */
export async function listAll(
  api: Pick<ApiServer, 'json'>,
  list: {
    readonly path: string;
    readonly query: Readonly<Record<string, string>>;
    readonly doing: string;
  },
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  const { path, doing } = list;
  const items: unknown[] = [];
  let next = '';
  do {
    const query = { ...list.query, limit: String(PAGE_OBJECTS), ...(next && { continue: next }) };
    const page = await api.json({ method: 'GET', path, query, doing }, signal);
    items.push(...listAt(page, 'items'));
    next = textOf(objectAt(page, 'metadata'), 'continue');
  } while (next !== '');
  return items;
}
