import type { ClusterContainer, ClusterPods, ContainerEnd, StackPod } from './cluster-view.ts';
import { STACK_PARTS } from './cluster-view.ts';
import { BEGINS, type IdlePod, idlePod } from './idle-pods.ts';
import { optional } from './optional.ts';
import { helperOf, type StackHelper } from './stack-helpers.ts';

/** A pod of NVIDIA's software that does not come up, and the container of it that does not. */
export interface StuckPart {
  readonly pod: StackPod;
  readonly container: ClusterContainer | undefined;
  /** It ends and is started again; else it waits, cannot start, or runs and is not ready. */
  readonly loops: boolean;
  /** Nothing of the pod begins, and no container says why. */
  readonly idle?: IdlePod;
  /** That container is not what the part is named after. */
  readonly helper?: StackHelper;
}

/** Those that are stuck, first what the others wait for; behind them all that only claim to be of the stack. */
export function stuckParts(pods: Pick<ClusterPods, 'stack' | 'readAt'> | undefined) {
  const { stack = [], readAt } = pods ?? {};
  const found = stack
    .filter(pod => !pod.deleting)
    .flatMap(pod => stuckPart(pod, readAt))
    .toSorted(
      (a, b) =>
        claims(a) - claims(b) ||
        isBeside(a) - isBeside(b) ||
        STACK_PARTS.indexOf(a.pod.part) - STACK_PARTS.indexOf(b.pod.part) ||
        waits(a) - waits(b),
    );
  const root = rootOf(found);
  if (!root) return [];
  const tried = triedBy(root, { stack, ...optional({ readAt }) });
  const before = new Set([...tried.map(({ pod }) => pod), root.pod]);
  return [...tried, root, ...found.filter(({ pod }) => !before.has(pod))];
}

/** Whose pods run what a validation tries, by its name: NVIDIA/gpu-operator, cmd/nvidia-validator. */
const TRIES: readonly (readonly [validation: string, pods: RegExp])[] = [
  ['cuda-validation', /^nvidia-cuda-validator-/],
  ['plugin-validation', /^nvidia-device-plugin-validator-/],
];

/** The pod that a validation has tried and that fails: its container says why, the validation only that. */
function triedBy(
  { pod, container, loops }: StuckPart,
  { stack, readAt }: Pick<ClusterPods, 'readAt'> & { readonly stack: readonly StackPod[] },
): StuckPart[] {
  const pods = TRIES.find(([name]) => name === container?.name)?.[1];
  if (pod.part !== 'validator' || !loops || !pods) return [];
  return stack
    .filter(
      ({ namespace, name, isClaim }) => namespace === pod.namespace && !isClaim && pods.test(name),
    )
    .flatMap(other => {
      const failed = other.containers.find(({ ended, init }) => hasFailed(ended, init));
      return failed ? [{ pod: other, container: failed, loops: false }] : stuckPart(other, readAt);
    })
    .slice(0, 1);
}

/** What the part is named after goes before what only runs beside it. */
function stuckPart(pod: StackPod, readAt: string | undefined): StuckPart[] {
  const own = pod.containers.filter(one => !helperOf(one)?.isOptional);
  const first = stuckContainer({ ...pod, containers: own }, readAt);
  const idle = first || isStuck(pod) ? undefined : idlePod(pod, readAt);
  const container = first ?? idle?.container ?? stuckContainer(pod, readAt);
  if (!container && !isStuck(pod)) return [];
  const helper = container && helperOf(container);
  const loops = !!container && loopsIn(pod, container, readAt);
  return [{ pod, container, loops, ...optional({ idle, helper }) }];
}

/** Behind whom the first of them waits, in the end: also for a part that mostly comes later. */
function rootOf(found: readonly StuckPart[]): StuckPart | undefined {
  let root = found[0];
  // No part waits for itself, but who knows what two of them that are of another make do.
  for (const _ of STACK_PARTS) {
    const awaited = root && awaitedBy(root);
    const before = awaited && found.find(({ pod }) => pod.part === awaited && !pod.isClaim);
    if (!before || before === root) break;
    root = before;
  }
  return root;
}

const claims = ({ pod }: StuckPart): number => (pod.isClaim ? 1 : 0);

const isBeside = ({ helper }: StuckPart): number => (helper?.isOptional ? 1 : 0);

/** Who waits for another part comes behind that part, also within one kind of pod. */
const waits = (part: StuckPart): number => (awaitedBy(part) ? 1 : 0);

/** The part that it waits for; undefined for one that is stuck for a reason of its own. */
export function awaitedBy({ container, loops, idle }: StuckPart): StackPod['part'] | undefined {
  if (idle) {
    const { reason = '', message = '' } = idle.refusal ?? {};
    return NO_HANDLER.test(`${reason} ${message}`) ? 'container toolkit' : undefined;
  }
  return container?.init && !loops ? partAwaitedBy(container) : undefined;
}

/** The words of containerd and CRI-O of a runtime handler that the toolkit writes. */
const NO_HANDLER = /no runtime for "nvidia[\w-]{0,32}" is configured|runtime handler nvidia/;

/**
 * A container that waits for a reason cannot start; one that ends is stuck in each state of that cycle; an
 * init container that runs waits for something, but for a sidecar among them, which runs for good
 * (kubernetes.io, Sidecar Containers).
 */
const stuckContainer = (pod: StackPod, readAt: string | undefined): ClusterContainer | undefined =>
  pod.containers.find(({ state, reason }) => state === 'waiting' && !BEGINS.test(reason)) ??
  pod.containers.find(container => loopsIn(pod, container, readAt)) ??
  pod.containers.find(container => pod.phase === 'Pending' && isInitRunning(container)) ??
  pod.containers.find(container => isUnready(container, readAt));

/** One that runs before the pod's own, and ends. */
export const isInitRunning = ({ init, sidecar, state }: ClusterContainer): boolean =>
  init && !sidecar && state === 'running';

const LOOPS = 'CrashLoopBackOff';

/**
 * Whether a container ends and the kubelet starts it again. It says CrashLoopBackOff only between two runs:
 * right after one the container is `terminated`, and in the next it is `running` as one that is well.
 */
function loopsIn(
  { phase }: StackPod,
  { state, reason, ready, ended, endedBefore, startedAt, ...own }: ClusterContainer,
  readAt: string | undefined,
): boolean {
  const init = own.init && !own.sidecar;
  if (reason === LOOPS) return true;
  // Of a pod that has ended nothing is started again.
  if (phase !== 'Pending' && phase !== 'Running') return false;
  if (state === 'terminated') return hasFailed(ended, init);
  if (state !== 'running' || !hasFailed(endedBefore, init)) return false;
  const lastMs = between(endedBefore?.startedAt, endedBefore?.finishedAt);
  const isReady = init || ready !== false;
  if ((lastMs ?? 0) > (isReady ? WELL_MS : START_MS)) return false;
  const ownMs = between(startedAt, readAt);
  if (!isReady) return ownMs === undefined || ownMs <= START_MS;
  return ownMs !== undefined && ownMs < Math.min(2 * (lastMs ?? WELL_MS) + MARGIN_MS, WELL_MS);
}

/** Whether it runs for longer than any start takes and is not ready: no run before it tells why. */
const isUnready = (container: ClusterContainer, readAt: string | undefined): boolean =>
  container.state === 'running' &&
  !isInitRunning(container) &&
  container.ready === false &&
  (between(container.startedAt, readAt) ?? 0) > START_MS;

/** A daemon never ends of itself, an init container well; what no runtime knew of any more was a reboot's. */
const hasFailed = (end: ContainerEnd | undefined, init: boolean): boolean =>
  end !== undefined && !(init && end.exitCode === 0) && !LOST.test(end.reason);

/** Of containers that were gone with the machine: containerd's and CRI-O's word, and the kubelet's. */
const LOST = /^(?:Unknown|ContainerStatusUnknown)$/;

/** After a run of this length the kubelet forgets its back-off (kubernetes.io, Pod Lifecycle: 10 minutes). */
const WELL_MS = 600_000;
/**
 * Where no run ever becomes ready it may take this long: 21 minutes have the driver of GPU Operator and
 * DOCA's of Network Operator for their start (startupProbe), and then to end.
 */
const START_MS = 1_800_000;
/** A run that goes on twice as long as the one that failed, and this, has got over it. */
const MARGIN_MS = 30_000;

/** Milliseconds; undefined where one is not known, or clocks disagree. */
function between(from: string | undefined, to: string | undefined): number | undefined {
  const ms = Date.parse(to ?? '') - Date.parse(from ?? '');
  return ms >= -CLOCKS_MS ? Math.max(0, ms) : undefined;
}

/** The kubelet writes one time by its node's clock, the API server says the other, to a second. */
const CLOCKS_MS = 60_000;

const isStuck = ({ phase, reason }: StackPod): boolean => phase === 'Failed' && reason !== '';

/**
 * The part that an init container waits for, by its name in GPU Operator's DaemonSets (assets, manifests)
 * and, for RDMA, in those of before 24.3, whose drivers waited for the network's.
 */
export function partAwaitedBy({ name }: ClusterContainer): StackPod['part'] | undefined {
  if (/^driver-|^vgpu-manager-|^vfio-pci-/.test(name)) return 'driver';
  if (/^toolkit-/.test(name)) return 'container toolkit';
  if (/^plugin-/.test(name)) return 'device plugin';
  if (/^mofed-/.test(name)) return 'network operator';
  return undefined;
}

/** Whether a run of it has left a log: the one that runs, or the one before it. */
export const hasRun = ({ state, ended, endedBefore, reason }: ClusterContainer): boolean =>
  state === 'running' ||
  [ended, endedBefore].some(end => end !== undefined && !NEVER_BEGAN.test(end.reason)) ||
  (reason === LOOPS && endedBefore === undefined);

/** How the kubelet puts down that the runtime could not start it. */
const NEVER_BEGAN = /^(?:StartError|ContainerCannotRun)$/;
