import { asJson, type FakeApiServer, type Json } from '../cluster/fake-api-server.ts';

/** What becomes of a pod after it was created: statuses in order, and events. */
export interface Fate {
  readonly statuses: readonly Json[];
  readonly events?: readonly Json[];
}

export const running: Fate = {
  statuses: [
    {
      phase: 'Pending',
      containerStatuses: [container({ waiting: { reason: 'ContainerCreating' } })],
    },
    { phase: 'Running', containerStatuses: [container({ running: {} })] },
  ],
};

export function container(state: Json): Json {
  return { name: 'mcp', image: 'example/gpu-mcp:1', state };
}

/** A Job controller and a kubelet: pods of Jobs appear, and each pod meets its fate. */
export function runKubelet(
  api: FakeApiServer,
  fate: (pod: Json) => Fate = () => running,
  nodes: readonly Json[] = [node()],
): void {
  for (const each of nodes) api.put('nodes', each);
  api.onCreate = (resource, object) => {
    const metadata = asJson(object['metadata']);
    if (resource === 'jobs' && asJson(object['spec'])['completions'] !== 0) {
      const template = asJson(asJson(object['spec'])['template']);
      const pod = {
        metadata: {
          ...asJson(template['metadata']),
          namespace: metadata['namespace'],
          name: `${metadata['name']}-abcde`,
          ownerReferences: [{ kind: 'Job', name: metadata['name'] }],
        },
        spec: template['spec'],
      };
      meet(api, api.put('pods', pod), fate(pod));
    }
    if (resource === 'pods') meet(api, object, fate(object));
  };
}

function meet(api: FakeApiServer, pod: Json, { statuses, events = [] }: Fate): void {
  const { namespace, name } = asJson(pod['metadata']);
  for (const status of statuses) api.put('pods', { ...pod, status });
  for (const [index, event] of events.entries()) {
    api.put('events', {
      metadata: { namespace, name: `${name}.${index}` },
      involvedObject: { name },
      ...event,
    });
  }
}

/** The same before Kubernetes 1.36: its API server answers an attach in its place. */
export function olderNode(): Json {
  const { status, ...rest } = node();
  const { declaredFeatures: _, ...older } = asJson(status);
  return { ...rest, status: older };
}

export function node(more: Json = {}): Json {
  return {
    metadata: { name: 'node-a', labels: {} },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      nodeInfo: { osImage: 'Ubuntu 24.04', operatingSystem: 'linux', kubeletVersion: 'v1.37.2' },
      declaredFeatures: ['ExtendWebSocketsToKubelet'],
    },
    ...more,
  };
}
