import type { ClusterContainer, StackPod } from './cluster-view.ts';
import { STACK_PARTS } from './cluster-view.ts';

/** A pod of NVIDIA's software that does not come up, and the container of it that does not. */
export interface StuckPart {
  readonly pod: StackPod;
  readonly container: ClusterContainer | undefined;
}

/** Those that are stuck, first what the others wait for; behind them all that only claim to be of the stack. */
export const stuckParts = (stack: readonly StackPod[]): readonly StuckPart[] =>
  stack
    .filter(pod => !pod.deleting)
    .flatMap((pod): StuckPart[] => {
      const container = stuckContainer(pod);
      return container || isStuck(pod) ? [{ pod, container }] : [];
    })
    .toSorted(
      (a, b) =>
        claims(a) - claims(b) ||
        STACK_PARTS.indexOf(a.pod.part) - STACK_PARTS.indexOf(b.pod.part) ||
        waits(a) - waits(b),
    );

const claims = ({ pod }: StuckPart): number => (pod.isClaim ? 1 : 0);

/** Who waits for another part comes behind that part, also within one kind of pod. */
const waits = ({ container }: StuckPart): number =>
  container?.init && partAwaitedBy(container) ? 1 : 0;

/**
 * A container that waits for a reason cannot start; an init container that runs waits for something, but
 * for a sidecar among them, which runs for good (kubernetes.io, Sidecar Containers).
 */
const stuckContainer = ({ phase, containers }: StackPod): ClusterContainer | undefined =>
  containers.find(({ state, reason }) => state === 'waiting' && !BEGINS.test(reason)) ??
  containers.find(({ init, state }) => init && state === 'running' && phase === 'Pending');

/** What every container says while it comes up, and one that waits for the init containers. */
const BEGINS = /^(?:|ContainerCreating|PodInitializing)$/;

const isStuck = ({ phase, reason }: StackPod): boolean => phase === 'Failed' && reason !== '';

/** The part that an init container of GPU Operator waits for, by its name. */
export function partAwaitedBy({ name }: ClusterContainer): StackPod['part'] | undefined {
  if (/^driver-/.test(name)) return 'driver';
  if (/^toolkit-/.test(name)) return 'container toolkit';
  if (/^plugin-/.test(name)) return 'device plugin';
  return undefined;
}

/** Whether a run of it has left a log: the one that runs, or the one before it. */
export const hasRun = ({ state, reason, ended, endedBefore }: ClusterContainer): boolean =>
  state === 'running' ||
  reason === 'CrashLoopBackOff' ||
  ended !== undefined ||
  endedBefore !== undefined;
