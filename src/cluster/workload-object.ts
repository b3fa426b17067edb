import { type ClusterError, ours, ServerError, told } from '../contract/errors.ts';
import { namesLike } from '../contract/names-like.ts';
import { shell } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import type { ApiServer } from './http.ts';
import { type Json, listAt, objectAt, textOf, textsOf } from './json.ts';
import { listAll } from './list.ts';
import { namesNear } from './names-near.ts';
import { podList } from './paths.ts';
import { ApiError } from './port.ts';
import { type TargetWord, WORKLOADS } from './workloads.ts';

type Api = Pick<ApiServer, 'object' | 'settings'>;
export type WorkloadWord = Extract<TargetWord, { readonly of: 'workload' }>;

/** @throws ClusterError that says whether the cluster lacks the kind or the object, with names like it. */
export async function workloadObject(
  api: Api,
  { name, workload, written }: Pick<WorkloadWord, 'name' | 'workload' | 'written'>,
  signal: AbortSignal,
): Promise<Json> {
  const { kind, plural } = workload;
  const version = workload.version ?? (await versionOf(api, { name, workload }, signal));
  const group = `/apis/${workload.group}/${version}`;
  const { namespace } = api.settings;
  const doing = `get ${written} in namespace "${namespace}"`;
  const path = `${group}/namespaces/${encodeURIComponent(namespace)}/${plural}/${name}`;
  try {
    return await api.object({ method: 'GET', path, doing, kinds: [kind], name }, signal);
  } catch (error) {
    if (!isAbsent(error)) throw error;
    const { code, reason, told } = error;
    const near = await namesNear(api, { path: group, kind, plural, name }, signal);
    if (near === undefined && workload.version === undefined) {
      const lacks = await lacksResource(api, { path: group, plural }, signal);
      if (lacks) throw await noSuchKind(api, { name, workload }, signal);
    }
    throw new ApiError(told, { code, reason, ...near, cause: error });
  }
}

/** The version of a custom resource's group that the API server prefers. */
async function versionOf(
  api: Api,
  { name, workload }: Pick<WorkloadWord, 'name' | 'workload'>,
  signal: AbortSignal,
): Promise<string> {
  const { group } = workload;
  try {
    const found = await api.object(
      {
        ...{ method: 'GET', path: `/apis/${group}`, kinds: ['APIGroup'] },
        doing: `ask for the versions of ${group}`,
      },
      signal,
    );
    return textOf(objectAt(found, 'preferredVersion'), 'version') || 'v1';
  } catch (error) {
    if (isAbsent(error)) throw await noSuchKind(api, { name, workload }, signal);
    throw error;
  }
}

/** There is no such object, or no such path: not only the API server's word for an object. */
export const isAbsent = (error: unknown): error is ApiError =>
  error instanceof ApiError && error.code === 404;

async function lacksResource(
  api: Api,
  { path, plural }: { readonly path: string; readonly plural: string },
  signal: AbortSignal,
): Promise<boolean> {
  const asked = { path, kinds: ['APIResourceList'], doing: 'list the resources of an API' };
  const found = await api.object({ method: 'GET', ...asked }, signal).catch(() => undefined);
  return (
    found !== undefined && !listAt(found, 'resources').some(one => textOf(one, 'name') === plural)
  );
}

async function noSuchKind(
  api: Api,
  { name, workload }: Pick<WorkloadWord, 'name' | 'workload'>,
  signal: AbortSignal,
): Promise<ClusterError> {
  const { kind, plural, group } = workload;
  const there = await workloadsThere(api, signal).catch(() => []);
  const alike = there.filter(word => namesLike(name, [word.split('/')[1] ?? '']).length > 0);
  return new ServerError(
    told`the cluster has no ${ours(kind)}: ${ours(plural)}.${ours(group)} is not installed`,
    {
      foreign: there,
      hint:
        alike.length > 0
          ? `did you mean ${alike.slice(0, 3).join(' or ')}?`
          : there.length > 0
            ? `pods of namespace "${api.settings.namespace}" belong to ${there.slice(0, 6).join(', ')}`
            : shell`kubectl api-resources; kubectl get pods -n ${api.settings.namespace}`,
    },
  );
}

const MADE_OF_OTHERS = ['JobSet', 'LeaderWorkerSet'];

/** What the pods of the namespace belong to, as targets are written. */
export async function workloadsThere(api: Api, signal: AbortSignal): Promise<readonly string[]> {
  const pods = await listAll(api, podList({ namespace: api.settings.namespace }), signal);
  const words = pods.flatMap(pod => {
    const labels = textsOf(objectAt(pod, 'metadata', 'labels'));
    const owner = listAt(pod, 'metadata', 'ownerReferences').find(
      one => objectAt(one)['controller'] === true,
    );
    return WORKLOADS.flatMap(({ names: [word = ''], kind, label = '' }) => [
      ...(textOf(owner, 'kind') === kind ? [`${word}/${textOf(owner, 'name')}`] : []),
      // Its pods belong to what it made.
      ...(MADE_OF_OTHERS.includes(kind) && labels[label] ? [`${word}/${labels[label]}`] : []),
    ]);
  });
  return [...new Set(words)].map(word => plainText(word, 120)).toSorted();
}
