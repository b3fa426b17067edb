import { type MissingReason, missing } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import type { Part } from '../../src/findings/labels.ts';
import { readingsAt } from '../../src/findings/support/readings.ts';

/** A reading, or every reading of a group, gone for this reason. */
function gone(value: unknown, reason: MissingReason): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('ok' in value) return missing(reason);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, gone(part, reason)]));
}

/** What is at the end of a path gone, in every entry of the lists on the way. */
function goneAt(value: unknown, path: readonly string[], reason: MissingReason): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return gone(value, reason);
  if (Array.isArray(value)) return value.map(item => goneAt(item, path, reason));
  if (typeof value !== 'object' || value === null) return value;
  const step = 'ok' in value ? 'value' : key;
  if (!(step in value)) return value;
  const part: unknown = Reflect.get(value, step);
  return { ...value, [step]: goneAt(part, step === key ? rest : path, reason) };
}

const lacking = <State extends object>(
  state: State,
  path: string,
  reason: MissingReason,
): State => {
  const [key = '', ...rest] = path.split('.');
  const part: unknown = Reflect.get(state, key);
  return { ...state, ...Object.fromEntries([[key, goneAt(part, rest, reason)]]) };
};

/** A reading that is to be missing: of all GPUs, or of one. */
export interface Missing {
  readonly part: Part;
  readonly path: string;
  readonly reason: MissingReason;
  readonly gpu?: number;
}

/** The same node without one reading, or without a group of them. */
export function without(facts: NodeFacts, { part, path, reason, gpu }: Missing): NodeFacts {
  switch (part) {
    case 'gpu': {
      const gpus = facts.driver.gpus.map(state =>
        (gpu ?? state.index) === state.index ? lacking(state, path, reason) : state,
      );
      return { ...facts, driver: { ...facts.driver, gpus } };
    }
    case 'driver':
      return { ...facts, driver: lacking(facts.driver, path, reason) };
    case 'host':
      return { ...facts, host: lacking(facts.host, path, reason) };
    case 'owner': {
      const owners = facts.owners?.map(owner => lacking(owner, path, reason));
      return owners ? { ...facts, owners } : facts;
    }
  }
}

/** Whether a node has such a reading at all. */
export const has = (facts: NodeFacts, part: Part, path: string): boolean =>
  readingsAt(partsOf(facts)[part], path.split('.')).length > 0;

/** Whether a GPU says by this reading that it is lost: the reason it is missing for is the sign itself. */
export const saysLostBy = (gpu: NodeFacts['driver']['gpus'][number], path: string): boolean =>
  readingsAt([gpu], path.split('.')).some(
    ({ ok, ...why }) => !ok && 'reason' in why && why.reason === 'gpu_is_lost',
  );

/** What is read of a node, by its parts. */
export const partsOf = ({ driver, host, owners = [] }: NodeFacts) => {
  const { gpus, ...own } = driver;
  return { gpu: gpus, driver: own, host, owner: owners };
};
