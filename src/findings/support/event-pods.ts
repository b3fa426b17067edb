import * as z from 'zod';
import type { ContainerLife } from '../../contract/container-life.ts';
import { Confidence } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { known } from '../../contract/reading.ts';
import { isoTime } from '../../contract/time.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { PodAllocation, ProcessOwner } from '../../host/port.ts';
import type { Incident, KernelEvent } from '../../xid/events.ts';
import { gpuAt, type NodeFacts } from '../facts.ts';
import { isSameRun, lifeAt, onGpu, type PodNames, SLACK_MS } from './container-lives.ts';

/**
 * A pod that an event may concern, and how we know, best first: `process`, the line's pid still
 * runs in it; `exit`, its container ended as that pid; `device_and_time`, it had the GPU and ran
 * then; `time`, it failed right after; `ran_then`, it had some GPU of the node and ran then;
 * `allocation`, it holds the GPU now, which proves nothing.
 */
export const EventPod = z.strictObject({
  namespace: z.string().optional(),
  /** Absent where only its uid is known. */
  pod: z.string().optional(),
  podUid: z.string().optional(),
  container: z.string().optional(),
  by: z.enum(['process', 'exit', 'device_and_time', 'time', 'ran_then', 'allocation']),
  confidence: Confidence,
  /** When its container ended, where that is known; ISO 8601 UTC. */
  endedAt: z.string().optional(),
  exitCode: z.int().optional(),
});
export type EventPod = z.infer<typeof EventPod>;

/** Containers that fail within this time after an XID may have failed for it. */
const FAILS_WITHIN_MS = 60_000;
/** More than so many candidates are no answer. */
const CANDIDATES_MAX = 8;
const BY_TIME_MAX = 3;

/**
 * Whose an event was: one pod, or several where a GPU was shared, or none that can be told. Pure.
 * The pid of a line may be a child of a container's first process: then only the GPU leads on.
 */
export function podsOfEvent(facts: NodeFacts, event: KernelEvent): readonly EventPod[] {
  const owner = livingOwner(facts, event);
  if (owner) return owner.podUid === undefined && owner.pod === undefined ? [] : [ofOwner(owner)];
  const atMs = event.time === null ? undefined : Date.parse(event.time);
  const ended = atMs === undefined ? [] : byExit(facts, event, atMs);
  if (ended.length > 0) return ended;
  const holders = byDevice(facts, event, atMs);
  if (holders.length > 0 || atMs === undefined) return holders;
  return byTime(facts, event, atMs);
}

/** Whose an incident was, by its XID lines: what is known best comes first. */
export function podsOfIncident(facts: NodeFacts, incident: Incident): readonly EventPod[] {
  const lines = new Set(incident.lines);
  const found = (facts.log?.events ?? [])
    .filter(
      ({ xid, source, line }) => xid !== null && source === incident.source && lines.has(line),
    )
    .flatMap(event => podsOfEvent(facts, event));
  const best = found.toSorted((a, b) => rank(a) - rank(b));
  return firstOfEach(best)
    .filter(pod => rank(pod) === rank(best[0] ?? pod))
    .slice(0, CANDIDATES_MAX);
}

const rank = ({ by }: EventPod): number => EventPod.shape.by.options.indexOf(by);

/** A pid is used again: a process that began after the line was printed is another one. */
function livingOwner(facts: NodeFacts, event: KernelEvent): ProcessOwner | undefined {
  const owner = facts.history?.owners.find(({ pid }) => pid === event.pid);
  if (!owner?.cgroup.ok) return undefined;
  const bootId = known(facts.host.bootId);
  if (event.boot !== null && bootId !== undefined && /^[0-9a-f]{32}$/.test(event.boot)) {
    if (event.boot !== bootId) return undefined;
  }
  const uptime = known(facts.host.uptimeSeconds);
  if (event.time !== null && uptime !== undefined) {
    if (Date.parse(event.time) < facts.nowMs - uptime * 1_000 - SLACK_MS) return undefined;
  }
  const started = known(owner.startedAfterBootSeconds);
  const isOlder =
    started === undefined || event.bootSeconds === null || started <= event.bootSeconds;
  return isOlder ? owner : undefined;
}

const ofOwner = ({ namespace, pod, podUid, container }: ProcessOwner): EventPod => ({
  ...named({ namespace, pod, podUid, container }),
  by: 'process',
  confidence: 'high',
});

/** The container whose first process the line names: the runtime logs its pid when it ends. */
function byExit(facts: NodeFacts, event: KernelEvent, atMs: number): readonly EventPod[] {
  if (event.pid === null) return [];
  return (facts.history?.lives ?? [])
    .filter(life => life.pid === event.pid && lifeAt([life], atMs) !== undefined)
    .map(life => ({
      ...named(life),
      by: 'exit' as const,
      // Without its start, the pid may have been another's at that time.
      confidence: life.startedMs === undefined ? ('medium' as const) : ('high' as const),
      ...endOf(life),
    }))
    .slice(0, 1);
}

/** Those that had the GPU, by pod-resources and by the checkpoint, which keeps pods that are gone. */
function byDevice(
  facts: NodeFacts,
  event: KernelEvent,
  atMs: number | undefined,
): readonly EventPod[] {
  if (event.pci === null) return [];
  const { uuid } = gpuAt(facts, event.pci);
  const held = [facts.host.pods.allocations, facts.host.pods.checkpoint]
    .flatMap(reading => known(reading) ?? [])
    .filter(allocation =>
      onGpu(facts, allocation, { pci: event.pci, uuid, mig: event.mig?.gpuInstance }),
    );
  const found = held.flatMap(allocation => holder(facts, allocation, atMs));
  const pods = firstOfEach(found);
  const sure = pods.length === 1;
  return pods
    .slice(0, CANDIDATES_MAX)
    .map(pod => (pod.by === 'device_and_time' && sure ? pod : { ...pod, confidence: 'low' }));
}

function holder(
  facts: NodeFacts,
  allocation: PodAllocation,
  atMs: number | undefined,
): readonly EventPod[] {
  const lives = (facts.history?.lives ?? []).filter(life => isSameRun(life, allocation));
  const life = atMs === undefined ? undefined : lifeAt(lives, atMs);
  const names = { ...namesIn(lives), ...allocation };
  if (life) {
    const by = 'device_and_time' as const;
    return [{ ...named({ ...names, ...life }), by, confidence: 'medium', ...endOf(life) }];
  }
  if (allocation.source === 'checkpoint') return [];
  // Who began after the line was printed had nothing to do with it.
  const later = lives.some(({ startedMs }) => atMs !== undefined && (startedMs ?? 0) > atMs);
  return later ? [] : [{ ...named(names), by: 'allocation', confidence: 'low' }];
}

/** Those that failed right after, where nobody is known to have had the GPU. */
function byTime(facts: NodeFacts, event: KernelEvent, atMs: number): readonly EventPod[] {
  if (event.kind !== 'xid') return [];
  const elsewhere = [facts.host.pods.allocations, facts.host.pods.checkpoint].flatMap(
    reading => known(reading) ?? [],
  );
  const failed = (facts.history?.lives ?? []).filter(
    life =>
      life.endedMs !== undefined &&
      (life.exitCode ?? 0) !== 0 &&
      life.endedMs <= atMs + FAILS_WITHIN_MS &&
      lifeAt([life], atMs) !== undefined &&
      !elsewhere.some(allocation => isSameRun(life, allocation)),
  );
  return failed.length > BY_TIME_MAX
    ? []
    : failed.map(life => ({ ...named(life), by: 'time', confidence: 'low', ...endOf(life) }));
}

const endOf = ({ endedMs, exitCode }: ContainerLife): Pick<EventPod, 'endedAt' | 'exitCode'> => ({
  ...(endedMs === undefined ? {} : { endedAt: isoTime(endedMs) }),
  ...optional({ exitCode }),
});

/** Names that only some of a pod's lines tell. */
const namesIn = (lives: readonly ContainerLife[]): PodNames =>
  Object.assign({}, ...lives.map(({ namespace, pod }) => ({ namespace, pod })));

const keyOf = ({ namespace, pod, podUid }: EventPod): string => podUid ?? `${namespace}/${pod}`;

/** What is said of each pod first, in that order. */
const firstOfEach = (pods: readonly EventPod[]): readonly EventPod[] =>
  pods.filter((pod, index) => pods.findIndex(other => keyOf(other) === keyOf(pod)) === index);

function named({ namespace, pod, podUid, container }: PodNames) {
  return {
    ...(namespace === undefined ? {} : { namespace: plainText(namespace, 63) }),
    ...(pod === undefined ? {} : { pod: plainText(pod, 253) }),
    ...(podUid === undefined ? {} : { podUid: plainText(podUid, 64) }),
    ...(container === undefined ? {} : { container: plainText(container, 63) }),
  };
}

/** How a pod of an event reads in a sentence: `pod team-a/train-0, which ended at ...`. */
function eventPodText(pod: EventPod): string {
  const name =
    pod.pod === undefined
      ? `pod with uid ${pod.podUid ?? 'unknown'}`
      : `pod ${pod.namespace === undefined ? '' : `${pod.namespace}/`}${pod.pod}`;
  const end =
    pod.endedAt === undefined
      ? ''
      : `, ended at ${pod.endedAt}${pod.exitCode === undefined ? '' : ` with exit code ${pod.exitCode}`}`;
  return `${name}${end} (${HOW[pod.by]})`;
}

const HOW: Readonly<Record<EventPod['by'], string>> = {
  process: 'its process lives',
  exit: 'its process had this pid',
  device_and_time: 'it had this GPU and ran then',
  time: 'it failed right after; no more is known',
  ran_then: 'it had a GPU of this node and ran then; which one is not known',
  allocation: 'it holds this GPU now, which is no proof',
};

/** The pods of an event in one sentence part; several are a set, and one of them it was. */
export function eventPodsText(pods: readonly EventPod[]): string {
  const [first, ...others] = pods;
  if (!first) return '';
  if (others.length === 0) return eventPodText(first);
  return `one of ${pods.length}: ${pods.map(eventPodText).join('; ')}`;
}
