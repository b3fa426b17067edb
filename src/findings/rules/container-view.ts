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

/**
 * A container that does not see the GPUs it was given, or meets a limit that ends such programs: the
 * node is well, and its program fails. What keeps it from its GPUs is a fault, a limit is a remark.
 */
export const containerView = rule(
  'container-view',
  {
    host: {
      decides: [
        ...['containers', 'containers.libraries', 'containers.deviceNodes'],
        ...['containers.mayOpenGpus', 'containers.visibleDevices'],
        ...['moduleVersion', 'pods.allocations'],
      ],
      tells: [
        ...['containers.sharedMemory', 'containers.lockedMemoryBytes', 'containers.oomKills'],
        ...['containers.memoryLimitBytes', 'containers.throttledPercent', 'pods.names'],
        ...['driverGpus', 'driverGpus.uuid', 'driverGpus.minor', 'nics'],
      ],
    },
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
  const pods = new Set(faults.map(({ podUid }) => podUid)).size;
  const { kind, isSevere, what, fault, confidence, action, advice } = first;
  return [
    nodeClue(`${CONTAINER_FINDING}${kind}`, {
      severity: isSevere ? 'warning' : 'info',
      component: 'configuration',
      title: `A container of ${podName(facts, first)}${pods === 1 ? '' : ` (and of ${pods - 1} more)`}: ${what}`,
      ...{ action, advice, blame: fault, confidence },
      evidence: faults.slice(0, EVIDENCE_MAX).map(each => ({
        what: `first process ${each.pid} of a container of ${podName(facts, each)}${each.what === what ? '' : `: ${each.what}`}`,
        source: `/proc/${each.pid}`,
        command: BY_HAND[each.kind](each.pid),
      })),
    }),
  ];
}

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
  'cpu-throttled': pid => shell`cat /proc/${pid}/root/sys/fs/cgroup/cpu.stat`,
};

function podName({ host }: NodeFacts, { podUid }: ContainerFault): string {
  const named = known(host.pods.names)?.find(({ uid }) => uid === podUid);
  const held = known(host.pods.allocations)?.find(each => each.podUid === podUid);
  const { namespace = '?', pod } = named ?? held ?? {};
  return `pod ${plainText(pod === undefined ? podUid : `${namespace}/${pod}`, 128)}`;
}
