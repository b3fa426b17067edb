import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { connect } from '../src/cluster/kubernetes-cluster.ts';
import type { ClusterView } from '../src/contract/cluster-view.ts';
import { cluster, kubectl, leftAfterTenSeconds, withImage } from './plugin.ts';

const NODE = 'node-a';
const NAMES = { slice: 'e2e-dra-gpus', channel: 'e2e-dra-channel', rule: 'e2e-dra-broken' };
const CLAIM = 'e2e-dra-gpu';
const POD = 'e2e-dra-train';
const DOMAIN = 'e2e-dra-domain';
const CRD = 'computedomains.resource.nvidia.com';

async function done(args: readonly string[], input?: object): Promise<void> {
  const ran = await kubectl([...args], input && { input: JSON.stringify(input) });
  expect(ran.code, ran.stderr).toBe(0);
}
const create = (object: object) => done(['create', '-f', '-'], object);

const slice = (name: string, driver: string, devices: readonly object[]) => ({
  ...{ apiVersion: 'resource.k8s.io/v1', kind: 'ResourceSlice', metadata: { name } },
  spec: {
    ...{ driver, nodeName: NODE, devices },
    pool: { name: NODE, generation: 1, resourceSliceCount: 1 },
  },
});

/** As far as it is read: NVIDIA/k8s-dra-driver-gpu, resource.nvidia.com_computedomains.yaml. */
const computeDomainCrd = {
  ...{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
  metadata: { name: CRD },
  spec: {
    ...{ group: 'resource.nvidia.com', scope: 'Namespaced' },
    names: {
      ...{ kind: 'ComputeDomain', listKind: 'ComputeDomainList' },
      ...{ plural: 'computedomains', singular: 'computedomain' },
    },
    versions: [
      {
        ...{ name: 'v1beta1', served: true, storage: true, subresources: { status: {} } },
        schema: {
          openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        },
      },
    ],
  },
};

beforeAll(async () => {
  for (const kind of ['namespace', 'rbac']) {
    const printed = await kubectl(['gpu-mcp', 'manifest', kind, '-n', 'on-call']);
    expect(printed.code, printed.stderr).toBe(0);
    const applied = await kubectl(['apply', '-f', '-'], { input: printed.stdout });
    expect(applied.code, applied.stderr).toBe(0);
  }
  await create(computeDomainCrd);
  await done(['wait', '--for=condition=Established', `crd/${CRD}`, '--timeout=60s']);
  await create({
    ...{ apiVersion: 'resource.nvidia.com/v1beta1', kind: 'ComputeDomain' },
    metadata: { name: DOMAIN, namespace: 'default' },
    spec: { numNodes: 2, channel: { resourceClaimTemplate: { name: 't' } } },
  });
  await done([
    ...['patch', 'computedomain', DOMAIN, '-n', 'default', '--subresource=status'],
    ...['--type=merge', '-p'],
    JSON.stringify({
      status: {
        status: 'NotReady',
        nodes: [{ name: NODE, ipAddress: '10.0.0.1', cliqueID: '', index: 0, status: 'NotReady' }],
      },
    }),
  ]);
  await create(
    slice(NAMES.slice, 'gpu.nvidia.com', [
      {
        name: 'gpu-3',
        taints: [{ key: 'gpu.nvidia.com/gpu-lost', effect: 'NoSchedule' }],
      },
      { name: 'gpu-4' },
    ]),
  );
  await create(slice(NAMES.channel, 'compute-domain.nvidia.com', [{ name: 'channel-0' }]));
  await create({
    ...{
      apiVersion: 'resource.k8s.io/v1',
      kind: 'DeviceTaintRule',
      metadata: { name: NAMES.rule },
    },
    spec: {
      deviceSelector: { driver: 'gpu.nvidia.com', device: 'gpu-4' },
      taint: { key: 'example.com/broken', value: 'yes', effect: 'NoSchedule' },
    },
  });
  await create({
    ...{ apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaim' },
    metadata: { name: CLAIM, namespace: 'default' },
    spec: {
      devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu.nvidia.com' } }] },
    },
  });
  await done([
    ...['patch', 'resourceclaim', CLAIM, '-n', 'default', '--subresource=status'],
    ...['--type=merge', '-p'],
    JSON.stringify({
      status: {
        allocation: {
          devices: {
            results: [{ request: 'gpu', driver: 'gpu.nvidia.com', pool: NODE, device: 'gpu-4' }],
          },
        },
      },
    }),
  ]);
  await create({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: POD, namespace: 'default' } },
    spec: {
      ...{ nodeName: NODE, restartPolicy: 'Never', automountServiceAccountToken: false },
      tolerations: [{ operator: 'Exists' }],
      resourceClaims: [{ name: 'gpu', resourceClaimName: CLAIM }],
      containers: [
        {
          ...{ name: 'main', image: inject('image'), imagePullPolicy: 'Never' },
          resources: { claims: [{ name: 'gpu' }] },
        },
      ],
    },
  });
});

afterAll(async () => {
  const gone = ['--ignore-not-found', '--wait=false'];
  await kubectl(['delete', 'pod', POD, '-n', 'default', '--grace-period=0', '--force', ...gone]);
  await kubectl(['delete', 'resourceclaim', CLAIM, '-n', 'default', ...gone]);
  await kubectl(['delete', 'resourceslice', NAMES.slice, NAMES.channel, ...gone]);
  await kubectl(['delete', 'devicetaintrule', NAMES.rule, ...gone]);
  await kubectl(['delete', 'crd', CRD, '--ignore-not-found']);
});

const viewOf = async (user: string, groups: readonly string[]): Promise<ClusterView> => {
  const as = await connect({
    flags: { kubeconfig: cluster().kubeconfigFor(user, groups) },
    environment: {},
    clock: { nowMs: Date.now },
  });
  try {
    return await as.view({ node: NODE, devices: true }, new AbortController().signal);
  } finally {
    as.close();
  }
};

test('the printed rights are enough for all that DRA knows of a node', async () => {
  const { devices, taintRules, claims, computeDomains } = await viewOf('ann', ['gpu-on-call']);
  expect(devices).toMatchObject({ ok: true });
  expect(taintRules).toMatchObject({
    value: [{ name: `DeviceTaintRule/${NAMES.rule}`, driver: 'gpu.nvidia.com', device: 'gpu-4' }],
  });
  // Her role lists pods of her namespace alone, and so no claim of others.
  expect(claims).toBeUndefined();
  expect(computeDomains).toMatchObject({
    value: [{ name: `ComputeDomain/${DOMAIN}`, nodesWanted: 2, nodes: [{ node: NODE }] }],
  });
});

test('whoever may read nothing of it lacks that, and is told so', async () => {
  const { devices } = await viewOf('bob', []);
  expect(devices).toMatchObject({ ok: false, reason: 'no_permission' });
});

test('triage names the taints, the rule, who holds the device, and the domain that is not ready', async () => {
  const ran = await kubectl(withImage('call', NODE, 'triage_gpu_node', '-q', '-o', 'json'));
  expect(ran.stderr).toBe('');
  expect(JSON.parse(ran.stdout)).toMatchObject({
    layers: { draPublished: 2, draOffered: 0 },
    findings: expect.arrayContaining([
      expect.objectContaining({ title: 'DRA keeps gpu-3 from pods: gpu.nvidia.com/gpu-lost' }),
      expect.objectContaining({
        title: `DeviceTaintRule/${NAMES.rule} keeps gpu-4 from pods: example.com/broken=yes`,
        evidence: expect.arrayContaining([
          expect.objectContaining({ what: `held by pod default/${POD}` }),
        ]),
      }),
      expect.objectContaining({
        title: `ComputeDomain/${DOMAIN} of default is not ready on this node: its IMEX daemon is NotReady`,
      }),
    ]),
  });
  expect(await leftAfterTenSeconds()).toEqual([]);
});
