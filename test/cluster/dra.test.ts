import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Cluster } from '../../src/cluster/port.ts';
import { FakeApiServer, type Json, status } from './fake-api-server.ts';

const signal = new AbortController().signal;
let api: FakeApiServer;
let cluster: Cluster;
/** What the API server has beside its lists of the core. */
let served: Record<string, Json | undefined>;

const list = (kind: string, ...items: readonly Json[]): Json => ({ kind, metadata: {}, items });
const NO_RULES = list('DeviceTaintRuleList');

beforeEach(async () => {
  api = await FakeApiServer.start();
  cluster = await api.connect();
  served = {
    '/apis/resource.k8s.io': { kind: 'APIGroup', versions: [{ version: 'v1' }] },
    '/apis/resource.k8s.io/v1/devicetaintrules': NO_RULES,
  };
  api.answer = ({ path }) => {
    const body = served[path];
    if (body) return { code: 200, body };
    return /resource\.(?:k8s|nvidia)/.test(path) && !path.endsWith('resourceslices')
      ? { code: 404, body: '404 page not found' }
      : undefined;
  };
});

afterEach(async () => {
  cluster.close();
  await api[Symbol.asyncDispose]();
});

const put = (driver: string, ...devices: readonly Json[]) =>
  api.put('resourceslices', {
    metadata: { name: driver },
    spec: { driver, nodeName: 'gpu-3', devices, pool: { name: 'gpu-3', generation: 1 } },
  });
const viewed = () => cluster.view({ node: 'gpu-3', devices: true }, signal);
const asked = (pattern: RegExp) => api.seen('GET', pattern).map(({ path }) => path);

test('rules and domains are listed once for the nodes of a fleet, and again where that was refused', async () => {
  const domains = '/apis/resource.nvidia.com/v1beta1/computedomains';
  for (const nodeName of ['gpu-3', 'gpu-4', 'gpu-5']) {
    for (const driver of ['gpu.nvidia.com', 'compute-domain.nvidia.com']) {
      api.put('resourceslices', {
        metadata: { name: `${driver}-${nodeName}` },
        spec: { driver, nodeName, devices: [{ name: 'gpu-0' }], pool: { name: nodeName } },
      });
    }
  }
  const ask = (node: string) => cluster.view({ node, devices: true }, signal);
  const answer = api.answer;
  const words =
    'computedomains.resource.nvidia.com is forbidden: User "alice" cannot list resource "computedomains" in API group "resource.nvidia.com" at the cluster scope';
  api.answer = request =>
    request.path === domains ? status(403, 'Forbidden', words) : answer(request);
  expect((await ask('gpu-3')).computeDomains).toMatchObject({ reason: 'no_permission' });
  api.answer = answer;
  served[domains] = list('ComputeDomainList');
  expect((await ask('gpu-4')).computeDomains).toEqual({ ok: true, value: [] });
  expect(await ask('gpu-5')).toMatchObject({
    computeDomains: { ok: true },
    taintRules: { ok: true },
  });
  await Promise.all([ask('gpu-3'), ask('gpu-4')]);
  expect(asked(/devicetaintrules/)).toHaveLength(1);
  expect(asked(/computedomains/)).toHaveLength(2);
});

test('a node without devices of DRA is asked for nothing more', async () => {
  const view = await viewed();
  expect(view.devices).toEqual({ ok: true, value: [] });
  expect(view).not.toHaveProperty('taintRules');
  expect(view).not.toHaveProperty('claims');
  expect(view).not.toHaveProperty('computeDomains');
  expect(asked(/resource\./)).toEqual([
    '/apis/resource.k8s.io',
    '/apis/resource.k8s.io/v1/resourceslices',
  ]);
});

describe('the rules by which an admin taints devices', () => {
  const RULE = {
    metadata: { name: 'broken' },
    spec: {
      deviceSelector: { driver: 'gpu.nvidia.com', pool: 'gpu-3', device: 'gpu-0' },
      taint: { key: 'example.com/broken', effect: 'NoExecute', timeAdded: 'T' },
    },
  };
  const taint = { key: 'example.com/broken', value: '', effect: 'NoExecute', since: 'T' };
  beforeEach(() => {
    put('gpu.nvidia.com', { name: 'gpu-0' });
  });

  test('have what they select, which may be every device', async () => {
    served['/apis/resource.k8s.io/v1/devicetaintrules'] = list('DeviceTaintRuleList', RULE, {
      metadata: { name: 'all' },
      spec: { ...RULE.spec, deviceSelector: {} },
    });
    expect((await viewed()).taintRules).toEqual({
      ok: true,
      value: [
        {
          ...{ name: 'DeviceTaintRule/broken', taint },
          ...{ driver: 'gpu.nvidia.com', pool: 'gpu-3', device: 'gpu-0' },
        },
        { name: 'DeviceTaintRule/all', taint },
      ],
    });
  });

  test.each([
    ['no selector', {}],
    ['a class', { deviceSelector: { deviceClassName: 'gpu' } }],
    ['an expression', { deviceSelector: { driver: 'gpu.nvidia.com', selectors: [{ cel: {} }] } }],
  ])('say nothing where they have %s', async (_what, spec) => {
    served['/apis/resource.k8s.io/v1/devicetaintrules'] = list('DeviceTaintRuleList', {
      ...{ metadata: { name: 'r' }, spec: { taint: RULE.spec.taint, ...spec } },
    });
    expect((await viewed()).taintRules).toEqual({ ok: true, value: [] });
  });

  test('are found in the newest version that has them, and are none where no version has', async () => {
    const versions = ['v1', 'v1beta2', 'v1alpha3'].map(version => ({ version }));
    served['/apis/resource.k8s.io'] = { kind: 'APIGroup', versions };
    served['/apis/resource.k8s.io/v1/devicetaintrules'] = undefined;
    served['/apis/resource.k8s.io/v1alpha3/devicetaintrules'] = list('DeviceTaintRuleList', RULE);
    expect((await viewed()).taintRules).toMatchObject({ value: [{ device: 'gpu-0' }] });
    served['/apis/resource.k8s.io/v1alpha3/devicetaintrules'] = undefined;
    // Another client: this one has just listed them.
    cluster.close();
    cluster = await api.connect();
    expect((await viewed()).taintRules).toEqual({ ok: true, value: [] });
  });

  test('are unread, and not none, where the user may not list them', async () => {
    const answer = api.answer;
    const words =
      'devicetaintrules.resource.k8s.io is forbidden: User "alice" cannot list resource "devicetaintrules" in API group "resource.k8s.io" at the cluster scope';
    api.answer = request =>
      request.path.endsWith('devicetaintrules') ? status(403, 'Forbidden', words) : answer(request);
    const { taintRules, devices } = await viewed();
    expect(taintRules).toMatchObject({ ok: false, reason: 'no_permission' });
    expect(devices?.ok).toBe(true);
  });
});

describe('the claims of the pods of a node', () => {
  const CLAIMS = '/apis/resource.k8s.io/v1/namespaces/team-a/resourceclaims';
  const claim = (name: string, ...results: readonly Json[]) => {
    served[`${CLAIMS}/${name}`] = {
      ...{ kind: 'ResourceClaim', metadata: { name, namespace: 'team-a' } },
      status: { allocation: { allocationTimestamp: 'T', devices: { results } } },
    };
  };
  const result = (device: string, changed: Json = {}): Json => ({
    ...{ request: 'gpu', driver: 'gpu.nvidia.com', pool: 'gpu-3', device },
    ...changed,
  });
  const pod = (name: string, spec: Json, podStatus: Json = {}) =>
    api.put('pods', {
      metadata: { namespace: 'team-a', name, uid: `uid-${name}` },
      spec: { nodeName: 'gpu-3', ...spec },
      status: { phase: 'Running', ...podStatus },
    });
  const uses = (container: string): Json => ({
    name: container,
    resources: { claims: [{ name: 'gpu' }] },
  });
  const NAMED = { resourceClaims: [{ name: 'gpu', resourceClaimName: 'shared' }] };

  test('name the devices, and the pods and containers that share them', async () => {
    claim('shared', result('gpu-0'), result('gpu-1', { adminAccess: true }));
    pod('a', { ...NAMED, containers: [uses('main'), { name: 'side' }] });
    pod('b', { ...NAMED, initContainers: [uses('warm')], containers: [] });
    expect((await viewed()).claims).toEqual({
      ok: true,
      value: [
        {
          ...{ namespace: 'team-a', name: 'shared', since: 'T' },
          users: [
            { pod: 'a', containers: ['main'] },
            { pod: 'b', containers: ['warm'] },
          ],
          devices: [{ driver: 'gpu.nvidia.com', pool: 'gpu-3', name: 'gpu-0' }],
        },
      ],
    });
    expect(asked(/resourceclaims/)).toHaveLength(1);
  });

  test('are found by their own names where a template or the scheduler has made them', async () => {
    claim('a-gpu-x7k2p', result('gpu-0'));
    claim('b-extended', result('gpu-1'));
    pod(
      'a',
      {
        resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 't' }],
        containers: [uses('m')],
      },
      { resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'a-gpu-x7k2p' }] },
    );
    pod(
      'b',
      { containers: [] },
      {
        extendedResourceClaimStatus: {
          resourceClaimName: 'b-extended',
          requestMappings: [{ containerName: 'm', resourceName: 'nvidia.com/gpu' }],
        },
      },
    );
    expect((await viewed()).claims).toMatchObject({
      value: [
        { name: 'a-gpu-x7k2p', users: [{ pod: 'a', containers: ['m'] }] },
        {
          name: 'b-extended',
          users: [{ pod: 'b', containers: ['m'] }],
          devices: [{ name: 'gpu-1' }],
        },
      ],
    });
  });

  test('are not asked for of a pod that has ended, and one that is gone holds nothing', async () => {
    pod('ended', { ...NAMED, containers: [] }, { phase: 'Failed' });
    expect(await viewed()).not.toHaveProperty('claims');
    pod('waits', { resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 't' }] });
    expect(await viewed()).not.toHaveProperty('claims');
    pod('late', { ...NAMED, containers: [] });
    expect((await viewed()).claims).toEqual({ ok: true, value: [] });
  });

  test('are all unread where one may not be read, and so are more than a node can have', async () => {
    claim('shared', result('gpu-0'));
    pod('a', { ...NAMED, containers: [] });
    pod('b', { resourceClaims: [{ name: 'gpu', resourceClaimName: 'secret' }], containers: [] });
    const answer = api.answer;
    const words =
      'resourceclaims.resource.k8s.io "secret" is forbidden: User "alice" cannot get resource "resourceclaims" in API group "resource.k8s.io" in the namespace "team-a"';
    api.answer = request =>
      request.path.endsWith('/secret') ? status(403, 'Forbidden', words) : answer(request);
    expect((await viewed()).claims).toMatchObject({ ok: false, reason: 'no_permission' });
    const many = Array.from({ length: 129 }, (_, at) => ({
      ...{ name: `c${at}`, resourceClaimName: `c${at}` },
    }));
    pod('many', { resourceClaims: many, containers: [] });
    const before = asked(/resourceclaims/).length;
    expect((await viewed()).claims).toMatchObject({ ok: false, reason: 'unreadable' });
    expect(asked(/resourceclaims/)).toHaveLength(before);
  });
});

describe('the ComputeDomains of a node', () => {
  const PATH = '/apis/resource.nvidia.com/v1beta1/computedomains';

  test('are read where their driver serves the node, with each node and its clique', async () => {
    put('compute-domain.nvidia.com', { name: 'channel-0' });
    const nodes = [
      { name: 'gpu-3', ipAddress: '10.0.0.1', cliqueID: 'u.7', index: 0, status: 'Ready' },
    ];
    const of = (name: string, numNodes: number): Json => ({
      metadata: { namespace: 'team-a', name },
      ...{ spec: { numNodes }, status: { status: 'NotReady', nodes } },
    });
    served[PATH] = list('ComputeDomainList', of('two', 2), of('any', 0));
    const read = {
      ...{ namespace: 'team-a', status: 'NotReady' },
      nodes: [{ node: 'gpu-3', clique: 'u.7', status: 'Ready' }],
    };
    expect((await viewed()).computeDomains).toEqual({
      ok: true,
      value: [
        { ...read, name: 'ComputeDomain/two', nodesWanted: 2 },
        { ...read, name: 'ComputeDomain/any' },
      ],
    });
  });

  test('are not asked for elsewhere', async () => {
    put('gpu.nvidia.com', { name: 'gpu-0' });
    expect(await viewed()).not.toHaveProperty('computeDomains');
    expect(asked(/computedomains/)).toEqual([]);
  });
});

test('a pool with fewer slices than it says is told as incomplete, of its newest generation', async () => {
  const slice = (name: string, generation: number, resourceSliceCount: number) =>
    api.put('resourceslices', {
      metadata: { name },
      spec: {
        ...{ driver: 'gpu.nvidia.com', nodeName: 'gpu-3', devices: [{ name }] },
        pool: { name: 'gpu-3', generation, resourceSliceCount },
      },
    });
  slice('old', 1, 1);
  slice('new', 2, 2);
  const devicesOf = async () => {
    const { devices } = await viewed();
    return devices?.ok
      ? devices.value.map(({ name, poolIncomplete }) => [name, poolIncomplete])
      : [];
  };
  expect(await devicesOf()).toEqual([['new', true]]);
  slice('second', 2, 2);
  expect(await devicesOf()).toEqual([
    ['new', undefined],
    ['second', undefined],
  ]);
});

test('more devices than are kept are not read, for a list that is cut would be one of devices that are gone', async () => {
  const all = (count: number) => Array.from({ length: count }, (_, at) => ({ name: `gpu-${at}` }));
  put('gpu.nvidia.com', ...all(512));
  expect((await viewed()).devices).toMatchObject({ ok: true });
  put('compute-domain.nvidia.com', ...all(1));
  expect((await viewed()).devices).toEqual({
    ok: false,
    reason: 'unreadable',
    detail: 'its node has 513 devices, more than 512',
  });
});
