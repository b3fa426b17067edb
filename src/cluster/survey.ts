import { once } from 'node:events';
import WebSocket from 'ws';
import type { Clock } from '../contract/time.ts';
import { plainText } from '../contract/untrusted.ts';
import { type ConnectionFlags, requestTimeoutMs } from './connection-flags.ts';
import { unreachable } from './errors.ts';
import { ApiServer } from './http.ts';
import { answeredJson, type Json, listAt, objectAt, textOf, textsOf } from './json.ts';
import { KubernetesCluster } from './kubernetes-cluster.ts';
import { listAll, readImages, readNode, readPod } from './list.ts';
import { collection, podList } from './paths.ts';
import type { Cluster, NodeState, PodState, V1Job, V1Pod } from './port.ts';
import { type UnprovenAnswer, unproven } from './proven.ts';
import type { Environment } from './proxy.ts';
import { type ConnectionSettings, connectionSettings } from './settings.ts';

export interface AccessQuestion {
  readonly group: string;
  /** `pods`, `pods/attach`. */
  readonly resource: string;
  readonly verb: string;
  /** null: in the whole cluster. */
  readonly namespace: string | null;
}

/** A node with what a session's start depends on besides. */
export interface Machine extends NodeState {
  /** Names of the images that the kubelet reports, the largest ones. */
  readonly images: readonly (readonly string[])[];
}

/** A pod with what it asks of its node. */
export interface PlacedPod extends PodState {
  readonly requests: {
    /** What adds up: containers and sidecars. */
    readonly sum: readonly Quantities[];
    /** What runs before them, one by one. */
    readonly initial: readonly Quantities[];
    /** Beside either, by the RuntimeClass. */
    readonly overhead: Quantities;
  };
}

/** `cpu` -> `500m`. */
export type Quantities = Readonly<Record<string, string>>;

/** The pod as the cluster would make it. */
export interface Admitted {
  readonly containers: readonly string[];
  readonly image: string;
  readonly privileged: boolean;
  readonly hostPid: boolean;
  /** Of a Job: held back by something. */
  readonly suspended: boolean;
}

export interface Quota {
  readonly name: string;
  readonly hard: Quantities;
  readonly used: Quantities;
}

/**
 * What a cluster would say to a session, asked without one: nothing is created. Every question throws
 * as those of `Cluster` do.
 */
export class Survey {
  readonly settings: ConnectionSettings;
  readonly cluster: Cluster;
  readonly #api: ApiServer;

  constructor(api: ApiServer) {
    this.settings = api.settings;
    this.#api = api;
    const attach = { transport: 'websocket', kubectl: 'kubectl', kubectlFlags: [] } as const;
    this.cluster = new KubernetesCluster(api, attach, false);
  }

  /** How far the API server's clock is ahead of ours; undefined where no answer had a date. */
  get aheadMs(): number | undefined {
    return this.#api.aheadMs;
  }

  /** Gets the credentials of the kubeconfig's user; the API server is not asked. */
  async logIn(signal: AbortSignal): Promise<void> {
    await this.#api.route('/version', {}, signal);
  }

  /** `v1.37.2`. */
  async version(signal: AbortSignal): Promise<string> {
    const doing = 'ask for the version';
    const body = await this.#api.text({ method: 'GET', path: '/version', doing }, signal);
    const version = textOf(answeredJson(body), 'gitVersion');
    if (/^v\d{1,4}\.\d{1,4}\b/.test(version)) return plainText(version, 60);
    throw unproven({ doing, access: this.settings, code: 200, headers: {}, body });
  }

  /** Whether the API server would allow it, and why where it says so. @throws UnprovenAnswer */
  async mayI(
    { group, resource, verb, namespace }: AccessQuestion,
    signal: AbortSignal,
  ): Promise<{ readonly allowed: boolean; readonly reason: string }> {
    const kind = 'SelfSubjectAccessReview';
    const [plain = '', subresource = ''] = resource.split('/');
    const attributes = { group, resource: plain, subresource, verb, namespace: namespace ?? '' };
    const doing = `ask whether I may ${verb} ${resource}`;
    const answer = await this.#api.object(
      {
        ...{ method: 'POST', path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews' },
        body: {
          ...{ apiVersion: 'authorization.k8s.io/v1', kind },
          spec: { resourceAttributes: attributes },
        },
        ...{ doing, kinds: [kind] },
      },
      signal,
    );
    const status = objectAt(answer, 'status');
    const asked = objectAt(answer, 'spec', 'resourceAttributes');
    const isOurs =
      textOf(asked, 'verb') === verb &&
      textOf(asked, 'resource') === plain &&
      textOf(asked, 'subresource') === subresource;
    if (typeof status['allowed'] !== 'boolean' || !isOurs) {
      throw this.#unproven(doing, answer, 'a review of something else');
    }
    return { allowed: status['allowed'], reason: plainText(textOf(status, 'reason'), 200) };
  }

  /** The namespace's labels. */
  async namespaceLabels(signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    const { namespace: name } = this.settings;
    const path = `/api/v1/namespaces/${encodeURIComponent(name)}`;
    const asked = { path, doing: `get namespace "${name}"`, kinds: ['Namespace'], name };
    const found = await this.#api.object({ method: 'GET', ...asked }, signal);
    return textsOf(objectAt(found, 'metadata', 'labels'));
  }

  async quotas(signal: AbortSignal): Promise<readonly Quota[]> {
    const found = await this.#inNamespace('resourcequotas', 'ResourceQuotaList', signal);
    return found.map(quota => ({
      name: nameOf(quota),
      hard: textsOf(objectAt(quota, 'status', 'hard')),
      used: textsOf(objectAt(quota, 'status', 'used')),
    }));
  }

  /** The names of the namespace's limit ranges. */
  async limitRanges(signal: AbortSignal): Promise<readonly string[]> {
    return (await this.#inNamespace('limitranges', 'LimitRangeList', signal)).map(nameOf);
  }

  async machine(name: string, signal: AbortSignal): Promise<Machine> {
    const path = `/api/v1/nodes/${encodeURIComponent(name)}`;
    const asked = { path, doing: `get node "${name}"`, kinds: ['Node'], name };
    const node = await this.#api.object({ method: 'GET', ...asked }, signal);
    return { ...readNode(node), images: readImages(node) };
  }

  /** All pods of a node; namespace null: of all namespaces. */
  async podsOn(
    node: string,
    namespace: string | null,
    signal: AbortSignal,
  ): Promise<readonly PlacedPod[]> {
    const list = podList({ namespace, fieldSelector: `spec.nodeName=${node}` });
    const found = await listAll(this.#api, list, signal);
    return found
      .map(pod => ({ ...readPod(pod), requests: readRequests(objectAt(pod, 'spec')) }))
      .filter(pod => pod.node === node);
  }

  /** A server-side dry run of that very object: everything but the writing. */
  async dryRun(kind: 'pod' | 'job', body: V1Pod | V1Job, signal: AbortSignal): Promise<Admitted> {
    const { namespace } = this.settings;
    const name = body.metadata?.name ?? '';
    const doing = `a dry run of ${kind} "${name}" in namespace "${namespace}"`;
    const made = await this.#api.object(
      {
        ...{ method: 'POST', path: collection(kind, namespace), query: { dryRun: 'All' }, body },
        ...{ doing, kinds: [kind === 'pod' ? 'Pod' : 'Job'], name },
      },
      signal,
    );
    const spec = objectAt(made, 'spec');
    const suspended = kind === 'job' && spec['suspend'] === true;
    return {
      ...readAdmitted(kind === 'pod' ? spec : objectAt(spec, 'template', 'spec')),
      suspended,
    };
  }

  /**
   * Opens a watch over a WebSocket, as the API server allows (k8s.io/apiserver/pkg/endpoints/handlers/watch.go):
   * whether what stands in between lets WebSockets through, without a pod to attach to.
   *
   * @throws UnprovenAnswer where something answers without the upgrade.
   */
  async webSocket(signal: AbortSignal): Promise<void> {
    const { namespace } = this.settings;
    const doing = 'open a WebSocket';
    // Nothing bears that name: the watch stays silent.
    const query = { watch: '1', timeoutSeconds: '5', fieldSelector: 'metadata.name=gpu-mcp' };
    const route = await this.#api.route(collection('pod', namespace), query, signal);
    const url = new URL(route.url);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    // Go's server refuses a handshake without an origin: golang.org/x/net/websocket, checkOrigin.
    const { origin } = route.url;
    const socket = new WebSocket(url, { ...route.options, origin, perMessageDeflate: false });
    const refused = new Promise<never>((_, reject) => {
      socket.on('unexpected-response', (request, { statusCode: code = 0, headers }) => {
        request.destroy();
        const answer = { doing, access: this.settings, code, headers, body: '' };
        reject(unproven(answer, 'no WebSocket'));
      });
      socket.on('error', error => reject(unreachable(error, this.settings)));
    });
    try {
      await Promise.race([once(socket, 'open', { signal }), refused]);
    } finally {
      refused.catch(() => undefined);
      socket.on('error', () => {});
      socket.terminate();
    }
  }

  close(): void {
    this.cluster.close();
  }

  async #inNamespace(
    resource: string,
    kind: string,
    signal: AbortSignal,
  ): Promise<readonly unknown[]> {
    const { namespace } = this.settings;
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/${resource}`;
    const doing = `list ${resource} in namespace "${namespace}"`;
    return listAll(this.#api, { path, query: {}, doing, kind }, signal);
  }

  #unproven(doing: string, answer: Json, what: string): UnprovenAnswer {
    const body = JSON.stringify(answer);
    return unproven({ doing, access: this.settings, code: 200, headers: {}, body }, what);
  }
}

const nameOf = (json: unknown) => plainText(textOf(objectAt(json, 'metadata'), 'name'), 120);

/** As the kubelet counts: k8s.io/component-helpers/resource/helpers.go, PodRequests. */
function readRequests(spec: Json): PlacedPod['requests'] {
  const of = (one: unknown) => textsOf(objectAt(one, 'resources', 'requests'));
  const init = listAt(spec, 'initContainers');
  const isSidecar = (one: unknown) => textOf(one, 'restartPolicy') === 'Always';
  const sum = [...listAt(spec, 'containers'), ...init.filter(isSidecar)].map(of);
  const initial = init.filter(one => !isSidecar(one)).map(of);
  return { sum, initial, overhead: textsOf(spec['overhead']) };
}

function readAdmitted(spec: Json): Omit<Admitted, 'suspended'> {
  const containers = listAt(spec, 'containers');
  const [own] = containers;
  return {
    containers: containers.map(container => plainText(textOf(container, 'name'), 63)),
    image: plainText(textOf(own, 'image'), 300),
    privileged: objectAt(own, 'securityContext')['privileged'] === true,
    hostPid: spec['hostPID'] === true,
  };
}

/**
 * A connection that asks and creates nothing. Reads files only, as `connect` does.
 *
 * @throws ClusterError naming the kubeconfig, context or file that cannot be used; UsageError.
 */
export async function openSurvey(options: {
  readonly flags: ConnectionFlags;
  readonly environment: Environment;
  readonly clock: Clock;
}): Promise<Survey> {
  const { flags, environment, clock } = options;
  const settings = await connectionSettings(flags, environment);
  return new Survey(new ApiServer(settings, clock, requestTimeoutMs(flags.requestTimeout)));
}
