import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { DeviceHolder } from '../../host/port.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { isUnread } from '../support/readings.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/** Memory that is held on a GPU without a living process: the next job finds the GPU full. */
export const leakedContext = rule(
  'leaked-context',
  {
    gpu: {
      decides: ['memory', 'numaNode', 'virtualizationMode', 'migMode', 'processes'],
      tells: [...GPU_NAMES, 'minorNumber', 'allProcesses'],
    },
    host: { tells: ['deviceHolders'] },
    owner: { decides: ['name'] },
  },
  facts =>
    facts.driver.gpus.flatMap(gpu => {
      const used = known(gpu.memory)?.usedBytes;
      const processes = known(gpu.processes);
      if (used === undefined || !processes || used < THRESHOLDS.leakedBytes.value) return [];
      // What would excuse the memory in use was not read.
      if ([gpu.virtualizationMode, gpu.numaNode, gpu.migMode].some(isUnread)) return [];
      // Virtual GPUs hold memory for machines that NVML names no process of.
      if (!['none', 'passthrough', undefined].includes(known(gpu.virtualizationMode))) return [];
      // Where the GPU's memory is a NUMA node of the host (Grace), the host itself uses it.
      if (gpu.numaNode.ok) return [];
      // Processes inside MIG instances are not always told of the whole GPU.
      if (known(gpu.migMode)?.current) return [];
      // Kinds that no list by kind has hold memory too.
      const all = known(gpu.allProcesses) ?? [];
      if (all.some(({ pid }) => !isGone(facts, pid))) return [];
      const gone = processes.filter(({ pid }) => isGone(facts, pid));
      if (gone.length < processes.length) return [];
      return [leaked(facts, gpu, { used, gone: gone.map(({ pid }) => pid) })];
    }),
);

const isGone = (facts: NodeFacts, pid: number): boolean => {
  const owner = facts.owners?.find(other => other.pid === pid);
  return owner !== undefined && !owner.name.ok && owner.name.reason === 'not_found';
};

function leaked(
  facts: NodeFacts,
  gpu: GpuState,
  { used, gone }: { used: number; gone: readonly number[] },
): Clue {
  const gib = (used / 1024 ** 3).toFixed(1);
  const minor = known(gpu.minorNumber);
  const holders = (known(facts.host.deviceHolders) ?? []).filter(({ devices }) =>
    devices.includes(`nvidia${minor}`),
  );
  return gpuClue(gpu, 'leaked-context', {
    severity: 'warning',
    component: 'memory',
    title: `${gpuName(gpu)} has ${gib} GiB in use and no living process on it`,
    action: holders.length > 0 ? 'restart_app' : 'reset_gpu',
    advice:
      holders.length > 0
        ? 'End the processes below that still hold the device; the memory comes back with them.'
        : 'Look for processes that hold /dev/nvidia* (fuser -v); with none left, reset this GPU.',
    blame: 'application',
    confidence: holders.length > 0 || gone.length > 0 ? 'high' : 'medium',
    evidence: [
      nvmlEvidence(
        facts,
        `${gib} GiB used; ${gone.length === 0 ? 'no process' : `pids that are gone: ${gone.slice(0, 8).join(', ')}`}`,
        `nvidia-smi -i ${gpu.index} --query-compute-apps=pid,used_memory --format=csv; fuser -v /dev/nvidia${minor ?? '*'}`,
      ),
      ...holders.slice(0, 4).map(holderEvidence),
    ],
    wouldChange: 'A process that appears, or memory that falls, in a reading some seconds later.',
    counterEvidence:
      facts.owners === undefined && gone.length === 0
        ? ['a process in another pid namespace of a virtual machine would not be seen']
        : [],
  });
}

const holderEvidence = ({ pid, name, state }: DeviceHolder) => ({
  what: `process ${pid} (${plainText(name, 16)}), state ${plainText(state, 2)}, holds the device open`,
  source: `/proc/${pid}/fd`,
  command: `ls -l /proc/${pid}/fd | grep nvidia`,
});
