import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, gpuClue, nodeClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, gpuRef, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { isFullyLoaded, likeIt, median } from '../support/neighbours.ts';
import { isUnread } from '../support/readings.ts';
import { THRESHOLDS } from '../support/thresholds.ts';
import { ALONE, isWaiting } from '../support/waiting.ts';
import { slowdownReasons } from './slowdown.ts';

const watts = (milliwatts: number | undefined): string =>
  milliwatts === undefined ? '? W' : `${Math.round(milliwatts / 1_000)} W`;

/** A limit of power that is not the one that was set: the chassis, the rack or the board holds it. */
export const powerLimit = rule(
  'power-limit',
  {
    gpu: {
      decides: ['enforcedPowerLimitMw', 'powerLimitMw'],
      tells: [...GPU_NAMES, 'power.moduleInstantMw'],
    },
  } as const,
  facts =>
    facts.driver.gpus.flatMap(gpu => {
      const enforced = known(gpu.enforcedPowerLimitMw);
      const set = known(gpu.powerLimitMw);
      // On a module the CPU's draw is taken from the GPU's limit.
      const { enforcedShare, enforcedShareOfModule } = THRESHOLDS;
      const { moduleInstantMw: module } = gpu.power;
      const share = module.ok ? enforcedShareOfModule : enforcedShare;
      if (enforced === undefined || set === undefined || enforced >= set * share.value) return [];
      return [
        gpuClue(gpu, 'power-limit-enforced', {
          severity: 'warning',
          component: 'power',
          title: `${gpuName(gpu)} is held to ${watts(enforced)}, its power limit is set to ${watts(set)}`,
          action: 'fix_configuration',
          advice:
            'Look for a power cap of the chassis or the rack (BMC), then at the power supplies and the cables of this GPU.',
          blame: 'host',
          confidence: 'high',
          evidence: [
            nvmlEvidence(
              facts,
              `enforced power limit ${watts(enforced)}, set ${watts(set)}`,
              shell`nvidia-smi -i ${gpu.index} -q -d POWER`,
            ),
          ],
          wouldChange: 'Someone who caps the power of this machine on purpose.',
        }),
      ];
    }),
);

/** Clocks locked low show in no getter: a GPU under full load that runs far below what it can does. */
export const slowClocks = rule(
  'slow-clocks',
  {
    gpu: {
      decides: [
        ...['gpuUtilizationPercent', 'smClockMhz', 'maxSmClockMhz', 'memoryClockMhz'],
        ...['maxMemoryClockMhz', 'clocksEventReasons', 'powerUsageMw', 'enforcedPowerLimitMw'],
        ...['applicationGraphicsClockMhz', 'performanceState', 'processes'],
      ],
      tells: [...GPU_NAMES, 'memoryUtilizationPercent'],
    },
  } as const,
  facts =>
    facts.driver.gpus
      .filter(gpu => isFullyLoaded(gpu) && !onlyDraws(gpu))
      .flatMap(gpu => slowClock(facts, gpu) ?? []),
);

/** A desktop keeps a GPU busy at the clocks of an idle one, and needs no more. */
const onlyDraws = ({ processes }: GpuState): boolean => {
  const kinds = known(processes)?.map(({ kind }) => kind) ?? [];
  return isUnread(processes) || (kinds.includes('graphics') && !kinds.includes('compute'));
};

/** Reasons that are set for all GPUs together, or by what hangs on the GPU. */
const SHARED_REASONS = ['sync_boost', 'display_clock_setting'];

function slowClock(facts: NodeFacts, gpu: GpuState): Clue | undefined {
  const reasons = known(gpu.clocksEventReasons);
  // A slowdown that is told is told by its own rule, and tells more.
  if (!reasons || slowdownReasons(gpu).length > 0) return undefined;
  if (reasons.some(reason => SHARED_REASONS.includes(reason))) return undefined;
  const isCapped = reasons.includes('sw_power_cap');
  const share = isCapped ? (powerShare(gpu) ?? 1) : 0;
  // A cap near the limit is full load: clocks are then as low as the work of all makes them.
  const isFull = share >= THRESHOLDS.cappedShare.value;
  const stuck = stuckLow(gpu);
  const low = stuck ?? (isFull ? farBelowNeighbours(facts, gpu) : lowClock(facts, gpu));
  const isEarly = isCapped && share < THRESHOLDS.cappedAloneShare.value && !waitsNow(gpu);
  if (low === undefined && !isEarly) return undefined;
  const draw = `${watts(known(gpu.powerUsageMw))} of ${watts(known(gpu.enforcedPowerLimitMw))}`;
  const at = low ?? 'its full clock';
  return gpuClue(gpu, 'slow-clocks', {
    severity: 'warning',
    ...(stuck !== undefined || !isCapped ? LOCKED : isFull ? WASTED : CAPPED),
    title:
      stuck !== undefined || !isCapped
        ? `${gpuName(gpu)} works at ${at} under full load, and no slowdown is told`
        : `${gpuName(gpu)} is capped for power at ${draw}, and works at ${at}`,
    evidence: [
      nvmlEvidence(
        facts,
        `${at}, ${known(gpu.gpuUtilizationPercent) ?? '?'} % busy, ${draw}; clocks event reasons ${reasons.join(', ') || 'none'}`,
        'nvidia-smi --query-gpu=index,clocks.sm,clocks.max.sm,clocks.mem,clocks.max.mem,power.draw,utilization.gpu,clocks_event_reasons.active --format=csv',
      ),
    ],
    wouldChange: 'A lighter kernel on this GPU can look the same for a moment.',
  });
}

const LOCKED = {
  component: 'configuration',
  action: 'fix_configuration',
  advice:
    'Look for locked clocks and unlock them (nvidia-smi -rgc, -rmc); where none are, reset the GPU.',
  blame: 'configuration',
  confidence: 'medium',
} as const;

const CAPPED = {
  component: 'power',
  action: 'fix_configuration',
  advice:
    'Look for a power cap of the chassis (BMC), then at the power supplies and the cables of this GPU; where it alone is capped after a reboot, open a case.',
  blame: 'host',
  confidence: 'medium',
} as const;

const WASTED = {
  component: 'power',
  action: 'watch',
  advice:
    'Give this GPU the work of its neighbours: where it needs the same power for half of the clock again, open a case.',
  blame: 'hardware',
  confidence: 'low',
} as const;

/** What a GPU draws, as a part of what it may. */
function powerShare(gpu: GpuState): number | undefined {
  const draw = known(gpu.powerUsageMw);
  const limit = known(gpu.enforcedPowerLimitMw);
  return draw === undefined || !limit ? undefined : draw / limit;
}

/** What no load and no limit of power takes down: the clock of the memory, and the state for work. */
function stuckLow(gpu: GpuState): string | undefined {
  const memory = known(gpu.memoryClockMhz);
  const max = known(gpu.maxMemoryClockMhz) ?? 0;
  if (memory !== undefined && memory < max * THRESHOLDS.clockShare.value) {
    return `${memory} of ${max} MHz of its memory`;
  }
  const state = known(gpu.performanceState) ?? 0;
  return state >= THRESHOLDS.idleState.value ? `the performance state P${state}` : undefined;
}

const medianOfBusy = (facts: NodeFacts, gpu: GpuState): number | undefined =>
  median(
    likeIt(facts, gpu)
      .filter(isFullyLoaded)
      .flatMap(other => known(other.smClockMhz) ?? []),
  );

function farBelowNeighbours(facts: NodeFacts, gpu: GpuState): string | undefined {
  const clock = known(gpu.smClockMhz) ?? Infinity;
  const usual = medianOfBusy(facts, gpu);
  return usual !== undefined && clock < usual * THRESHOLDS.cappedClockShare.value
    ? besideText(clock, usual)
    : undefined;
}

const besideText = (clock: number, usual: number): string =>
  `${clock} MHz, its busy neighbours at ${usual} MHz`;

/** A clock far below its own maximum or below that of the neighbours, in words. */
function lowClock(facts: NodeFacts, gpu: GpuState): string | undefined {
  const { clockShare, ownClockShare } = THRESHOLDS;
  const clock = known(gpu.smClockMhz);
  const max = known(gpu.maxSmClockMhz) ?? 0;
  // Clocks that were set are told as settings, and hold where they were set.
  const set = known(gpu.applicationGraphicsClockMhz) ?? Infinity;
  if (clock === undefined || isUnread(gpu.applicationGraphicsClockMhz)) return undefined;
  if (set < max * clockShare.value && clock >= set * clockShare.value) return undefined;
  if (clock < max * ownClockShare.value) return `${clock} of ${max} MHz`;
  const usual = medianOfBusy(facts, gpu);
  return usual !== undefined && clock < usual * clockShare.value
    ? besideText(clock, usual)
    : undefined;
}

/** What a job does that hangs or waits in a collective, and no fault of the GPU. */
const waitsNow = (gpu: GpuState): boolean =>
  isWaiting(
    {
      busyPercent: known(gpu.gpuUtilizationPercent),
      memoryBusyPercent: known(gpu.memoryUtilizationPercent),
      powerShare: powerShare(gpu),
    },
    ALONE,
  );

/** GPUs that wait for something, and those of the node that do not: where to look first. */
export const waiting = rule(
  'waiting',
  {
    gpu: {
      decides: [
        ...['gpuUtilizationPercent', 'memoryUtilizationPercent'],
        ...['powerUsageMw', 'enforcedPowerLimitMw'],
      ],
      tells: [...GPU_NAMES, 'processes'],
    },
  } as const,
  facts => {
    const { gpus } = facts.driver;
    const waits = gpus.filter(waitsNow);
    const [first] = waits;
    if (!first) return [];
    const others = gpus.filter(
      gpu => !waits.includes(gpu) && (known(gpu.processes) ?? []).length > 0,
    );
    const stragglers = others.length < waits.length ? others : [];
    const isAlone = waits.length === 1;
    const who = isAlone ? gpuName(first) : `${waits.length} of ${gpus.length} GPUs`;
    const behind = stragglers.map(({ index }) => index).join(', ');
    return [
      nodeClue('waiting', {
        severity: 'warning',
        component: 'job',
        gpus: waits.map(gpuRef),
        title: `${who} ${isAlone ? 'is' : 'are'} busy without doing work: probably waiting in a collective${behind === '' ? '' : `, and GPU ${behind} ${stragglers.length === 1 ? 'is' : 'are'} not`}`,
        action: 'watch',
        advice: `Look at the job, not at ${isAlone ? 'this GPU' : 'these GPUs'}: ${behind === '' ? 'a rank on another node, the network or the program' : `GPU ${behind}`} is what ${isAlone ? 'it waits' : 'they wait'} for (py-spy dump of the ranks, NCCL flight recorder).`,
        blame: 'application',
        confidence: 'low',
        evidence: [...waits.slice(0, 4), ...stragglers.slice(0, 4)].map(gpu =>
          evidenceOf(facts, gpu),
        ),
        counterEvidence: [`no reading of ${isAlone ? 'this GPU' : 'these GPUs'} tells of a fault`],
        wouldChange:
          'Power and memory traffic that are back within a minute: a job that goes on pauses too.',
      }),
    ];
  },
);

const evidenceOf = (facts: NodeFacts, gpu: GpuState) =>
  nvmlEvidence(
    facts,
    `GPU ${gpu.index}: ${known(gpu.gpuUtilizationPercent) ?? '?'} % busy, memory ${known(gpu.memoryUtilizationPercent) ?? '?'} % busy, ${watts(known(gpu.powerUsageMw))} of ${watts(known(gpu.enforcedPowerLimitMw))}`,
    'nvidia-smi --query-gpu=index,utilization.gpu,utilization.memory,power.draw,enforced.power.limit --format=csv',
  );
