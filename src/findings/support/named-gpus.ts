import type { GpuRef } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';

/**
 * The GPUs that a platform names in its message. NVSentinel writes `GPU:3 PCI:0000:3b:00` and
 * `GPU_UUID:GPU-...` (platform-connectors, constructHealthEventMessage); others may name none.
 */
export function namedGpus(messages: readonly string[]): readonly GpuRef[] {
  const found = messages.flatMap(message => {
    const index = /\bGPU:(\d{1,3})\b/.exec(message)?.[1];
    const pci = /\bPCI:([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2})\b/i.exec(message)?.[1];
    const uuid = /\b(GPU-[0-9a-f-]{36})\b/i.exec(message)?.[1];
    const ref: GpuRef = {
      ...(index === undefined ? {} : { index: Number(index) }),
      ...(pci === undefined ? {} : { pci: pci.toLowerCase() }),
      ...optional({ uuid }),
    };
    return Object.keys(ref).length > 0 ? [ref] : [];
  });
  return [...new Map(found.map(ref => [JSON.stringify(ref), ref])).values()];
}
