import type { HealthFacts } from '../tools/catalog/get-gpu-health.ts';
import type { TopologyFacts } from '../tools/catalog/get-nvlink-topology.ts';
import type { TriageFacts } from '../tools/support/triage-facts.ts';
import { element, type Markup } from './markup.ts';
import { counted, rangesText } from './person-words.ts';

/** What is known of one GPU by all that was asked. */
interface Known {
  readonly triage: TriageFacts['gpus'][number];
  readonly health: HealthFacts['gpus'][number] | undefined;
  readonly links: TopologyFacts['gpus'][number] | undefined;
}

interface Reading {
  readonly label: string;
  readonly unit: string;
  readonly of: (gpu: Known) => number | undefined;
  /** Differences up to this are those of place and load; of a count of errors, none is. */
  readonly usual: number;
}

const GIB = 1024 ** 3;
const divided = (value: number | undefined, by: number): number | undefined =>
  value === undefined ? undefined : Math.round(value / by);

const READINGS: readonly Reading[] = [
  { label: 'Temperature', unit: '°C', usual: 12, of: ({ triage }) => triage.temperatureC },
  {
    ...{ label: 'Memory temperature', unit: '°C', usual: 12 },
    of: ({ health }) => health?.memoryTemperatureC,
  },
  {
    ...{ label: 'Power', unit: 'W', usual: 100 },
    of: ({ triage }) => divided(triage.powerUsageMw, 1_000),
  },
  {
    ...{ label: 'Power limit', unit: 'W', usual: 0 },
    of: ({ triage }) => divided(triage.enforcedPowerLimitMw, 1_000),
  },
  { label: 'SM clock', unit: 'MHz', usual: 200, of: ({ triage }) => triage.smClockMhz },
  { label: 'Busy', unit: '%', usual: 30, of: ({ triage }) => triage.gpuUtilizationPercent },
  {
    ...{ label: 'Memory used', unit: 'GiB', usual: 8 },
    of: ({ triage }) => divided(triage.memory?.usedBytes, GIB),
  },
  { label: 'PCIe width', unit: 'lanes', usual: 0, of: ({ triage }) => triage.pcieWidthCurrent },
  {
    label: 'PCIe generation',
    unit: '',
    usual: 0,
    of: ({ triage }) => triage.pcieGenerationCurrent,
  },
  {
    ...{ label: 'PCIe replays', unit: '', usual: 10 },
    of: ({ health }) => health?.pcieReplayCounter,
  },
  { label: 'NVLinks active', unit: '', usual: 0, of: ({ links }) => links?.active },
  {
    ...{ label: 'NVLink errors', unit: '', usual: 10 },
    of: ({ links }) =>
      links?.expected === undefined
        ? undefined
        : Object.values(links.errors ?? {}).reduce((sum, count) => sum + count, 0),
  },
  {
    ...{ label: 'Uncorrected ECC errors', unit: '', usual: 0 },
    of: ({ triage }) => triage.eccUncorrectedVolatile,
  },
  {
    ...{ label: 'Uncorrected ECC errors, lifetime', unit: '', usual: 0 },
    of: ({ health }) => health?.eccUncorrectedAggregate,
  },
  {
    ...{ label: 'Corrected ECC errors', unit: '', usual: 100 },
    of: ({ health }) => health?.eccCorrectedVolatile,
  },
  {
    ...{ label: 'Rows remapped for uncorrectable errors', unit: '', usual: 0 },
    of: ({ health }) => health?.remappedRows?.uncorrected,
  },
];

/** A reading by which a few GPUs differ from the others of their node. */
export interface Outlier {
  readonly label: string;
  readonly unit: string;
  readonly gpus: readonly { readonly name: string; readonly value: number }[];
  /** What the others read. */
  readonly others: readonly number[];
}

export interface Neighbours {
  /** How many GPUs gave readings. */
  readonly compared: number;
  readonly readings: number;
  readonly outliers: readonly Outlier[];
}

/** Fewer than three cannot tell which of them is the stranger. */
const COMPARED_MIN = 3;

export function neighboursOf(
  { gpus }: Pick<TriageFacts, 'gpus'>,
  { health, topology }: { readonly health?: HealthFacts; readonly topology?: TopologyFacts },
): Neighbours {
  const isSame = (row: TriageFacts['gpus'][number]) => (other: typeof row) =>
    row.index === undefined ? other.pci === row.pci : other.index === row.index;
  const known = gpus
    .filter(({ error, migMode }) => error === undefined && migMode?.current !== true)
    .map(triage => ({
      triage,
      health: health?.gpus.find(isSame(triage)),
      links: topology?.gpus.find(row => row.index === triage.index),
    }));
  const compared = READINGS.map(reading => ({ reading, values: valuesOf(reading, known) })).filter(
    ({ values }) => values.length >= COMPARED_MIN,
  );
  return {
    compared: known.length,
    readings: compared.length,
    outliers: compared.flatMap(({ reading, values }) => outlierOf(reading, values)),
  };
}

interface Value {
  readonly name: string;
  readonly value: number;
}

const valuesOf = ({ of }: Reading, gpus: readonly Known[]): readonly Value[] =>
  gpus.flatMap(gpu => {
    const value = of(gpu);
    const { index, pci } = gpu.triage;
    return value === undefined
      ? []
      : [{ name: index === undefined ? (pci ?? '') : `${index}`, value }];
  });

/** Those farther from the middle than place and load explain; where half of them are, nobody is. */
function outlierOf({ label, unit, usual }: Reading, values: readonly Value[]): Outlier[] {
  const middle = medianOf(values.map(({ value }) => value));
  const spread = medianOf(values.map(({ value }) => Math.abs(value - middle)));
  const limit = Math.max(usual, 6 * spread);
  const isOut = ({ value }: Value) => Math.abs(value - middle) > limit;
  const gpus = values.filter(isOut);
  if (gpus.length === 0 || gpus.length * 2 >= values.length) return [];
  const others = values.filter(each => !isOut(each)).map(({ value }) => value);
  return [{ label, unit, gpus, others }];
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = [sorted[sorted.length % 2 === 0 ? half - 1 : half], sorted[half]];
  return (low + high) / 2;
}

const NAMED_MAX = 4;

/** A row for each reading that stands out; a sentence where none does. */
export function neighboursTable({ compared, readings, outliers }: Neighbours): Markup {
  if (readings === 0) {
    const words =
      compared < COMPARED_MIN
        ? `Nothing to compare: ${compared === 0 ? 'no GPU gave readings of its own' : `only ${counted(compared, 'GPU')} gave readings`}.`
        : 'Nothing to compare: no reading is known of three GPUs.';
    return element('p', {}, words);
  }
  const basis = `${readings} readings of ${counted(compared, 'GPU')} were compared.`;
  if (outliers.length === 0) {
    return element('p', {}, `No GPU stands out. ${basis}`);
  }
  return element(
    'div',
    {},
    element(
      'table',
      { class: 'neighbours' },
      element(
        'thead',
        {},
        element(
          'tr',
          {},
          ['Reading', 'Stands out', 'The others'].map(words =>
            element('th', { scope: 'col' }, words),
          ),
        ),
      ),
      element(
        'tbody',
        {},
        outliers.map(({ label, unit, gpus, others }) =>
          element(
            'tr',
            {},
            element('th', { scope: 'row' }, label),
            element('td', {}, gpusText(gpus, unit)),
            element('td', {}, withUnit(rangeText(others), unit)),
          ),
        ),
      ),
    ),
    element('p', { class: 'faint' }, `${basis} A difference alone is no fault.`),
  );
}

/** `GPU 3: 1`, several with the same reading together. */
function gpusText(gpus: readonly Value[], unit: string): readonly Markup[] {
  const groups = [...Map.groupBy(gpus, ({ value }) => value)].slice(0, NAMED_MAX);
  return groups.map(([value, of]) => {
    const numbers = of.map(({ name }) => Number(name));
    const names = numbers.every(Number.isInteger)
      ? rangesText(numbers)
      : of.map(({ name }) => name).join(', ');
    return element('div', {}, `GPU ${names}: `, element('b', {}, withUnit(`${value}`, unit)));
  });
}

const withUnit = (value: string, unit: string): string =>
  unit === '' ? value : `${value}\u00a0${unit}`;

function rangeText(values: readonly number[]): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? `${low}` : `${low}–${high}`;
}
