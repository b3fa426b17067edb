import type { Provenance } from '../contract/answer.ts';
import { optional } from '../contract/optional.ts';
import type { Clock } from '../contract/time.ts';
import type { NodeFacts } from '../findings/facts.ts';
import type { Host, HostCounters } from '../host/port.ts';
import type { KernelLog, PodHistory } from '../kernel-log/port.ts';
import type { DriverState, Nvml } from '../nvml/port.ts';

/** What tools may use of a node. Only add what a tool uses. */
export interface Instruments {
  readonly nvml: Nvml;
  readonly host: Host;
  readonly kernelLog: KernelLog;
  readonly podHistory: PodHistory;
  readonly clock: Clock;
  /** Lets time pass between two readings. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
  /** Tells who asked that the call goes on, and what takes the time. */
  progress(message: string): void;
  /** The node's name as Kubernetes knows it; absent with `--local`. */
  readonly node: string | undefined;
  /** The machine's name when nothing here is real. */
  readonly simulated: string | undefined;
  /** The last reading of everything, for a question about the same moment; absent where nobody keeps one. */
  readonly lately?: NodeMemory;
  /** Set where nothing is read any more: whose bundle it is, and the readings that were taken. */
  readonly replay?: {
    readonly node: string;
    readonly capturedAt: string;
    readonly drivers: readonly DriverState[];
    /** Counters that were read a second time, where the first reading asked for it. */
    readonly again: Again | undefined;
  };
}

/** A node as it was read in full. */
export interface NodeMemory {
  keep(facts: NodeFacts): void;
  /** Undefined where that is no matter of moments any more. */
  last(): NodeFacts | undefined;
}

/** Counters at two moments: of the driver, of the host, as the first reading asked for. */
export interface Again {
  readonly before: CountersNow;
  readonly after: CountersNow;
}

export interface CountersNow {
  readonly driver?: DriverState | undefined;
  readonly counters?: HostCounters | undefined;
  readonly hostAtMs: number;
}

/** Where what these instruments read is from. */
export const provenanceOf = ({
  simulated,
  replay,
}: Pick<Instruments, 'simulated' | 'replay'>): Provenance => ({
  ...optional({ simulated }),
  ...(replay && { replay: { node: replay.node, capturedAt: replay.capturedAt } }),
});
