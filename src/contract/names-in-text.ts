import * as z from 'zod';

/**
 * Whose name a text may hold. Every string of a schema of readings bears one of these marks; with
 * `--redact-names` src/redaction says by the mark what leaves, and a text without one does not.
 */
export type NameOf =
  /** Words of the node, the driver or Kubernetes itself: ids, times, products, paths. */
  | 'nobody'
  /** A process by its comm. */
  | 'process'
  | 'cgroup'
  | 'pod'
  | 'namespace'
  | 'container'
  /** `Job/train-7`. */
  | 'owner'
  | 'claim'
  | 'pool'
  /** The key of a label or taint, and its value. */
  | 'label key'
  | 'label value'
  /** The program that wrote a field or an event. */
  | 'writer'
  /** A reason, a type, an effect: one word, by convention in CamelCase. */
  | 'word'
  /** Free text of whoever: of events, conditions, containers. */
  | 'sentence'
  /** Free text that says why somebody refused: it names users and is never needed. */
  | 'refusal'
  /** A person, as the API server knows them. */
  | 'user'
  /** A variable of a process' environment, and what it is set to. */
  | 'variable'
  | 'setting';

/** The mark of every text that has one. */
export const NAMES = z.registry<{ readonly of: NameOf }>();

/** Any text, and whose name it may hold. */
export const textOf = (of: NameOf) => z.string().register(NAMES, { of });

/** A text that can hold nobody's name. */
export const publicText = textOf('nobody');
