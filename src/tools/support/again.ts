import type { HostCounters } from '../../host/port.ts';
import type { DriverState } from '../../nvml/port.ts';

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
