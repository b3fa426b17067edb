import type { Hits } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { shell } from '../../contract/printed-command.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type Clue, nodeClue } from '../clue.ts';
import type { NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import {
  CONTAINER_FINDING,
  type ContainerFault,
  containersOf,
} from '../support/container-faults.ts';

const EVIDENCE_MAX = 4;
const PODS_MAX = 8;

/**
 * A container that does not see the GPUs it was given, or meets a limit that ends such programs: the
 * node is well, and its program fails. What keeps it from its GPUs is a fault, a limit is a remark.
 */
export const containerView = rule(
  'container-view',
  {
    host: {
      decides: ['containers', 'moduleVersion', 'pods.allocations', 'deviceHolders'],
      tells: [
        ...['containers.libraries', 'containers.mountedLibraries', 'containers.deviceNodes'],
        ...['containers.mayOpenGpus', 'containers.visibleDevices'],
        ...['containers.sharedMemory', 'containers.lockedMemoryBytes', 'containers.oomKills'],
        ...['containers.memoryLimitBytes', 'containers.throttledPercent', 'pods.names'],
        ...['driverGpus', 'driverGpus.uuid', 'driverGpus.minor', 'nics'],
      ],
    },
    driver: { tells: ['initialized'] },
  } as const,
  facts => {
    const { faults } = containersOf(facts);
    // One cause, as an update of the driver, strikes many pods: one line.
    const alike = Map.groupBy(faults, ({ kind, isSevere }) => `${kind} ${isSevere}`);
    return [...alike.values()].flatMap(of => clueOf(facts, of));
  },
);

function clueOf(facts: NodeFacts, faults: readonly ContainerFault[]): Clue[] {
  const [first] = faults;
  if (!first) return [];
  const pods = [...new Map(faults.map(each => [each.podUid, each])).values()];
  const { kind, isSevere, what, fault, confidence, action, advice } = first;
  return [
    nodeClue(`${CONTAINER_FINDING}${kind}`, {
      severity: isSevere ? 'warning' : 'info',
      component: 'configuration',
      title: `${containerName(facts, first)}${pods.length === 1 ? '' : ` (and of ${pods.length - 1} more)`}: ${what}`,
      ...{ action, advice, blame: fault, confidence },
      ...(isSevere && action === 'restart_app' ? { hits: hitsOf(facts, pods) } : {}),
      evidence: faults.slice(0, EVIDENCE_MAX).map((each, place) => ({
        what: `${place > 0 ? `${containerName(facts, each)}, ` : ''}process ${each.pid}: ${each.seen}`,
        source: `/proc/${each.pid}`,
        command: BY_HAND[each.kind](each.pid),
      })),
    }),
  ];
}

/** Its pods end with the step, and get their GPUs anew. */
const hitsOf = (facts: NodeFacts, pods: readonly ContainerFault[]): Hits => ({
  pods: pods.slice(0, PODS_MAX).map(each => {
    const { namespace, pod } = namesOf(facts, each);
    const names = optional({ namespace, pod });
    return { ...names, podUid: plainText(each.podUid, 64) };
  }),
  processes: [],
  more: Math.max(0, pods.length - PODS_MAX),
  notRead: [],
});

/** What shows the same by hand, by the container's first process. */
const BY_HAND: Readonly<Record<ContainerFault['kind'], (pid: number) => string>> = {
  libraries: pid =>
    shell`find /proc/${pid}/root/usr -name 'libcuda.so.*'; cat /proc/driver/nvidia/version`,
  'device-nodes': pid => shell`ls /proc/${pid}/root/dev | grep nvidia`,
  'device-cgroup': pid => shell`grep 195: /proc/${pid}/root/sys/fs/cgroup/devices/devices.list`,
  'visible-devices': pid => shell`tr '\\0' '\\n' < /proc/${pid}/environ | grep VISIBLE_DEVICES`,
  'shared-memory': pid => shell`df -h /proc/${pid}/root/dev/shm`,
  'locked-memory': pid => shell`grep 'locked memory' /proc/${pid}/limits`,
  'memory-kills': pid => shell`grep oom_kill /proc/${pid}/root/sys/fs/cgroup/memory.events`,
  'not-read': pid => shell`ls /proc/${pid}/root/dev | grep nvidia`,
  'cpu-throttled': pid => shell`cat /proc/${pid}/root/sys/fs/cgroup/cpu.stat`,
};

function namesOf({ host }: NodeFacts, { podUid }: ContainerFault) {
  const named = known(host.pods.names)?.find(({ uid }) => uid === podUid);
  const held = known(host.pods.allocations)?.find(each => each.podUid === podUid);
  const { namespace, pod } = named ?? held ?? {};
  return {
    namespace: namespace === undefined ? undefined : plainText(namespace, 63),
    pod: pod === undefined ? undefined : plainText(pod, 253),
  };
}

function containerName(facts: NodeFacts, fault: ContainerFault): string {
  const { namespace = '?', pod } = namesOf(facts, fault);
  const name = plainText(pod === undefined ? fault.podUid : `${namespace}/${pod}`, 128);
  return `${fault.container === undefined ? 'A container' : `Container ${fault.container}`} of pod ${name}`;
}
