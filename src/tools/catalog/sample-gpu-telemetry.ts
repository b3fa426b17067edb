import * as z from 'zod';
import { linesOf, summaryLine, type Written } from '../../contract/answer.ts';
import { UsageError } from '../../contract/errors.ts';
import { Finding, gpusOf } from '../../contract/finding.ts';
import { GPM_STEP_MS_MIN, SAMPLE_MS_MAX } from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import { known } from '../../contract/reading.ts';
import { isoTime } from '../../contract/time.ts';
import { diagnose } from '../../findings/diagnosis.ts';
import type { DriverState, GpuState } from '../../nvml/port.ts';
import { HEAD, head, unlisted } from '../head.ts';
import type { Instruments } from '../instruments.ts';
import { briefFinding, briefFindingLines } from '../support/finding-brief.ts';
import { findingLines } from '../support/finding-lines.ts';
import {
  counterDeltas,
  gpmMeans,
  growsWithLoad,
  METRICS,
  Series,
  seriesOf,
  sparkline,
} from '../support/gpu-counters.ts';
import {
  errorLine,
  type GpuRow,
  gpuName,
  gpuRows,
  gpuSelector,
  isAbout,
  selectRows,
} from '../support/gpu-rows.ts';
import { outline, pairsText } from '../support/outline.ts';
import { hostnameOf, ownersOf } from '../support/read-node.ts';
import { plural } from '../support/wording.ts';
import { defineTool } from '../tool.ts';

const SECONDS_MAX = SAMPLE_MS_MAX / 1_000;

const Telemetry = z
  .strictObject({
    index: z.int().optional(),
    pci: z.string().optional(),
    error: z.string().optional(),
    metrics: z.record(z.string(), Series),
    /** How much of the GPU worked, on average: percent, or MiB per second. Hopper and newer. */
    gpm: z.record(z.string(), z.number()).optional(),
    /** What counters grew by; those that stood still are left out. Nanoseconds end in Ns. */
    deltas: z.record(z.string(), z.number()),
    /** A counter that fell: the driver was reloaded or the GPU reset within the window. */
    restarted: z.array(z.string()).optional(),
    /** Of how many samples a reason held the clocks down. */
    clocksEventReasons: z.record(z.string(), z.int()),
    notRead: z.array(z.string()).optional(),
  })
  .meta({
    listedKeys: ['index', 'pci', 'error', 'metrics', 'gpm', 'deltas', 'clocksEventReasons'],
  });
type Telemetry = z.infer<typeof Telemetry>;

/** What sparklines are made from. */
export const TelemetryFacts = z.strictObject({
  ...HEAD,
  window: z.strictObject({ from: z.string(), to: z.string(), samples: z.int() }),
  gpus: z.array(Telemetry),
  findings: z.array(unlisted(Finding)),
});
export type TelemetryFacts = z.infer<typeof TelemetryFacts>;

export const sampleGpuTelemetry = defineTool({
  name: 'sample_gpu_telemetry',
  title: 'Telemetry over some seconds',
  description:
    'Reads the GPUs repeatedly for some seconds: temperature, power, clocks, utilization and memory as min, mean, max; on Hopper and newer SM, tensor core and memory activity; how much counters grew (throttling, ECC, PCIe replays, NVLink errors); why clocks were held down. ' +
    'Ask it whether something happens now.',
  input: z.strictObject({
    gpu: gpuSelector,
    seconds: z.number().min(1).max(SECONDS_MAX).default(3),
    samples: z.int().min(2).max(20).default(4),
  }),
  output: TelemetryFacts,
  async observe(input, instruments, signal) {
    const [host, states] = await Promise.all([
      instruments.host.read(signal),
      sampled(instruments, input, signal),
    ]);
    const [first, last] = [states[0], states.at(-1)];
    if (!first || !last) throw new Error('no sample was taken');
    const owners = await ownersOf(last, instruments, signal);
    const facts = { nowMs: instruments.clock.nowMs(), driver: last, host, owners };
    const rows = selectRows(gpuRows(facts, ['name']), input.gpu);
    const gpus = rows.map(row => telemetryOf(row, states, rows.length === 1));
    const before = new Set(diagnose(facts).findings.map(({ id }) => id));
    // What only two readings together show; the rest is triage's to tell.
    const findings = diagnose({ ...facts, earlier: first }).findings.filter(
      finding =>
        !before.has(finding.id) &&
        (gpusOf(finding).length === 0 || rows.some(row => isAbout(finding, row))),
    );
    return {
      ...head(instruments, hostnameOf(facts), summaryOf(gpus, states.length)),
      window: {
        from: isoTime(first.takenAtMs),
        to: isoTime(last.takenAtMs),
        samples: states.length,
      },
      gpus,
      findings: [...findings],
    };
  },
  forModel(facts) {
    const { summary, findings, gpus, ...rest } = facts;
    const brief = findings.map(finding => briefFinding(finding, 3));
    const rows = gpus.toSorted((a, b) => weight(b) - weight(a)).map(briefTelemetry);
    return {
      structured: { summary, gpus: rows, findings: brief, ...rest },
      lines: linesOf([
        summaryLine(facts),
        ...brief.flatMap(briefFindingLines),
        ...rows.map(row => pairsText(row)),
        ...outline(rest),
      ]),
    };
  },
  lines(facts) {
    const nowMs = Date.parse(facts.takenAt);
    const gpus = facts.gpus.toSorted((a, b) => weight(b) - weight(a));
    return [
      summaryLine(facts),
      `window ${facts.window.from} to ${facts.window.to}, ${facts.window.samples} samples`,
      ...facts.findings.flatMap(finding => findingLines(finding, nowMs)),
      ...gpus.flatMap(gpuLines),
    ];
  },
});

/** A driver that does not answer is not asked again: each try would wait its whole limit. */
async function sampled(
  instruments: Instruments,
  { seconds, samples }: { readonly seconds: number; readonly samples: number },
  signal: AbortSignal,
): Promise<readonly DriverState[]> {
  const { clock, nvml, replay } = instruments;
  if (replay) return recorded(replay.drivers);
  const startMs = clock.nowMs();
  const stepMs = (seconds * 1_000) / (samples - 1);
  const states: DriverState[] = [];
  let gpmMs = Number.NEGATIVE_INFINITY;
  for (let number = 0; number < samples; number++) {
    const waitMs = startMs + number * stepMs - clock.nowMs();
    if (waitMs > 0) await instruments.pause(waitMs, signal);
    instruments.progress(`sample ${number + 1} of ${samples}`);
    const isDue = clock.nowMs() - gpmMs > GPM_STEP_MS_MIN;
    if (isDue) gpmMs = clock.nowMs();
    const state = await nvml.read(signal, 'all', isDue ? ['gpm'] : []);
    states.push(state);
    const overMs = clock.nowMs() - startMs - SAMPLE_MS_MAX;
    if (state.unresponsive || !state.initialized.ok || overMs >= 0) break;
  }
  return states;
}

/** A replay shows the readings that were taken and none between them. */
function recorded(states: readonly DriverState[]): readonly DriverState[] {
  if (states.length > 1) return states;
  throw new UsageError(
    'this is a replay of one reading of the driver, and telemetry needs two',
    'ask the node itself, or capture it while its driver answers, with --seconds above 0',
  );
}

function telemetryOf(row: GpuRow, states: readonly DriverState[], isAlone: boolean): Telemetry {
  const { index, pci, error } = row;
  const place = {
    ...optional({ index, pci, error }),
  };
  const readings = states.flatMap(state => state.gpus.find(gpu => gpu.index === index) ?? []);
  const metrics = Object.entries(METRICS).flatMap(([name, read]) => {
    const series = seriesOf(readings.flatMap(gpu => read(gpu) ?? []));
    return series ? [[name, series] as const] : [];
  });
  // The first tells of the time before the window.
  const gpm = gpmMeans(readings.slice(1), { all: isAlone });
  const [first, last] = [readings[0], readings.at(-1)];
  const { deltas, restarted } =
    first && last ? counterDeltas(first, last) : { deltas: {}, restarted: [] };
  const notRead = [
    ...Object.keys(METRICS).filter(name => !metrics.some(([other]) => other === name)),
    ...gpmUnread(readings, gpm),
  ];
  return {
    ...place,
    metrics: Object.fromEntries(metrics),
    ...(Object.keys(gpm).length > 0 && { gpm }),
    deltas,
    ...(restarted.length > 0 && { restarted }),
    clocksEventReasons: reasonsOf(readings),
    ...(notRead.length > 0 && { notRead }),
  };
}

/** Why there is nothing of GPM, where there is none. */
function gpmUnread(readings: readonly GpuState[], gpm: object): string[] {
  if (Object.keys(gpm).length > 0) return [];
  const reasons = readings.flatMap(({ gpm: { smActivePercent: sms } }) =>
    sms.ok ? [] : sms.reason,
  );
  const reason = reasons.findLast(word => word !== 'not_read');
  return reason === undefined ? [] : [`GPM (${reason})`];
}

function reasonsOf(readings: readonly GpuState[]): Record<string, number> {
  const seen: Record<string, number> = {};
  for (const reason of readings.flatMap(gpu => known(gpu.clocksEventReasons) ?? [])) {
    seen[reason] = (seen[reason] ?? 0) + 1;
  }
  return seen;
}

function summaryOf(gpus: readonly Telemetry[], samples: number): string {
  const grew = gpus.filter(gpu => weight(gpu) > 0);
  const names = grew.map(gpu => `GPU ${gpu.index ?? gpu.pci ?? '?'}`).join(', ');
  const what =
    grew.length === 0
      ? 'no error or throttle counter grew'
      : `error or throttle counters grew, or the GPU could not be read: ${names}`;
  return `${plural(samples, 'sample')} of ${plural(gpus.length, 'GPU')}: ${what}.`;
}

/** One line a GPU: of a metric that stood still only what it was, of the others least, mean and most. */
function briefTelemetry({ metrics, deltas, clocksEventReasons, ...row }: Telemetry) {
  const moved = Object.entries(metrics).map(([name, { min, mean, max }]) => [
    name,
    min === max ? { mean } : { min, mean, max },
  ]);
  return {
    ...row,
    ...(moved.length > 0 && { metrics: Object.fromEntries(moved) }),
    ...(Object.keys(deltas).length > 0 && { deltas }),
    ...(Object.keys(clocksEventReasons).length > 0 && { clocksEventReasons }),
  };
}

/** How much there is to look at: growth that load alone does not explain. */
const weight = (gpu: Telemetry): number =>
  (gpu.error === undefined ? 0 : 2) +
  (Object.keys(gpu.deltas).some(name => !growsWithLoad(name)) ? 1 : 0);

/** What utilization hides: it only says that a kernel ran, on one SM or on all of them. */
function workLines({ metrics, gpm }: Telemetry): string[] {
  if (!gpm) return [];
  const {
    smActivePercent: sms,
    tensorActivePercent: tensor,
    dramBandwidthPercent: dram,
    ...rest
  } = gpm;
  const told = (name: string, percent: number | undefined) =>
    percent === undefined ? [] : [`${name} ${percent} %`];
  const work = [
    ...told('a kernel ran', metrics['gpuUtilizationPercent']?.mean),
    ...told('SMs active', sms),
    ...told('tensor cores', tensor),
    ...told('memory bandwidth', dram),
  ];
  return [
    ...(work.length > 0 ? [`  works: ${work.join(', ')}`] : []),
    ...(Object.keys(rest).length > 0 ? [`  also: ${pairs(rest)}`] : []),
  ];
}

const pairs = (values: Readonly<Record<string, number>>): string =>
  Object.entries(values)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ');

function gpuLines(gpu: Telemetry): Written[] {
  const name = gpuName(gpu);
  if (gpu.error !== undefined) return [errorLine(name, gpu.error)];
  return [
    name,
    ...workLines(gpu),
    ...Object.entries(gpu.metrics).map(
      ([metric, series]) =>
        `  ${metric.padEnd(24)} ${sparkline(series)}  ${series.min} / ${series.mean} / ${series.max}`,
    ),
    ...(Object.keys(gpu.deltas).length > 0 ? [`  grew: ${pairs(gpu.deltas)}`] : []),
    ...(gpu.restarted ? [`  fell (reset or driver reload): ${gpu.restarted.join(', ')}`] : []),
    ...(Object.keys(gpu.clocksEventReasons).length > 0
      ? [`  clocks held by (samples): ${pairs(gpu.clocksEventReasons)}`]
      : []),
    ...(gpu.notRead ? [`  not read: ${gpu.notRead.join(', ')}`] : []),
  ];
}
