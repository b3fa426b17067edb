import type { ClusterQuestion, ClusterView } from '../contract/cluster-view.ts';
import { ours, told } from '../contract/errors.ts';
import { ANNOTATIONS, OWN_OBJECTS_SELECTOR } from '../contract/labels.ts';
import { API_REQUEST_MS_MAX, CLUSTER_VIEW_MS_MAX, NODE_KEPT_MS } from '../contract/limits.ts';
import { namesLike } from '../contract/names-like.ts';
import { optional } from '../contract/optional.ts';
import type { TargetJob } from '../contract/target-job.ts';
import type { Clock } from '../contract/time.ts';
import { AttachUnsupported, openAttach, openKubectlAttach } from './attach.ts';
import { type ConnectionFlags, kubectlFlags, requestTimeoutMs } from './connection-flags.ts';
import { findDraVersions, sharedLists } from './dra.ts';
import { addContainer, listOwnContainers, targetPod } from './ephemeral.ts';
import { ApiServer, type Route } from './http.ts';
import { type Json, objectAt, textOf } from './json.ts';
import { listAll, readEvent, readImages, readLease, readNode, readOwn, readPod } from './list.ts';
import { createEvent, createObject, deleteObject, podsOf } from './own-objects.ts';
import {
  ATTACH_STREAMS,
  collection,
  eventList,
  KINDS,
  objectPath,
  podList,
  podPath,
} from './paths.ts';
import type { Cluster } from './port.ts';
import * as port from './port.ts';
import type { Environment } from './proxy.ts';
import { connectionSettings } from './settings.ts';
import { SharedWatch } from './shared-watch.ts';
import { Tally } from './tally.ts';
import { findTargetJob, resolveTarget } from './target.ts';
import { readClusterView, readPodEvents, withLogs } from './view.ts';
import { watchList } from './watch.ts';
import { workloadsThere } from './workload-object.ts';

export interface AttachOptions {
  readonly transport: 'websocket' | 'kubectl';
  readonly kubectl: string;
  readonly kubectlFlags: readonly string[];
}

/** The `Cluster` of a real API server. */
export class KubernetesCluster implements port.Cluster {
  readonly access: port.ClusterAccess;
  readonly #api: ApiServer;
  readonly #attach: AttachOptions;
  readonly #areMany: boolean;
  /** By namespace. */
  readonly #watches: Record<string, SharedWatch> = {};
  readonly #sharedLists = sharedLists();
  #draVersions: Promise<readonly string[]> | undefined;
  readonly #started = new Map<string, { readonly node: Json; readonly atMs: number }>();
  #user: Promise<string | undefined> | undefined;

  constructor(api: ApiServer, attach: AttachOptions, areMany: boolean) {
    this.access = api.settings;
    this.#areMany = areMany;
    this.#api = api;
    this.#attach = attach;
  }

  async getNode(name: string, signal: AbortSignal): Promise<port.NodeState> {
    const path = `/api/v1/nodes/${encodeURIComponent(name)}`;
    try {
      const asked = { path, doing: `get node "${name}"`, kinds: ['Node'], name };
      const node = await this.#api.object({ method: 'GET', ...asked }, signal);
      if (this.#areMany) this.#started.set(path, { node, atMs: this.nowMs() });
      return { ...readNode(node), images: readImages(node) };
    } catch (error) {
      if (!port.isNotFound(error)) throw error;
      const known = await this.listNodes('', signal).catch(() => []);
      const alike = namesLike(
        name,
        known.map(node => node.name),
      );
      throw new port.ApiError(told`node "${ours(name)}" was not found`, {
        code: 404,
        reason: 'NotFound',
        hint: alike.length > 0 ? `did you mean ${alike.join(' or ')}?` : 'kubectl get nodes',
        cause: error,
      });
    }
  }

  async listNodes(selector: string, signal: AbortSignal): Promise<readonly port.NodeState[]> {
    const list = {
      path: '/api/v1/nodes',
      query: { labelSelector: selector },
      doing: 'list nodes',
      kind: 'NodeList',
    };
    const items = await listAll(this.#api, list, signal);
    return items.map(readNode).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async listNamespaces(signal: AbortSignal): Promise<readonly string[]> {
    const list = { path: '/api/v1/namespaces', query: {}, doing: 'list namespaces' };
    const items = await listAll(this.#api, { ...list, kind: 'NamespaceList' }, signal);
    return items.map(item => textOf(objectAt(item, 'metadata'), 'name'));
  }

  async getPod(pod: port.ObjectName, signal: AbortSignal): Promise<port.PodState | undefined> {
    try {
      const doing = `get pod "${pod.name}" in namespace "${pod.namespace}"`;
      const asked = { path: podPath(pod), doing, kinds: ['Pod'], name: pod.name };
      return readPod(await this.#api.object({ method: 'GET', ...asked }, signal));
    } catch (error) {
      if (port.isNotFound(error)) return undefined;
      throw error;
    }
  }

  async listPods(query: port.PodQuery, signal: AbortSignal): Promise<readonly port.PodState[]> {
    return (await listAll(this.#api, podList(query), signal)).map(readPod);
  }

  createPod(pod: port.V1Pod, signal: AbortSignal): Promise<port.Created> {
    return createObject(this.#api, 'pod', pod, signal);
  }

  createJob(job: port.V1Job, signal: AbortSignal): Promise<port.Created> {
    return createObject(this.#api, 'job', job, signal);
  }

  watchPods(query: port.PodQuery, signal: AbortSignal): AsyncIterable<port.PodChange> {
    const { namespace, labelSelector = '' } = query;
    const [label = '', value] = labelSelector.split('=');
    if (!this.#areMany || namespace === null || label !== ANNOTATIONS.session) {
      return this.#watch(query, signal);
    }
    const own = { namespace, labelSelector: OWN_OBJECTS_SELECTOR };
    this.#watches[namespace] ??= new SharedWatch(until => this.#watch(own, until));
    return this.#watches[namespace].changes(({ labels }) => labels[label] === value, signal);
  }

  async *#watch(query: port.PodQuery, signal: AbortSignal): AsyncGenerator<port.PodChange> {
    for await (const { type, object } of watchList(this.#api, podList(query), signal)) {
      yield { type, pod: readPod(object) };
    }
  }

  async *watchEvents(
    about: port.ObjectName,
    signal: AbortSignal,
  ): AsyncGenerator<port.ObjectEvent> {
    for await (const { type, object } of watchList(this.#api, eventList(about), signal)) {
      if (type === 'present') yield readEvent(object);
    }
  }

  podLog(
    pod: port.ObjectName,
    options: { container: string; linesMax: number },
    signal: AbortSignal,
  ): Promise<string> {
    const query = { container: options.container, tailLines: String(options.linesMax) };
    const doing = `read the log of pod "${pod.name}" in namespace "${pod.namespace}"`;
    return this.#api.text({ method: 'GET', path: `${podPath(pod)}/log`, query, doing }, signal);
  }

  deleteObject(object: port.ObjectRef, signal: AbortSignal, now?: 'now') {
    return deleteObject(this.#api, object, signal, now);
  }

  async isThere(object: port.ObjectRef, signal: AbortSignal): Promise<boolean> {
    const { kind, name, namespace, uid } = object;
    if (kind === 'pods') return (await this.listPods(podsOf(object), signal)).length > 0;
    const seen = kind === 'pod' ? this.#watches[namespace]?.isThere(uid) : undefined;
    if (seen !== undefined) return seen;
    const doing = `get ${kind} "${name}" in namespace "${namespace}"`;
    const path = objectPath(kind, object);
    const asked = { path, doing, kinds: [KINDS[kind]], name };
    try {
      const found = await this.#api.object({ method: 'GET', ...asked }, signal);
      return uid === '' || readOwn(kind, found).uid === uid;
    } catch (error) {
      if (port.isNotFound(error)) return false;
      throw error;
    }
  }

  async listOwn(namespace: string | null, signal: AbortSignal): Promise<readonly port.OwnObject[]> {
    const query = { labelSelector: OWN_OBJECTS_SELECTOR };
    const found = await Promise.all(
      (['job', 'pod'] as const).map(async kind => {
        const list = {
          path: collection(kind, namespace),
          query,
          doing: `list ${kind}s`,
          kind: `${KINDS[kind]}List`,
        };
        const items = await listAll(this.#api, list, signal);
        return items.map(item => readOwn(kind, item));
      }),
    );
    return found.flat();
  }

  targetPod(pod: port.ObjectName, signal: AbortSignal) {
    return targetPod(this.#api, pod, signal);
  }

  addContainer(
    pod: port.ObjectName & { readonly uid: string },
    container: port.V1EphemeralContainer,
    signal: AbortSignal,
  ): Promise<void> {
    return addContainer(this.#api, pod, container, signal);
  }

  listOwnContainers(namespace: string | null, signal: AbortSignal) {
    return listOwnContainers(this.#api, namespace, signal);
  }

  async attach(container: port.ContainerName, signal: AbortSignal): Promise<port.AttachStream> {
    const { transport, kubectl, kubectlFlags: flags } = this.#attach;
    if (transport === 'kubectl') return openKubectlAttach({ kubectl, flags, container }, signal);
    try {
      return await this.#attachHere(container, signal);
    } catch (error) {
      if (!(error instanceof AttachUnsupported)) throw error;
      return openKubectlAttach({ kubectl, flags, container }, signal);
    }
  }

  async tryAttach(
    container: port.ContainerName,
    signal: AbortSignal,
  ): Promise<port.TriedStream | undefined> {
    if (this.#attach.transport === 'kubectl') return undefined;
    try {
      return await this.#attachHere(container, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof port.ApiError && [401, 403].includes(error.code)) throw error;
      // Why it cannot be attached to is told by the attach that is awaited.
      return undefined;
    }
  }

  #attachHere(container: port.ContainerName, signal: AbortSignal) {
    const query = { container: container.container, ...ATTACH_STREAMS };
    const open = (route: Route) => openAttach(route, this.access, signal);
    return this.#api.upgrade(`${podPath(container)}/attach`, query, open, signal);
  }

  createEvent(event: port.NodeEvent, signal: AbortSignal): Promise<void> {
    return createEvent(this.#api, event, signal);
  }

  async hasRuntimeClass(name: string, signal: AbortSignal): Promise<boolean> {
    const path = `/apis/node.k8s.io/v1/runtimeclasses/${encodeURIComponent(name)}`;
    const asked = { path, doing: `get runtimeclass "${name}"`, kinds: ['RuntimeClass'], name };
    try {
      await this.#api.object({ method: 'GET', ...asked }, signal);
      return true;
    } catch (error) {
      if (port.isNotFound(error)) return false;
      throw error;
    }
  }

  async lease(node: string, signal: AbortSignal): Promise<port.NodeLease | undefined> {
    const path = `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${encodeURIComponent(node)}`;
    const asked = { path, doing: `get lease "${node}"`, kinds: ['Lease'], name: node };
    try {
      return readLease(await this.#api.object({ method: 'GET', ...asked }, signal));
    } catch (error) {
      if (port.isNotFound(error)) return undefined;
      throw error;
    }
  }

  nowMs(): number {
    return this.#api.nowMs();
  }

  async whoAmI(signal: AbortSignal): Promise<string | undefined> {
    if (!this.#areMany) return this.#whoAmI(signal);
    // Whoever gives up leaves the answer to the others.
    this.#user ??= this.#whoAmI(AbortSignal.timeout(API_REQUEST_MS_MAX));
    return this.#user;
  }

  async #whoAmI(signal: AbortSignal): Promise<string | undefined> {
    const kind = 'SelfSubjectReview';
    const body = { apiVersion: 'authentication.k8s.io/v1', kind };
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const answer = await this.#api.object(
      { method: 'POST', path, body, doing: 'ask who I am', kinds: [kind] },
      signal,
    );
    return textOf(objectAt(answer, 'status', 'userInfo'), 'username') || undefined;
  }

  resolveTarget(target: string, signal: AbortSignal): Promise<readonly port.TargetNode[]> {
    return resolveTarget(this, this.#api, target, signal);
  }

  workloads(signal: AbortSignal): Promise<readonly string[]> {
    return workloadsThere(this.#api, signal);
  }

  async targetJob(target: string, signal: AbortSignal, namespace?: string): Promise<TargetJob> {
    const tally = new Tally();
    const api = tally.counting(this.#api);
    const settings = { ...api.settings, ...optional({ namespace }) };
    const job = await findTargetJob({ ...api, settings }, target, signal);
    return { ...job, asked: tally.asked };
  }

  targetLogs(job: TargetJob, signal: AbortSignal): Promise<TargetJob> {
    return withLogs(this.#api, job, signal);
  }

  async view(question: ClusterQuestion, signal: AbortSignal): Promise<ClusterView> {
    const tally = new Tally();
    const api = tally.counting(this.#api, path => this.#areMany && this.#justRead(path));
    const dra = { draVersions: () => this.#versionsOfDra(api), shared: this.#sharedLists };
    const read = question.eventsAlone ? readPodEvents : readClusterView;
    return { ...(await read(api, question, { signal, ...dra })), asked: tally.asked };
  }

  /** Whoever asks first asks for all, and it is counted there; what failed is asked again. */
  #versionsOfDra(api: Pick<ApiServer, 'object'>): Promise<readonly string[]> {
    this.#draVersions ??= findDraVersions(api, AbortSignal.timeout(CLUSTER_VIEW_MS_MAX)).catch(
      error => {
        this.#draVersions = undefined;
        throw error;
      },
    );
    return this.#draVersions;
  }

  /** The node as the start of its session found it seconds ago, once. */
  #justRead(path: string): Json | undefined {
    const found = this.#started.get(path);
    this.#started.delete(path);
    return found && this.nowMs() - found.atMs < NODE_KEPT_MS ? found.node : undefined;
  }

  close(): void {
    for (const watch of Object.values(this.#watches)) watch.close();
    this.#api.close();
  }
}

export type { ConnectionFlags } from './connection-flags.ts';

export interface ConnectOptions {
  readonly flags: ConnectionFlags;
  readonly environment: Environment;
  readonly clock: Clock;
  /** How the attach goes; `websocket` falls back to kubectl by itself. */
  readonly transport?: 'websocket' | 'kubectl' | undefined;
  /** Sessions with several nodes: what each would ask is asked once for all. */
  readonly areMany?: boolean;
  /** No person waits: a credential plugin has no terminal to ask on, and what it says is not shown. */
  readonly isUnattended?: boolean;
}

/**
 * The cluster that kubectl would talk to with these flags. Reads files only: nothing is sent
 * before the first question.
 *
 * @throws ClusterError naming the kubeconfig, context or file that cannot be used; UsageError.
 */
export async function connect(options: ConnectOptions): Promise<Cluster> {
  const { flags, environment } = options;
  const { isUnattended = false } = options;
  const settings = { ...(await connectionSettings(flags, environment)), isUnattended };
  const api = new ApiServer(settings, options.clock, requestTimeoutMs(flags.requestTimeout));
  return new KubernetesCluster(
    api,
    {
      transport: options.transport ?? 'websocket',
      kubectl: environment['KUBECTL_PATH'] || 'kubectl',
      kubectlFlags: kubectlFlags(flags),
    },
    options.areMany ?? false,
  );
}
