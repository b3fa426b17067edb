import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { causes } from './entries.ts';

const Case = z.object({ name: z.string(), log: z.array(z.string()), line: z.string().nullable() });
const FILES = ['programs', 'transports', 'frameworks'];
/** What is shorter may as well be a program's own way to begin its lines. */
const LINES_MIN = 5;
const CASES = FILES.flatMap(name =>
  z.array(Case).parse(JSON.parse(readFileSync(join(import.meta.dirname, `${name}.json`), 'utf8'))),
).filter(({ log, line }) => line !== null && log.length >= LINES_MIN);

/** Where something else is told: one process has all lines, or the log's own lines begin with blanks. */
const OTHERS: Readonly<Record<string, readonly string[]>> = {
  'rank 3: ': ['gloo-closed-then-cause-elsewhere'],
  'Rank 3 | ': ['gloo-closed-then-cause-elsewhere'],
  '(a b=1) ': ['elastic-error-file'],
  '(pid=77) ': ['elastic-error-file'],
  '\t': ['megatron-rerun-state-machine'],
  '    ': ['megatron-rerun-state-machine'],
};

const said = (log: readonly string[], label: string) => {
  const [cause] = causes(...log.map(line => `${label}${line}`));
  return { line: cause?.line, layer: cause?.layer };
};

describe('a log whose lines somebody labelled says what it says without', () => {
  test.each([
    ...['[x y] ', '[SLURM STDERR fallback] ', 'x> ', '** ', '- ', '> ', '| ', '#1 12.3 '],
    ...['host-1: ', 'node7: ', 'worker.3: ', 'gpu0: ', 'train[7]: ', 'rank 3: ', 'Rank 3 | '],
    ...['stderr: ', '[stderr] ', '<stderr> ', 'E | ', '(a b=1) ', '(pid=77) ', '\t', '    '],
    ...['12:00:01.123 ', '[12:00:01] ', '[2026-11-20T12:00:01Z] ', 'Nov 20 12:00:01 '],
    ...['2024/01/01 10:11:12 ', '[  12.345678] ', '[12:00:01] [stderr] '],
  ])('%j', label => {
    const other = CASES.filter(({ log }) => {
      const bare = said(log, '');
      const labelled = said(log, label);
      return bare.line !== labelled.line || bare.layer !== labelled.layer;
    });
    expect(other.map(({ name }) => name)).toEqual(OTHERS[label] ?? []);
  });
});
