import type { NodeFacts } from '../../src/findings/facts.ts';

const isReading = (value: object): boolean => 'ok' in value;

/** The places of all readings in a value, as rules declare them. */
export function pathsIn(value: unknown, at = ''): readonly string[] {
  if (Array.isArray(value)) return [...new Set(value.flatMap(item => pathsIn(item, at)))];
  if (typeof value !== 'object' || value === null) return [];
  if (isReading(value)) return [at, ...pathsIn(Reflect.get(value, 'value'), at)];
  return Object.entries(value).flatMap(([key, part]) => pathsIn(part, below(at, key)));
}

const below = (at: string, key: string): string => (at === '' ? key : `${at}.${key}`);

/** What a rule says, and what it read for it: `gpu remappedRows`, `host nics.ports.state`, `log`; `gpu *` for all. */
export interface Recording<Said> {
  readonly said: Said;
  readonly seen: ReadonlySet<string>;
}

/** Hands out the same facts, which note what is looked at: a reading counts once its `ok` is read. */
export function recorder(
  facts: NodeFacts,
): <Said>(rule: (facts: NodeFacts) => Said) => Recording<Said> {
  let seen = new Set<string>();
  /** Object.values() and its like ask for the descriptor of a property, and then for the property. */
  let enumerated: { readonly target: object; readonly name: string | symbol } | undefined;
  /** One proxy for each thing at each place: rules compare GPUs by identity. */
  const proxies = new WeakMap<object, Map<string, object>>();

  const wrap = (value: unknown, part: string, path: string): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    const place = `${part} ${path}`;
    const byPlace = proxies.get(value) ?? new Map<string, object>();
    proxies.set(value, byPlace);
    const proxy = byPlace.get(place) ?? new Proxy(value, handler(value, part, path));
    byPlace.set(place, proxy);
    return proxy;
  };

  const handler = (target: object, part: string, path: string): ProxyHandler<object> => {
    const place = `${part} ${path}`;
    /** What is inside, as it was handed out before. */
    const handed = new Map<string | symbol, unknown>();
    const hand = (name: string | symbol, below: string, of = part): unknown => {
      if (!handed.has(name)) handed.set(name, wrap(Reflect.get(target, name), of, below));
      return handed.get(name);
    };
    if (isReading(target)) {
      return {
        get(_, name) {
          seen.add(place);
          return name === 'value' ? hand(name, path) : Reflect.get(target, name);
        },
      };
    }
    if (Array.isArray(target)) return { get: (_, name) => hand(name, path) };
    return {
      getOwnPropertyDescriptor(_, name) {
        enumerated = { target, name };
        return Reflect.getOwnPropertyDescriptor(target, name);
      },
      get(_, name) {
        // All that is below is read.
        if (enumerated?.target === target && enumerated.name === name) {
          enumerated = undefined;
          const paths = path === '' ? ['*'] : pathsIn(target, path);
          for (const each of paths) seen.add(`${part} ${each}`);
          return Reflect.get(target, name);
        }
        if (typeof name === 'symbol') return Reflect.get(target, name);
        const [of, below] = inside(part, path, name);
        return hand(name, below, of);
      },
    };
  };

  const root = new Proxy(facts, {
    get(_, name) {
      const value: unknown = Reflect.get(facts, name);
      if (typeof name !== 'string') return value;
      const part = PARTS[name];
      if (part !== undefined) return wrap(value, part, '');
      if (name !== 'nowMs') seen.add(name);
      return name === 'earlier' ? wrap(value, 'driver', '') : value;
    },
  });
  return rule => {
    seen = new Set();
    enumerated = undefined;
    return { said: rule(root), seen };
  };
}

const PARTS: Readonly<Record<string, string>> = { driver: 'driver', host: 'host', owners: 'owner' };

const inside = (part: string, path: string, key: string): [part: string, path: string] =>
  part === 'driver' && path === '' && key === 'gpus' ? ['gpu', ''] : [part, below(path, key)];
