export type Json = Record<string, unknown>;
export interface Answer {
  readonly code: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** What the answer waits for. */
  readonly after?: Promise<void>;
  /** The connection breaks behind the body. */
  readonly isCut?: true;
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
  const wanted = (query.get('labelSelector') ?? '').split(/,(?![^(]*\))/).filter(Boolean);
  if (!wanted.every(requirement => meets(labels, requirement))) return false;
  const involved = /^involvedObject\.name=(.*)$/.exec(query.get('fieldSelector') ?? '')?.[1];
  return involved === undefined || asJson(object['involvedObject'])['name'] === involved;
}

/** As k8s.io/apimachinery/pkg/labels parses a requirement: by equality, by a set, by the key alone. */
function meets(labels: Json, requirement: string): boolean {
  const [, key = '', not, set] = /^(\S+) (not)?in \((.*)\)$/.exec(requirement) ?? [];
  if (set !== undefined) {
    const isIn = key in labels && set.split(',').includes(String(labels[key]));
    return isIn !== (not !== undefined);
  }
  const [name = '', value] = requirement.split('=');
  if (value !== undefined) return labels[name] === value;
  return name.startsWith('!') ? !(name.slice(1) in labels) : name in labels;
}
