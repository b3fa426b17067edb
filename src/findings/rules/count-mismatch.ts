import type { Evidence } from '../../contract/finding.ts';
import { known } from '../../contract/reading.ts';
import { type Clue, gpuClue, nodeClue } from '../clue.ts';
import { GPU_NAMES, gpuAt, gpuName, HOST_NAMES, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { isGpuResource, type LayeredGpu, layeredGpus, offeredDevices } from '../support/layers.ts';
import { lostGpu } from './lost-gpu.ts';

/**
 * GPUs that one layer counts and another does not, from the PCI bus up to the scheduler, and what
 * each pattern means. A GPU that NVML has lost is told by another rule; this one adds the layers.
 */
export const countMismatch = rule(
  'count-mismatch',
  {
    findings: [lostGpu],
    gpu: { decides: ['handle', 'uuid', 'pci'], tells: [...GPU_NAMES, 'minorNumber'] },
    driver: { decides: ['initialized', 'count'] },
    host: {
      decides: ['pciDevices', 'deviceNodes', 'pods.allocatable'],
      tells: [...HOST_NAMES, 'daemons', 'pods.allocations', 'driverGpus.minor', 'pciDevices.slot'],
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
          command: 'kubectl get node -o jsonpath={.items[*].status.allocatable}',
        },
        ...(plugins
          ? [{ what: `${plugins.length} device plugin processes run`, source: '/proc' }]
          : []),
      ],
    }),
  ];
}
