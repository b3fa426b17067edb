import * as z from 'zod';
import { known } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import type { NodeFacts } from '../findings/facts.ts';
import type { ProcessOwner } from '../host/port.ts';
import type { KernelEvent } from '../xid/events.ts';
import type { GpuRow } from './gpu-rows.ts';
import type { Instruments } from './tool.ts';

/**
 * A pod that an event may concern: `process`, the line's pid still runs in it; `allocation`, it
 * holds the GPU now, which does not prove that it did then.
 */
export const EventPod = z.strictObject({
  namespace: z.string().optional(),
  pod: z.string(),
  container: z.string().optional(),
  by: z.enum(['process', 'allocation']),
});
export type EventPod = z.infer<typeof EventPod>;

type PodsOf = (event: KernelEvent) => readonly EventPod[];

const PIDS_MAX = 1024;

/** Who the events' processes and GPUs belong to, as far as the node knows it now. */
export async function podsOfEvents(
  facts: NodeFacts,
  options: {
    readonly events: readonly KernelEvent[];
    readonly rows: readonly GpuRow[];
    readonly instruments: Pick<Instruments, 'host'>;
  },
  signal: AbortSignal,
): Promise<PodsOf> {
  const { events, rows, instruments } = options;
  const pids = [...new Set(events.flatMap(({ pid }) => pid ?? []))].slice(0, PIDS_MAX);
  const owners = pids.length === 0 ? [] : await instruments.host.processOwners(pids, signal);
  return event => {
    const owner = owners.find(one => one.pid === event.pid && isSame(one, event));
    if (owner?.pod !== undefined) {
      const { namespace, pod, container } = owner;
      return [named({ namespace, pod, container }, 'process')];
    }
    const uuid = rows.find(row => row.pci !== undefined && row.pci === event.pci)?.uuid;
    return uuid === undefined ? [] : holders(facts, uuid);
  };
}

/** A pid is used again: a process that began after the line was printed is another one. */
function isSame(owner: ProcessOwner, event: KernelEvent): boolean {
  const started = known(owner.startedAfterBootSeconds);
  return started === undefined || event.bootSeconds === null || started <= event.bootSeconds;
}

function holders(facts: NodeFacts, uuid: string): readonly EventPod[] {
  return (known(facts.host.pods.allocations) ?? [])
    .filter(({ devices }) => devices.some(({ gpuUuid }) => gpuUuid === uuid))
    .flatMap(({ namespace, pod, container }) =>
      pod === undefined ? [] : [named({ namespace, pod, container }, 'allocation')],
    )
    .slice(0, 8);
}

function named(
  names: { namespace: string | undefined; pod: string; container: string | undefined },
  by: EventPod['by'],
): EventPod {
  const { namespace, pod, container } = names;
  return {
    ...(namespace === undefined ? {} : { namespace: plainText(namespace, 63) }),
    pod: plainText(pod, 253),
    ...(container === undefined ? {} : { container: plainText(container, 63) }),
    by,
  };
}

/** Whether one of the pods is the one asked for, `NAME` or `NAMESPACE/NAME`. */
export function isAboutPod(pods: readonly EventPod[], wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  const [first = '', second] = wanted.split('/');
  return pods.some(({ namespace, pod }) =>
    second === undefined ? pod === first : namespace === first && pod === second,
  );
}
