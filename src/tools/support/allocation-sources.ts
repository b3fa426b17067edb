import * as z from 'zod';
import { MISSING_REASONS } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { PodAllocation, PodState } from '../../host/port.ts';
import { isSamePod } from './allocation-rows.ts';

/** What the kubelet's checkpoint adds to pod-resources; a reason where it was not read. */
export const Checkpoint = z.enum(['agrees', 'differs', 'is the source', ...MISSING_REASONS]);

interface Compared {
  readonly checkpoint: z.infer<typeof Checkpoint>;
  readonly contradictions: readonly string[];
}

/**
 * Compares the kubelet's two records. Entries of pods that pod-resources does not list are old: the
 * checkpoint keeps them until the device is given away again. Claims (DRA) are not in it.
 */
export function compareSources({
  allocations,
  checkpoint,
}: Pick<PodState, 'allocations' | 'checkpoint'>): Compared {
  if (!checkpoint.ok) return { checkpoint: checkpoint.reason, contradictions: [] };
  if (!allocations.ok) return { checkpoint: 'is the source', contradictions: [] };
  const contradictions = allocations.value
    .filter(({ claim, podUid }) => claim === undefined && podUid !== undefined)
    .filter(live => !checkpoint.value.some(entry => isSame(live, entry)))
    .map(
      ({ namespace, pod, container, resource }) =>
        `pod-resources and checkpoint differ on ${plainText(resource, 128)} of ${plainText(`${namespace}/${pod}`, 320)}, container ${plainText(container, 128)}`,
    );
  return {
    checkpoint: contradictions.length > 0 ? 'differs' : 'agrees',
    contradictions: contradictions.slice(0, 8),
  };
}

const isSame = (live: PodAllocation, entry: PodAllocation): boolean =>
  isSamePod(live, entry) &&
  live.container === entry.container &&
  live.resource === entry.resource &&
  live.deviceIds.length === entry.deviceIds.length &&
  live.deviceIds.every(id => entry.deviceIds.includes(id));
