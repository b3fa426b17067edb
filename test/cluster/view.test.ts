import { describe, expect, test } from 'vitest';
import type { Cluster } from '../../src/cluster/port.ts';
import { eachConnected } from './each-connected.ts';
import { type FakeApiServer, type Json, status } from './fake-api-server.ts';

const signal = new AbortController().signal;
let api: FakeApiServer;
let cluster: Cluster;

eachConnected((server, client) => {
  [api, cluster] = [server, client];
});

const NODE: Json = {
  metadata: {
    name: 'gpu-3',
    labels: {
      'nvidia.com/gpu.count': '8',
      'node.kubernetes.io/instance-type': 'p5.48xlarge',
      'kubernetes.io/hostname': 'gpu-3',
    },
    managedFields: [
      {
        manager: 'kubectl',
        time: '2026-03-01T10:00:00Z',
        fieldsV1: { 'f:spec': { 'f:unschedulable': {} } },
      },
      {
        manager: 'nvsentinel-fault-quarantine',
        time: '2026-03-01T11:40:00Z',
        fieldsV1: { 'f:spec': { 'f:unschedulable': {}, 'f:taints': {} } },
      },
    ],
  },
  spec: {
    unschedulable: true,
    taints: [{ key: 'nvidia.com/gpu-error', value: 'xid-79', effect: 'NoSchedule' }],
  },
  status: {
    capacity: { cpu: '192', 'nvidia.com/gpu': '8' },
    allocatable: { cpu: '192', 'nvidia.com/gpu': '7' },
    conditions: [
      { type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown' },
      { type: 'GpuXid', status: 'True', reason: 'Xid79', message: 'fell\u202e off' },
      { type: 'MemoryPressure', status: 'False', reason: 'KubeletHasSufficientMemory' },
    ],
    nodeInfo: { kubeletVersion: 'v1.34.1', bootID: '0a1b2c3d-0000-4000-8000-000000000001' },
  },
};

const POD: Json = {
  metadata: {
    namespace: 'team-a',
    name: 'train-0',
    uid: 'uid-train-0',
    ownerReferences: [{ kind: 'Job', name: 'train', controller: true }],
  },
  spec: {
    nodeName: 'gpu-3',
    initContainers: [{ name: 'warm', resources: { limits: { 'nvidia.com/gpu': '1' } } }],
    containers: [
      { name: 'main', resources: { limits: { 'nvidia.com/gpu': '4', cpu: '8' } } },
      { name: 'side' },
    ],
  },
  status: {
    phase: 'Running',
    containerStatuses: [
      {
        name: 'main',
        restartCount: 2,
        state: { running: { startedAt: '2026-03-01T11:50:00Z' } },
        lastState: {
          terminated: { exitCode: 134, reason: 'Error', finishedAt: '2026-03-01T11:45:00Z' },
        },
      },
    ],
  },
};

describe('the view of a node', () => {
  test('has conditions with Unknown kept apart, who cordoned it, and GPU resources only', async () => {
    api.put('nodes', NODE);
    const { node } = await cluster.view({ node: 'gpu-3' }, signal);
    expect(node).toEqual({
      ok: true,
      value: {
        name: 'gpu-3',
        labels: {
          'nvidia.com/gpu.count': '8',
          'node.kubernetes.io/instance-type': 'p5.48xlarge',
        },
        instanceType: 'p5.48xlarge',
        cordoned: true,
        cordonedBy: { manager: 'nvsentinel-fault-quarantine', time: '2026-03-01T11:40:00Z' },
        taints: [{ key: 'nvidia.com/gpu-error', value: 'xid-79', effect: 'NoSchedule' }],
        taintsBy: { manager: 'nvsentinel-fault-quarantine', time: '2026-03-01T11:40:00Z' },
        conditions: [
          expect.objectContaining({ type: 'Ready', status: 'Unknown' }),
          expect.objectContaining({ type: 'GpuXid', status: 'True', message: 'fell  off' }),
          expect.objectContaining({ type: 'MemoryPressure', status: 'False' }),
        ],
        capacity: { 'nvidia.com/gpu': 8 },
        allocatable: { 'nvidia.com/gpu': 7 },
        kubeletVersion: 'v1.34.1',
        containerRuntime: '',
        bootId: '0a1b2c3d000040008000000000000001',
        createdAt: '',
      },
    });
  });

  describe('of Karpenter', () => {
    const PATH = '/apis/karpenter.sh/v1/nodeclaims/gpu-h7xk2';
    const NOT_ALLOWED =
      'nodeclaims.karpenter.sh "gpu-h7xk2" is forbidden: User "alice" cannot get resource "nodeclaims" in API group "karpenter.sh" at the cluster scope';
    const owner = { apiVersion: 'karpenter.sh/v1', kind: 'NodeClaim', name: 'gpu-h7xk2' };
    const owned = (ownerReferences: readonly Json[]) => ({
      ...NODE,
      metadata: { ...(NODE['metadata'] ?? {}), ownerReferences },
    });
    const claims = () => api.seen('GET', /nodeclaims/);

    test('has what its NodeClaim says, by one request, and nothing more of it', async () => {
      api.put('nodes', owned([owner]));
      api.put('nodeclaims', {
        metadata: {
          ...{ name: 'gpu-h7xk2', deletionTimestamp: '2026-03-01T11:59:00Z' },
          annotations: { 'karpenter.sh/nodeclaim-termination-timestamp': '2026-03-01T13:00:00Z' },
        },
        spec: { expireAfter: '720h', secret: 'MARKER' },
        status: {
          nodeName: 'gpu-3',
          conditions: [
            {
              ...{ type: 'DisruptionReason', status: 'True', reason: 'Drifted' },
              ...{ message: 'Drifted\u202e', lastTransitionTime: '2026-03-01T11:58:00Z' },
            },
          ],
        },
      });
      const { nodeClaim } = await cluster.view({ node: 'gpu-3' }, signal);
      expect(nodeClaim).toEqual({
        ok: true,
        value: {
          ...{ name: 'gpu-h7xk2', deleting: true, endsAt: '2026-03-01T13:00:00Z' },
          conditions: [
            {
              ...{ type: 'DisruptionReason', status: 'True', reason: 'Drifted' },
              ...{ message: 'Drifted', since: '2026-03-01T11:58:00Z' },
            },
          ],
        },
      });
      expect(claims().map(({ path }) => path)).toEqual([PATH]);
    });

    test('that may not be read says so, and one of another make is asked nothing', async () => {
      api.put('nodes', owned([owner]));
      api.answer = ({ path }) =>
        path === PATH ? status(403, 'Forbidden', NOT_ALLOWED) : undefined;
      const denied = await cluster.view({ node: 'gpu-3' }, signal);
      expect(denied.nodeClaim).toMatchObject({ ok: false, reason: 'no_permission' });
      expect(denied.node.ok).toBe(true);
      const before = claims().length;
      for (const other of [[], [{ ...owner, apiVersion: 'example.com/v1' }]]) {
        api.put('nodes', owned(other));
        expect(await cluster.view({ node: 'gpu-3' }, signal)).not.toHaveProperty('nodeClaim');
      }
      expect(claims()).toHaveLength(before);
    });
  });

  // Images of the operators' charts, of a mirror, by digest, and of GKE's own installer.
  test.each([
    ['nvidia-driver-daemonset-b7hq2', 'nvcr.io/nvidia/driver:580.126.09-ubuntu22.04', '580.126.09'],
    ['nvidia-driver-daemonset-b7hq2', 'mirror.corp/nvidia/driver:570.86.15-rhel9.4', '570.86.15'],
    ['nvidia-driver-daemonset-x', 'nvcr.io/nvidia/driver:570-5.15.0-131-generic-ubuntu22.04'],
    ['nvidia-driver-daemonset-x', `nvcr.io/nvidia/driver@sha256:${'0'.repeat(64)}`],
    ['nvidia-dcgm-4x8k2', 'nvcr.io/nvidia/cloud-native/dcgm:4.2.3-1-ubuntu22.04', '4.2.3'],
    ['nvidia-dcgm-exporter-hj2rk', 'nvcr.io/nvidia/k8s/dcgm-exporter:4.2.3-4.1.3-ubi9', '4.2.3'],
    ['nvidia-driver-installer-9', 'gcr.io/gke/nvidia-driver-installer:1.2.3-gke.4'],
    ['gpu-feature-discovery-9', 'nvcr.io/nvidia/k8s-device-plugin:v0.17.1'],
  ])('has the version of %s by %s', async (name, image, version?: string) => {
    const spec = { nodeName: 'gpu-3', containers: [{ name: 'main', image }] };
    api.put('pods', { metadata: { namespace: 'gpu-operator', name }, spec });
    const { pods } = await cluster.view({ node: 'gpu-3' }, signal);
    expect(pods.ok && pods.value.stack?.map(pod => pod.version)).toEqual([version]);
  });

  test('is read at a time of the API server’s clock', async () => {
    api.nowMs = Date.parse('2026-03-01T12:00:00Z');
    const { pods } = await cluster.view({ node: 'gpu-3' }, signal);
    expect(pods.ok && pods.value.readAt).toMatch(/^2026-03-01T12:00:/);
  });

  test('has the GPU pods of this node with owner, GPUs and how the last run ended', async () => {
    api.put('pods', POD);
    api.put('pods', { metadata: { namespace: 'a', name: 'web' }, spec: { nodeName: 'gpu-3' } });
    api.put('pods', { ...POD, metadata: { namespace: 'a', name: 'far' }, spec: { nodeName: 'b' } });
    const { pods } = await cluster.view({ node: 'gpu-3' }, signal);
    expect(pods).toMatchObject({
      ok: true,
      value: {
        namespace: null,
        total: 2,
        gpuPods: [
          {
            namespace: 'team-a',
            name: 'train-0',
            owner: 'Job/train',
            gpus: { 'nvidia.com/gpu': 4 },
            containers: [
              { name: 'warm', init: true },
              {
                name: 'main',
                restarts: 2,
                state: 'running',
                endedBefore: { exitCode: 134, reason: 'Error' },
              },
              { name: 'side', gpus: {} },
            ],
          },
        ],
      },
    });
  });

  test('has the sessions on this node that have not ended, with whose they are', async () => {
    const session = (name: string, more: object = {}, phase = 'Running', nodeName = 'gpu-3') =>
      api.put('pods', {
        metadata: {
          ...{ namespace: 'gpu-mcp', name, creationTimestamp: '2026-03-01T11:00:00Z' },
          labels: {
            'app.kubernetes.io/managed-by': 'kubectl-gpu-mcp',
            'gpu-mcp/session': `s-${name}`,
          },
          ...more,
        },
        ...{ spec: { nodeName }, status: { phase } },
      });
    session('of-bob', { annotations: { 'gpu-mcp/user': 'bob\u0007' } });
    session('nameless');
    session('done', {}, 'Succeeded');
    session('elsewhere', {}, 'Running', 'b');
    session('foreign', { labels: { 'gpu-mcp/session': 'x' } });
    const { pods } = await cluster.view({ node: 'gpu-3' }, signal);
    const one = { namespace: 'gpu-mcp', since: '2026-03-01T11:00:00Z' };
    expect(pods).toMatchObject({
      value: {
        sessions: [
          { ...one, pod: 'of-bob', user: 'bob', session: 's-of-bob' },
          { ...one, pod: 'nameless', session: 's-nameless' },
        ],
      },
    });
  });

  test('has one pod and its events where a tool asks for it, its namespace by default ours', async () => {
    api.put('pods', { ...POD, metadata: { namespace: 'gpu-mcp', name: 'train-0' } });
    api.put('events', {
      metadata: { namespace: 'gpu-mcp', name: 'e1' },
      involvedObject: { kind: 'Pod', name: 'train-0' },
      type: 'Warning',
      reason: 'BackOff',
      message: 'back-off restarting',
      count: 3,
      lastTimestamp: '2026-03-01T11:50:00Z',
    });
    api.put('events', {
      metadata: { namespace: 'gpu-mcp', name: 'e2' },
      involvedObject: { kind: 'Service', name: 'train-0' },
      reason: 'Other',
    });
    const view = await cluster.view({ node: 'gpu-3', pod: { name: 'train-0' } }, signal);
    expect(view.pod).toMatchObject({ ok: true, value: { namespace: 'gpu-mcp' } });
    expect(view.podEvents).toEqual({
      ok: true,
      value: [
        {
          type: 'Warning',
          reason: 'BackOff',
          message: 'back-off restarting',
          count: 3,
          firstAt: undefined,
          lastAt: '2026-03-01T11:50:00Z',
          from: '',
        },
      ],
    });
  });

  test('a part that may not be read says so, and the others are there', async () => {
    api.put('nodes', NODE);
    api.put('pods', { ...POD, metadata: { namespace: 'gpu-mcp', name: 'mine' } });
    api.answer = ({ path }) =>
      path === '/api/v1/pods' || path.endsWith('/events')
        ? status(403, 'Forbidden', forbidden(path))
        : undefined;
    const view = await cluster.view({ node: 'gpu-3', pod: { name: 'gone' } }, signal);
    expect(view.node.ok).toBe(true);
    expect(view.pods).toMatchObject({ ok: true, value: { namespace: 'gpu-mcp', total: 1 } });
    expect(view.nodeEvents).toMatchObject({ ok: false, reason: 'no_permission' });
    expect(view.pod).toMatchObject({ ok: false, reason: 'not_found' });
    expect(view.podEvents).toMatchObject({ ok: false, reason: 'no_permission' });
  });

  const group = (...versions: string[]) => ({
    code: 200,
    body: { kind: 'APIGroup', versions: versions.map(version => ({ version })) },
  });

  describe('has the devices of DRA where a tool asks for them', () => {
    const slice = (name: string, generation: number, devices: readonly Json[]): Json => ({
      metadata: { name },
      spec: {
        driver: 'gpu.nvidia.com',
        nodeName: 'gpu-3',
        pool: { name: 'gpu-3', generation, resourceSliceCount: 1 },
        devices,
      },
    });
    const gpu = (name: string, attributes: Json): Json => ({ name, attributes });
    const UUID = 'GPU-8c1f9f2e-6a0b-4d7c-8c1f-9f2e6a0b4d7c';

    test('with UUID and bus address, of the newest generation of their pool', async () => {
      const seen: string[] = [];
      api.answer = ({ path, query }) => {
        if (path.includes('resourceslices')) seen.push(`${path} ${query.get('fieldSelector')}`);
        return undefined;
      };
      api.put('resourceslices', slice('old', 1, [gpu('gpu-9', {})]));
      api.put(
        'resourceslices',
        slice('new', 2, [
          gpu('gpu-0', {
            uuid: { string: UUID },
            'resource.kubernetes.io/pciBusID': { string: '0000:1B:00.0' },
            index: { int: 0 },
          }),
          gpu('gpu-1-mig-9-0-4', {
            'gpu.nvidia.com/uuid': { string: 'MIG-1' },
            parentUUID: { string: UUID },
            pcieBusID: { string: '0000:43:00.0' },
          }),
          gpu('odd', { uuid: { string: 'a\u202eb' }, pcieBusID: { string: 'no address' } }),
        ]),
      );
      const { devices } = await cluster.view({ node: 'gpu-3', devices: true }, signal);
      const of = { driver: 'gpu.nvidia.com', pool: 'gpu-3' };
      expect(devices).toEqual({
        ok: true,
        value: [
          { ...of, name: 'gpu-0', uuid: UUID, pci: '0000:1b:00' },
          { ...of, name: 'gpu-1-mig-9-0-4', uuid: 'MIG-1', parentUuid: UUID, pci: '0000:43:00' },
          { ...of, name: 'odd', uuid: 'a b' },
        ],
      });
      expect(seen).toEqual(['/apis/resource.k8s.io/v1/resourceslices spec.nodeName=gpu-3']);
    });

    test('also from an API server that knows the older form only', async () => {
      api.answer = ({ path }) =>
        path === '/apis/resource.k8s.io/v1beta1/resourceslices'
          ? {
              code: 200,
              body: {
                kind: 'ResourceSliceList',
                metadata: {},
                items: [
                  slice('s', 1, [
                    { name: 'gpu-0', basic: { attributes: { uuid: { string: UUID } } } },
                  ]),
                ],
              },
            }
          : path === '/apis/resource.k8s.io'
            ? group('v1beta1')
            : path.includes('resource.k8s.io')
              ? { code: 404, body: '404 page not found' }
              : undefined;
      const { devices } = await cluster.view({ node: 'gpu-3', devices: true }, signal);
      expect(devices).toMatchObject({ ok: true, value: [{ name: 'gpu-0', uuid: UUID }] });
    });

    test.each([
      ['not_found', 404, '404 page not found'],
      [
        'no_permission',
        403,
        'resourceslices.resource.k8s.io is forbidden: User "alice" cannot list resource "resourceslices" in API group "resource.k8s.io" at the cluster scope',
      ],
    ])('and is only without them where they are %s', async (reason, code, message) => {
      api.put('nodes', NODE);
      api.answer = ({ path }) =>
        path.includes('resource.k8s.io') ? status(code, 'No', message) : undefined;
      const view = await cluster.view({ node: 'gpu-3', devices: true }, signal);
      expect(view.devices).toMatchObject({ ok: false, reason });
      expect(view.node.ok).toBe(true);
    });

    test('with their taints, in the new form and in the old', async () => {
      const taint = {
        key: 'gpu.nvidia.com/xid',
        value: '79',
        effect: 'NoSchedule',
        timeAdded: 'T',
      };
      api.put(
        'resourceslices',
        slice('s', 1, [
          { name: 'gpu-0', taints: [taint] },
          { name: 'gpu-1', basic: { taints: [taint] } },
          { name: 'gpu-2' },
        ]),
      );
      const { devices } = await cluster.view({ node: 'gpu-3', devices: true }, signal);
      const read = { key: 'gpu.nvidia.com/xid', value: '79', effect: 'NoSchedule', since: 'T' };
      expect(devices).toMatchObject({
        value: [
          { taints: [read] },
          { taints: [read] },
          expect.not.objectContaining({ taints: [] }),
        ],
      });
    });

    test('by versions that are asked for once, however many nodes there are', async () => {
      api.answer = ({ path }) => (path === '/apis/resource.k8s.io' ? group('v1', 'v2') : undefined);
      const ask = (node: string) => cluster.view({ node, devices: true }, signal);
      await Promise.all([ask('gpu-3'), ask('gpu-4'), ask('gpu-5')]);
      expect(api.seen('GET', /^\/apis\/resource\.k8s\.io$/)).toHaveLength(1);
      expect(api.seen('GET', /resourceslices/)).toHaveLength(3);
    });

    test('of which there are none without DRA, which is asked once too', async () => {
      api.answer = ({ path }) =>
        path.includes('resource.k8s.io') ? { code: 404, body: '404 page not found' } : undefined;
      for (const node of ['gpu-3', 'gpu-4']) {
        const { devices } = await cluster.view({ node, devices: true }, signal);
        expect(devices).toMatchObject({ ok: false, reason: 'not_found' });
      }
      expect(api.seen('GET', /resource\.k8s\.io/)).toHaveLength(1);
    });

    test('and asks for none where no tool does', async () => {
      expect(await cluster.view({ node: 'gpu-3' }, signal)).not.toHaveProperty('devices');
      expect(api.seen('GET', /resourceslices/)).toEqual([]);
    });
  });

  test('an API server that refuses everything makes no error of it', async () => {
    // Asked again as often as ever, and at once.
    const headers = { 'Retry-After': '0' };
    api.answer = () => ({ ...status(500, 'InternalError', 'etcd is away'), headers });
    const view = await cluster.view({ node: 'gpu-3' }, signal);
    expect(view).toMatchObject({
      node: { ok: false, reason: 'unreadable' },
      pods: { ok: false, reason: 'unreadable' },
      nodeEvents: { ok: false, reason: 'unreadable' },
    });
  });
});

const forbidden = (path: string): string =>
  `${path.endsWith('/events') ? 'events' : 'pods'} is forbidden: User "alice" cannot list resource "${path.endsWith('/events') ? 'events' : 'pods'}" in API group "" at the cluster scope`;

test('what a node’s triage takes of the API server is counted, and bounded', async () => {
  api.put('nodes', { metadata: { name: 'gpu-3' } });
  const view = await cluster.view({ node: 'gpu-3', devices: true, logs: true }, signal);
  expect(view.asked?.requests).toBe(api.requests.length);
  expect(view.asked?.requests).toBeLessThanOrEqual(9);
  expect(view.asked?.bytes).toBeGreaterThan(50);
});
