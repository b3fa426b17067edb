import type { ContainerLife } from '../contract/container-life.ts';
import type { Depth, Reading } from '../contract/reading.ts';
import type { ContainerView } from './readings/containers.ts';
import type { ProcessOwner } from './readings/processes.ts';
import type { HostCounters, HostState } from './readings.ts';

export type * from './readings/containers.ts';
export type * from './readings/driver.ts';
export type * from './readings/network.ts';
export type * from './readings/pci.ts';
export type * from './readings/pods.ts';
export type * from './readings/processes.ts';
export type * from './readings/resources.ts';
export type * from './readings.ts';

/** What the node tells without its driver: PCI and proc. Only add what a tool or a finding uses. */
export interface Host {
  read(signal: AbortSignal, depth?: Depth): Promise<HostState>;
  /** The error counters of the devices that a reading found, read again and nothing else. */
  counters(of: HostState, signal: AbortSignal): Promise<HostCounters>;
  /** Whose processes these are, one entry a pid in the order asked, at most 1024. */
  processOwners(pids: readonly number[], signal: AbortSignal): Promise<readonly ProcessOwner[]>;
  /** What the containers of these pods see of GPUs and limits, by the pods' UIDs. */
  containers(
    podUids: readonly string[],
    signal: AbortSignal,
  ): Promise<Reading<readonly ContainerView[]>>;
  /** When containers ran, as the dates of their log files tell; none is opened. */
  containerLogs(signal: AbortSignal): Promise<Reading<readonly ContainerLife[]>>;
}
