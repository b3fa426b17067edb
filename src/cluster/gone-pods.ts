import { missing, present } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import type { ApiServer } from './http.ts';
import { objectAt, textOf } from './json.ts';
import { listAll } from './list.ts';
import { eventList } from './paths.ts';
import { isMissingRight } from './port.ts';
import { readClusterEvent } from './read-view.ts';

type Api = Pick<ApiServer, 'object' | 'settings'>;

/** Of how many owners events are read: a JobSet has a Job for each kind of its pods. */
const OWNERS_MAX = 8;
const GONE_MAX = 256;

/**
 * Pods that controllers created and that are not there any more, and where the scheduler put them; and what a
 * controller last complained of.
 */
export async function eventsTold(
  api: Api,
  { owners, there }: { readonly owners: readonly string[]; readonly there: readonly string[] },
  signal: AbortSignal,
) {
  const { namespace } = api.settings;
  try {
    const lists = await Promise.all(
      owners.slice(0, OWNERS_MAX).map(name => listAll(api, eventList({ namespace, name }), signal)),
    );
    const events = lists.flat();
    const messages = events.map(event => textOf(event, 'message'));
    const created = messages.flatMap(createdPod);
    // A pod that was named itself.
    const named = events.flatMap(event => {
      const about = objectAt(event, 'involvedObject');
      return textOf(about, 'kind') === 'Pod' ? textOf(about, 'name') : [];
    });
    const pods = [...new Set([...created, ...named])]
      .filter(name => !there.includes(name))
      .slice(0, GONE_MAX);
    const nodes = pods.length === 0 ? new Map<string, string>() : await scheduledTo(api, signal);
    const [warning] = events
      .map(readClusterEvent)
      .filter(({ type }) => type === 'Warning')
      .toSorted((a, b) => (b.lastAt ?? '').localeCompare(a.lastAt ?? ''));
    return present({
      gone: pods.map(pod => {
        const node = nodes.get(pod);
        return { pod: plainText(pod, 253), ...(node !== undefined && { node }) };
      }),
      warning: warning && `${warning.reason}: ${warning.message}`,
    });
  } catch (error) {
    signal.throwIfAborted();
    const words = plainText(error instanceof Error ? error.message : String(error), 300);
    return missing(isMissingRight(error) ? 'no_permission' : 'unreadable', words);
  }
}

/**
 * How controllers say that they created a pod: pkg/controller/controller_utils.go and statefulset/stateful_pod_control.go of
 * Kubernetes, and KubeRay's raycluster_controller.go. Kubeflow's operators say it as Kubernetes does.
 */
const CREATED: readonly RegExp[] = [
  /^Created pod: (\S{1,253})$/,
  /^create Pod (\S{1,253}) in StatefulSet \S{1,253} successful$/,
  /^Created (?:head|worker) Pod (?:\S{1,63}\/)?(\S{1,253})$/,
];

const createdPod = (message: string): readonly string[] =>
  CREATED.flatMap(form => form.exec(message)?.[1] ?? []).slice(0, 1);

/** `Successfully assigned NAMESPACE/POD to NODE`: pkg/scheduler/schedule_one.go of Kubernetes. */
const ASSIGNED = /^Successfully assigned \S{1,63}\/(\S{1,253}) to (\S{1,253})$/;

async function scheduledTo(api: Api, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const { namespace } = api.settings;
  const list = eventList({ namespace, name: '' });
  const events = await listAll(
    api,
    { ...list, query: { fieldSelector: 'reason=Scheduled' } },
    signal,
  );
  return new Map(
    events.flatMap(event => {
      const [, pod, node] = ASSIGNED.exec(textOf(event, 'message')) ?? [];
      return pod === undefined || node === undefined ? [] : [[pod, plainText(node, 253)] as const];
    }),
  );
}
