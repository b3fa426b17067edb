import type { NodeFacts } from '../../src/findings/facts.ts';
import type { GpuState } from '../../src/nvml/port.ts';
import { type Answers, H100, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

export const GIB = 1024 ** 3;
/** GPU 6 of the eight. */
export const GPU_6 = '0000:d1:00';

/** One limit: the last value that is well, the first that is not, and what is told of that. */
export interface Limit {
  readonly of: string;
  readonly edge: readonly [well: number, fault: number];
  readonly machine: (value: number) => object;
  readonly truth: Scenario['truth'];
  readonly findings: readonly string[];
  /** What no machine tells: a reading before, in which the value has grown. */
  readonly facts?: (value: number) => NonNullable<Scenario['facts']>;
  /** What is told of the well one: remarks, or another fault. */
  readonly remarks?: readonly string[];
  readonly well?: readonly string[];
  readonly wellTruth?: Scenario['truth'];
  readonly verdict?: Scenario['verdict'];
}

interface Threshold {
  readonly value: number;
}
/** Up to the limit all is well. */
export const above = ({ value }: Threshold) => [value, value + 1] as const;
/** The limit itself is a fault. */
export const from = ({ value }: Threshold, step = 1) => [value - step, value] as const;
/** The limit itself is well, and less is not. */
export const below = ({ value }: Threshold) => [value, value - 1] as const;
/** A part of a whole, as a whole number. */
export const part = (share: Threshold, whole: number) => ({
  value: Math.round(whole * share.value),
});

/** The same of each of the eight, and something of GPU 6. */
export const each = (answers: Answers, own: Answers = {}) =>
  h100({
    gpus: Object.fromEntries(
      H100.map((_, at) => [at, at === 6 ? { ...answers, ...own } : answers]),
    ),
  });
export const of6 =
  (answers: (value: number) => Answers) =>
  (value: number): object =>
    h100({ gpus: { 6: answers(value) } });
export const ofHost =
  (host: (value: number) => Readonly<Record<string, unknown>>) =>
  (value: number): object =>
    h100({ host: host(value) });

export const answer = (key: string) => of6(value => ({ [key]: value }));
/** A reading two seconds before, in which GPU 6 differs. */
export const twoSecondsBefore =
  (before: (gpu: GpuState) => Partial<GpuState>) =>
  (facts: NodeFacts): NodeFacts => ({
    ...facts,
    earlier: {
      ...facts.driver,
      takenAtMs: facts.driver.takenAtMs - 2_000,
      gpus: facts.driver.gpus.map(gpu => (gpu.index === 6 ? { ...gpu, ...before(gpu) } : gpu)),
    },
  });

const scenario = (
  limit: Limit,
  value: number,
): Omit<Scenario, 'truth' | 'verdict' | 'findings'> => ({
  name: `${value} ${limit.of}`,
  machine: limit.machine(value),
  ...(limit.facts && { facts: limit.facts(value) }),
});

/** Every limit twice: at its last value that is well, and at the first that is not. */
export const atLimits = (limits: readonly Limit[]): readonly Scenario[] =>
  limits.flatMap(limit => {
    const [well, fault] = limit.edge;
    const { truth, findings, remarks = [], well: other, wellTruth = truth } = limit;
    return [
      other
        ? {
            ...scenario(limit, well),
            truth: wellTruth,
            verdict: 'warning' as const,
            findings: other,
          }
        : {
            ...scenario(limit, well),
            truth: 'healthy' as const,
            verdict: 'healthy' as const,
            findings: remarks,
          },
      {
        ...scenario(limit, fault),
        truth,
        verdict:
          limit.verdict ?? (truth === 'healthy' ? ('healthy' as const) : ('warning' as const)),
        findings,
      },
    ];
  });
