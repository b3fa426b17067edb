import type { ContainerLife } from '../../contract/container-life.ts';
import { known } from '../../contract/reading.ts';
import type { PodAllocation } from '../../host/port.ts';
import type { NodeFacts } from '../facts.ts';

/** The kernel's clock and that of the runtime are one, and both may write late. */
export const SLACK_MS = 5_000;

export interface PodNames {
  readonly namespace?: string | undefined;
  readonly pod?: string | undefined;
  readonly podUid?: string | undefined;
  readonly container?: string | undefined;
}

/** The same pod by uid, else by name; and the same container where both name one. */
export function isSameRun(a: PodNames, b: PodNames): boolean {
  if (a.container !== undefined && b.container !== undefined && a.container !== b.container) {
    return false;
  }
  if (a.podUid !== undefined && b.podUid !== undefined) return a.podUid === b.podUid;
  return a.pod !== undefined && a.pod === b.pod && a.namespace === b.namespace;
}

/** The run that was alive at a moment, one with a known end before others. */
export function lifeAt<Life extends ContainerLife>(
  lives: readonly Life[],
  atMs: number,
): Life | undefined {
  const alive = lives.filter(life => isAlive(life, atMs));
  return (
    alive.find(({ endedMs, container }) => endedMs !== undefined && container !== undefined) ??
    alive.find(({ endedMs }) => endedMs !== undefined) ??
    alive[0]
  );
}

function isAlive({ startedMs, endedMs, seenMs }: ContainerLife, atMs: number): boolean {
  if (startedMs !== undefined && atMs < startedMs - SLACK_MS) return false;
  const end = endedMs ?? seenMs;
  // Without an end it lives on; without either there is nothing to go by.
  return end === undefined ? startedMs !== undefined : atMs <= end + SLACK_MS;
}

/** Whether an allocation has a device of this GPU, or of its MIG instance where one is asked for. */
export function onGpu(
  facts: NodeFacts,
  { devices }: PodAllocation,
  gpu: {
    readonly pci: string | null;
    readonly uuid: string | undefined;
    readonly mig: number | undefined;
  },
): boolean {
  const state = facts.driver.gpus.find(each => gpu.pci !== null && known(each.pci) === gpu.pci);
  const instances = known(state?.migInstances) ?? [];
  // Of a GPU that the driver has lost, its kernel module still lists the number.
  const listed = known(facts.host.driverGpus)?.find(each => each.pci === gpu.pci);
  const minor = known(state?.minorNumber) ?? known(listed?.minor);
  return devices.some(device => {
    const instance = instances.find(
      ({ uuid }) => device.migUuid !== undefined && known(uuid) === device.migUuid,
    );
    const isHere =
      instance !== undefined ||
      (gpu.uuid !== undefined && device.gpuUuid === gpu.uuid) ||
      (minor !== undefined && device.minor === minor);
    const part = device.gpuInstance ?? known(instance?.gpuInstance);
    return isHere && (gpu.mig === undefined || part === undefined || part === gpu.mig);
  });
}
