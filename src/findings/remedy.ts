import type { ClusterPods } from '../contract/cluster-view.ts';
import { type Action, type Finding, type GpuRef, gpusOf, type Hits } from '../contract/finding.ts';
import { optional } from '../contract/optional.ts';
import { known, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import type { DeviceHolder } from '../host/port.ts';
import type { GpuState } from '../nvml/port.ts';
import { type Place, placeOf, verdictAt } from '../xid/place.ts';
import type { Clue } from './clue.ts';
import { gpuAt, type NodeFacts } from './facts.ts';
import { isGpu, resetOf } from './reset.ts';
import { onGpu, type PodNames } from './support/container-lives.ts';
import { isGpuResource } from './support/layers.ts';

/** Where the machine stands; `virtual` is a virtual machine of no cloud that we know. */
export type Ground = Place | 'virtual' | 'unknown';

export function groundOf({ host }: NodeFacts): Ground {
  const vendor = known(host.vendor);
  const isVirtual = known(host.virtualMachine) === true;
  if (vendor === undefined) return isVirtual ? 'virtual' : 'unknown';
  const place = placeOf(`${vendor} ${isVirtual ? 'Virtual Machine' : ''}`);
  return place === null || (place === 'bare-metal' && isVirtual) ? 'virtual' : place;
}

/** What a rule advises, as the place allows it. */
export function placed(ground: Ground, { byHand, ...clue }: Clue): Clue {
  if (ground === 'bare-metal' || ground === 'unknown') return clue;
  if (byHand) return { ...clue, advice: OUT_OF_REACH };
  // A step against software, as against a driver of two versions, is the same everywhere.
  if (clue.blame !== 'hardware' && clue.gpu === undefined) return clue;
  if (ground !== 'virtual') return verdictAt(ground, clue);
  const advice = VIRTUAL[clue.action];
  return advice === undefined ? clue : { ...clue, advice };
}

const VIRTUAL: Readonly<Partial<Record<Action, string>>> = {
  reboot_node: 'Drain the node and reboot the virtual machine.',
  power_cycle: 'Drain the node, then power the virtual machine off and on.',
  contact_support:
    'Drain the node, and have its host looked at by whoever runs the hypervisor, with nvidia-bug-report.',
};

const OUT_OF_REACH =
  'Drain the node, then move it to another host or replace it: nobody can touch the card of a virtual machine.';

/** A finding with what comes after its step, and whom the step hits. */
export function withRemedy(facts: NodeFacts, ground: Ground, finding: Finding): Finding {
  if (finding.severity === 'info') return finding;
  return {
    ...finding,
    ...optional({ otherwise: otherwiseOf(ground, finding), hits: hitsOf(facts, finding) }),
  };
}

/** The steps in order of weight; each is what to do where the one before did not help. */
const LADDER: readonly Action[] = ['reset_gpu', 'reboot_node', 'power_cycle', 'contact_support'];

const VENDOR =
  'replace the board (RMA): a case with NVIDIA, nvidia-bug-report and the serial number';

/**
 * The same steps by place. Sources: as in xid/place.ts; nvidia-smi(1), --gpu-reset: where a GPU is
 * not well after a reset, power-cycle the node.
 */
const RUNGS: Readonly<Record<Ground, Readonly<Partial<Record<Action, string>>>>> = {
  'bare-metal': {
    reboot_node: 'reboot the node',
    power_cycle: 'power-cycle it, for a warm reboot leaves the boards powered',
    contact_support: VENDOR,
  },
  aws: {
    power_cycle: 'stop and start the instance, which moves it to another host',
    contact_support: 'replace it and open a case with AWS',
  },
  gcp: {
    reboot_node: 'reset the VM',
    power_cycle: 'report the host (gcloud compute instances report-host-as-faulty)',
    contact_support: 'replace the node and open a case with Google',
  },
  azure: {
    reboot_node: 'restart the VM',
    power_cycle: 'redeploy it (az vm redeploy), which moves it to another host',
    contact_support: 'open a support request',
  },
  virtual: {
    reboot_node: 'reboot the virtual machine',
    power_cycle: 'power it off and on',
    contact_support: 'have the host looked at by whoever runs the hypervisor',
  },
  unknown: {
    reboot_node: 'reboot the node',
    power_cycle: 'power-cycle it (a virtual machine: stop and start it)',
    contact_support: `${VENDOR} (in a cloud: replace the node)`,
  },
};

function otherwiseOf(ground: Ground, { action, blame }: Finding): string | undefined {
  const at = LADDER.indexOf(action === 'drain_and_reset' ? 'reset_gpu' : action);
  // A configuration is another one after a reboot, and not on another board.
  const helps = (step: Action) => blame !== 'configuration' || step === 'reboot_node';
  const rungs =
    at < 0
      ? []
      : LADDER.slice(at + 1)
          .filter(helps)
          .flatMap(step => RUNGS[ground][step] ?? []);
  return rungs.length === 0 ? undefined : rungs.join('; then ');
}

/** What each action takes away: the GPUs it names, all of the node, or nothing. */
export const TAKES: Readonly<Record<Action, 'gpus' | 'node' | undefined>> = {
  none: undefined,
  watch: undefined,
  restart_app: undefined,
  fix_configuration: undefined,
  reset_gpu: 'gpus',
  drain: 'gpus',
  drain_and_reset: 'gpus',
  reboot_node: 'node',
  power_cycle: 'node',
  contact_support: 'gpus',
};

const PODS_MAX = 8;
const PROCESSES_MAX = 4;

function hitsOf(facts: NodeFacts, finding: Finding): Hits | undefined {
  const takes = TAKES[finding.action];
  const named = gpusOf(finding);
  if (takes === undefined || (takes === 'gpus' && named.length === 0)) return undefined;
  const resets = finding.action === 'reset_gpu' || finding.action === 'drain_and_reset';
  const all = takes === 'node' || (resets && resetOf(facts, named).all !== undefined);
  const refs = all ? undefined : named;
  const states = facts.driver.gpus.filter(
    gpu => refs === undefined || refs.some(ref => isGpu(gpu, ref)),
  );
  const processes = processesOn(facts, states, refs);
  const pods = unique([...podsWith(facts, refs), ...processes.filter(isOfPod)]);
  const free = [...new Map(processes.filter(of => !isOfPod(of)).map(of => [of.pid, of])).values()];
  return {
    pods: pods.slice(0, PODS_MAX).map(podNames),
    processes: free.slice(0, PROCESSES_MAX).map(({ pid, name }) => ({
      pid,
      ...optional({ name: name === undefined ? undefined : plainText(name, 64) }),
    })),
    more: Math.max(0, pods.length - PODS_MAX) + Math.max(0, free.length - PROCESSES_MAX),
    notRead: [
      ...(facts.host.pods.allocations.ok
        ? []
        : [`pods by the kubelet (${facts.host.pods.allocations.reason})`]),
      ...(facts.host.deviceHolders.ok
        ? []
        : [`who holds the devices (${facts.host.deviceHolders.reason})`]),
    ],
  };
}

/** Whom a step that the cluster's view asks for hits, by that view: it has the pods, and no process. */
export function hitsByCluster(pods: Reading<ClusterPods>, action: Action): Hits | undefined {
  if (TAKES[action] === undefined) return undefined;
  const { namespace = null, gpuPods = [] } = known(pods) ?? {};
  const held = gpuPods.filter(({ phase }) => phase !== 'Succeeded' && phase !== 'Failed');
  return {
    pods: held
      .slice(0, PODS_MAX)
      .map(({ namespace: of, name, uid }) => podNames({ namespace: of, pod: name, podUid: uid })),
    processes: [],
    more: Math.max(0, held.length - PODS_MAX),
    notRead: [
      ...(pods.ok ? [] : [`pods by the cluster (${pods.reason})`]),
      ...(namespace === null ? [] : [`pods outside namespace ${plainText(namespace, 63)}`]),
      'processes in no pod',
    ],
  };
}

/** By the kubelet's allocation, which lasts when the driver has lost the GPU. */
function podsWith(facts: NodeFacts, refs: readonly GpuRef[] | undefined): readonly PodNames[] {
  const held = (known(facts.host.pods.allocations) ?? []).filter(({ resource }) =>
    isGpuResource(resource),
  );
  if (refs === undefined) return held;
  const answering = facts.driver.gpus.filter(gpu => gpu.handle.ok && gpu.pci.ok).map(whichOf);
  return held.filter(
    allocation =>
      refs.some(({ pci = null, uuid }) =>
        onGpu(facts, allocation, {
          pci,
          uuid: uuid ?? (pci === null ? undefined : gpuAt(facts, pci).uuid),
          mig: undefined,
        }),
      ) ||
      // Of a GPU without any name only that is known: it is none of those that answer.
      (refs.some(({ pci, uuid }) => pci === undefined && uuid === undefined) &&
        !answering.some(gpu => onGpu(facts, allocation, gpu))),
  );
}

const whichOf = (gpu: GpuState) => ({
  pci: known(gpu.pci) ?? null,
  uuid: known(gpu.uuid),
  mig: undefined,
});

interface OnGpu extends PodNames {
  readonly pid: number;
  readonly name?: string | undefined;
}

/** Those that the driver names, and all that hold the devices open: it may be silent, or hang. */
function processesOn(
  facts: NodeFacts,
  gpus: readonly GpuState[],
  refs: readonly GpuRef[] | undefined,
): readonly OnGpu[] {
  const daemons = new Set(known(facts.host.daemons)?.map(({ pid }) => pid));
  const byDriver = gpus
    .flatMap(({ processes }) => known(processes) ?? [])
    .map(({ pid }): OnGpu => {
      const owner = facts.owners?.find(other => other.pid === pid);
      return { pid, name: owner && known(owner.name), ...(owner && podNames(owner)) };
    });
  // A lost GPU tells no number: its kernel module has it by the address.
  const places = new Set([
    ...gpus.map(({ pci }) => known(pci)),
    ...(refs ?? []).map(({ pci }) => pci),
  ]);
  const listed = (known(facts.host.driverGpus) ?? []).filter(({ pci }) => places.has(pci));
  const minors = [
    ...gpus.map(({ minorNumber }) => minorNumber),
    ...listed.map(({ minor }) => minor),
  ];
  const devices = new Set(minors.flatMap(minor => (minor.ok ? `nvidia${minor.value}` : [])));
  const byDevice = (known(facts.host.deviceHolders) ?? [])
    .filter(holder =>
      holder.devices.some(device => (refs ? devices.has(device) : /^nvidia\d+$/.test(device))),
    )
    .map(holder => ({ pid: holder.pid, name: holder.name, ...podOf(facts, holder) }));
  return [...byDevice, ...byDriver].filter(({ pid }) => !daemons.has(pid));
}

function podOf({ host }: NodeFacts, { podUid }: DeviceHolder): PodNames {
  const pod = known(host.pods.names)?.find(({ uid }) => podUid !== undefined && uid === podUid);
  return { podUid, namespace: pod?.namespace, pod: pod?.pod };
}

const isOfPod = ({ podUid, pod }: PodNames): boolean => podUid !== undefined || pod !== undefined;

/** Each pod once; by its name where it has one, for not every source knows its uid. */
const unique = (pods: readonly PodNames[]): readonly PodNames[] => [
  ...new Map(
    pods.map(pod => [pod.pod === undefined ? pod.podUid : `${pod.namespace}/${pod.pod}`, pod]),
  ).values(),
];

const podNames = ({ namespace, pod, podUid }: PodNames) => ({
  ...optional({
    namespace: namespace === undefined ? undefined : plainText(namespace, 63),
    pod: pod === undefined ? undefined : plainText(pod, 253),
    podUid: podUid === undefined ? undefined : plainText(podUid, 64),
  }),
});
