import { known } from '../contract/reading.ts';
import type { GpuState } from '../nvml/port.ts';
import {
  type Clue,
  gpuClue,
  gpuName,
  gpuRef,
  type NodeFacts,
  nodeClue,
  nvmlEvidence,
  type Rule,
} from './facts.ts';
import { grouped } from './grouped.ts';
import { isIdle } from './neighbours.ts';

/**
 * Clocks that are taken down for heat or by the power supply. Software power capping is normal load
 * and no finding; idle, application clocks and sync boost are settings.
 * nvml.h: nvmlClocksEventReasonHwSlowdown, HwThermalSlowdown, HwPowerBrakeSlowdown, SwThermalSlowdown.
 */
export const slowdown: Rule = facts => {
  const slow = facts.driver.gpus.flatMap(gpu => {
    const cause = causeOf(gpu);
    return cause ? [{ gpu, cause }] : [];
  });
  return [...grouped(slow, ({ cause }) => cause).entries()].flatMap(([cause, members]) => {
    const gpus = members.map(({ gpu }) => gpu);
    // What holds down most of the machine is one cause of the machine.
    const shared = gpus.length >= 3 && gpus.length * 2 > facts.driver.gpus.length;
    return shared ? [ofNode(facts, cause, gpus)] : gpus.map(gpu => ofGpu(facts, cause, gpu));
  });
};

interface Cause {
  readonly reason: string;
  readonly thermal: boolean;
  readonly what: string;
  readonly advice: string;
  readonly nodeAdvice: string;
}

/** The most telling first: the general bit is set beside the special ones. */
const CAUSES: readonly Cause[] = [
  {
    reason: 'hw_thermal_slowdown',
    thermal: true,
    what: 'slowed down by hardware for heat',
    advice:
      'Look at fans, inlet temperature and air flow of this slot; compare with the neighbours.',
    nodeAdvice:
      'Look at the fans of the machine, its inlet temperature and the cooling of the room.',
  },
  {
    reason: 'hw_power_brake_slowdown',
    thermal: false,
    what: 'slowed down by the external power brake',
    advice:
      'Look at the power supplies and the chassis power limit (BMC); the GPU obeys an outside signal.',
    nodeAdvice:
      'Look at the power supplies and the chassis power limit (BMC): a supply may have failed.',
  },
  {
    reason: 'hw_slowdown',
    thermal: false,
    what: 'slowed down by hardware',
    advice: 'Look at temperature, power cables and power supplies of this GPU.',
    nodeAdvice: 'Look at the power supplies and the cooling of the machine.',
  },
  {
    reason: 'sw_thermal_slowdown',
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

const causeOf = (gpu: GpuState): Cause | undefined => {
  const reasons = known(gpu.clocksEventReasons) ?? [];
  return CAUSES.find(({ reason }) => reasons.includes(reason));
};

const common = (cause: Cause) =>
  ({
    ...(cause.thermal ? { cause: 'thermal' as const } : {}),
    sign: cause.what,
    severity: 'warning',
    component: cause.thermal ? 'thermal' : 'power',
    action: 'watch',
    blame: 'host',
  }) as const;

const ruleOf = ({ reason }: Cause) =>
  reason === 'sw_thermal_slowdown' ? 'software-thermal-slowdown' : 'hardware-slowdown';

function ofGpu(facts: NodeFacts, cause: Cause, gpu: GpuState): Clue {
  const ref = gpuRef(gpu);
  const temperature = known(gpu.temperatureC);
  const limit = known(gpu.slowdownTemperatureC);
  return gpuClue(ref, ruleOf(cause), {
    ...common(cause),
    ...(isPassing(cause, gpu) ? { severity: 'info' } : {}),
    title: `${gpuName(ref)} is ${cause.what}`,
    advice: cause.advice,
    confidence: 'medium',
    evidence: [evidenceOf(facts, gpu)],
    counterEvidence:
      temperature !== undefined && limit !== undefined && temperature < limit - 10
        ? [`temperature is ${limit - temperature} °C below the slowdown limit`]
        : [],
    wouldChange: 'One reading is one moment: the violation counters tell for how long.',
  });
}

function ofNode(facts: NodeFacts, cause: Cause, gpus: readonly GpuState[]): Clue {
  return nodeClue(ruleOf(cause), {
    ...common(cause),
    ...(gpus.every(gpu => isPassing(cause, gpu)) ? { severity: 'info' } : {}),
    gpus: gpus.map(gpuRef),
    title: `${gpus.length} of ${facts.driver.gpus.length} GPUs are ${cause.what}`,
    advice: cause.nodeAdvice,
    confidence: 'high',
    evidence: gpus.slice(0, 4).map(gpu => evidenceOf(facts, gpu)),
    wouldChange: 'One reading is one moment: the violation counters tell for how long.',
  });
}

function evidenceOf(facts: NodeFacts, gpu: GpuState) {
  const temperature = known(gpu.temperatureC);
  const clock = known(gpu.smClockMhz);
  return nvmlEvidence(
    facts,
    [
      `GPU ${gpu.index}: clocks event reasons ${(known(gpu.clocksEventReasons) ?? []).join(', ')}`,
      temperature === undefined
        ? ''
        : `${temperature} °C of ${known(gpu.slowdownTemperatureC) ?? '?'} °C`,
      clock === undefined ? '' : `SM clock ${clock} of ${known(gpu.maxSmClockMhz) ?? '?'} MHz`,
    ]
      .filter(part => part !== '')
      .join('; '),
    `nvidia-smi -i ${gpu.index} -q -d PERFORMANCE,TEMPERATURE,CLOCK`,
  );
}
