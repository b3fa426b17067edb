import { shell } from '../../contract/printed-command.ts';
import { known, type Reading } from '../../contract/reading.ts';
import type { GpuState, Violations } from '../../nvml/port.ts';
import { type Clue, gpuClue, nodeClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, gpuRef, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { isHotAlone, isIdle } from '../support/neighbours.ts';
import { earlierGpu, shareOf } from '../support/rates.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/**
 * Clocks that are taken down for heat or by the power supply. Software power capping is normal load
 * and no finding; idle, application clocks and sync boost are settings.
 * nvml.h: nvmlClocksEventReasonHwSlowdown, HwThermalSlowdown, HwPowerBrakeSlowdown, SwThermalSlowdown.
 */
export const slowdown = rule(
  'slowdown',
  {
    gpu: {
      decides: ['clocksEventReasons'],
      tells: [
        ...GPU_NAMES,
        ...['temperatureC', 'violations.hwThermalNs', 'violations.hwPowerBrakeNs'],
        ...['gpuUtilizationPercent', 'smClockMhz', 'slowdownTemperatureC', 'maxSmClockMhz'],
        ...['violations.swThermalNs', 'powerUsageMw', 'memoryTemperatureC'],
      ],
    },
    earlier: true,
  } as const,
  facts => {
    const slow = facts.driver.gpus.flatMap(gpu => {
      const cause = slowdownCause(facts, gpu);
      return cause ? [{ gpu, cause }] : [];
    });
    return [...Map.groupBy(slow, ({ cause }) => cause).entries()].flatMap(([cause, members]) => {
      const gpus = members.map(({ gpu }) => gpu);
      // What holds down most of the machine is one cause of the machine.
      const shared = gpus.length >= 3 && gpus.length * 2 > facts.driver.gpus.length;
      return shared ? [ofNode(facts, cause, gpus)] : gpus.map(gpu => ofGpu(facts, cause, gpu));
    });
  },
);

interface Cause {
  readonly reason: string;
  /** The counter that runs while the reason holds; the general bit has none of its own. */
  readonly counter?: (violations: Violations) => Reading<number>;
  readonly thermal: boolean;
  readonly what: string;
  readonly advice: string;
  readonly nodeAdvice: string;
  /** What to do where it holds for as long as we watch; absent: it is watched on. */
  readonly lasting?: Pick<Clue, 'action' | 'advice'>;
}

const BRAKE_LASTS: Cause['lasting'] = {
  action: 'contact_support',
  advice:
    'It does not let go: drain the node when its job allows, have the power supplies, the power cables and the chassis power limit (BMC) looked at, and open a case if they are well.',
};

/** The most telling first: the general bit is set beside the special ones. */
const CAUSES: readonly Cause[] = [
  {
    reason: 'hw_thermal_slowdown',
    counter: ({ hwThermalNs }) => hwThermalNs,
    thermal: true,
    what: 'slowed down by hardware for heat',
    advice:
      'Look at fans, inlet temperature and air flow of this slot; compare with the neighbours.',
    nodeAdvice:
      'Look at the fans of the machine, its inlet temperature and the cooling of the room.',
    lasting: {
      action: 'drain',
      advice:
        'Its slowdown does not let go: take the load off, then look at fans, inlet temperature, air flow and the heat sink.',
    },
  },
  {
    reason: 'hw_power_brake_slowdown',
    counter: ({ hwPowerBrakeNs }) => hwPowerBrakeNs,
    thermal: false,
    what: 'slowed down by the external power brake',
    advice:
      'Look at the power supplies and the chassis power limit (BMC); the GPU obeys an outside signal.',
    nodeAdvice:
      'Look at the power supplies and the chassis power limit (BMC): a supply may have failed.',
    lasting: BRAKE_LASTS,
  },
  {
    reason: 'hw_slowdown',
    thermal: false,
    what: 'slowed down by hardware',
    advice: 'Look at temperature, power cables and power supplies of this GPU.',
    nodeAdvice: 'Look at the power supplies and the cooling of the machine.',
    lasting: BRAKE_LASTS,
  },
  {
    reason: 'sw_thermal_slowdown',
    counter: ({ swThermalNs }) => swThermalNs,
    thermal: true,
    what: 'slowed down by the driver for heat',
    advice:
      'Look at fans, inlet temperature and air flow of this slot; compare with the neighbours.',
    nodeAdvice:
      'Look at the fans of the machine, its inlet temperature and the cooling of the room.',
  },
];

/** nvml.h of the general bit: it may also be set while clocks change, which idle GPUs do often. */
const isPassing = (cause: Cause, gpu: GpuState): boolean =>
  cause.reason === 'hw_slowdown' && isIdle(gpu);

/** The bits of a reading that tell of a slowdown. */
export const slowdownReasons = (gpu: GpuState): readonly string[] =>
  (known(gpu.clocksEventReasons) ?? []).filter(name =>
    CAUSES.some(({ reason }) => reason === name),
  );

/** Why a GPU is slowed down, or was when it was first read. */
export function slowdownCause(facts: NodeFacts, gpu: GpuState): Cause | undefined {
  const earlier = earlierGpu(facts, gpu);
  const reasons = [gpu, ...(earlier ? [earlier] : [])].flatMap(slowdownReasons);
  return CAUSES.find(({ reason }) => reasons.includes(reason));
}

/** What to do: more where it held in both readings, and by its counter all the time between them. */
function actionOf(facts: NodeFacts, gpus: readonly GpuState[], cause: Cause, advice: string) {
  const lasts = gpus.some(gpu => {
    const earlier = earlierGpu(facts, gpu);
    const bits = [gpu, ...(earlier ? [earlier] : [])].filter(reading =>
      slowdownReasons(reading).includes(cause.reason),
    );
    const window = cause.counter && shareOf(facts, gpu, cause.counter);
    if (isPassing(cause, gpu)) return false;
    return bits.length === 2 && (window?.share ?? 1) >= THRESHOLDS.lastingShare.value;
  });
  return (lasts && cause.lasting) || { action: 'watch' as const, advice };
}

/** What the cause's counter says of the time that the GPU was watched. */
function watched(facts: NodeFacts, gpu: GpuState, { counter, reason }: Cause) {
  const window = counter && shareOf(facts, gpu, counter);
  if (!window) return undefined;
  const long = window.share >= THRESHOLDS.slowdownShare.value;
  return {
    long,
    // Seen once and gone again.
    moment: !long && !slowdownReasons(gpu).includes(reason),
    text: `${Math.round(window.share * 100)} % of the last ${window.seconds.toFixed(1)} s`,
  };
}

const common = (cause: Cause) =>
  ({
    ...(cause.thermal ? { cause: 'thermal' as const } : {}),
    sign: cause.what,
    severity: 'warning',
    component: cause.thermal ? 'thermal' : 'power',
    blame: 'host',
  }) as const;

const ruleOf = ({ reason }: Cause) =>
  reason === 'sw_thermal_slowdown' ? 'software-thermal-slowdown' : 'hardware-slowdown';

function ofGpu(facts: NodeFacts, cause: Cause, gpu: GpuState): Clue {
  const window = watched(facts, gpu, cause);
  const temperature = known(gpu.temperatureC);
  const limit = known(gpu.slowdownTemperatureC);
  return gpuClue(gpu, ruleOf(cause), {
    ...common(cause),
    ...(window?.moment || isPassing(cause, gpu) ? { severity: 'info' as const } : {}),
    title: window?.moment
      ? `${gpuName(gpu)} was ${cause.what} for a moment`
      : `${gpuName(gpu)} is ${cause.what}${window?.long ? `, ${window.text}` : ''}`,
    ...actionOf(facts, [gpu], cause, cause.advice),
    ...(cause.thermal && isHotAlone(facts, gpu) ? { blame: 'hardware' as const } : {}),
    confidence: window?.long ? 'high' : 'medium',
    evidence: [evidenceOf(facts, gpu)],
    counterEvidence: [
      ...(temperature !== undefined && limit !== undefined && temperature < limit - 10
        ? [`temperature is ${limit - temperature} °C below the slowdown limit`]
        : []),
      ...(window && !window.long ? [`its counter ran for ${window.text}`] : []),
    ],
    wouldChange: window
      ? 'A longer window: one peak of load is no lack of cooling or of power.'
      : 'One reading is one moment: the violation counters tell for how long.',
  });
}

function ofNode(facts: NodeFacts, cause: Cause, gpus: readonly GpuState[]): Clue {
  const windows = gpus.flatMap(gpu => watched(facts, gpu, cause) ?? []);
  const [longest] = windows.filter(({ long }) => long);
  return nodeClue(ruleOf(cause), {
    ...common(cause),
    ...(gpus.every(gpu => isPassing(cause, gpu)) ? { severity: 'info' } : {}),
    gpus: gpus.map(gpuRef),
    title: `${gpus.length} of ${facts.driver.gpus.length} GPUs are ${cause.what}${longest ? `, one of them ${longest.text}` : ''}`,
    ...(windows.length === gpus.length && windows.every(({ moment }) => moment)
      ? { severity: 'info' as const }
      : {}),
    ...actionOf(facts, gpus, cause, cause.nodeAdvice),
    confidence: 'high',
    evidence: gpus.slice(0, 4).map(gpu => evidenceOf(facts, gpu)),
    wouldChange: 'One reading is one moment: the violation counters tell for how long.',
  });
}

function evidenceOf(facts: NodeFacts, gpu: GpuState) {
  const temperature = known(gpu.temperatureC);
  const clock = known(gpu.smClockMhz);
  const earlier = earlierGpu(facts, gpu);
  const names = (reading: GpuState) =>
    (known(reading.clocksEventReasons) ?? []).join(', ') || 'none';
  return nvmlEvidence(
    facts,
    [
      `GPU ${gpu.index}: clocks event reasons ${names(gpu)}`,
      earlier && names(earlier) !== names(gpu) ? `before ${names(earlier)}` : '',
      temperature === undefined
        ? ''
        : `${temperature} °C of ${known(gpu.slowdownTemperatureC) ?? '?'} °C`,
      clock === undefined ? '' : `SM clock ${clock} of ${known(gpu.maxSmClockMhz) ?? '?'} MHz`,
    ]
      .filter(part => part !== '')
      .join('; '),
    shell`nvidia-smi -i ${gpu.index} -q -d PERFORMANCE,TEMPERATURE,CLOCK`,
  );
}
