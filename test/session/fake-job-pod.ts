import { asJson, type FakeApiServer, type Json, status } from '../cluster/fake-api-server.ts';

export const ID = 'a'.repeat(64);
const GPU = 'GPU-11111111-2222-4333-8444-555555555555';

/** A pod of somebody's job, with one container. */
export const jobPod = (more: { metadata?: Json; spec?: Json; status?: Json } = {}): Json => ({
  metadata: { namespace: 'ml', name: 'train-0', uid: 'uid-train', ...more.metadata },
  spec: { nodeName: 'gpu-3', containers: [{ name: 'train', image: 'x:1' }], ...more.spec },
  status: {
    phase: 'Running',
    containerStatuses: [
      {
        ...{ name: 'train', containerID: `containerd://${ID}`, state: { running: {} } },
        user: { linux: { uid: 1000, gid: 2000 } },
        allocatedResourcesStatus: [
          { name: 'nvidia.com/gpu', resources: [{ resourceID: GPU }, { resourceID: 'other' }] },
        ],
      },
    ],
    ...more.status,
  },
});

/** Sets what the kubelet says of our container in that pod. */
export function meets(api: FakeApiServer, state: Json, image = 'x'): void {
  const pod = asJson(api.list('pods')[0]);
  const { ephemeralContainers } = asJson(pod['spec']);
  const all: unknown[] = Array.isArray(ephemeralContainers) ? ephemeralContainers : [];
  const own = all.find(each => String(asJson(each)['name']).startsWith('gpu-mcp-'));
  const { name } = asJson(own);
  api.put('pods', {
    ...pod,
    status: { ...asJson(pod['status']), ephemeralContainerStatuses: [{ name, image, state }] },
  });
}

/** An API server that adds containers to pods, and a kubelet under which they come to this. */
export function takesContainers(
  api: FakeApiServer,
  fate: () => Json = () => ({ running: {} }),
  onAdded: () => void = () => meets(api, fate()),
): void {
  api.answer = ({ method, path, body }) => {
    if (method !== 'PATCH' || !path.endsWith('/ephemeralcontainers')) return undefined;
    const pod = asJson(api.list('pods')[0]);
    const { uid } = asJson(pod['metadata']);
    if (asJson(body['metadata'])['uid'] !== uid) {
      const why = 'is invalid: metadata.uid: Invalid value: field is immutable';
      return status(422, 'Invalid', `Pod "train-0" ${why}`);
    }
    const { ephemeralContainers: added } = asJson(body['spec']);
    const { ephemeralContainers: before } = asJson(pod['spec']);
    const all = [before, added].flatMap(list => (Array.isArray(list) ? list : []));
    const stored = api.put('pods', {
      ...pod,
      spec: { ...asJson(pod['spec']), ephemeralContainers: all },
    });
    onAdded();
    return { code: 200, body: { kind: 'Pod', ...stored } };
  };
}

/** One that refuses to. */
export function refusesContainers(
  api: FakeApiServer,
  ...[code, reason, message]: Parameters<typeof status>
): void {
  api.answer = ({ method }) => (method === 'PATCH' ? status(code, reason, message) : undefined);
}
