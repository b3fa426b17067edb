/**
 * Loaded before everything else: gives the mutated sources in the place of those on disk, and itself in
 * the place of vitest, so that test files can be called in this process as often as there are mutants.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import type { NodeFacts } from '../../src/findings/facts.ts';

export { expect } from 'vitest';

declare global {
  /** What mutated code asks: which mutant is on, and whether it has made a loop endless. */
  var __stryker__: {
    activeMutant?: string | undefined;
    hitCount?: number;
    hitLimit?: number;
    /** Ours: how often each mutant was reached, by its number. */
    reached: Uint32Array;
    /** Ours: told of all facts that a rule is called with. */
    heard?: (facts: NodeFacts) => void;
  };
}

/** What test/mutate/findings.ts hands over: each source with all of its mutants in it. */
const MUTATED = z
  .object({ mutants: z.int(), sources: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(z.string().parse(process.env['MUTATED']), 'utf8')));

globalThis.__stryker__ = { reached: new Uint32Array(MUTATED.mutants) };
export const stryker = globalThis.__stryker__;

/** Stryker counts by a call and by names, which takes ten times as long as all that is counted. */
const countedInPlace = (source: string): string =>
  source.replaceAll(
    /stryCov_\w+\(([\d", ]+)\)/g,
    (_, ids: string) => `(${ids.replaceAll(/"(\d+)"/g, 'reached[$1]++')})`,
  );

/** In src/findings/rule.ts: every rule is made there. */
const heard = (source: string): string =>
  source.replace('find(facts)', '(__stryker__.heard?.(facts), find(facts))');

const sources = new Map(
  Object.entries(MUTATED.sources).map(([file, source]) => [
    pathToFileURL(file).href,
    `const reached = __stryker__.reached; ${heard(countedInPlace(source))}`,
  ]),
);

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'vitest' && context.parentURL !== import.meta.url
      ? { url: import.meta.url, shortCircuit: true }
      : next(specifier, context),
  load(url, context, next) {
    const source = sources.get(url);
    return source === undefined
      ? next(url, context)
      : { format: 'module-typescript', source, shortCircuit: true };
  },
});

type Run = (...values: readonly unknown[]) => unknown;

export interface Test {
  readonly name: string;
  readonly run: () => unknown;
}

/** Every test of the files imported so far. */
export const tests: Test[] = [];

/** Calls with each row of a table, and with a name that tells the row. */
const each =
  (table: readonly unknown[], take: (name: string, values: readonly unknown[]) => void) =>
  (name: string): void => {
    for (const row of table) {
      const values = Array.isArray(row) ? row : [row];
      take(`${name} ${values[0]}`, values);
    }
  };

export const describe = Object.assign((_name: string, body: Run): unknown => body(), {
  each: (table: readonly unknown[]) => (name: string, body: Run) =>
    each(table, (_, values) => body(...values))(name),
});

export const test = Object.assign(
  (name: string, run: Run): void => {
    tests.push({ name, run });
  },
  {
    each: (table: readonly unknown[]) => (name: string, run: Run) =>
      each(table, (own, values) => tests.push({ name: own, run: () => run(...values) }))(name),
  },
);
