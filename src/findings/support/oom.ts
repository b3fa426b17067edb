import type { Evidence } from '../../contract/finding.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { Incident, KernelEvent } from '../../xid/events.ts';
import type { Clue, NodeFacts } from '../facts.ts';

/**
 * What a kill for lack of memory says beyond its incident: whether a container met its own limit,
 * which is the pod's affair, or the node ran out, and whose process and pod it was.
 */
export function oomParts(
  facts: NodeFacts,
  incident: Incident,
): Partial<Pick<Clue, 'title' | 'blame' | 'advice'>> & { readonly evidence: readonly Evidence[] } {
  const events = (facts.log?.events ?? []).filter(
    event =>
      event.kind === 'oom' &&
      event.source === incident.source &&
      incident.lines.includes(event.line) &&
      event.details['stage'] !== 'invoked',
  );
  const [first] = events;
  if (!first) return { evidence: [] };
  const ownLimit = events.some(({ details }) => details['constraint'] === 'CONSTRAINT_MEMCG');
  const pods = facts.host.pods;
  const uid = events.map(({ details }) => details['pod_uid']).find(value => value !== null);
  const pod = known(pods.names)?.find(name => name.uid === uid);
  return {
    ...(ownLimit
      ? {
          title: 'A container was ended for using more host memory than its limit',
          blame: 'application' as const,
          advice:
            "Raise the pod's memory limit or lower what it uses (data loaders, pinned memory), then restart it; no GPU is at fault.",
        }
      : {}),
    evidence: [evidenceOf(first, pod && `${pod.namespace}/${pod.pod}`)],
  };
}

const evidenceOf = (event: KernelEvent, pod: string | undefined): Evidence => ({
  what: `process ${event.pid ?? '?'} (${plainText(event.process ?? '?', 32)})${pod === undefined ? '' : ` of pod ${plainText(pod, 128)}`} was ended`,
  source: event.source,
  ...(event.time === null ? {} : { time: event.time }),
  command: 'dmesg -T | grep -iE "oom|killed process"',
});
