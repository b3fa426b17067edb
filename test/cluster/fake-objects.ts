export type Json = Record<string, unknown>;
export interface Answer {
  readonly code: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** What the answer waits for. */
  readonly after?: Promise<void>;
}

/** A `Status` of the API server. */
export const status = (code: number, reason: string, message: string): Answer => ({
  code,
  body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message },
});

export const asJson = (value: unknown): Json =>
  typeof value === 'object' && value !== null ? { ...value } : {};

/** Whether a list or watch of this namespace with these selectors shows the object. */
export function matches(object: Json, namespace: string, query: URLSearchParams): boolean {
  const metadata = asJson(object['metadata']);
  if (namespace !== '' && metadata['namespace'] !== namespace) return false;
  const labels = asJson(metadata['labels']);
  const wanted = (query.get('labelSelector') ?? '').split(',').filter(Boolean);
  if (!wanted.every(pair => labels[pair.split('=')[0] ?? ''] === pair.split('=')[1])) return false;
  const involved = /^involvedObject\.name=(.*)$/.exec(query.get('fieldSelector') ?? '')?.[1];
  return involved === undefined || asJson(object['involvedObject'])['name'] === involved;
}
