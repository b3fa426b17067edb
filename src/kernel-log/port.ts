import type { ContainerLife } from '../contract/container-life.ts';
import type { Coverage } from '../contract/coverage.ts';
import type { Conceal, KernelRecord } from '../contract/kernel-record.ts';

/** How we hear the kernel, whatever the sources. Memory does not grow with the log's size. */
export interface KernelLog {
  /**
   * Shows every kernel record in the window to `visit`: source by source, each in its own order,
   * a record that several sources hold only once. Records without a wall time are always shown.
   * Never throws for a source: what could not be read says so in its Coverage.
   */
  scan(
    window: KernelLogWindow,
    visit: (record: KernelRecord) => void,
    signal: AbortSignal,
  ): Promise<readonly Coverage[]>;
  /** Set where no name may leave: whoever reads records shows of them only what this leaves. */
  readonly conceal?: Conceal;
}

export interface KernelLogWindow {
  /** Milliseconds since 1970; absent: as far back as the sources go. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** Names of sources to use (`kmsg`, `syslog`, `journal`, `text`, `pstore`, ...); absent: all. */
  readonly sources?: readonly string[];
}

/** What the kubelet and the container runtime logged of the lives of containers on this node. */
export interface PodHistory {
  /**
   * The containers of which something was logged in these spans, also of pods that are deleted
   * since. Bounded in lines and bytes; never throws for a source: its Coverage says what was read.
   */
  read(
    spans: readonly Span[],
    signal: AbortSignal,
  ): Promise<{
    readonly lives: readonly ContainerLife[];
    readonly coverage: readonly Coverage[];
  }>;
}

/** From one moment to another, in milliseconds since 1970. */
export interface Span {
  readonly sinceMs: number;
  readonly untilMs: number;
}
