import { reasonWords } from '../contract/reading.ts';
import type { HealthFacts } from '../tools/catalog/get-gpu-health.ts';
import type { TelemetryFacts } from '../tools/catalog/sample-gpu-telemetry.ts';
import type { TriageFacts } from '../tools/support/triage-facts.ts';
import { type State, stateOf } from './gpu-table.ts';
import { element, type Markup } from './markup.ts';
import { clockTime } from './person-words.ts';

interface Figure {
  readonly label: string;
  readonly words: string;
  readonly value: number;
  /** What it is measured by; absent where nobody told. */
  readonly limit?: number;
  /** How it went over the window, oldest first. */
  readonly samples: readonly number[];
}

interface Card {
  readonly name: string;
  readonly model: string;
  readonly place: string;
  readonly state: State;
  readonly figures: readonly Figure[];
  /** What else is to be said of it: MIG, errors, why there are no figures. */
  readonly notes: readonly string[];
}

export interface GpuStrip {
  readonly cards: readonly Card[];
  /** `12:00:00 to 12:00:04 UTC, 9 samples`, or why there is no window. */
  readonly window: string;
}

type Row = TriageFacts['gpus'][number];
type Series = TelemetryFacts['gpus'][number]['metrics'][string];

const GIB = 1024 ** 3;

/** Every GPU as it is now, and as it went where a window was taken. */
export function gpuStrip(
  { gpus, findings, takenAt }: Pick<TriageFacts, 'gpus' | 'findings' | 'takenAt'>,
  beside: {
    readonly health?: HealthFacts;
    readonly telemetry?: TelemetryFacts;
    readonly telemetryMissing?: string;
  },
): GpuStrip {
  const { health, telemetry, telemetryMissing = 'nobody asked for one' } = beside;
  return {
    cards: gpus.map(row => {
      const series = telemetry?.gpus.find(isSame(row))?.metrics ?? {};
      const limitC = health?.gpus.find(isSame(row))?.slowdownTemperatureC;
      return {
        name:
          row.index === undefined ? `GPU at ${row.pci ?? 'an unknown place'}` : `GPU ${row.index}`,
        model: (row.name ?? 'model not read').replace(/^NVIDIA /, ''),
        place: row.index === undefined ? '' : (row.pci ?? ''),
        state: stateOf(row, findings),
        figures: row.error === undefined ? figuresOf(row, series, limitC) : [],
        notes: notesOf(row),
      };
    }),
    window: !telemetry
      ? telemetryMissing
      : telemetry.window.samples < 2
        ? 'the driver gave one sample only'
        : `${clockTime(telemetry.window.from, takenAt)} to ${clockTime(telemetry.window.to, takenAt)} UTC, ${telemetry.window.samples} samples`,
  };
}

const isSame =
  (row: Row) =>
  (other: { readonly index?: number | undefined; readonly pci?: string | undefined }): boolean =>
    row.index === undefined ? other.pci === row.pci : other.index === row.index;

function figuresOf(
  row: Row,
  series: Readonly<Record<string, Series>>,
  limitC: number | undefined,
): readonly Figure[] {
  const { temperatureC, powerUsageMw, enforcedPowerLimitMw, memory, gpuUtilizationPercent } = row;
  const samplesOf = (name: string) =>
    (series[name]?.samples ?? []).map(value => (name === 'memoryUsedMib' ? value / 1024 : value));
  const figure = (
    label: string,
    value: number | undefined,
    { limit, unit, name }: { limit?: number | undefined; unit: string; name: string },
  ): Figure[] => {
    if (value === undefined) return [];
    const beside =
      limit === undefined || unit === '%' || unit === '°C' ? '' : `/${Math.round(limit)}`;
    return [
      {
        ...{ label, value, words: `${Math.round(value)}${beside}\u00a0${unit}` },
        ...(limit !== undefined && { limit }),
        samples: samplesOf(name),
      },
    ];
  };
  const watts = (mw: number | undefined) => (mw === undefined ? undefined : mw / 1_000);
  return [
    ...figure('Temperature', temperatureC, { limit: limitC, unit: '°C', name: 'temperatureC' }),
    ...figure('Power', watts(powerUsageMw), {
      ...{ limit: watts(enforcedPowerLimitMw), unit: 'W', name: 'powerW' },
    }),
    ...figure('Memory', memory && memory.usedBytes / GIB, {
      ...{ limit: memory && memory.totalBytes / GIB, unit: 'GiB', name: 'memoryUsedMib' },
    }),
    ...figure('Busy', gpuUtilizationPercent, {
      ...{ limit: 100, unit: '%', name: 'gpuUtilizationPercent' },
    }),
  ];
}

function notesOf(row: Row): readonly string[] {
  const { error, eccUncorrectedVolatile = 0, migMode, serial, unavailable = {} } = row;
  if (error !== undefined) {
    return [
      `Nothing was read: ${reasonWords(error)}.`,
      ...(serial === undefined ? [] : [`Serial number ${serial}.`]),
    ];
  }
  return [
    ...(migMode?.current ? ['Divided by MIG.'] : []),
    ...(eccUncorrectedVolatile > 0 ? [`Uncorrected ECC errors: ${eccUncorrectedVolatile}.`] : []),
    ...Object.entries(unavailable)
      .filter(([reason]) => reason !== 'not_supported')
      .map(([reason, names]) => `Not read (${reasonWords(reason)}): ${names.join(', ')}.`),
  ];
}

/** A card for each GPU, as many beside each other as there is room for. */
export function gpuCards({ cards }: GpuStrip): Markup {
  return element(
    'ul',
    { class: 'gpus' },
    cards.map(({ name, model, place, state, figures, notes }) =>
      element(
        'li',
        { class: state.tone === 'critical' || state.tone === 'warning' ? state.tone : undefined },
        element(
          'h3',
          {},
          name,
          ' ',
          element('span', { class: `state ${state.tone ?? ''}` }, state.words),
        ),
        element('p', { class: 'faint' }, place === '' ? model : `${model}, ${place}`),
        figures.length === 0 ? undefined : element('dl', {}, figures.map(figureRow)),
        notes.map(note => element('p', {}, note)),
      ),
    ),
  );
}

const figureRow = (figure: Figure): Markup =>
  element(
    'div',
    {},
    element('dt', {}, figure.label),
    element('dd', {}, figure.words, figure.samples.length > 1 ? sparkline(figure) : barOf(figure)),
  );

const [WIDTH, HEIGHT] = [64, 16];

const BOX = { viewBox: `0 0 ${WIDTH} ${HEIGHT}` };

function barOf({ value, limit }: Figure): Markup | undefined {
  if (limit === undefined || limit <= 0) return undefined;
  const share = Math.max(0, Math.min(1, value / limit));
  const rect = (width: number, style: string) =>
    element('rect', { class: style, x: 0, y: 6, width: width.toFixed(1), height: 4, rx: 2 });
  // The words beside it say the same.
  const attributes = { class: 'bar', ...BOX, 'aria-hidden': 'true' };
  return element('svg', attributes, rect(WIDTH, 'rest'), rect(WIDTH * share, 'part'));
}

/** A tenth of the limit is the least span: noise is not drawn as a mountain. */
const SPAN_SHARE_MIN = 0.1;

function sparkline({ samples, limit, value }: Figure): Markup {
  const [low, high] = [Math.min(...samples), Math.max(...samples)];
  const span = Math.max(high - low, (limit ?? value) * SPAN_SHARE_MIN, 1);
  const base = (low + high - span) / 2;
  const points = samples.map((sample, at) => {
    const x = 2 + (at / (samples.length - 1)) * (WIDTH - 4);
    const y = HEIGHT - 3 - ((sample - base) / span) * (HEIGHT - 6);
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  const [lastX = 0, lastY = 0] = (points.at(-1) ?? '').split(' ').map(Number);
  return element(
    'svg',
    {
      class: 'spark',
      ...BOX,
      role: 'img',
      'aria-label': `${Math.round(low)} to ${Math.round(high)}`,
    },
    element('path', { d: `M${points.join('L')}` }),
    element('circle', { cx: lastX, cy: lastY, r: 1.8 }),
  );
}
