import * as z from 'zod';
import { plainText } from '../../contract/untrusted.ts';
import { isFarAbove, median } from '../../findings/support/neighbours.ts';
import { THRESHOLDS } from '../../findings/support/thresholds.ts';
import { GpuRow } from './gpu-rows.ts';

/** What one node answered, to whatever tool. */
interface NodeAnswered {
  readonly node: string;
  readonly structured: unknown;
}

/** A node whose GPUs are worse off than those of the same model on the other nodes of one answer. */
export interface NodeOutlier {
  readonly node: string;
  readonly model: string;
  readonly reading: string;
  /** The median over the node's GPUs, and that over the other nodes. */
  readonly value: number;
  readonly usual: number;
}

interface Measure {
  readonly reading: string;
  readonly of: (row: GpuRow) => number | undefined;
  /** Where the node is worse, and by which part of the usual value healthy nodes differ. */
  readonly worse: 'high' | 'low';
  readonly spread: number;
  readonly text: (value: number) => string;
}

const underLoad = (read: (row: GpuRow) => number | undefined) => (row: GpuRow) =>
  (row.gpuUtilizationPercent ?? 0) < THRESHOLDS.fullLoadPercent.value ? undefined : read(row);
const watts = (milliwatts: number) => `${Math.round(milliwatts / 1_000)} W`;

/** Of what a row of a triage has: what makes one node hold up a job on many, and what is set otherwise. */
// biome-ignore format: a table
const MEASURES: readonly Measure[] = [
  { reading: 'SM clock under load', of: underLoad(row => row.smClockMhz), worse: 'low', spread: 0.04, text: value => `${value} MHz` },
  { reading: 'power draw under load', of: underLoad(row => row.powerUsageMw), worse: 'low', spread: 0.06, text: watts },
  { reading: 'temperature under load', of: underLoad(row => row.temperatureC), worse: 'high', spread: 0.05, text: value => `${value} °C` },
  { reading: 'PCIe generation under load', of: underLoad(row => row.pcieGenerationCurrent), worse: 'low', spread: 0.01, text: String },
  { reading: 'PCIe lanes', of: row => row.pcieWidthCurrent, worse: 'low', spread: 0.01, text: String },
  { reading: 'power limit', of: row => row.enforcedPowerLimitMw, worse: 'low', spread: 0.01, text: watts },
  { reading: 'memory', of: row => row.memory?.totalBytes, worse: 'low', spread: 0.002, text: value => `${(value / 2 ** 30).toFixed(1)} GiB` },
];

const Rows = z.looseObject({ gpus: z.array(GpuRow.loose()) });

/** Nodes that stand out among the others, by robust statistics over the nodes' medians. Pure. */
export function nodeOutliers(answers: readonly NodeAnswered[]): readonly NodeOutlier[] {
  const rows = answers.flatMap(({ node, structured }) =>
    (Rows.safeParse(structured).data?.gpus ?? [])
      .filter(({ error }) => error === undefined)
      .map(row => ({ node, row })),
  );
  return [...Map.groupBy(rows, ({ row }) => row.name)].flatMap(([model, ofModel]) => {
    if (model === undefined) return [];
    const nodes = [...Map.groupBy(ofModel, ({ node }) => node)];
    return MEASURES.flatMap(({ reading, of, worse, spread }) => {
      const values = nodes.flatMap(([node, own]) => {
        const value = median(own.flatMap(({ row }) => of(row) ?? []));
        return value === undefined ? [] : [{ node, value }];
      });
      return values.flatMap(({ node, value }) => {
        const others = values.filter(other => other.node !== node).map(other => other.value);
        const usual = median(others);
        const sign = worse === 'high' ? 1 : -1;
        const isOut =
          usual !== undefined &&
          isFarAbove(
            value * sign,
            others.map(other => other * sign),
            usual * spread,
          );
        return isOut ? [{ node, model: plainText(model, 96), reading, value, usual }] : [];
      });
    });
  });
}

/** One line an outlier: what it is and what the others are. */
export const nodeOutlierLines = (outliers: readonly NodeOutlier[]): string[] =>
  outliers.map(({ node, model, reading, value, usual }) => {
    const text = MEASURES.find(measure => measure.reading === reading)?.text ?? String;
    return `${node} stands out: ${reading} of its ${model} ${text(value)}, on the other nodes ${text(usual)}`;
  });
