import { shell } from '../../contract/printed-command.ts';
import { known, type Reading } from '../../contract/reading.ts';
import type { GpuState, Violations } from '../../nvml/port.ts';
import { type Clue, gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { isFarAbove, isHotAlone, median, workingLikeIt } from '../support/neighbours.ts';
import { SHARE_MAX, shareOf } from '../support/rates.ts';
import { THRESHOLDS } from '../support/thresholds.ts';
import { slowdownCause } from './slowdown.ts';

/**
 * GPUs above the temperature that NVIDIA gives as the highest for work: the GPU's own and its
 * memory's. The distance (T.Limit) alone accuses nobody: some H100 give one of 0 while they are cool.
 */
export const thermal = rule(
  'thermal',
  {
    gpu: {
      decides: [
        ...['temperatureC', 'memoryTemperatureC', 'thermal.gpuMaxC', 'thermal.memoryMaxC'],
        ...['thermal.marginC', 'slowdownTemperatureC', 'architecture'],
        ...['fans', 'fans.percent'],
      ],
      tells: [
        ...[...GPU_NAMES, 'clocksEventReasons', 'shutdownTemperatureC'],
        ...['thermal.shutdownTlimitC', 'powerUsageMw'],
      ],
    },
  } as const,
  facts =>
    facts.driver.gpus.flatMap(gpu => [
      ...(tooHot(facts, gpu) ?? hotterThanOthers(facts, gpu) ?? []),
      ...stoppedFans(facts, gpu),
    ]),
);

function tooHot(facts: NodeFacts, gpu: GpuState): readonly Clue[] | undefined {
  const core = known(gpu.temperatureC);
  const slowdown = known(gpu.slowdownTemperatureC);
  const max = coreMax(gpu);
  const margin = known(gpu.thermal.marginC);
  const memory = known(gpu.memoryTemperatureC);
  const memoryMax = memoryLimit(gpu);
  const reasons = [
    core !== undefined && max !== undefined && core > max ? `GPU ${core} °C of ${max} °C` : '',
    memory !== undefined && memoryMax !== undefined && memory > memoryMax
      ? `memory ${memory} °C of ${memoryMax} °C`
      : '',
    margin !== undefined && margin <= 0 && isHot(facts, gpu, margin) ? `margin ${margin} °C` : '',
  ].filter(reason => reason !== '');
  if (reasons.length === 0) return undefined;
  const isLast = isAtShutdown(gpu);
  const isAlone = isHotAlone(facts, gpu);
  return [
    gpuClue(gpu, 'over-temperature', {
      cause: 'thermal',
      sign: reasons.join(', '),
      severity: isLast ? 'critical' : 'warning',
      component: 'thermal',
      title: isLast
        ? `${gpuName(gpu)} is so hot that it shuts itself down: ${reasons.join(', ')}`
        : `${gpuName(gpu)} is hotter than its highest temperature for work: ${reasons.join(', ')}`,
      action: isLast ? 'drain' : 'watch',
      advice: isLast
        ? `Take all work off ${gpuName(gpu)} now, before it falls off the bus; then look at ${isAlone ? HEAT_SINK : AIR_FLOW}.`
        : `Look at ${isAlone ? HEAT_SINK : AIR_FLOW}; move load away if it goes on.`,
      blame: isAlone ? 'hardware' : 'host',
      confidence: 'medium',
      evidence: [
        nvmlEvidence(
          facts,
          `${reasons.join('; ')}; slowdown at ${slowdown ?? '?'} °C, shutdown at ${known(gpu.shutdownTemperatureC) ?? '?'} °C`,
          shell`nvidia-smi -i ${gpu.index} -q -d TEMPERATURE`,
        ),
      ],
      counterEvidence: (known(gpu.clocksEventReasons) ?? []).some(reason =>
        reason.includes('thermal'),
      )
        ? []
        : ['its clocks are not held down for heat'],
      wouldChange: 'A reading below the limit some minutes later, under the same load.',
    }),
  ];
}

const HEAT_SINK = 'the heat sink, the cold plate or the pump of this GPU: its neighbours are cool';
const AIR_FLOW = 'fans, inlet temperature and air flow of this slot';

const isAtShutdown = (gpu: GpuState): boolean => {
  const shutdown = limitOf(gpu.shutdownTemperatureC);
  const shutdownMargin = known(gpu.thermal.shutdownTlimitC) ?? 0;
  const margin = known(gpu.thermal.marginC) ?? 0;
  return (
    (known(gpu.temperatureC) ?? 0) >= (shutdown ?? Infinity) ||
    (shutdownMargin < 0 && margin <= shutdownMargin && !isCool(gpu))
  );
};

/** Far hotter than neighbours that draw as much: still within its limits, but not cooled as they are. */
function hotterThanOthers(facts: NodeFacts, gpu: GpuState): readonly Clue[] | undefined {
  const like = workingLikeIt(facts, gpu);
  const apart = SENSORS.flatMap(({ of, read, limit }) => {
    const degrees = known(read(gpu));
    const others = like.flatMap(other => known(read(other)) ?? []);
    return degrees !== undefined && isFarAbove(degrees, others, THRESHOLDS.heatSpreadC.value)
      ? [{ of, degrees, others, max: limit(gpu) }]
      : [];
  });
  const [first] = apart;
  if (!first) return undefined;
  return [
    gpuClue(gpu, 'hotter-than-neighbours', {
      cause: 'thermal',
      sign: `${first.of}${first.degrees} °C`,
      // Within its limits it loses no clock.
      severity: 'info',
      component: 'thermal',
      title: `${gpuName(gpu)} has ${first.of}${first.degrees} °C, its neighbours ${median(first.others)} °C at the same power`,
      action: 'watch',
      advice: `Look at ${HEAT_SINK}.`,
      blame: 'hardware',
      confidence: 'medium',
      evidence: [
        nvmlEvidence(
          facts,
          apart
            .map(
              ({ of, degrees, others, max }) =>
                `${of}${degrees} °C of ${max ?? '?'} °C; neighbours ${others.join(', ')} °C`,
            )
            .join('; '),
          'nvidia-smi --query-gpu=index,temperature.gpu,temperature.memory,power.draw --format=csv',
        ),
      ],
      wouldChange: 'A slot that is known to get the warm air of the others.',
    }),
  ];
}

const SENSORS = [
  { of: '', read: (gpu: GpuState) => gpu.temperatureC, limit: (gpu: GpuState) => coreMax(gpu) },
  {
    of: 'a memory of ',
    read: (gpu: GpuState) => gpu.memoryTemperatureC,
    limit: (gpu: GpuState) => memoryLimit(gpu),
  },
] as const;

/** A fan may stand still on a cool board; on a hot one it is broken. */
function stoppedFans(facts: NodeFacts, gpu: GpuState): readonly Clue[] {
  const core = known(gpu.temperatureC) ?? 0;
  const percents = (known(gpu.fans) ?? []).map(({ percent }) => known(percent));
  const stopped = percents.filter(percent => percent === 0).length;
  if (stopped === 0 || core < THRESHOLDS.fansRunC.value) return [];
  return [
    gpuClue(gpu, 'fan-stopped', {
      cause: 'thermal',
      sign: 'a fan stands still',
      severity: 'warning',
      component: 'thermal',
      title: `${gpuName(gpu)} has ${core} °C, and ${stopped} of its ${percents.length} fan${percents.length === 1 ? '' : 's'} stand${stopped === 1 ? 's' : ''} still`,
      action: 'contact_support',
      advice:
        'Look whether the fan turns and nothing blocks it; a board with a broken fan is replaced.',
      blame: 'hardware',
      confidence: 'medium',
      evidence: [
        nvmlEvidence(
          facts,
          `fans ${percents.map(percent => (percent === undefined ? 'not read' : `${percent} %`)).join(', ')}; ${core} °C`,
          shell`nvidia-smi -i ${gpu.index} --query-gpu=fan.speed,temperature.gpu --format=csv`,
        ),
      ],
      wouldChange: 'A fan that starts to turn within a minute.',
    }),
  ];
}

/** A limit of 0 °C is one that the firmware does not tell. */
function limitOf(reading: Reading<number>): number | undefined {
  const limit = known(reading);
  return limit === undefined || limit <= 0 ? undefined : limit;
}

const coreMax = (gpu: GpuState): number | undefined =>
  limitOf(gpu.thermal.gpuMaxC) ?? limitOf(gpu.slowdownTemperatureC);

/** The limit of its memory: as the driver gives it, else as it is for this generation's HBM. */
const memoryLimit = (gpu: GpuState): number | undefined =>
  limitOf(gpu.thermal.memoryMaxC) ??
  (HBM_95.includes(known(gpu.architecture) ?? '') ? THRESHOLDS.hbmMaxC.value : undefined);

const HBM_95 = ['ampere', 'hopper'];

/**
 * A margin of 0 or less is believed where the clocks, the thermometers or the neighbours agree, and
 * no thermometer contradicts.
 */
function isHot(facts: NodeFacts, gpu: GpuState, margin: number): boolean {
  if ((known(gpu.clocksEventReasons) ?? []).some(reason => reason.includes('thermal'))) return true;
  if (isCool(gpu)) return false;
  const max = coreMax(gpu) ?? Infinity;
  if (margin < 0 && (known(gpu.temperatureC) ?? 0) >= max - COOL_C) return true;
  const others = facts.driver.gpus.filter(other => other !== gpu);
  const margins = others.flatMap(other => known(other.thermal.marginC) ?? []);
  return margins.length >= 3 && margins.every(other => other > 5);
}

/** Degrees below its limit from which a GPU is cool, whatever its margin says. */
const COOL_C = 10;

/** Both the GPU and its memory tell their temperature and are far from their limits. */
function isCool(gpu: GpuState): boolean {
  const pairs = [
    [gpu.temperatureC, coreMax(gpu)],
    [gpu.memoryTemperatureC, limitOf(gpu.thermal.memoryMaxC)],
  ] as const;
  return pairs.every(([reading, limit]) => {
    const degrees = known(reading);
    return degrees !== undefined && limit !== undefined && degrees < limit - COOL_C;
  });
}

const NS_PER_HOUR = 3_600e9;

interface Counter {
  readonly name: string;
  readonly thermal: boolean;
  readonly read: (violations: Violations) => Reading<number>;
}

/** Power, sync boost, voltage and low utilisation are left out: they count up under normal load. */
const COUNTERS: readonly Counter[] = [
  { name: 'hardware thermal slowdown', thermal: true, read: ({ hwThermalNs }) => hwThermalNs },
  { name: 'external power brake', thermal: false, read: ({ hwPowerBrakeNs }) => hwPowerBrakeNs },
  { name: 'thermal slowdown', thermal: true, read: ({ thermalNs }) => thermalNs },
  { name: 'software thermal slowdown', thermal: true, read: ({ swThermalNs }) => swThermalNs },
];

/**
 * For how long clocks were held down: over the window of two readings where there are two, else
 * since the driver took the GPU, and then only beside the neighbours.
 */
export const violations = rule(
  'violations',
  {
    gpu: {
      decides: [
        ...['violations.hwThermalNs', 'violations.hwPowerBrakeNs', 'violations.thermalNs'],
        'violations.swThermalNs',
      ],
      tells: [...GPU_NAMES, 'clocksEventReasons'],
    },
    host: { tells: ['uptimeSeconds'] },
    earlier: true,
  } as const,
  facts =>
    facts.driver.gpus.flatMap(gpu => {
      for (const counter of COUNTERS) {
        const found = inWindow(facts, gpu, counter) ?? beside(facts, gpu, counter);
        if (found) return [found];
      }
      return [];
    }),
);

function inWindow(facts: NodeFacts, gpu: GpuState, counter: Counter): Clue | undefined {
  const window = shareOf(facts, gpu, counter.read);
  // A bit that says so was seen as well: the rule on it tells both.
  if (slowdownCause(facts, gpu)?.thermal === counter.thermal) return undefined;
  if (!window || window.share < THRESHOLDS.slowdownShare.value) return undefined;
  const { seconds } = window;
  const percent = Math.round(window.share * 100);
  return gpuClue(gpu, 'throttled', {
    ...common(counter),
    sign: `${counter.name} for ${percent} % of the time`,
    severity: 'warning',
    title: `${gpuName(gpu)} was held down by ${counter.name} for ${percent} % of the last ${seconds.toFixed(1)} s`,
    confidence: 'high',
    evidence: [evidenceOf(facts, gpu, `${counter.name}: ${percent} % of ${seconds.toFixed(1)} s`)],
    wouldChange: 'A longer window: one peak of load is no lack of cooling.',
  });
}

function beside(facts: NodeFacts, gpu: GpuState, counter: Counter): Clue | undefined {
  const total = known(counter.read(gpu.violations)) ?? 0;
  const others = facts.driver.gpus
    .filter(other => other !== gpu)
    .flatMap(other => known(counter.read(other.violations)) ?? []);
  // More than the machine is up is a counter that was read wrongly.
  const uptimeNs = (known(facts.host.uptimeSeconds) ?? Infinity) * 1e9;
  if (total > uptimeNs * SHARE_MAX) return undefined;
  if (total < NS_PER_HOUR || !isFarAbove(total, others, NS_PER_HOUR / 10)) return undefined;
  const hours = (total / NS_PER_HOUR).toFixed(1);
  return gpuClue(gpu, 'throttled-before', {
    ...common(counter),
    sign: `${hours} h of ${counter.name} so far`,
    severity: 'info',
    title: `${gpuName(gpu)} was held down by ${counter.name} for ${hours} h since the driver took it, far longer than its neighbours`,
    confidence: 'medium',
    evidence: [evidenceOf(facts, gpu, `${counter.name}: ${hours} h in all`)],
    counterEvidence: ['the counter does not say when'],
  });
}

const common = ({ thermal }: Counter) =>
  ({
    ...(thermal ? { cause: 'thermal' as const } : {}),
    component: thermal ? 'thermal' : 'power',
    action: 'watch',
    advice: thermal
      ? 'Look at fans, inlet temperature and air flow of this slot; compare with the neighbours.'
      : 'Look at the power supplies and the chassis power limit (BMC).',
    blame: 'host',
  }) as const;

const evidenceOf = (facts: NodeFacts, gpu: GpuState, what: string) =>
  nvmlEvidence(facts, what, shell`nvidia-smi -i ${gpu.index} -q -d PERFORMANCE`);
