import { mapReading, missing, present, type Reading } from '../../contract/reading.ts';
import type { ConfidentialCompute, DriverState, GpuPair } from '../readings.ts';
import { CC_ENVIRONMENTS, P2P_STATUSES, TOPOLOGY_LEVELS } from '../table/enums.ts';
import type { Handle } from '../table/shapes.ts';
import type { Asker } from './ask.ts';
import { named } from './steps.ts';

/** A GPU's index with its handle, or why it has none. */
export interface Opened {
  readonly index: number;
  readonly handle: Reading<Handle>;
}

/** What lies between every two GPUs: three calls a pair. */
export function readTopology(ask: Asker, gpus: readonly Opened[]): DriverState['topology'] {
  if (gpus.length > GPUS_MAX) return missing('not_read', `${gpus.length} GPUs have too many pairs`);
  const inOrder = gpus.toSorted((a, b) => a.index - b.index);
  return present(
    inOrder.flatMap((first, place) =>
      inOrder.slice(place + 1).map(second => pairOf(ask, first, second)),
    ),
  );
}

/** More than any machine has; every two of them cost three calls. */
const GPUS_MAX = 32;

function pairOf(ask: Asker, first: Opened, second: Opened): GpuPair {
  const both = (read: (a: Handle, b: Handle) => Reading<number>): Reading<number> => {
    if (!first.handle.ok) return first.handle;
    if (!second.handle.ok) return second.handle;
    return read(first.handle.value, second.handle.value);
  };
  return {
    gpus: [first.index, second.index],
    path: mapReading(
      both((a, b) => ask.call('deviceGetTopologyCommonAncestor', a, b)),
      levelOf,
    ),
    p2pRead: named(
      both((a, b) => ask.call('deviceGetP2PStatus', a, b, 'read')),
      P2P_STATUSES,
    ),
    p2pNvlink: named(
      both((a, b) => ask.call('deviceGetP2PStatus', a, b, 'nvlink')),
      P2P_STATUSES,
    ),
  };
}

type Path = (typeof TOPOLOGY_LEVELS)[keyof typeof TOPOLOGY_LEVELS] | 'unknown';

function levelOf(level: number): Path {
  const levels: Readonly<Record<number, Path>> = TOPOLOGY_LEVELS;
  return levels[level] ?? 'unknown';
}

/** Whether this node runs confidential computing; a state that the driver tells once for all GPUs. */
export const readConfidentialCompute = (ask: Asker): Reading<ConfidentialCompute> =>
  mapReading(ask.call('systemGetConfComputeState'), ({ environment, ccFeature, devToolsMode }) => ({
    environment: CC_ENVIRONMENTS[environment] ?? 'unknown',
    enabled: ccFeature !== 0,
    devToolsMode: devToolsMode !== 0,
  }));
