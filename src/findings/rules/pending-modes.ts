import { known } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';

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
          `nvidia-smi -i ${gpu.index} --query-gpu=${name.toLowerCase()}.mode.current,${name.toLowerCase()}.mode.pending --format=csv`,
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
          `nvidia-smi -i ${gpu.index} mig -lgi; nvidia-smi -L`,
        ),
      ],
    }),
  ];
}
