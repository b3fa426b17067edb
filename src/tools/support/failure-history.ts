import type { ClusterContainer, ClusterPod, ContainerEnd } from '../../contract/cluster-view.ts';
import type { ContainerLife } from '../../contract/container-life.ts';
import { optional } from '../../contract/optional.ts';
import { isoTime } from '../../contract/time.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import type { PodName } from './pod-name.ts';

/**
 * A pod as the node's own logs remember it, in the form in which the cluster would tell it; absent
 * where they tell no end of it. What only the cluster knows (owner, resources, events) is empty.
 */
export function podOfHistory(
  { history }: NodeFacts,
  asked: PodName & { readonly uid?: string | undefined },
): ClusterPod | undefined {
  const named = (history?.lives ?? []).filter(
    life =>
      life.pod === asked.name &&
      (asked.namespace === undefined || life.namespace === asked.namespace),
  );
  // A StatefulSet's pod comes again under its name: the one asked for, else the last.
  const uid = asked.uid ?? named.toSorted((a, b) => endOf(b) - endOf(a))[0]?.podUid;
  const lives = named.filter(({ podUid }) => podUid === uid);
  const [first] = lives;
  const ended = lives.filter(({ endedMs }) => endedMs !== undefined);
  if (!first || ended.length === 0) return undefined;
  const starts = lives.flatMap(({ startedMs }) => startedMs ?? []);
  const containers = [...new Set(lives.flatMap(({ container }) => container ?? []))].map(name =>
    containerOf(
      name,
      lives.filter(({ container }) => container === name),
    ),
  );
  const failed = ended.some(({ exitCode }) => exitCode !== undefined && exitCode !== 0);
  return {
    namespace: first.namespace ?? '',
    name: asked.name,
    uid: uid ?? '',
    node: '',
    phase: failed ? 'Failed' : ended.length === lives.length ? 'Succeeded' : 'Unknown',
    ...{ reason: '', message: '', createdAt: '' },
    ...(starts.length === 0 ? {} : { startedAt: isoTime(Math.min(...starts)) }),
    deleting: true,
    gpus: {},
    claims: [],
    containers,
  };
}

const endOf = ({ endedMs, seenMs, startedMs }: ContainerLife): number =>
  endedMs ?? seenMs ?? startedMs ?? 0;

/** The last two runs of a container. */
function containerOf(name: string, lives: readonly ContainerLife[]): ClusterContainer {
  const logged = lives.filter(({ source }) => source !== 'log_files');
  const [last, before] = logged.toSorted((a, b) => endOf(b) - endOf(a));
  const ended = last && containerEnd(last);
  const endedBefore = before && containerEnd(before);
  const startedMs = last?.startedMs;
  return {
    name,
    init: false,
    gpus: {},
    restarts: Math.max(0, logged.length - 1),
    state: ended ? 'terminated' : 'running',
    ...{ reason: '', message: '' },
    ...(startedMs === undefined ? {} : { startedAt: isoTime(startedMs) }),
    ...optional({ ended, endedBefore }),
  };
}

function containerEnd({ startedMs, endedMs, exitCode }: ContainerLife): ContainerEnd | undefined {
  if (endedMs === undefined || exitCode === undefined) return undefined;
  return {
    exitCode,
    // The runtime gives a killed process as 128 and its signal, as Kubernetes does.
    ...{ reason: '', message: '' },
    ...(startedMs === undefined ? {} : { startedAt: isoTime(startedMs) }),
    finishedAt: isoTime(endedMs),
  };
}
