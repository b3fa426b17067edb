import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { PodAllocation, ProcessOwner } from '../../host/port.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, gpuClue } from '../clue.ts';
import { GPU_NAMES, gpuName } from '../facts.ts';
import { rule } from '../rule.ts';
import { isGpuResource } from '../support/layers.ts';
import { isUnread } from '../support/readings.ts';

/**
 * Programs on a GPU that the kubelet gave to someone else, or to nobody: two jobs then share what
 * each believes to be its own. A privileged pod, or NVIDIA_VISIBLE_DEVICES=all, can do so.
 */
export const allocationMismatch = rule(
  'allocation-mismatch',
  {
    gpu: { decides: ['uuid', 'minorNumber', 'processes'], tells: [...GPU_NAMES] },
    host: { decides: ['pods.allocations'] },
    owner: { decides: ['name', 'cgroup'] },
  },
  facts => {
    const allocations = known(facts.host.pods.allocations)?.filter(({ resource }) =>
      isGpuResource(resource),
    );
    if (!allocations || !facts.owners) return [];
    return facts.driver.gpus.flatMap(gpu => {
      // Allocations name a GPU by these: without them it may be anyone's.
      if (isUnread(gpu.uuid) || isUnread(gpu.minorNumber)) return [];
      const onGpu = allocations.filter(allocation => isOf(allocation, gpu));
      const strangers = (known(gpu.processes) ?? [])
        .flatMap(({ pid }) => facts.owners?.find(owner => owner.pid === pid) ?? [])
        .filter(owner => isStranger(owner, onGpu));
      const [first] = strangers;
      return first ? [used(gpu, { first, strangers, onGpu })] : [];
    });
  },
);

const isOf = ({ devices }: PodAllocation, gpu: GpuState): boolean =>
  devices.some(
    device =>
      (device.gpuUuid !== undefined && device.gpuUuid === known(gpu.uuid)) ||
      (device.minor !== undefined && device.minor === known(gpu.minorNumber)),
  );

/** The driver's own helpers run on a GPU for others. */
const HELPERS = /^(?:nvidia-cuda-mps|nv-hostengine|dcgm-exporter|nvidia-persiste)/;

const CONTAINER = /kubepods|cri-?o|containerd|docker|libpod/;

function isStranger(owner: ProcessOwner, onGpu: readonly PodAllocation[]): boolean {
  if (!owner.name.ok || !owner.cgroup.ok || HELPERS.test(owner.name.value)) return false;
  // A container whose pod could not be named may well be the one that the GPU was given to.
  if (owner.podUid === undefined) return onGpu.length > 0 && !CONTAINER.test(owner.cgroup.value);
  // A pod that is known by its name only cannot be told from another: accuse nobody.
  if (onGpu.some(({ podUid }) => podUid === undefined)) {
    return (
      owner.pod !== undefined &&
      !onGpu.some(
        ({ pod, podUid }) => pod === undefined || pod === owner.pod || podUid === owner.podUid,
      )
    );
  }
  return !onGpu.some(({ podUid }) => podUid === owner.podUid);
}

const podName = ({ namespace, pod }: { namespace?: string; pod?: string }): string =>
  pod === undefined ? 'a pod' : plainText(`${namespace ?? '?'}/${pod}`, 128);

function used(
  gpu: GpuState,
  {
    first,
    strangers,
    onGpu,
  }: {
    first: ProcessOwner;
    strangers: readonly ProcessOwner[];
    onGpu: readonly PodAllocation[];
  },
): Clue {
  const who = first.podUid === undefined ? 'a process outside any pod' : podName(first);
  const whose = [...new Set(onGpu.map(podName))].slice(0, 3).join(', ');
  return gpuClue(gpu, 'used-not-allocated', {
    severity: 'warning',
    component: 'kubernetes',
    title: `${gpuName(gpu)} is used by ${who}, and ${whose === '' ? 'allocated to nobody' : `allocated to ${whose}`}`,
    action: 'fix_configuration',
    advice:
      'Find out how this program reached the GPU (privileged pod, NVIDIA_VISIBLE_DEVICES, a login on the node) and end it or give it a GPU of its own.',
    blame: 'configuration',
    confidence: 'high',
    wouldChange: 'An allocation that the kubelet does not list, as of a driver of another kind.',
    evidence: strangers.slice(0, 4).map(owner => ({
      what: `process ${owner.pid} (${plainText(known(owner.name) ?? '?', 16)}) of ${owner.podUid === undefined ? 'no pod' : podName(owner)}`,
      source: `/proc/${owner.pid}/cgroup, NVML and pod-resources of the kubelet`,
      command: `cat /proc/${owner.pid}/cgroup; nvidia-smi -i ${gpu.index} --query-compute-apps=pid --format=csv`,
    })),
  });
}
