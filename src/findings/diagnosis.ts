import * as z from 'zod';
import { ACTIONS, type Finding, SEVERITIES } from '../contract/finding.ts';
import type { Reading } from '../contract/reading.ts';
import type { NodeFacts } from './facts.ts';
import { gapsOf } from './gaps.ts';
import { oneFindingPerCause } from './one-cause.ts';
import { RULES } from './rules.ts';
import { oneFindingForSeveralGpus } from './several-gpus.ts';

export const Verdict = z.enum(['critical', 'warning', 'healthy', 'unknown']);
export type Verdict = z.infer<typeof Verdict>;

export interface Diagnosis {
  readonly verdict: Verdict;
  /** Why the verdict is not simply the worst finding: what could not be read. */
  readonly gaps: readonly string[];
  /** Worst first. */
  readonly findings: readonly Finding[];
  readonly readings: { readonly tried: number; readonly got: number };
}

/** Facts to findings and a verdict; `healthy` only when enough was read to say so. */
export function diagnose(facts: NodeFacts): Diagnosis {
  const clues = RULES.flatMap(rule => rule(facts));
  const findings = oneFindingForSeveralGpus(oneFindingPerCause(clues)).toSorted(byWeight);
  const readings = countReadings(facts);
  const gaps = [...gapsOf(facts), ...thinness(readings)];
  const worst = findings.find(finding => finding.severity !== 'info');
  const verdict =
    worst?.severity === 'critical'
      ? 'critical'
      : worst?.severity === 'warning'
        ? 'warning'
        : gaps.length > 0
          ? 'unknown'
          : 'healthy';
  return { verdict, gaps, findings, readings };
}

const byWeight = (a: Finding, b: Finding): number =>
  SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
  ACTIONS.indexOf(b.action) - ACTIONS.indexOf(a.action);

/** Below this share of readings nobody can be called healthy, whatever the few that came say. */
const SHARE_MIN = 0.5;

const thinness = ({ tried, got }: Diagnosis['readings']): readonly string[] =>
  tried > 0 && got / tried < SHARE_MIN ? [`only ${got} of ${tried} driver readings were got`] : [];

/** How many readings of the driver were asked for, and how many gave a value or "not supported". */
export function countReadings(facts: NodeFacts): { tried: number; got: number } {
  const { gpus, ...driver } = facts.driver;
  const readings = [driver, ...gpus]
    .flatMap(readingsIn)
    .filter(reading => reading.ok || reading.reason !== 'not_read');
  const got = readings.filter(reading => reading.ok || reading.reason === 'not_supported');
  return { tried: readings.length, got: got.length };
}

/** Readings lie in groups, and in what other readings give (the links of a GPU). */
function readingsIn(value: unknown): readonly Reading<unknown>[] {
  if (typeof value !== 'object' || value === null) return [];
  if (!isReading(value)) return Object.values(value).flatMap(readingsIn);
  return [value, ...(value.ok ? readingsIn(value.value) : [])];
}

const isReading = (value: unknown): value is Reading<unknown> =>
  typeof value === 'object' && value !== null && 'ok' in value;
