import type { ClusterView } from '../contract/cluster-view.ts';
import type { ContainerLife } from '../contract/container-life.ts';
import type { Coverage } from '../contract/coverage.ts';
import type { GpuRef } from '../contract/finding.ts';
import { optional } from '../contract/optional.ts';
import { known } from '../contract/reading.ts';
import type { HostCounters, HostState, ProcessOwner } from '../host/port.ts';
import type { DriverState, GpuState } from '../nvml/port.ts';
import type { Boundary } from '../xid/boots.ts';
import type { Incident, KernelEvent } from '../xid/events.ts';
import type { GpuIdentity } from '../xid/identities.ts';

/** What was read of one node, and nothing else: rules see no clock and no device. */
export interface NodeFacts {
  readonly nowMs: number;
  readonly driver: DriverState;
  readonly host: HostState;
  /** Absent when the kernel log was not searched. */
  readonly log?: {
    readonly events: readonly KernelEvent[];
    readonly incidents: readonly Incident[];
    readonly coverage: readonly Coverage[];
    /** What the driver called its GPUs when it last could. */
    readonly gpus: readonly GpuIdentity[];
    /** Boots and driver loads, oldest first. */
    readonly boundaries?: readonly Boundary[];
  };
  /** Who ran when, around the events of the log; absent where no event asks for it. */
  readonly history?: {
    readonly lives: readonly ContainerLife[];
    /** Whose the pids are that events name, as far as they live. */
    readonly owners: readonly ProcessOwner[];
    readonly coverage: readonly Coverage[];
  };
  /** Whose the processes on the GPUs are; absent when nobody asked. */
  readonly owners?: readonly ProcessOwner[];
  /** The same driver some seconds before: what makes rates of counters. Absent when read once. */
  readonly earlier?: DriverState;
  /** Why counters were read again, and how it went. Absent when all was read once. */
  readonly secondLook?: SecondLook;
  /** What the cluster says of the node; absent in the agent and without a cluster. */
  readonly cluster?: ClusterView;
}

/** Counters that were let move for a moment and read again. */
export interface SecondLook {
  readonly because: readonly string[];
  readonly seconds: number;
  /** What was read at first and could not be read again, with the reason. */
  readonly notReadAgain: readonly string[];
  /** Of the host, where its counters asked for it. */
  readonly host?: {
    readonly seconds: number;
    readonly before: HostCounters;
    readonly after: HostCounters;
  };
}

/** What names a GPU in its findings. */
export const GPU_NAMES = ['name', 'uuid', 'pci'] as const;

/** All names of a GPU that are known. */
export function gpuRef(gpu: GpuState): GpuRef {
  const { index, uuid, pci, name } = gpu;
  return optional({ index, uuid: known(uuid), pci: known(pci), name: known(name) });
}

/** What names a GPU of which the driver tells nothing. */
export const HOST_NAMES = ['driverGpus', 'driverGpus.uuid', 'driverGpus.model'] as const;

/** The GPU at a PCI address, with the names that any layer still knows. */
export function gpuAt(facts: NodeFacts, pci: string): GpuRef {
  const byDriver = facts.driver.gpus.find(gpu => known(gpu.pci) === pci);
  if (byDriver) return gpuRef(byDriver);
  const byProc = known(facts.host.driverGpus)?.find(gpu => gpu.pci === pci);
  const byLog = facts.log?.gpus.find(gpu => gpu.pci === pci);
  const uuid = (byProc && known(byProc.uuid)) ?? byLog?.uuid;
  const name = byProc && known(byProc.model);
  return { pci, ...(uuid ? { uuid } : {}), ...(name ? { name } : {}) };
}

/** How a GPU is called in a sentence: `GPU 3 (0000:3b:00)`. */
export function gpuName(of: GpuState | GpuRef): string {
  const gpu = refOf(of);
  if (gpu.index === undefined) return gpu.pci ? `GPU at ${gpu.pci}` : 'a GPU';
  return gpu.pci ? `GPU ${gpu.index} (${gpu.pci})` : `GPU ${gpu.index}`;
}

export const refOf = (gpu: GpuState | GpuRef): GpuRef => ('handle' in gpu ? gpuRef(gpu) : gpu);
