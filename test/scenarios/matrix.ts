import { Blame } from '../../src/contract/finding.ts';
import { isSerious, type Outcome } from './scenario.ts';

const TRUTHS = ['healthy', ...Blame.options] as const;
const VERDICTS = ['healthy', 'unsure', ...Blame.options] as const;
type Truth = (typeof TRUTHS)[number];
type Blamed = (typeof VERDICTS)[number];

/** What is really the matter against what is told, and the three errors that must not happen. */
export interface Matrix {
  readonly scenarios: number;
  readonly counts: ReadonlyMap<string, number>;
  /** Something is wrong and "healthy" is told. */
  readonly falseAllClear: readonly string[];
  /** Nothing is wrong and something above info is told. */
  readonly healthyAccused: readonly string[];
  /** A program is at fault and a GPU is blamed. */
  readonly applicationBlamedOnHardware: readonly string[];
}

export function confusionMatrix(outcomes: readonly Outcome[]): Matrix {
  const counts = new Map<string, number>();
  for (const outcome of outcomes) {
    const key = cell(outcome.scenario.truth, blamedBy(outcome));
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const names = (wrong: (outcome: Outcome) => boolean) =>
    outcomes.filter(wrong).map(({ scenario }) => scenario.name);
  return {
    scenarios: outcomes.length,
    counts,
    falseAllClear: names(
      ({ scenario, diagnosis }) => scenario.truth !== 'healthy' && diagnosis.verdict === 'healthy',
    ),
    healthyAccused: names(
      ({ scenario, diagnosis }) =>
        scenario.truth === 'healthy' && diagnosis.findings.some(isSerious),
    ),
    applicationBlamedOnHardware: names(
      ({ scenario, diagnosis }) =>
        scenario.truth === 'application' &&
        diagnosis.findings.some(finding => isSerious(finding) && finding.blame === 'hardware'),
    ),
  };
}

const cell = (truth: Truth, blamed: Blamed): string => `${truth} ${blamed}`;

/** Whom the worst finding blames. */
function blamedBy({ diagnosis }: Outcome): Blamed {
  const worst = diagnosis.findings.find(isSerious);
  if (worst) return worst.blame;
  return diagnosis.verdict === 'healthy' ? 'healthy' : 'unsure';
}

/** The matrix as a table: rows are what is the matter, columns what is told. */
export function matrixText(matrix: Matrix): string {
  const count = (truth: Truth, blamed: Blamed) => matrix.counts.get(cell(truth, blamed)) ?? 0;
  const truths = TRUTHS.filter(truth => VERDICTS.some(blamed => count(truth, blamed) > 0));
  const columns = VERDICTS.filter(each => truths.some(truth => count(truth, each) > 0));
  const width = 15;
  const row = (head: string, cells: readonly string[]) =>
    head.padEnd(width) + cells.map(each => each.padStart(width)).join('');
  return [
    `${matrix.scenarios} scenarios; rows: what is the matter, columns: whom the worst finding blames`,
    row('', columns),
    ...truths.map(truth =>
      row(
        truth,
        columns.map(each => String(count(truth, each) || '.')),
      ),
    ),
    `false all-clear: ${matrix.falseAllClear.length}`,
    `healthy accused: ${matrix.healthyAccused.length}`,
    `application blamed on hardware: ${matrix.applicationBlamedOnHardware.length}`,
  ].join('\n');
}
