import { told } from '../contract/errors.ts';
import { AGENT_ENVIRONMENT, NAME } from '../contract/labels.ts';
import type { ApiServer } from './http.ts';
import { isObject, type Json, listAt, objectAt, textOf, textsOf } from './json.ts';
import { listAll, readContainer, readPod, word } from './list.ts';
import { podList, podPath } from './paths.ts';
import {
  ApiError,
  isNotFound,
  type ObjectName,
  type OwnContainer,
  type TargetContainer,
  type TargetPod,
  type V1EphemeralContainer,
} from './port.ts';

type Api = Pick<ApiServer, 'object' | 'settings'>;

/** `Cluster.targetPod`. */
export async function targetPod(
  api: Api,
  pod: ObjectName,
  signal: AbortSignal,
): Promise<TargetPod | undefined> {
  try {
    const doing = `get pod "${pod.name}" in namespace "${pod.namespace}"`;
    const asked = { path: podPath(pod), doing, kinds: ['Pod'], name: pod.name };
    const found = readTargetPod(await api.object({ method: 'GET', ...asked }, signal));
    return { ...found, namespace: pod.namespace };
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/**
 * `Cluster.addContainer`. The list is merged by name (types.go, patchMergeKey): sent twice it is added once. A UID
 * does not change (apimachinery, ValidateObjectMetaUpdate): to another pod of that name nothing is added.
 */
export async function addContainer(
  api: Api,
  pod: ObjectName & { readonly uid: string },
  container: V1EphemeralContainer,
  signal: AbortSignal,
): Promise<void> {
  const doing = `add a container to pod "${pod.name}" in namespace "${pod.namespace}"`;
  try {
    await api.object(
      {
        ...{ method: 'PATCH', path: `${podPath(pod)}/ephemeralcontainers`, doing },
        body: { metadata: { uid: pod.uid }, spec: { ephemeralContainers: [container] } },
        ...{ kinds: ['Pod'], name: pod.name },
      },
      signal,
    );
  } catch (error) {
    if (error instanceof ApiError && NO_SUCH_PART.test(error.message)) {
      throw new ApiError(told`this API server does not know ephemeral containers`, {
        ...{ code: error.code, reason: 'Unsupported', cause: error },
        hint: 'Kubernetes has them since 1.25; any other --profile does without',
      });
    }
    throw error;
  }
}

/** Of a path that is not served, and of the feature gate of before 1.25. */
const NO_SUCH_PART =
  /could not find the requested resource|404 page not found|[Ee]phemeral [Cc]ontainers are disabled|does not allow this method/;

/** `Cluster.listOwnContainers`. */
export async function listOwnContainers(
  api: Api,
  namespace: string | null,
  signal: AbortSignal,
): Promise<readonly OwnContainer[]> {
  const pods = await listAll(api, podList({ namespace }), signal);
  return pods.flatMap(pod => readTargetPod(pod).own);
}

export function readTargetPod(json: unknown): TargetPod {
  const { namespace, name, uid, node, phase, reason, message, deleting, annotations } =
    readPod(json);
  const spec = objectAt(json, 'spec');
  const statuses = [
    ...listAt(json, 'status', 'containerStatuses'),
    ...listAt(json, 'status', 'initContainerStatuses'),
  ];
  const sidecars = listAt(spec, 'initContainers').filter(
    container => textOf(container, 'restartPolicy') === 'Always',
  );
  const statusOf = (container: unknown) =>
    statuses.find(status => textOf(status, 'name') === textOf(container, 'name'));
  const of = (container: unknown) => readTarget(container, statusOf(container), spec);
  return {
    ...{ namespace, name, uid, node, phase, reason: word(reason), message, deleting },
    // pkg/kubelet/types/pod_update.go: ConfigMirrorAnnotationKey.
    isStatic: 'kubernetes.io/config.mirror' in annotations,
    isWindows: textOf(objectAt(spec, 'os'), 'name') === 'windows',
    containers: listAt(spec, 'containers').map(of),
    sidecars: sidecars.map(of),
    own: readOwn(json, { namespace, name, node }),
    alsoNamed: [
      ...['initContainers', 'ephemeralContainers', 'volumes'].flatMap(key => listAt(spec, key)),
      ...listAt(json, 'metadata', 'ownerReferences'),
    ].map(each => textOf(each, 'name')),
  };
}

/** A DNS label (RFC 1123). */
const NAME_CHARACTERS_MAX = 63;

function readTarget(container: unknown, status: unknown, spec: Json): TargetContainer {
  const { name, state, reason, exitCode } = readContainer(status ?? container);
  return {
    ...{ name: name.slice(0, NAME_CHARACTERS_MAX), state, reason: word(reason) },
    ...(exitCode !== undefined && { exitCode }),
    id: /^[a-z-]+:\/\/([0-9a-f]{64})$/.exec(textOf(status, 'containerID'))?.[1] ?? '',
    security: readSecurity(container, status, spec),
    gpus: readGpus(container, status),
  };
}

const numberIn = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined;

/** What a container is run with, as far as another in its pod may be run with the same. */
function readSecurity(
  container: unknown,
  status: unknown,
  spec: Json,
): TargetContainer['security'] {
  const [own, ofPod] = [objectAt(container, 'securityContext'), objectAt(spec, 'securityContext')];
  // What the image says is told by the runtime since Kubernetes 1.31: KEP-3619.
  const runs = objectAt(status, 'user', 'linux');
  const user = numberIn(own['runAsUser'] ?? ofPod['runAsUser'] ?? runs['uid']);
  const group = numberIn(own['runAsGroup'] ?? ofPod['runAsGroup'] ?? runs['gid']);
  const { drop, add } = objectAt(own, 'capabilities');
  const confined = Object.fromEntries(
    (['appArmorProfile', 'seLinuxOptions'] as const).flatMap(key => {
      const value = own[key];
      return isObject(value) ? [[key, textsOf(value)] as const] : [];
    }),
  );
  return {
    ...(user !== undefined && { user }),
    ...(group !== undefined && { group }),
    ...{ drop: textsIn(drop), add: textsIn(add), confined },
  };
}

const textsIn = (value: unknown): readonly string[] =>
  listAt(value).filter(each => typeof each === 'string');

/** GPUs that are this container's own, by UUID: what the kubelet says that it allocated, or its own word for them. */
function readGpus(container: unknown, status: unknown): readonly string[] {
  const allocated = listAt(status, 'allocatedResourcesStatus')
    .flatMap(each => listAt(each, 'resources'))
    .flatMap(each => UUID.exec(textOf(each, 'resourceID'))?.[0] ?? []);
  const written = listAt(container, 'env')
    .filter(each => textOf(each, 'name') === 'NVIDIA_VISIBLE_DEVICES')
    .flatMap(each => textOf(each, 'value').split(','));
  const named = written.flatMap(each => UUID.exec(each)?.[0] ?? []);
  return [...new Set(allocated.length > 0 ? allocated : named)].slice(0, GPUS_MAX);
}

const GPUS_MAX = 64;
/** A shared GPU has more behind it: `GPU-...::3`. */
const UUID = /^(?:GPU|MIG)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/;

/** Our own ephemeral containers in a pod: by name and variables, for they have no labels. */
function readOwn(
  json: unknown,
  pod: ObjectName & { readonly node: string },
): readonly OwnContainer[] {
  const statuses = listAt(json, 'status', 'ephemeralContainerStatuses');
  return listAt(json, 'spec', 'ephemeralContainers').flatMap(container => {
    const name = textOf(container, 'name');
    const variables = listAt(container, 'env').map(
      each => [textOf(each, 'name'), textOf(each, 'value')] as const,
    );
    const env = Object.fromEntries(variables);
    if (!name.startsWith(`${NAME}-`) || env[AGENT_ENVIRONMENT.session] === undefined) return [];
    const status = statuses.find(each => textOf(each, 'name') === name);
    const { state, reason, message, exitCode, image, imageId, startedAt } = readContainer(
      status ?? container,
    );
    return [
      {
        ...{ pod: { namespace: pod.namespace, name: pod.name }, node: pod.node, name },
        ...{ user: env[AGENT_ENVIRONMENT.user] ?? '', state, reason: word(reason), message, image },
        ...(imageId !== undefined && { imageId }),
        ...(exitCode !== undefined && { exitCode }),
        ...(startedAt !== undefined && { startedAt }),
      },
    ];
  });
}
