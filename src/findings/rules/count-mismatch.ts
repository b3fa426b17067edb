import type { Evidence } from '../../contract/finding.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { PodAllocation, ProcessOwner } from '../../host/port.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Clue, gpuClue, nodeClue, nvmlEvidence } from '../clue.ts';
import { gpuAt, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { isGpuResource, type LayeredGpu, layeredGpus, offeredDevices } from '../support/layers.ts';
import { isOnBaseboard } from '../support/neighbours.ts';
import { isUnread } from '../support/readings.ts';
import { lostGpu } from './lost-gpu.ts';

/**
 * GPUs that one layer counts and another does not, from the PCI bus up to the scheduler, and what
 * each pattern means. A GPU that NVML has lost is told by another rule; this one adds the layers.
 */
export const countMismatch = rule(
  'count-mismatch',
  {
    findings: [lostGpu],
    gpu: { decides: ['handle', 'uuid', 'pci'], tells: ['minorNumber'] },
    driver: { decides: ['initialized', 'count'] },
    host: {
      decides: ['pciDevices', 'deviceNodes', 'pods.allocatable'],
      tells: ['daemons', 'pods.allocations', 'driverGpus.minor', 'pciDevices.slot'],
    },
  },
  facts => {
    const gpus = layeredGpus(facts);
    const lost = lostGpu(facts).flatMap(({ gpu }) => gpu?.pci ?? []);
    const kept = gpus.filter(isWithheld);
    return [
      ...gpus.filter(({ pci }) => lost.includes(pci)).map(gpu => lostAtLayers(facts, gpu)),
      ...gpus.filter(isWithoutNode).map(gpu => noDeviceNode(facts, gpu)),
      ...(kept.length > SINGLY_MAX
        ? [withheldFromMany(kept, gpus.length)]
        : kept.map(gpu => withheld(facts, gpu))),
      ...nothingOffered(facts),
    ];
  },
);

/** More GPUs than these are one finding on the node. */
const SINGLY_MAX = 2;

const isWithoutNode = ({ missingFrom }: LayeredGpu): boolean =>
  missingFrom.includes('/dev') && !missingFrom.includes('NVML');

const isWithheld = ({ missingFrom }: LayeredGpu): boolean =>
  missingFrom.includes("the kubelet's allocatable devices") && !missingFrom.includes('NVML');

const evidenceOf = (gpu: LayeredGpu): Evidence => ({
  what: [
    `${gpu.pci} is seen by ${gpu.seenBy.join(', ') || 'no layer'}`,
    gpu.missingFrom.length > 0 ? `not by ${gpu.missingFrom.join(', ')}` : '',
    gpu.slot === undefined ? '' : `slot ${gpu.slot}`,
  ]
    .filter(part => part !== '')
    .join('; '),
  source: 'PCI, /proc/driver/nvidia, /dev, NVML and the kubelet compared',
  command: 'lspci -d 10de:; ls /proc/driver/nvidia/gpus /dev/nvidia*; nvidia-smi -L',
});

function lostAtLayers(facts: NodeFacts, gpu: LayeredGpu): Clue {
  const ref = gpuAt(facts, gpu.pci);
  const offered = gpu.seenBy.includes("the kubelet's allocatable devices");
  return gpuClue(ref, 'count-mismatch', {
    cause: 'lost',
    severity: 'critical',
    component: 'gpu',
    title: `${gpuName(ref)} is known to the machine, but not usable by the driver`,
    ...(offered ? { sign: 'the kubelet still offers it to pods' } : {}),
    action: offered ? 'drain' : 'watch',
    advice: offered
      ? 'Cordon the node: new pods can still be given this GPU.'
      : 'Compare the layers named below.',
    blame: 'unknown',
    confidence: 'medium',
    evidence: [evidenceOf(gpu)],
  });
}

function noDeviceNode(facts: NodeFacts, gpu: LayeredGpu): Clue {
  const ref = gpuAt(facts, gpu.pci);
  return gpuClue(ref, 'device-node-missing', {
    severity: 'warning',
    component: 'driver',
    title: `${gpuName(ref)} works, but /dev/nvidia${gpu.minor} does not exist`,
    action: 'fix_configuration',
    advice:
      'Create the node (nvidia-modprobe -c, or start nvidia-persistenced); no container can open this GPU without it.',
    blame: 'configuration',
    confidence: 'high',
    evidence: [evidenceOf(gpu)],
    counterEvidence: ['NVML opens the GPU'],
  });
}

/** The device plugin takes a GPU away after an XID, and gives it back only when it is restarted. */
function withheld(facts: NodeFacts, gpu: LayeredGpu): Clue {
  const ref = gpuAt(facts, gpu.pci);
  return gpuClue(ref, 'gpu-not-offered', {
    cause: 'withheld',
    sign: 'the kubelet does not offer it to pods',
    severity: 'warning',
    component: 'kubernetes',
    title: `${gpuName(ref)} is healthy for the driver, but the kubelet does not offer it to pods`,
    action: 'fix_configuration',
    advice:
      'Read the log of the device plugin for the reason; where the GPU is well again, restart the plugin: it never takes a GPU back by itself.',
    blame: 'configuration',
    confidence: 'medium',
    evidence: [evidenceOf(gpu)],
    counterEvidence: ['NVML opens the GPU and shows no fault that would explain it'],
    wouldChange: 'An XID older than the searched log would explain why the plugin withdrew it.',
  });
}

function withheldFromMany(gpus: readonly LayeredGpu[], of: number): Clue {
  return nodeClue('gpus-not-offered', {
    severity: 'warning',
    component: 'kubernetes',
    title: `The kubelet does not offer ${gpus.length} of ${of} GPUs to pods, although the driver has them`,
    action: 'fix_configuration',
    advice: 'Read the log of the device plugin for the reason and restart it.',
    blame: 'configuration',
    confidence: 'medium',
    evidence: gpus.slice(0, 4).map(evidenceOf),
    counterEvidence: ['NVML opens these GPUs'],
  });
}

function nothingOffered(facts: NodeFacts): readonly Clue[] {
  const offered = offeredDevices(facts);
  const working = facts.driver.gpus.filter(gpu => gpu.handle.ok).length;
  const claimed = known(facts.host.pods.allocations)?.some(({ resource }) =>
    isGpuResource(resource),
  );
  if (offered?.length !== 0 || working === 0 || claimed) return [];
  const plugins = known(facts.host.daemons)?.filter(
    ({ kind }) => kind === 'device_plugin' || kind === 'dra_plugin',
  );
  // Where nothing on the node is there to offer GPUs to Kubernetes, none are missing.
  if (plugins?.some(({ kind }) => kind === 'dra_plugin')) return [];
  return [
    nodeClue('no-gpu-offered', {
      severity: 'warning',
      component: 'kubernetes',
      title: `The driver has ${working} GPUs, the kubelet offers none of them to pods`,
      action: 'fix_configuration',
      advice:
        plugins && plugins.length > 0
          ? 'Read the log of the device plugin: it runs and has registered no GPU.'
          : 'Start the device plugin (DaemonSet of the GPU operator or of NVIDIA) on this node.',
      blame: 'configuration',
      confidence: plugins ? 'high' : 'medium',
      evidence: [
        {
          what: 'the kubelet lists no allocatable device of nvidia.com',
          source: 'pod-resources of the kubelet',
          command: shell`kubectl get node -o jsonpath={.items[*].status.allocatable}`,
        },
        ...(plugins
          ? [{ what: `${plugins.length} device plugin processes run`, source: '/proc' }]
          : []),
      ],
    }),
  ];
}

/** Baseboards for SXM modules carry so many GPUs; one less means that a module does not come up. */
const BOARDS = [4, 8, 16];

/**
 * A GPU that no layer knows any more: the bus of a bare machine with SXM modules shows one less
 * than its baseboard carries. Nothing else on the node would ever mention it.
 */
export const absentGpu = rule(
  'absent-gpu',
  {
    gpu: { decides: ['name', 'virtualizationMode'], tells: ['moduleId'] },
    host: { decides: ['pciDevices'] },
  },
  facts => {
    const onBus = known(facts.host.pciDevices)?.filter(
      ({ kind, function: fn }) => kind === 'gpu' && fn === 0,
    );
    const { gpus } = facts.driver;
    const board = gpus.length > 0 && gpus.every(isOnBaseboard);
    const bare = gpus.every(gpu => known(gpu.virtualizationMode) === 'none');
    if (!onBus || !board || !bare || !BOARDS.includes(onBus.length + 1)) return [];
    const modules = gpus.flatMap(gpu => known(gpu.moduleId) ?? []);
    const missing = Array.from({ length: onBus.length + 1 }, (_, at) => at + 1).filter(
      id => !modules.includes(id),
    );
    const [module] = missing;
    const where = modules.length > 0 && missing.length === 1 ? `: module ${module} is absent` : '';
    return [
      nodeClue('gpu-absent', {
        severity: 'critical',
        component: 'gpu',
        title: `The PCI bus shows ${onBus.length} GPUs on a baseboard for ${onBus.length + 1}${where}`,
        action: 'power_cycle',
        advice:
          'Drain the node and power-cycle it; where the GPU stays away, look into the BMC and open a case with NVIDIA.',
        blame: 'hardware',
        confidence: where === '' ? 'low' : 'medium',
        evidence: [
          {
            what: `${onBus.length} GPUs: ${onBus.map(({ pci }) => pci).join(', ')}`,
            source: '/sys/bus/pci/devices',
            command: 'lspci -d 10de:',
          },
          ...(modules.length > 0
            ? [
                nvmlEvidence(
                  facts,
                  `modules ${modules.join(', ')}`,
                  'nvidia-smi -q | grep -i "module id"',
                ),
              ]
            : []),
        ],
        wouldChange: 'A machine that was built or is sold with fewer modules.',
      }),
    ];
  },
);

/**
 * Programs on a GPU that the kubelet gave to someone else, or to nobody: two jobs then share what
 * each believes to be its own. A privileged pod, or NVIDIA_VISIBLE_DEVICES=all, can do so.
 */
export const allocationMismatch = rule(
  'allocation-mismatch',
  {
    gpu: { decides: ['uuid', 'minorNumber', 'processes'], tells: ['name', 'pci'] },
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
      command: shell`cat /proc/${owner.pid}/cgroup; nvidia-smi -i ${gpu.index} --query-compute-apps=pid --format=csv`,
    })),
  });
}
