import { missing, present, type Reading } from '../contract/reading.ts';
import { type Effects, suffer } from './faults.ts';
import type { Part } from './part.ts';

/** Field values and metrics of GPM: one call brings many, each with an answer and a fault of its own. */
export function manyAnswers(
  part: Part,
  kind: 'fields' | 'metrics',
  wanted: unknown,
  effects: Effects,
): Reading<unknown>[] {
  const asks: readonly unknown[] = Array.isArray(wanted) ? wanted : [];
  return kind === 'fields'
    ? asks.filter(isFieldAsk).map(ask => fieldReading(part, ask, effects))
    : asks
        .filter(ask => typeof ask === 'string')
        .map(metric => readingOf(part, [`gpmMetric ${metric}`], effects));
}

/** One field value: `deviceGetFieldValue nvlinkState 3`, or without the scope for all of them. */
const fieldReading = (part: Part, { field, scope }: FieldAsk, effects: Effects): Reading<unknown> =>
  readingOf(part, [`${FIELD} ${field} ${scope}`, `${FIELD} ${field}`, FIELD], effects);

/** The fault or the answer under the first key that has one. */
function readingOf(part: Part, keys: readonly string[], effects: Effects): Reading<unknown> {
  const fault = suffer(
    keys.map(key => part.faults[key]).find(found => found !== undefined),
    effects,
  );
  if (fault !== undefined) return missing(fault);
  const answer = keys.map(key => part.answers[key]).find(found => found !== undefined);
  return answer === undefined ? missing('not_supported') : present(Number(answer));
}

/** In machines, a field's answers and faults stand apart from those of the call that brings many. */
const FIELD = 'deviceGetFieldValue';

const isFieldAsk = (ask: unknown): ask is FieldAsk =>
  typeof ask === 'object' &&
  ask !== null &&
  'field' in ask &&
  typeof ask.field === 'string' &&
  'scope' in ask &&
  typeof ask.scope === 'number';

interface FieldAsk {
  readonly field: string;
  readonly scope: number;
}
