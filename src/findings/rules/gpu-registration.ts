import type { ClusterNode, ClusterView, StackPod } from '../../contract/cluster-view.ts';
import type { Evidence } from '../../contract/finding.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import { hasRun, stuckParts } from '../../contract/stuck-stack.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type Clue, nodeClue } from '../clue.ts';
import { rule } from '../rule.ts';
import { GPU_DRIVER } from '../support/dra.ts';
import { offeredDevices } from '../support/layers.ts';
import { isHeldBack } from '../support/operator-labels.ts';

type View = Pick<ClusterView, 'node' | 'pods' | 'devices'>;

/** What the node itself counts, as an answer or the agent's own reading has it. */
interface Counted {
  readonly nvml: number | undefined;
  /** Devices that the kubelet itself lists; absent: not asked. Where it lists none, another rule says so. */
  readonly kubelet: number | undefined;
}

/**
 * GPUs that work and of which the node's status offers none, neither by a device plugin nor by DRA, though no
 * part of the stack is stuck: nothing else would ever mention it. Silent where a part of that was not read.
 */
export function noneRegistered(view: View, { nvml, kubelet }: Counted): readonly Clue[] {
  const [node, pods] = [known(view.node), known(view.pods)];
  const isSeen = pods?.namespace === null && pods.stack !== undefined && isWithoutDra(view);
  if (!node || !isSeen || kubelet === 0 || !nvml) return [];
  const isOffered = Object.values(node.capacity).some(count => count > 0);
  // Where DRA is to give them out, its own rule says that it does not.
  const isDras = pods.stack?.some(({ part, isClaim }) => part === 'DRA driver' && !isClaim);
  if (isOffered || isDras || isHeldBack(node) || stuckParts(pods).some(({ pod }) => !pod.isClaim))
    return [];
  const plugin = pods.stack?.find(
    ({ part, isClaim, deleting }) => part === 'device plugin' && !isClaim && !deleting,
  );
  const isMeant = plugin !== undefined || WANTED in node.labels || RESOURCE in node.capacity;
  return [
    nodeClue('no-gpu-registered', {
      severity: isMeant ? 'warning' : 'info',
      component: 'kubernetes',
      title: `The driver has ${nvml} GPUs, and the node offers none of them to pods: ${plugin ? 'its device plugin has registered none' : 'no device plugin has a pod here'}`,
      action: isMeant ? 'fix_configuration' : 'watch',
      advice: plugin
        ? 'Read the log of the device plugin: which strategy it has, and what it says of devices. It registers what it finds when it starts: delete its pod once that is mended.'
        : 'Look why its DaemonSet has no pod here: node labels and taints, or that nobody deploys one.',
      blame: 'configuration',
      confidence: 'medium',
      evidence: [ofNode(node), ...(plugin ? [ofPlugin(plugin)] : [])],
      counterEvidence: kubelet === undefined ? [] : [`the kubelet itself lists ${kubelet} devices`],
      wouldChange: plugin
        ? 'A device plugin that has just started.'
        : 'A device plugin that is installed under another name or offers GPUs outside of nvidia.com, or a node whose GPUs are not for pods.',
    }),
  ];
}

const RESOURCE = 'nvidia.com/gpu';
/** GPU Operator puts it on every node with a GPU, `true` where it is to deploy one. */
const WANTED = 'nvidia.com/gpu.deploy.device-plugin';

/** DRA was asked, and publishes no GPU of the node. */
const isWithoutDra = ({ devices }: View): boolean =>
  devices?.ok
    ? devices.value.every(({ driver }) => driver !== GPU_DRIVER)
    : devices?.reason === 'not_found';

const ofNode = ({ name, capacity }: ClusterNode): Evidence => ({
  what:
    RESOURCE in capacity
      ? `capacity of ${RESOURCE}: ${capacity[RESOURCE]}`
      : `no ${RESOURCE} in its capacity, and no device of DRA`,
  source: 'status of the node',
  command: shell`kubectl describe node ${name}`,
});

function ofPlugin({ namespace, name, phase, containers }: StackPod): Evidence {
  const container = containers.find(each => !each.init && hasRun(each));
  return {
    what: `pod ${plainText(namespace, 63)}/${plainText(name, 253)} is ${phase}`,
    source: 'pods of the node',
    command: container
      ? shell`kubectl logs -n ${namespace} ${name} -c ${container.name}`
      : shell`kubectl describe pod -n ${namespace} ${name}`,
  };
}

/** GPUs of a node that offers none to pods, for no reason that a part of the GPU stack shows. */
export const gpuRegistration = rule(
  'gpu-registration',
  { driver: { decides: ['count'] }, host: { tells: ['pods.allocatable'] }, cluster: true },
  facts =>
    facts.cluster
      ? noneRegistered(facts.cluster, {
          nvml: known(facts.driver.count),
          kubelet: offeredDevices(facts)?.length,
        })
      : [],
);
