import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, gpuClue, nodeClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, gpuRef, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { hasFreeEcc } from '../support/expected-readings.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/** Settings that all GPUs share and that someone chose: good to know, and a fault where no job can live with them. */
export const nodeSettings = rule(
  'node-settings',
  {
    gpu: {
      decides: [
        ...['powerLimitMw', 'defaultPowerLimitMw', 'computeMode', 'eccMode', 'computeCapability'],
      ],
      tells: [
        ...['applicationGraphicsClockMhz', 'defaultApplicationGraphicsClockMhz'],
        ...[...GPU_NAMES, 'persistenceMode'],
      ],
    },
    host: { tells: ['daemons', 'deviceNodes'] },
  } as const,
  facts => [
    ...powerCap(facts),
    ...lowClocks(facts),
    ...persistenceOff(facts),
    ...eccOff(facts),
    ...computeProhibited(facts),
    ...uvmAbsent(facts),
  ],
);

const PERSISTENCE_DAEMON = 'persistenced';

/** nvidia-modprobe and the container toolkit make it at the first CUDA program; a device plugin hands out what is there. */
function uvmAbsent({ host }: NodeFacts): readonly Clue[] {
  const nodes = known(host.deviceNodes);
  if (!nodes?.includes('nvidiactl') || nodes.includes('nvidia-uvm')) return [];
  return [
    nodeClue('uvm-absent', {
      severity: 'info',
      component: 'driver',
      title:
        'There is no /dev/nvidia-uvm: until something makes it, CUDA in containers fails with error 999',
      action: 'fix_configuration',
      advice:
        'Run nvidia-modprobe -u -c 0 on the node, or load nvidia-uvm at boot; then restart the device plugin.',
      blame: 'configuration',
      confidence: 'medium',
      evidence: [
        {
          what: 'nvidiactl and no nvidia-uvm among the device nodes',
          source: '/dev',
          command: 'ls -l /dev/nvidia*; lsmod | grep nvidia_uvm',
        },
      ],
      counterEvidence: [
        'the first CUDA program outside a container makes it where nvidia-modprobe is',
      ],
    }),
  ];
}

function powerCap(facts: NodeFacts): readonly Clue[] {
  const capped = facts.driver.gpus.filter(
    gpu => (known(gpu.powerLimitMw) ?? Infinity) < (known(gpu.defaultPowerLimitMw) ?? 0),
  );
  const [first] = capped.toSorted((a, b) => limitShare(a) - limitShare(b));
  if (!first || isOutlier(facts, capped)) return [];
  const [limit, usual] = [first.powerLimitMw, first.defaultPowerLimitMw].map(reading =>
    Math.round((known(reading) ?? 0) / 1_000),
  );
  return [
    nodeClue('power-cap', {
      // Less than half is no saving of power any more.
      severity: limitShare(first) < THRESHOLDS.setLimitShare.value ? 'warning' : 'info',
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

const limitShare = (gpu: GpuState): number =>
  (known(gpu.powerLimitMw) ?? 0) / (known(gpu.defaultPowerLimitMw) ?? 1);

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

/**
 * Without ECC a flipped bit is a wrong result, and neither counters nor XIDs tell of it. GDDR pays for
 * ECC with memory and speed, and some do without; memory in the package pays nothing, so that nobody
 * gains by it: there it has to be set right before results count, and nothing is healthy meanwhile.
 */
function eccOff(facts: NodeFacts): readonly Clue[] {
  const off = facts.driver.gpus.filter(({ eccMode }) => known(eccMode)?.current === false);
  if (off.length === 0 || isOutlier(facts, off)) return [];
  const isFree = off.some(hasFreeEcc);
  return [
    nodeClue('ecc-off', {
      severity: isFree ? 'warning' : 'info',
      component: 'configuration',
      title: `ECC is off on ${off.length === facts.driver.gpus.length ? 'all' : off.length} GPUs: memory errors are neither corrected nor counted`,
      action: isFree ? 'fix_configuration' : 'watch',
      advice: isFree
        ? 'Switch ECC on (nvidia-smi -e 1, then a reset when the jobs have ended): with memory of this kind it costs nothing.'
        : 'Switch ECC on (nvidia-smi -e 1, then a reset) where results matter.',
      blame: 'configuration',
      confidence: 'high',
      ...(isFree ? { wouldChange: 'A machine for work whose results nobody relies on.' } : {}),
      evidence: [
        nvmlEvidence(
          facts,
          `ECC mode off on GPU ${off.map(({ index }) => index).join(', ')}`,
          'nvidia-smi --query-gpu=index,ecc.mode.current,ecc.mode.pending --format=csv',
        ),
      ],
    }),
  ];
}

function computeProhibited(facts: NodeFacts): readonly Clue[] {
  const closed = facts.driver.gpus.filter(gpu => known(gpu.computeMode) === 'prohibited');
  if (closed.length === 0) return [];
  const which = closed.map(({ index }) => index).join(', ');
  return [
    nodeClue('compute-prohibited', {
      severity: 'warning',
      component: 'configuration',
      gpus: closed.map(gpuRef),
      title: `No program may compute on GPU ${which}: the compute mode is prohibited`,
      action: 'fix_configuration',
      advice:
        'Set the compute mode back (nvidia-smi -c DEFAULT), or find out who closed these GPUs.',
      blame: 'configuration',
      confidence: 'high',
      evidence: [
        nvmlEvidence(
          facts,
          `compute mode prohibited on GPU ${which}`,
          'nvidia-smi --query-gpu=index,compute_mode --format=csv',
        ),
      ],
      wouldChange: 'Someone who took these GPUs out of use on purpose.',
    }),
  ];
}

/** A few GPUs among many, and one of two, are told as the outliers that they are, by the same measure. */
const isOutlier = (facts: NodeFacts, gpus: readonly GpuState[]): boolean =>
  gpus.length * (facts.driver.gpus.length === 2 ? 2 : 3) <= facts.driver.gpus.length;

/** Modes that were changed and wait for a reset, and MIG that is on with nothing to run on. */
export const pendingModes = rule(
  'pending-modes',
  { gpu: { decides: ['eccMode', 'migMode'], tells: [...GPU_NAMES, 'processes', 'migInstances'] } },
  facts =>
    facts.driver.gpus.flatMap(gpu => [
      ...pending(facts, gpu, { mode: gpu.eccMode, rule: 'ecc-mode-pending', name: 'ECC' }),
      ...pending(facts, gpu, { mode: gpu.migMode, rule: 'mig-mode-pending', name: 'MIG' }),
      ...migWithoutInstances(facts, gpu),
    ]),
);

function pending(
  facts: NodeFacts,
  gpu: GpuState,
  { mode, rule, name }: { mode: GpuState['eccMode']; rule: string; name: string },
): readonly Clue[] {
  const value = known(mode);
  if (!value || value.current === value.pending) return [];
  const word = (on: boolean) => (on ? 'on' : 'off');
  return [
    gpuClue(gpu, rule, {
      severity: 'warning',
      component: 'configuration',
      title: `${gpuName(gpu)} still has ${name} ${word(value.current)}: switching it ${word(value.pending)} waits for a reset`,
      action: 'drain_and_reset',
      advice: `Let the jobs on ${gpuName(gpu)} end, then reset it, or set the mode back.`,
      wouldChange: 'Someone who is about to reset the GPU.',
      blame: 'configuration',
      confidence: 'high',
      evidence: [
        nvmlEvidence(
          facts,
          `${name} mode: current ${word(value.current)}, pending ${word(value.pending)}`,
          shell`nvidia-smi -i ${gpu.index} --query-gpu=${name.toLowerCase()}.mode.current,${name.toLowerCase()}.mode.pending --format=csv`,
        ),
      ],
    }),
  ];
}

function migWithoutInstances(facts: NodeFacts, gpu: GpuState): readonly Clue[] {
  const instances = known(gpu.migInstances);
  if (!known(gpu.migMode)?.current || !instances || instances.length > 0) return [];
  // A program that runs in an instance contradicts an empty list of them.
  if ((known(gpu.processes) ?? []).some(({ gpuInstance }) => gpuInstance !== undefined)) return [];
  return [
    gpuClue(gpu, 'mig-without-instances', {
      // Where instances are made on demand (DRA, MIG manager), having none is a state like another.
      severity: 'info',
      component: 'configuration',
      title: `${gpuName(gpu)} has MIG on and no instance: nothing can run on it`,
      action: 'watch',
      advice:
        'Where nothing makes instances on demand: create them (nvidia-smi mig -cgi), or switch MIG off.',
      blame: 'configuration',
      confidence: 'high',
      evidence: [
        nvmlEvidence(
          facts,
          'MIG mode on, 0 instances',
          shell`nvidia-smi -i ${gpu.index} mig -lgi; nvidia-smi -L`,
        ),
      ],
    }),
  ];
}
