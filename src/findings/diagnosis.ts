import { ACTIONS, type Finding, SEVERITIES, type Verdict } from '../contract/finding.ts';
import type { NodeFacts } from './facts.ts';
import { gapsOf } from './gaps.ts';
import { RULES } from './rules.ts';
import { oneFindingForSeveralGpus, oneFindingPerCause } from './support/merging.ts';
import { countReadings, type ReadingCount } from './support/readings.ts';

export interface Diagnosis {
  readonly verdict: Verdict;
  /** Why the verdict is not simply the worst finding: what could not be read. */
  readonly gaps: readonly string[];
  /** Worst first. */
  readonly findings: readonly Finding[];
  readonly readings: ReadingCount;
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

const thinness = ({ tried, got }: ReadingCount): readonly string[] =>
  tried > 0 && got / tried < SHARE_MIN ? [`only ${got} of ${tried} driver readings were got`] : [];
