import { ApiError, type NodeLease, type NodeState } from '../cluster/port.ts';
import type { Machine } from '../cluster/survey.ts';
import type { Check, CheckId } from '../contract/doctor.ts';
import { CLOCK_SKEW_MS_MAX } from '../contract/limits.ts';
import { shell } from '../contract/printed-command.ts';
import { durationText } from '../contract/time.ts';
import { plainText } from '../contract/untrusted.ts';
import { lateKubelet } from '../session/silence.ts';
import { unusableNode } from '../session/start-signs.ts';
import type { Facts, NodeFacts } from './facts.ts';
import {
  answered,
  broken,
  type Found,
  failure,
  good,
  UNREAD,
  unanswered,
  unproven,
  warned,
} from './found.ts';
import { imageChecks } from './image.ts';
import { roomChecks } from './room.ts';

/** What tells whether the node takes the pod, and reads it then. */
export function nodeChecks(facts: Facts, node: NodeFacts): readonly Check[] {
  return [
    nodeCheck(node),
    kubeletCheck(facts, node),
    ofMachine('taints', node, taintsCheck),
    ofMachine('pressure', node, pressureCheck),
    ...roomChecks(facts, node),
    ofMachine('system', node, systemCheck),
    ofMachine('runtime', node, runtimeCheck),
    ...imageChecks(facts, node),
    nodeClockCheck(node),
  ];
}

/** Without a node: those that might be named. */
export function gpuNodesCheck(found: Found<readonly NodeState[]>): Check {
  if (!found.ok) return unanswered('gpu-nodes', found);
  const names = found.value.map(({ name }) => name);
  const [first] = names;
  if (first === undefined) {
    return warned('gpu-nodes', 'no node offers nvidia.com/gpu or is labelled as having GPUs', {
      hint: 'name a node all the same:',
      commands: ['kubectl gpu-mcp doctor NODE'],
    });
  }
  const more = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : '';
  return {
    ...good('gpu-nodes', `${names.slice(0, NAMES_MAX).join(', ')}${more}. To look at one:`),
    commands: [shell`kubectl gpu-mcp doctor ${first}`],
  };
}

const NAMES_MAX = 4;

const isAbsent = (machine: NodeFacts['machine']): boolean =>
  !machine.ok && machine.error instanceof ApiError && machine.error.code === 404;

/** A check of what the node says of itself. */
function ofMachine(id: CheckId, { machine }: NodeFacts, check: (machine: Machine) => Check): Check {
  return machine.ok ? check(machine.value) : unproven(id, UNREAD);
}

function nodeCheck({ machine: found }: NodeFacts): Check {
  if (!found.ok) {
    return isAbsent(found) ? failure('node', found.error) : unanswered('node', found);
  }
  const machine = found.value;
  const unusable = unusableNode(machine);
  if (unusable) {
    return broken('node', 4, unusable.sentence, { commands: [unusable.hint] });
  }
  const ready = machine.conditions.find(({ type }) => type === 'Ready');
  if (ready === undefined)
    return unproven('node', `"${machine.name}" does not say whether it is ready`);
  return good(
    'node',
    `"${machine.name}" is Ready, kubelet ${plainText(machine.kubeletVersion, 40)}`,
  );
}

function kubeletCheck({ aheadMs }: Facts, { machine, lease }: NodeFacts): Check {
  if (isAbsent(machine)) return unproven('kubelet', UNREAD);
  if (!lease.ok) return unanswered('kubelet', lease);
  if (lease.value === undefined)
    return unproven('kubelet', 'the node has no lease: when it last reported is not known');
  if (aheadMs === undefined) {
    return unproven('kubelet', 'when it last reported is told by a clock that is not known here');
  }
  const nowMs = lease.atMs + aheadMs;
  const name = answered(machine)?.name ?? '';
  const late = lateKubelet(name, lease.value, nowMs);
  if (late) return broken('kubelet', 4, late.sentence, { hint: late.hint });
  const age = durationText(nowMs - lease.value.renewedMs);
  return good(
    'kubelet',
    `it reported ${age} ago, and does so every ${durationText(lease.value.everyMs)}`,
  );
}

function taintsCheck({ unschedulable, taints }: Machine): Check {
  const names = taints.map(({ key, effect }) => plainText(`${key}:${effect}`, 80));
  const states = [...(unschedulable ? ['cordoned'] : []), ...names];
  return good(
    'taints',
    states.length === 0
      ? 'not cordoned, no taints'
      : `${states.join(', ')}: no obstacle, for the pod names its node and tolerates all`,
  );
}

/** Under these the kubelet refuses every pod: kubelet/eviction/eviction_manager.go, Admit. */
const REFUSING = ['DiskPressure', 'PIDPressure'];
const PRESSURES = [...REFUSING, 'MemoryPressure'];

function pressureCheck({ conditions, name }: Machine): Check {
  const found = conditions.filter(({ type }) => PRESSURES.includes(type));
  const are = found.filter(({ status }) => status === 'True').map(({ type }) => type);
  if (are.some(type => REFUSING.includes(type))) {
    return broken('pressure', 4, `${are.join(', ')}: the kubelet refuses every new pod`, {
      commands: [shell`kubectl describe node ${name}`],
    });
  }
  if (are.length > 0) {
    return warned('pressure', `${are.join(', ')}: the kubelet may evict the pod`, {
      commands: [shell`kubectl describe node ${name}`],
    });
  }
  const isKnown = PRESSURES.every(type =>
    found.some(one => one.type === type && one.status === 'False'),
  );
  return isKnown
    ? good('pressure', 'none: disk, memory and process numbers are well')
    : unproven('pressure', 'the kubelet does not report it');
}

/** What images/agent builds. */
const ARCHITECTURES = ['amd64', 'arm64'];

function systemCheck({ operatingSystem, architecture, osImage }: Machine): Check {
  const platform = `${operatingSystem}/${architecture}`;
  const what = plainText(`${osImage}, ${platform}`, 120);
  if (operatingSystem === '' || architecture === '') {
    return unproven('system', 'the node does not say what system it runs');
  }
  if (operatingSystem !== 'linux' || !ARCHITECTURES.includes(architecture)) {
    return broken('system', 4, `${what}: the agent is built for linux/amd64 and linux/arm64`);
  }
  return good('system', what);
}

/** Those whose attach closes stdin when we go: `stdinOnce`. */
const RUNTIMES = /^(?:containerd|cri-o|docker):\/\//;

function runtimeCheck({ containerRuntime }: Machine): Check {
  const name = plainText(containerRuntime, 80);
  if (RUNTIMES.test(name)) return good('runtime', name.replace('://', ' '));
  return unproven(
    'runtime',
    name === '' ? 'the node does not say which it has' : `${name}: nobody has tried it here`,
  );
}

function nodeClockCheck({ machine, lease }: NodeFacts): Check {
  if (isAbsent(machine)) return unproven('node-clock', UNREAD);
  const aheadMs = answered<NodeLease | undefined>(lease)?.aheadMs;
  if (aheadMs === undefined) {
    return unproven('node-clock', 'no lease tells what time the node has');
  }
  const apart = Math.abs(aheadMs);
  if (apart <= CLOCK_SKEW_MS_MAX)
    return good('node-clock', 'the node and the API server agree to a few seconds');
  const which = aheadMs > 0 ? 'ahead of' : 'behind';
  return warned('node-clock', `the node is ${durationText(apart)} ${which} the API server`, {
    hint: 'on the node: chronyc tracking; times of its log are as far off',
  });
}
