import * as z from 'zod';
import { optional } from '../../contract/optional.ts';
import { known } from '../../contract/reading.ts';
import { isoTime } from '../../contract/time.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import type { ProcessOwner } from '../../host/port.ts';
import type { GpuProcess, GpuState, ListedProcess } from '../../nvml/port.ts';
import { count } from './gpu-fields.ts';

/**
 * A process that the driver names on a GPU. `place`: in a pod, on the host outside any pod, gone
 * (the context is leaked), or unknown because /proc could not tell. Names are untrusted text.
 */
export const ProcessRow = z
  .strictObject({
    pid: z.int(),
    /** `other`: only the driver's list of all kinds names it. */
    kind: z.enum(['compute', 'graphics', 'other']),
    mps: z.boolean().optional(),
    name: z.string().optional(),
    usedBytes: count.optional(),
    /** Confidential computing: memory that the host cannot read. */
    protectedBytes: count.optional(),
    gpuInstance: count.optional(),
    computeInstance: count.optional(),
    place: z.enum(['pod', 'host', 'gone', 'unknown']),
    namespace: z.string().optional(),
    pod: z.string().optional(),
    podUid: z.string().optional(),
    container: z.string().optional(),
    /** From the cluster: the pod's controller and phase. */
    owner: z.string().optional(),
    phase: z.string().optional(),
    /** One letter of proc(5); D cannot be killed. */
    state: z.string().optional(),
    startedAt: z.string().optional(),
    gpuEnvironment: z.record(z.string(), z.string()).optional(),
  })
  .meta({ listedKeys: ['pid', 'name', 'usedBytes', 'place', 'namespace', 'pod', 'container'] });
export type ProcessRow = z.infer<typeof ProcessRow>;

/** The processes of one GPU, most memory first; undefined where the driver did not tell. */
export function processRows(facts: NodeFacts, gpu: GpuState): ProcessRow[] | undefined {
  const processes = known(gpu.processes);
  if (!processes) return undefined;
  const all = known(gpu.allProcesses) ?? [];
  const hidden = all.filter(({ pid }) => !processes.some(process => process.pid === pid));
  return [
    ...processes.map(process => {
      const bytes = all.find(({ pid }) => pid === process.pid)?.protectedBytes ?? 0;
      return { ...processRow(facts, process), ...(bytes > 0 && { protectedBytes: bytes }) };
    }),
    ...hidden.map(process => hiddenRow(facts, process)),
  ].toSorted((a, b) => (b.usedBytes ?? 0) - (a.usedBytes ?? 0));
}

/** Its pid may be of a place that this machine does not see: that /proc has none says nothing. */
function hiddenRow(
  facts: NodeFacts,
  { pid, usedBytes, protectedBytes }: ListedProcess,
): ProcessRow {
  const owner = facts.owners?.find(other => other.pid === pid);
  const place = placeOf(owner);
  return {
    pid,
    kind: 'other',
    ...optional({ usedBytes }),
    ...(protectedBytes ? { protectedBytes } : {}),
    place: place === 'gone' ? 'unknown' : place,
    ...(owner && ownerFacts(owner, bootMs(facts))),
  };
}

function processRow(facts: NodeFacts, process: GpuProcess): ProcessRow {
  const owner = facts.owners?.find(({ pid }) => pid === process.pid);
  const { pid, kind, mps, usedBytes, gpuInstance, computeInstance } = process;
  return {
    pid,
    kind,
    ...(mps && { mps }),
    ...optional({ usedBytes, gpuInstance, computeInstance }),
    place: placeOf(owner),
    ...(owner && ownerFacts(owner, bootMs(facts))),
  };
}

function placeOf(owner: ProcessOwner | undefined): ProcessRow['place'] {
  if (!owner) return 'unknown';
  if (owner.podUid !== undefined) return 'pod';
  if (!owner.name.ok) return owner.name.reason === 'not_found' ? 'gone' : 'unknown';
  return owner.cgroup.ok ? 'host' : 'unknown';
}

function ownerFacts(owner: ProcessOwner, bootedMs: number | undefined): Partial<ProcessRow> {
  const name = known(owner.name);
  const state = known(owner.state);
  const started = known(owner.startedAfterBootSeconds);
  const environment = known(owner.gpuEnvironment);
  const texts = Object.entries({
    name,
    namespace: owner.namespace,
    pod: owner.pod,
    podUid: owner.podUid,
    container: owner.container,
    state,
  }).flatMap(([key, text]) => (text === undefined ? [] : [[key, plainText(text, 253)] as const]));
  const variables = Object.entries(environment ?? {}).map(
    ([key, value]) => [plainText(key, 64), plainText(value, 128)] as const,
  );
  return {
    ...Object.fromEntries(texts),
    ...(started === undefined || bootedMs === undefined
      ? {}
      : { startedAt: isoTime(bootedMs + started * 1_000) }),
    ...(variables.length > 0 && { gpuEnvironment: Object.fromEntries(variables.slice(0, 16)) }),
  };
}

function bootMs({ host, nowMs }: NodeFacts): number | undefined {
  const uptimeSeconds = known(host.uptimeSeconds);
  return uptimeSeconds === undefined ? undefined : nowMs - uptimeSeconds * 1_000;
}

/** `train-0 (team-a/train-7, container main)`, or where else the process lives. */
export function whose(row: ProcessRow): string {
  switch (row.place) {
    case 'pod': {
      const pod = row.pod === undefined ? `pod uid ${row.podUid}` : `${row.namespace}/${row.pod}`;
      const container = row.container === undefined ? '' : ` container ${row.container}`;
      const owner = row.owner === undefined ? '' : ` of ${row.owner}`;
      return `pod ${pod}${container}${owner}${row.phase === undefined ? '' : `, ${row.phase}`}`;
    }
    case 'host':
      return 'on the host, in no pod';
    case 'gone':
      return 'process gone: leaked context';
    case 'unknown':
      return 'owner not read';
  }
}
