import * as z from 'zod';
import { type AnswerForms, linesOf, summaryLine, type Written } from '../../contract/answer.ts';

/** How much a model is told. */
export const detail = z.enum(['summary', 'full']).default('summary').describe('full: every fact.');

/** All facts of an answer, the same in both of its forms: for who asks for everything. */
export const inFull = (
  facts: Readonly<Record<string, unknown>> & { readonly summary: string },
): AnswerForms => {
  const { summary, ...rest } = facts;
  return { structured: facts, lines: linesOf([summaryLine({ summary }), ...outline(rest)]) };
};

/** Any facts as lines: a line a value, and one a row of a list. Nothing is left out. Pure. */
export function outline(facts: object): Written[] {
  return Object.entries(facts).flatMap(([name, value]): Written[] => {
    if (value === undefined) return [];
    if (Array.isArray(value) && value.some(isGroup)) {
      return [
        `${name}:`,
        ...value.map(row => `  - ${isGroup(row) ? pairsText(row) : String(row)}`),
      ];
    }
    if (isGroup(value)) return [`${name}: ${pairsText(value) || 'none'}`];
    return [`${name}: ${valueText(value)}`];
  });
}

export const isGroup = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Every value inside an object by its path. */
export const leavesOf = (group: object, above = ''): readonly (readonly [string, unknown])[] =>
  Object.entries(group).flatMap(([key, value]) => {
    if (value === undefined) return [];
    const path = `${above}${key}`;
    return isGroup(value) && Object.keys(value).length > 0
      ? leavesOf(value, `${path}.`)
      : [[path, value] as const];
  });

/** `name H100, memory.usedBytes 12`. */
export const pairsText = (group: object): string =>
  leavesOf(group)
    .map(([path, value]) => `${path} ${valueText(value)}`)
    .join(', ');

function valueText(value: unknown): string {
  if (Array.isArray(value)) {
    return value.length === 0 ? 'none' : `[${value.map(valueText).join('; ')}]`;
  }
  return isGroup(value) ? `(${pairsText(value)})` : String(value);
}
