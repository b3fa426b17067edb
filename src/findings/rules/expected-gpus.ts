import type { ClusterNode } from '../../contract/cluster-view.ts';
import type { Evidence } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type Clue, nodeClue } from '../clue.ts';
import { rule } from '../rule.ts';
import {
  countsOfCluster,
  countsOfNode,
  countsText,
  type GoneGpu,
  type GpuCounts,
  goneGpus,
} from '../support/gpu-counts.ts';
import { type InstanceType, instanceType, isProductOf } from '../support/instance-types.ts';

/** What of the node the cluster's expectation is compared with. */
export interface SeenGpus {
  readonly counts: GpuCounts;
  /** Names of GPUs, as far as any layer tells them. */
  readonly names: readonly string[];
  readonly gone: readonly GoneGpu[];
}

/**
 * GPUs that the node should have, by its instance type, else by its label, and does not; and GPUs
 * that the driver has and the node does not offer. Which layer loses them tells whose matter it is.
 */
export function missingGpus(node: ClusterNode, seen: SeenGpus): readonly Clue[] {
  const counts = { ...seen.counts, ...countsOfCluster(node) };
  const type = instanceType(node.instanceType);
  const typed = type && isProductOf(type, seen.names) ? type : undefined;
  const at = { node, counts, gone: seen.gone };
  const sold = typed ? lessThanSold(at, typed) : [];
  return [...(sold.length > 0 ? sold : lessThanLabelled(at)), ...notRegistered(at)];
}

/**
 * GPUs that the node should have, by its instance type, else by its label, and does not; and GPUs that the driver has
 * and the node does not offer. Silent where nobody asked the cluster.
 */
export const expectedGpus = rule(
  'expected-gpus',
  {
    gpu: { tells: ['name', 'pci'] },
    driver: { decides: ['initialized', 'count'] },
    host: { tells: ['pciDevices', 'deviceNodes', 'pods.allocatable', 'driverGpus'] },
    log: true,
    cluster: true,
  },
  facts => {
    const node = known(facts.cluster?.node);
    if (!node) return [];
    const { initialized, count, gpus } = facts.driver;
    return missingGpus(node, {
      counts: countsOfNode(facts.host, initialized.ok ? known(count) : undefined),
      names: gpus.flatMap(gpu => known(gpu.name) ?? []),
      gone: goneGpus(facts),
    });
  },
);

interface At {
  readonly node: ClusterNode;
  readonly counts: GpuCounts;
  readonly gone: readonly GoneGpu[];
}

const evidenceOf = ({ node, counts, gone }: At): Evidence[] => [
  {
    what: `GPUs by layer: ${countsText(counts)}`,
    source: 'the node and the cluster compared',
    command: shell`lspci -d 10de:; nvidia-smi -L; kubectl describe node ${node.name}`,
  },
  ...gone.slice(0, 4).map(({ pci, uuid, serial, since }) => ({
    what: `${[pci, uuid, serial === undefined ? undefined : `serial ${plainText(serial, 32)}`].filter(Boolean).join(', ')} was there and is not on the PCI bus now${since === undefined ? '' : ': lost'}`,
    source: 'kernel log and PCI bus compared',
    ...optional({ time: since }),
  })),
];

/** Sold with the node, but gone: on the bus already, or between the bus and the driver. */
function lessThanSold(at: At, { type, gpus, product }: InstanceType): readonly Clue[] {
  const { pciBus, nvml } = at.counts;
  // A GPU that the driver still counts is told by the rule on lost GPUs.
  if (nvml !== undefined && nvml >= gpus) return [];
  if (pciBus !== undefined && pciBus < gpus) return [notOnBus(at, { type, gpus, product, pciBus })];
  if (nvml === undefined || pciBus === undefined) return [];
  return [
    nodeClue('gpus-not-in-driver', {
      severity: 'info',
      component: 'gpu',
      title: `All ${gpus} GPUs of a ${type} are on the PCI bus, the driver counts ${nvml}`,
      action: 'watch',
      advice: 'The hardware is there: look at the findings on the driver and on lost GPUs.',
      blame: 'driver',
      confidence: 'high',
      evidence: evidenceOf(at),
    }),
  ];
}

function notOnBus(
  at: At,
  {
    type,
    gpus,
    product,
    pciBus,
  }: Pick<InstanceType, 'type' | 'gpus' | 'product'> & { pciBus: number },
): Clue {
  const { nodeLabel } = at.counts;
  return nodeClue('fewer-gpus-than-instance-type', {
    severity: 'critical',
    component: 'gpu',
    title: `A ${type} has ${gpus} GPUs (${product}), the PCI bus of this node shows ${pciBus}`,
    action: 'power_cycle',
    advice:
      'Drain the node and replace the instance (stop and start it, so that it gets another machine): no driver can bring back a GPU that the bus does not show.',
    blame: 'hardware',
    confidence: nodeLabel === gpus || at.gone.length > 0 ? 'high' : 'medium',
    evidence: evidenceOf(at),
    wouldChange: 'A node whose label of the instance type is not true.',
  });
}

/** GPU feature discovery labels the node with what NVML counted when it last ran. */
function lessThanLabelled(at: At): readonly Clue[] {
  const { nodeLabel, nvml } = at.counts;
  if (nodeLabel === undefined || nvml === undefined || nodeLabel <= nvml) return [];
  return [
    nodeClue('fewer-gpus-than-labelled', {
      severity: 'critical',
      component: 'gpu',
      title: `The node is labelled with ${nodeLabel} GPUs, the driver counts ${nvml}`,
      action: 'reboot_node',
      advice:
        'A GPU has gone since the label was written: drain and reboot the node, power-cycle it if the GPU stays away.',
      blame: 'hardware',
      confidence: 'medium',
      evidence: evidenceOf(at),
      wouldChange: 'GPUs that were taken out on purpose leave a stale label behind.',
    }),
  ];
}

/** In NVML and not in the node's capacity: the device plugin has not registered them. */
function notRegistered(at: At): readonly Clue[] {
  const { nodeCapacity, nvml } = at.counts;
  const [only, ...others] = Object.keys(at.node.capacity);
  const whole = only === 'nvidia.com/gpu' && others.length === 0;
  if (!whole || nodeCapacity === undefined || nvml === undefined) return [];
  if (nodeCapacity === 0 || nodeCapacity >= nvml) return [];
  return [
    nodeClue('gpus-not-registered', {
      severity: 'warning',
      component: 'kubernetes',
      title: `The driver has ${nvml} GPUs, the node has a capacity of ${nodeCapacity}`,
      action: 'fix_configuration',
      advice:
        'Restart the device plugin: it registers what it found when it started. Look at its settings if the number stays.',
      blame: 'configuration',
      confidence: 'medium',
      evidence: evidenceOf(at),
      wouldChange: 'A device plugin that is told to keep GPUs back.',
    }),
  ];
}
