import { ANNOTATIONS, LABELS } from '../contract/labels.ts';
import { POD_GRACE_SECONDS } from '../contract/limits.ts';
import type { ApiServer } from './http.ts';
import { objectAt, textOf } from './json.ts';
import { listAll, readOwn, readPod } from './list.ts';
import { collection, KINDS, objectPath, podList } from './paths.ts';
import {
  ApiError,
  type Created,
  isMissingRight,
  isNotFound,
  type NodeEvent,
  type ObjectRef,
  type PodQuery,
  type V1Job,
  type V1Pod,
} from './port.ts';

type Api = Pick<ApiServer, 'object' | 'settings'>;
type Outcome = 'deleted' | 'ending' | 'gone';

/** `Cluster.createPod` and `Cluster.createJob`. */
export async function createObject(
  api: Api,
  kind: 'pod' | 'job',
  body: V1Pod | V1Job,
  signal: AbortSignal,
): Promise<Created> {
  const namespace = body.metadata?.namespace ?? api.settings.namespace;
  const doing = `create ${kind} "${body.metadata?.name ?? ''}" in namespace "${namespace}"`;
  const path = collection(kind, namespace);
  const expected = { kinds: [KINDS[kind]], name: body.metadata?.name };
  const made = await api.object({ method: 'POST', path, body, doing, ...expected }, signal);
  const { name, uid } = readOwn(kind, made);
  return { kind, namespace, name, uid, suspended: objectAt(made, 'spec')['suspend'] === true };
}

/** `Cluster.createEvent`. */
export async function createEvent(api: Api, body: NodeEvent, signal: AbortSignal): Promise<void> {
  const { name, namespace } = body.metadata;
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`;
  const doing = `create an event in namespace "${namespace}"`;
  await api.object({ method: 'POST', path, body, doing, kinds: ['Event'], name }, signal);
}

/** `Cluster.deleteObject`. */
export async function deleteObject(
  api: Api,
  object: ObjectRef,
  signal: AbortSignal,
  now?: 'now',
): Promise<Outcome> {
  const { kind, name, namespace, uid } = object;
  if (kind === 'pods') return deletePods(api, object, signal);
  try {
    const answer = await api.object(
      {
        method: 'DELETE',
        kinds: ['Status', KINDS[kind]],
        path: objectPath(kind, object),
        doing: `delete ${kind} "${name}" in namespace "${namespace}"`,
        body: { ...optionsOf(now), ...(uid && { preconditions: { uid } }) },
      },
      signal,
    );
    // A Status tells that it is done; the object itself that it still ends.
    return textOf(answer, 'kind') === 'Status' ? 'deleted' : 'ending';
  } catch (error) {
    if (isNotFound(error) || isOfAnotherUid(error)) return 'gone';
    throw error;
  }
}

/** All pods of a session, or of a part of it, in one request; one by one where that is not allowed. */
async function deletePods(api: Api, session: ObjectRef, signal: AbortSignal): Promise<Outcome> {
  const list = podList(podsOf(session));
  const doing = list.doing.replace('list', 'delete');
  const asked = { ...list, method: 'DELETE', body: optionsOf(), doing } as const;
  try {
    await api.object({ ...asked, kinds: ['Status', 'PodList'] }, signal);
  } catch (error) {
    if (!isMissingRight(error)) throw error;
    const pods = (await listAll(api, list, signal)).map(readPod);
    await Promise.all(pods.map(pod => deleteObject(api, { kind: 'pod', ...pod }, signal)));
  }
  return 'ending';
}

/** The pods that bear a session's name. */
export const podsOf = ({ namespace, name, part }: ObjectRef): PodQuery => ({
  namespace,
  labelSelector: `${ANNOTATIONS.session}=${name}${part === undefined ? '' : `,${LABELS.part}=${part}`}`,
});

const optionsOf = (now?: 'now') => ({
  ...{ apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background' },
  gracePeriodSeconds: now ? 0 : POD_GRACE_SECONDS,
});

/**
 * Another object of that name lives there now: k8s.io/apiserver/pkg/registry/rest/delete.go and
 * storage/interfaces.go. Any other conflict says nothing of ours.
 */
const isOfAnotherUid = (error: unknown) =>
  error instanceof ApiError &&
  error.code === 409 &&
  /UID in (the )?precondition/i.test(error.message);
