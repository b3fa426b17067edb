import type { Finding } from '../contract/finding.ts';
import { known } from '../contract/reading.ts';
import type { GpuState } from '../nvml/port.ts';
import { findingId, gpuName, gpuRef, type NodeFacts, nvmlEvidence, type Rule } from './facts.ts';

/**
 * Clocks that the hardware itself takes down. Software power capping is normal load and no
 * finding; idle, application clocks and sync boost are settings.
 * nvml.h: nvmlClocksEventReasonHwSlowdown, HwThermalSlowdown, HwPowerBrakeSlowdown.
 */
export const slowdown: Rule = facts => facts.driver.gpus.flatMap(gpu => slowdownOf(facts, gpu));

const CAUSES: Readonly<Record<string, { title: string; advice: string }>> = {
  hw_thermal_slowdown: {
    title: 'is slowed down by its hardware for heat',
    advice:
      'Look at fans, inlet temperature and air flow of this slot; compare with the neighbours.',
  },
  hw_power_brake_slowdown: {
    title: 'is slowed down by the external power brake',
    advice:
      'Look at the power supplies and the chassis power limit (BMC); the GPU obeys an outside signal.',
  },
  hw_slowdown: {
    title: 'is slowed down by its hardware',
    advice: 'Look at temperature, power cables and power supplies of this GPU.',
  },
};

function slowdownOf(facts: NodeFacts, gpu: GpuState): readonly Finding[] {
  const reasons = known(gpu.clocksEventReasons) ?? [];
  const reason = Object.keys(CAUSES).find(name => reasons.includes(name));
  const cause = reason === undefined ? undefined : CAUSES[reason];
  if (!cause) return [];
  const ref = gpuRef(gpu);
  const temperature = known(gpu.temperatureC);
  const limit = known(gpu.slowdownTemperatureC);
  const clock = known(gpu.smClockMhz);
  const max = known(gpu.maxSmClockMhz);
  return [
    {
      id: findingId('hardware-slowdown', ref),
      severity: 'warning',
      component: reason === 'hw_thermal_slowdown' ? 'thermal' : 'power',
      gpu: ref,
      title: `${gpuName(ref)} ${cause.title}`,
      action: 'watch',
      advice: cause.advice,
      blame: 'host',
      confidence: 'medium',
      evidence: [
        nvmlEvidence(
          facts,
          [
            `clocks event reasons: ${reasons.join(', ')}`,
            temperature === undefined ? '' : `${temperature} °C of ${limit ?? '?'} °C`,
            clock === undefined ? '' : `SM clock ${clock} of ${max ?? '?'} MHz`,
          ]
            .filter(part => part !== '')
            .join('; '),
          `nvidia-smi -i ${gpu.index} -q -d PERFORMANCE,TEMPERATURE,CLOCK`,
        ),
      ],
      counterEvidence:
        temperature !== undefined && limit !== undefined && temperature < limit - 10
          ? [`temperature is ${limit - temperature} °C below the slowdown limit`]
          : [],
    },
  ];
}
