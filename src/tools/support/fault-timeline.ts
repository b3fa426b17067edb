import * as z from 'zod';
import { type Finding, recordTimes } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { durationText } from '../../contract/time.ts';
import { plainText } from '../../contract/untrusted.ts';
import { gpuName, type NodeFacts } from '../../findings/facts.ts';
import { incidentsOf, numberOf } from '../../findings/support/incident-evidence.ts';
import { xidEntry } from '../../xid/catalogue.ts';
import type { Incident, KernelEvent } from '../../xid/events.ts';
import type { GpuRow } from './gpu-rows.ts';
import { eventGpu } from './merged-order.ts';
import type { LogFacts } from './read-node.ts';

/** One line of the kernel log as a step of a fault, or several that say the same of a GPU. */
export const FaultStep = z.strictObject({
  /** ISO 8601 UTC. */
  time: z.string(),
  /** `GPU 3`, or `GPU at 0000:61:00`. */
  gpu: z.string().optional(),
  /** `XID 79`. */
  code: z.string().optional(),
  what: z.string(),
  /** Processes that the lines name: as the kernel has it, ended or only waiting. */
  processes: z.array(z.strictObject({ pid: z.int(), name: z.string().optional() })).optional(),
  /** How many lines; absent for one. */
  count: z.int().optional(),
});
export type FaultStep = z.infer<typeof FaultStep>;

const STEPS_MAX = 8;
const PROCESSES_MAX = 4;

/** How the worst finding came about by the kernel log, oldest first; empty where the log is silent. */
export function faultTimeline(
  facts: NodeFacts,
  worst: Finding | undefined,
  rows: readonly GpuRow[],
): FaultStep[] {
  if (!worst || worst.severity === 'info' || !facts.log) return [];
  const incidents = incidentsOf(facts, worst);
  const events = facts.log.events.filter(event => isOf(event, incidents));
  return logSteps(events, { incidents, rows }).slice(0, STEPS_MAX);
}

/** Events of the kernel log as steps, oldest first; those that say the same of a GPU are one. */
export function logSteps(events: readonly KernelEvent[], among: Among): FaultStep[] {
  const steps = new Map<string, FaultStep>();
  for (const event of events.toSorted(byTime)) {
    const step = stepOf(event, among);
    if (!step) continue;
    const key = [step.gpu, step.code, step.what].join();
    const before = steps.get(key);
    steps.set(key, before ? joined(before, step) : step);
  }
  return [...steps.values()];
}

const EARLIER_MAX = 8;

/**
 * What of a longer log ended before the part that decides, as a remark: whether a GPU had trouble before
 * is worth knowing, and is no fault of now.
 */
export function earlierIncidents(
  { log, ...facts }: NodeFacts & { readonly log: LogFacts },
  judgedSinceMs: number,
): readonly Finding[] {
  const earlier = log.incidents
    .flatMap(incident =>
      (incident.severity === 'info' && !incident.over) ||
      incident.lastTime === null ||
      Date.parse(incident.lastTime) >= judgedSinceMs
        ? []
        : { ...incident, lastTime: incident.lastTime },
    )
    .toSorted((a, b) => b.lastTime.localeCompare(a.lastTime));
  const [last] = earlier;
  if (!last) return [];
  const ago = durationText(facts.nowMs - Date.parse(last.lastTime));
  const left = earlier.length - EARLIER_MAX;
  return [
    {
      id: 'earlier-incidents',
      severity: 'info',
      component: 'gpu',
      title: `${earlier.length === 1 ? '1 incident is' : `${earlier.length} incidents are`} older than the part of the kernel log that decides, the last ${ago} ago: ${last.title}`,
      action: 'none',
      advice:
        'The verdict does not rest on them. The same GPU again and again is a reason to ask its vendor.',
      blame: 'unknown',
      confidence: 'high',
      evidence: earlier.slice(0, EARLIER_MAX).map(incident => {
        const gpu = facts.driver.gpus.find(({ pci }) => pci.ok && pci.value === incident.gpu);
        const where = incident.gpu === null ? '' : `, ${gpuName(gpu ?? { pci: incident.gpu })}`;
        const since = incident.over ? '' : '; no reset, driver load or boot is seen since';
        return {
          what: `${incident.title}${where}${incident.count === 1 ? '' : `, ${incident.count} lines`}${since}`,
          source: incident.source,
          ...recordTimes([incident.firstTime, incident.lastTime]),
        };
      }),
      counterEvidence: left > 0 ? [`${left} more are not listed: analyze_xid_errors has them`] : [],
    },
  ];
}

const isOf = (event: KernelEvent, incidents: readonly Incident[]): boolean =>
  incidents.some(({ source, lines }) => source === event.source && lines.includes(event.line));

const byTime = (a: KernelEvent, b: KernelEvent): number =>
  (a.time ?? '').localeCompare(b.time ?? '') || a.line - b.line;

interface Among {
  readonly incidents: readonly Incident[];
  readonly rows: readonly GpuRow[];
}

function stepOf(event: KernelEvent, { incidents, rows }: Among): FaultStep | undefined {
  const { time, pci, pid, process } = event;
  const what = wordsOf(event, incidents);
  if (time === null || what === undefined) return undefined;
  const name = process === null ? undefined : plainText(process, 64);
  return {
    time,
    ...eventGpu(rows.find(row => row.pci !== undefined && row.pci === pci)?.index, pci),
    ...optional({ code: numberOf(event) }),
    what,
    ...(pid === null || pid === 0 ? {} : { processes: [{ pid, ...optional({ name }) }] }),
  };
}

/** What names a board, or says the same as an XID beside it, is no step. */
const SILENT = ['gpu_uuid', 'board_serial', 'fallen_off_bus'];

function wordsOf(event: KernelEvent, incidents: readonly Incident[]): string | undefined {
  const { xid, sxid, kind, details, text, severity } = event;
  if (SILENT.includes(kind)) return undefined;
  if (xid === null && sxid === null && severity === 'info') return undefined;
  if (xid === 154 && typeof details['to_label'] === 'string') {
    return `the driver asks: ${plainText(details['to_label'], 60)}`;
  }
  if (xid !== null) return xidEntry(xid)?.title ?? 'not in the catalogue';
  if (kind === 'aer' && typeof details['severity'] === 'string') {
    return `PCIe error (AER, ${plainText(details['severity'], 20)})`;
  }
  const rooted = incidents.find(({ root }) => root.xid === null && root.kind === kind);
  return rooted?.title ?? plainText(text.replaceAll(/ +/g, ' '), 100);
}

function joined(before: FaultStep, next: FaultStep): FaultStep {
  const known = before.processes ?? [];
  const added = (next.processes ?? []).filter(({ pid }) => known.every(other => other.pid !== pid));
  const processes = [...known, ...added].slice(0, PROCESSES_MAX);
  return {
    ...before,
    count: (before.count ?? 1) + 1,
    ...(processes.length > 0 ? { processes } : {}),
  };
}
