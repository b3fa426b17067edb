import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ANY, LABELS, type Part } from '../../src/findings/labels.ts';
import type { Rule } from '../../src/findings/rule.ts';
import { RULES } from '../../src/findings/rules.ts';
import { labelOf } from '../../src/nvml/readings.ts';
import { factsOf } from '../fakes/facts.ts';
import { PARTS, placesIn } from '../matrix/readings.ts';
import { filesUnder } from './files.ts';
import { SHOWN_ONLY } from './shown-only.ts';

const rules: readonly Rule[] = RULES;

type Paths = { readonly [P in Part]?: readonly string[] };

const textsOf = (rows: readonly Paths[]): readonly string[] =>
  rows.flatMap(row => PARTS.flatMap(part => (row[part] ?? []).map(path => `${part} ${path}`)));

const partsOf = (paths: (part: Part) => readonly string[]): Paths =>
  Object.fromEntries(PARTS.map(part => [part, paths(part)]));

const decided = textsOf(rules.map(({ reads }) => partsOf(part => reads[part]?.decides ?? [])));
const evidence = textsOf(rules.map(({ reads }) => partsOf(part => reads[part]?.tells ?? [])));
const used = new Set([...decided, ...evidence]);
const shown = textsOf(SHOWN_ONLY);

// For all paths the types of shown-only.ts hold the same; here a reader sees which one it is.
describe('every reading is used by a rule or shown only, for a reason', () => {
  test('none in neither', async () => {
    const machines = await Promise.all(['dgx-h100', 'mig-a100', 'healthy-t4'].map(factsOf));
    const read = placesIn(machines).map(({ part, path }) => `${part} ${path}`);
    expect(read.length).toBeGreaterThan(200);
    expect(read.filter(path => !used.has(path) && !shown.includes(path))).toEqual([]);
  });

  test('none in both, none twice', () => {
    expect(shown.filter(path => used.has(path))).toEqual([]);
    expect(new Set(shown).size).toBe(shown.length);
  });
});

test('what has a name for where it is missing decides, by the word of some rule', () => {
  const labelled = textsOf(
    Object.entries(LABELS).map(([part, labels]) => ({ [part]: Object.keys(labels) })),
  );
  expect(labelled.filter(path => !decided.includes(path))).toEqual([]);
});

test('what decides of a GPU has a name for where it is missing', () => {
  const paths = rules.flatMap(({ reads }): readonly string[] => reads.gpu?.decides ?? []);
  expect(paths.filter(path => path !== ANY && labelOf(path) === undefined)).toEqual([]);
});

test('a file of rules is called after one of them, and every file is listed', () => {
  const files = filesUnder('src/findings/rules').map(file => basename(file, '.ts'));
  const ids = rules.map(({ id }) => id);
  expect(files.filter(file => !ids.includes(file))).toEqual([]);
  expect(new Set(ids).size).toBe(ids.length);
});
