import { known } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, nodeClue, nvmlEvidence } from '../clue.ts';
import type { NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { GROUP_MIN } from '../support/neighbours.ts';

/** Settings that all GPUs share and that someone chose: no fault, but good to know. One line each. */
export const nodeSettings = rule(
  'node-settings',
  {
    gpu: {
      tells: [
        ...['applicationGraphicsClockMhz', 'powerLimitMw', 'defaultApplicationGraphicsClockMhz'],
        ...['defaultPowerLimitMw', 'persistenceMode'],
      ],
    },
    host: { tells: ['daemons'] },
  } as const,
  facts => [...powerCap(facts), ...lowClocks(facts), ...persistenceOff(facts)],
);

const PERSISTENCE_DAEMON = 'persistenced';

function powerCap(facts: NodeFacts): readonly Clue[] {
  const capped = facts.driver.gpus.filter(
    gpu => (known(gpu.powerLimitMw) ?? Infinity) < (known(gpu.defaultPowerLimitMw) ?? 0),
  );
  const [first] = capped;
  if (!first || isOutlier(facts, capped)) return [];
  const [limit, usual] = [first.powerLimitMw, first.defaultPowerLimitMw].map(reading =>
    Math.round((known(reading) ?? 0) / 1_000),
  );
  return [
    nodeClue('power-cap', {
      severity: 'info',
      component: 'configuration',
      title: `${capped.length} GPUs have a power limit below the default: ${limit} W instead of ${usual} W`,
      action: 'watch',
      advice: 'Someone set this limit: expect lower clocks under load, and ask before changing it.',
      blame: 'configuration',
      confidence: 'high',
      evidence: [
        nvmlEvidence(
          facts,
          `power limit ${limit} W, default ${usual} W`,
          'nvidia-smi --query-gpu=index,power.limit,power.default_limit --format=csv',
        ),
      ],
    }),
  ];
}

function lowClocks(facts: NodeFacts): readonly Clue[] {
  const low = facts.driver.gpus.filter(
    gpu =>
      (known(gpu.applicationGraphicsClockMhz) ?? Infinity) <
      (known(gpu.defaultApplicationGraphicsClockMhz) ?? 0),
  );
  const [first] = low;
  if (!first || isOutlier(facts, low)) return [];
  const clock = known(first.applicationGraphicsClockMhz);
  const usual = known(first.defaultApplicationGraphicsClockMhz);
  return [
    nodeClue('application-clocks', {
      severity: 'info',
      component: 'configuration',
      title: `${low.length} GPUs have application clocks below the default: ${clock} MHz instead of ${usual} MHz`,
      action: 'watch',
      advice: 'Someone set these clocks; nvidia-smi -rac takes them back.',
      blame: 'configuration',
      confidence: 'high',
      evidence: [
        nvmlEvidence(
          facts,
          `application clock ${clock} MHz, default ${usual} MHz`,
          'nvidia-smi -q -d CLOCK',
        ),
      ],
    }),
  ];
}

function persistenceOff(facts: NodeFacts): readonly Clue[] {
  const off = facts.driver.gpus.filter(gpu => known(gpu.persistenceMode) === false);
  const daemon = known(facts.host.daemons)?.some(({ kind }) => kind === PERSISTENCE_DAEMON);
  if (off.length === 0 || daemon) return [];
  return [
    nodeClue('persistence-off', {
      severity: 'info',
      component: 'configuration',
      title: `Persistence is off on ${off.length === facts.driver.gpus.length ? 'all' : off.length} GPUs`,
      action: 'watch',
      advice:
        'Run nvidia-persistenced: without it each first job starts seconds later, and what the driver counts since it took the GPU (volatile ECC, slowdowns) starts again from zero.',
      blame: 'configuration',
      confidence: 'high',
      evidence: [
        nvmlEvidence(
          facts,
          `persistence mode off on GPU ${off.map(({ index }) => index).join(', ')}`,
          'nvidia-smi --query-gpu=index,persistence_mode --format=csv',
        ),
      ],
    }),
  ];
}

/** A few GPUs among many are told as the outliers that they are, by the same measure. */
const isOutlier = (facts: NodeFacts, gpus: readonly GpuState[]): boolean =>
  facts.driver.gpus.length >= GROUP_MIN && gpus.length * 3 <= facts.driver.gpus.length;
