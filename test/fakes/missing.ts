import { type MissingReason, missing } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';

/** A reading, or every reading of a group, gone for this reason. */
function gone(value: unknown, reason: MissingReason): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('ok' in value) return missing(reason);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, gone(part, reason)]));
}

const lacking = <Part extends object>(
  part: Part,
  fields: readonly string[],
  reason: MissingReason,
): Part => ({
  ...part,
  ...Object.fromEntries(
    Object.entries(part)
      .filter(([key]) => fields.includes(key))
      .map(([key, value]) => [key, gone(value, reason)]),
  ),
});

/** The same node without these readings of one GPU, or of all of them. */
export function withoutGpuFields<Facts extends NodeFacts>(
  facts: Facts,
  fields: readonly string[],
  { reason, gpu }: { reason: MissingReason; gpu?: number },
): Facts {
  const gpus = facts.driver.gpus.map(state =>
    (gpu ?? state.index) === state.index ? lacking(state, fields, reason) : state,
  );
  return { ...facts, driver: { ...facts.driver, gpus } };
}

/** The same node without these readings of its host. */
export const withoutHostFields = <Facts extends NodeFacts>(
  facts: Facts,
  fields: readonly string[],
  reason: MissingReason,
): Facts => ({ ...facts, host: lacking(facts.host, fields, reason) });
