import { known, type Reading } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';

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
        ...['thermal.marginC', 'slowdownTemperatureC'],
      ],
      tells: [...GPU_NAMES, 'clocksEventReasons'],
    },
  } as const,
  facts => facts.driver.gpus.flatMap(gpu => tooHot(facts, gpu)),
);

function tooHot(facts: NodeFacts, gpu: GpuState): readonly Clue[] {
  const core = known(gpu.temperatureC);
  const slowdown = known(gpu.slowdownTemperatureC);
  const max = limitOf(gpu.thermal.gpuMaxC) ?? limitOf(gpu.slowdownTemperatureC);
  const margin = known(gpu.thermal.marginC);
  const memory = known(gpu.memoryTemperatureC);
  const memoryMax = limitOf(gpu.thermal.memoryMaxC);
  const reasons = [
    core !== undefined && max !== undefined && core > max ? `GPU ${core} °C of ${max} °C` : '',
    memory !== undefined && memoryMax !== undefined && memory > memoryMax
      ? `memory ${memory} °C of ${memoryMax} °C`
      : '',
    margin !== undefined && margin < 0 && isHot(facts, gpu) ? `margin ${margin} °C` : '',
  ].filter(reason => reason !== '');
  if (reasons.length === 0) return [];
  return [
    gpuClue(gpu, 'over-temperature', {
      cause: 'thermal',
      sign: reasons.join(', '),
      severity: 'warning',
      component: 'thermal',
      title: `${gpuName(gpu)} is hotter than its highest temperature for work: ${reasons.join(', ')}`,
      action: 'watch',
      advice:
        'Look at fans, inlet temperature and air flow of this slot; move load away if it goes on.',
      blame: 'host',
      confidence: 'medium',
      evidence: [
        nvmlEvidence(
          facts,
          `${reasons.join('; ')}; slowdown at ${slowdown ?? '?'} °C`,
          `nvidia-smi -i ${gpu.index} -q -d TEMPERATURE`,
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

/** A limit of 0 °C is one that the firmware does not tell. */
function limitOf(reading: Reading<number>): number | undefined {
  const limit = known(reading);
  return limit === undefined || limit <= 0 ? undefined : limit;
}

/** A negative margin is believed where the clocks or the neighbours agree, and no thermometer contradicts. */
function isHot(facts: NodeFacts, gpu: GpuState): boolean {
  if ((known(gpu.clocksEventReasons) ?? []).some(reason => reason.includes('thermal'))) return true;
  if (isCool(gpu)) return false;
  const others = facts.driver.gpus.filter(other => other !== gpu);
  const margins = others.flatMap(other => known(other.thermal.marginC) ?? []);
  return margins.length >= 3 && margins.every(margin => margin > 5);
}

/** Degrees below its limit from which a GPU is cool, whatever its margin says. */
const COOL_C = 10;

/** Both the GPU and its memory tell their temperature and are far from their limits. */
function isCool(gpu: GpuState): boolean {
  const pairs = [
    [gpu.temperatureC, limitOf(gpu.thermal.gpuMaxC) ?? limitOf(gpu.slowdownTemperatureC)],
    [gpu.memoryTemperatureC, limitOf(gpu.thermal.memoryMaxC)],
  ] as const;
  return pairs.every(([reading, limit]) => {
    const degrees = known(reading);
    return degrees !== undefined && limit !== undefined && degrees < limit - COOL_C;
  });
}
