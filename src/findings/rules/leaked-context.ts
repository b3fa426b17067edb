import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { DeviceHolder } from '../../host/port.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, gpuClue, nodeClue, nvmlEvidence } from '../clue.ts';
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
        ? holders.every(({ state }) => state === 'Z')
          ? 'The processes below have ended but for a thread in the driver, and no signal ends it: restart their container; where that does not help, drain the node and reboot it.'
          : 'End the processes below that still hold the device; the memory comes back with them.'
        : 'Look for processes that hold /dev/nvidia* (fuser -v); with none left, reset this GPU.',
    blame: 'application',
    confidence: holders.length > 0 || gone.length > 0 ? 'high' : 'medium',
    evidence: [
      nvmlEvidence(
        facts,
        `${gib} GiB used; ${gone.length === 0 ? 'no process' : `pids that are gone: ${gone.slice(0, 8).join(', ')}`}`,
        shell`nvidia-smi -i ${gpu.index} --query-compute-apps=pid,used_memory --format=csv; fuser -v /dev/nvidia` +
          (minor === undefined ? '*' : String(minor)),
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

const holderName = ({ pid, name }: DeviceHolder) => `process ${pid} (${plainText(name, 16)})`;

const holderEvidence = (holder: DeviceHolder) => ({
  what: `${holderName(holder)}, state ${plainText(holder.state, 2)}, holds the device open`,
  source: `/proc/${holder.pid}/fd`,
  command: shell`ls -l /proc/${holder.pid}/fd | grep nvidia`,
});

/**
 * Processes that keep GPUs and cannot be ended: blocked in the kernel now and, by its log, for minutes;
 * or ended but for a thread. Being blocked once is no sign: reading a file blocks.
 */
export const stuckHolder = rule(
  'stuck-holder',
  {
    findings: [leakedContext],
    host: { decides: ['deviceHolders', 'bootId'], tells: ['deviceHolders.waitsIn'] },
    log: true,
  },
  facts => {
    // Then its processes are blocked too, and its finding names them.
    if (facts.driver.unresponsive) return [];
    // A GPU whose memory nobody uses has a finding of its own, which names who holds it.
    const named = new Set(
      leakedContext(facts).flatMap(({ evidence }) => evidence.map(({ source }) => source)),
    );
    return (known(facts.host.deviceHolders) ?? [])
      .filter(({ devices }) => devices.some(name => /^nvidia\d+$/.test(name)))
      .filter(({ pid }) => !named.has(`/proc/${pid}/fd`))
      .flatMap(holder => blocked(facts, holder) ?? halfEnded(holder) ?? []);
  },
);

const devicesOf = ({ devices }: DeviceHolder) =>
  devices
    .filter(name => /^nvidia\d+$/.test(name))
    .slice(0, 8)
    .join(', ');

const place = ({ waitsIn }: DeviceHolder) => plainText(known(waitsIn) ?? 'the kernel', 64);

const stuckEvidence = (holder: DeviceHolder) => ({
  what: `${holderName(holder)}, state ${plainText(holder.state, 2)}, in ${place(holder)}, holds ${devicesOf(holder)}`,
  source: `/proc/${holder.pid}`,
  command: shell`cat /proc/${holder.pid}/stack /proc/${holder.pid}/task/*/wchan; ls -l /proc/${holder.pid}/fd | grep nvidia`,
});

function blocked(facts: NodeFacts, holder: DeviceHolder): Clue | undefined {
  if (holder.state !== 'D') return undefined;
  const boot = known(facts.host.bootId);
  const hungTask = facts.log?.events.find(
    event =>
      event.kind === 'hung_task' &&
      event.pid === holder.pid &&
      (event.boot === null || event.boot === boot),
  );
  if (!hungTask) return undefined;
  return nodeClue('gpu-holder-blocked', {
    of: holder.pid,
    severity: 'warning',
    component: 'host',
    title: `${holderName(holder)} holds ${devicesOf(holder)} and is blocked in ${place(holder)}`,
    action: 'drain',
    advice:
      'It cannot be killed before the kernel lets go: look at what it waits for (network file system, disk, driver); if that does not come back, reboot the node.',
    blame: 'host',
    confidence: 'medium',
    evidence: [
      stuckEvidence(holder),
      {
        what: plainText(hungTask.text, 200),
        source: 'kernel log',
        ...(hungTask.time === null ? {} : { time: hungTask.time }),
        command: shell`dmesg -T | grep 'task .*:${holder.pid} blocked'`,
      },
    ],
  });
}

function halfEnded(holder: DeviceHolder): Clue | undefined {
  if (holder.state !== 'Z') return undefined;
  return nodeClue('gpu-holder-ended', {
    of: holder.pid,
    severity: 'info',
    component: 'host',
    title: `${holderName(holder)} has ended but for a thread, which holds ${devicesOf(holder)}`,
    action: 'watch',
    advice:
      'Ask again in a minute: a large program takes a while to end. What stays is stuck in the kernel, and keeps the GPU from being reset.',
    blame: 'host',
    confidence: 'low',
    evidence: [stuckEvidence(holder)],
  });
}
