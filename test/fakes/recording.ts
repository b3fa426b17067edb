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
  const note: Note = { seen: new Set() };
  const handed = new Map<string, unknown>();
  const root = new Proxy(facts, {
    get(_, name) {
      const value: unknown = Reflect.get(facts, name);
      if (typeof name !== 'string') return value;
      const part = PARTS[name];
      if (part === undefined && name !== 'nowMs') note.seen.add(name);
      const of = part ?? (name === 'earlier' ? 'driver' : undefined);
      if (of === undefined) return value;
      if (!handed.has(name)) handed.set(name, wrapped(value, of, '', note));
      return handed.get(name);
    },
  });
  return rule => {
    note.seen = new Set();
    delete note.enumerated;
    return { said: rule(root), seen: note.seen };
  };
}

const PARTS: Readonly<Record<string, string>> = { driver: 'driver', host: 'host', owners: 'owner' };

interface Note {
  seen: Set<string>;
  /** Object.values() and its like ask for the descriptor of a property, and then for the property. */
  enumerated?: { readonly target: object; readonly name: string | symbol };
}

function wrapped(value: unknown, part: string, path: string, note: Note): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (isReading(value)) return new Proxy(value, new OfReading(part, path, note));
  if (Array.isArray(value)) return new Proxy(value, new OfList(part, path, note));
  return new Proxy(value, new OfGroup(part, path, note));
}

/** Of one thing at one place. What is inside is handed out as before: rules compare GPUs by identity. */
class Handler {
  readonly part: string;
  readonly path: string;
  readonly note: Note;
  readonly #handed = new Map<string | symbol, unknown>();

  constructor(part: string, path: string, note: Note) {
    this.part = part;
    this.path = path;
    this.note = note;
  }

  hand(target: object, name: string | symbol, path: string, part = this.part): unknown {
    const before = this.#handed.get(name);
    if (before !== undefined) return before;
    const value = wrapped(Reflect.get(target, name), part, path, this.note);
    if (typeof value === 'object') this.#handed.set(name, value);
    return value;
  }
}

class OfReading extends Handler implements ProxyHandler<object> {
  #place: string | undefined;

  get(target: object, name: string | symbol): unknown {
    this.#place ??= `${this.part} ${this.path}`;
    this.note.seen.add(this.#place);
    return name === 'value' ? this.hand(target, name, this.path) : Reflect.get(target, name);
  }
}

class OfList extends Handler implements ProxyHandler<object> {
  get(target: object, name: string | symbol): unknown {
    return this.hand(target, name, this.path);
  }
}

class OfGroup extends Handler implements ProxyHandler<object> {
  getOwnPropertyDescriptor(target: object, name: string | symbol) {
    this.note.enumerated = { target, name };
    return Reflect.getOwnPropertyDescriptor(target, name);
  }

  get(target: object, name: string | symbol): unknown {
    const { part, path, note } = this;
    // All that is below is read.
    if (note.enumerated?.target === target && note.enumerated.name === name) {
      delete note.enumerated;
      const paths = path === '' ? ['*'] : pathsIn(target, path);
      for (const each of paths) note.seen.add(`${part} ${each}`);
      return Reflect.get(target, name);
    }
    if (typeof name === 'symbol') return Reflect.get(target, name);
    return part === 'driver' && path === '' && name === 'gpus'
      ? this.hand(target, name, '', 'gpu')
      : this.hand(target, name, below(path, name));
  }
}
