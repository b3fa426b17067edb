import { describe, expect, test } from 'vitest';
import { readClusterEvent, readClusterNode, readClusterPod } from '../../src/cluster/read-view.ts';

const many = (count: number) => Array.from({ length: count }, (_, index) => String(index));

describe('a node', () => {
  test('is read whole: what is about GPUs and places, and who held it back', () => {
    const field = (manager: string, time: string, key: string) => ({
      ...{ manager, time },
      fieldsV1: { 'f:spec': { [key]: {} } },
    });
    const quantities = (gpus: string) => ({
      ...{ 'nvidia.com/gpu': gpus, 'nvidia.com/mig-1g.10gb': '2', cpu: '96' },
      ...{ 'nvidia.com/cc.mode': '1', 'nvidia.com/sandbox.x': '1', 'nvidia.com/vgpu.y': '1' },
      ...{ 'nvidia.com/odd': '1k', 'nvidia.com/long': '1234567890', 'x.nvidia.com/gpu': '1' },
    });
    const node = {
      metadata: {
        ...{ name: 'node-a', creationTimestamp: 'made' },
        labels: {
          ...{ 'nvidia.com/gpu.product': 'H100', 'topology.kubernetes.io/zone': 'eu-1a' },
          ...{ 'node.kubernetes.io/instance-type': 'p5', 'cloud.google.com/gke-nodepool': 'g' },
          ...{ 'cloud.google.com/gke-accelerator': 'h', 'my-gpu': 'yes', team: 'a' },
        },
        managedFields: [
          field('first', '2026-01-01', 'f:unschedulable'),
          field('last', '2026-01-03', 'f:unschedulable'),
          field('middle', '2026-01-02', 'f:unschedulable'),
          field('tainter', '2026-01-02', 'f:taints'),
          { manager: 'other', time: '2027', fieldsV1: { 'f:status': { 'f:taints': {} } } },
        ],
      },
      spec: {
        unschedulable: true,
        taints: [
          { key: 'k', value: 'v', effect: 'NoExecute', timeAdded: 'then' },
          { key: 'l', effect: 'NoSchedule' },
        ],
      },
      status: {
        nodeInfo: { kubeletVersion: 'v1', containerRuntimeVersion: 'c', bootID: 'a-b-c' },
        conditions: [
          ...['True', 'False', 'Odd'].map(status => ({
            ...{ type: 'T', status, reason: 'R', message: 'M\nN', lastTransitionTime: 'then' },
          })),
        ],
        ...{ capacity: quantities('8'), allocatable: quantities('7') },
      },
    };
    const { team: _, ...labels } = node.metadata.labels;
    const condition = { type: 'T', reason: 'R', message: 'M N', since: 'then' };
    expect(readClusterNode(node)).toEqual({
      ...{ name: 'node-a', labels, instanceType: 'p5', cordoned: true },
      cordonedBy: { manager: 'last', time: '2026-01-03' },
      taints: [
        { key: 'k', value: 'v', effect: 'NoExecute', since: 'then' },
        { key: 'l', value: '', effect: 'NoSchedule' },
      ],
      taintsBy: { manager: 'tainter', time: '2026-01-02' },
      conditions: ['True', 'False', 'Unknown'].map(status => ({ ...condition, status })),
      capacity: { 'nvidia.com/gpu': 8, 'nvidia.com/mig-1g.10gb': 2 },
      allocatable: { 'nvidia.com/gpu': 7, 'nvidia.com/mig-1g.10gb': 2 },
      ...{ kubeletVersion: 'v1', containerRuntime: 'c', bootId: 'abc', createdAt: 'made' },
    });
  });

  test('that nobody holds back names nobody', () => {
    const fieldsV1 = { 'f:spec': { 'f:unschedulable': {}, 'f:taints': {} } };
    const labels = { 'beta.kubernetes.io/instance-type': 'old' };
    const read = readClusterNode({
      metadata: { labels, managedFields: [{ manager: 'm', fieldsV1 }] },
    });
    expect(read).toEqual({
      ...{ name: '', labels, instanceType: 'old', cordoned: false, taints: [], conditions: [] },
      ...{ capacity: {}, allocatable: {}, kubeletVersion: '', containerRuntime: '', bootId: '' },
      createdAt: '',
    });
    const held = readClusterNode({
      metadata: { managedFields: [{ manager: 'm', fieldsV1 }] },
      spec: { unschedulable: true, taints: [{}] },
    });
    expect([held.cordonedBy, held.taintsBy]).toEqual([{ manager: 'm' }, { manager: 'm' }]);
    expect(readClusterNode({ spec: { unschedulable: true } })).not.toHaveProperty('cordonedBy');
  });

  test('of any size is bounded', () => {
    const labels = Object.fromEntries(many(99).map(key => [`gpu-${key}`, 'x'.repeat(200)]));
    const read = readClusterNode({
      metadata: { labels },
      spec: { taints: many(99).map(key => ({ key })) },
      status: { conditions: many(99).map(type => ({ type, message: 'x'.repeat(999) })) },
    });
    expect(Object.keys(read.labels)).toHaveLength(80);
    expect(Object.values(read.labels)[0]?.length).toBeLessThanOrEqual(128);
    expect([read.taints.length, read.conditions.length]).toEqual([48, 48]);
    expect(read.conditions[0]?.message.length).toBeLessThanOrEqual(300);
  });
});

describe('a pod', () => {
  const gpus = (count: number | string, more: object = {}) => ({
    ...more,
    resources: { limits: { 'nvidia.com/gpu': String(count), cpu: '1' } },
  });

  test('is read whole', () => {
    const terminated = {
      ...{ exitCode: 137, signal: 9, reason: 'OOMKilled', message: 'm' },
      ...{ startedAt: 's', finishedAt: 'f' },
    };
    const pod = {
      metadata: {
        ...{ namespace: 'n', name: 'a', uid: 'u', creationTimestamp: 'made' },
        deletionTimestamp: 'now',
        ownerReferences: [
          { kind: 'Other', name: 'o' },
          { kind: 'Job', name: 'j', controller: true },
        ],
      },
      spec: {
        nodeName: 'node-a',
        resourceClaims: [{ name: 'claim' }],
        initContainers: [{ name: 'i' }],
        containers: [gpus(2, { name: 'c' }), { name: 'd' }, { name: 'e' }],
      },
      status: {
        ...{ phase: 'Running', reason: 'R', message: 'M', startTime: 'began' },
        initContainerStatuses: [{ name: 'i', state: { terminated: { exitCode: 0 } } }],
        containerStatuses: [
          {
            ...{ name: 'c', restartCount: 3, state: { running: { startedAt: 's' } } },
            lastState: { terminated },
          },
          { name: 'd', state: { waiting: { reason: 'W', message: 'w' } } },
        ],
      },
    };
    const plain = { init: false, gpus: {}, restarts: 0, reason: '', message: '' };
    expect(readClusterPod(pod)).toEqual({
      ...{ namespace: 'n', name: 'a', uid: 'u', node: 'node-a', owner: 'Job/j', phase: 'Running' },
      ...{ reason: 'R', message: 'M', createdAt: 'made', startedAt: 'began', deleting: true },
      ...{ gpus: { 'nvidia.com/gpu': 2 }, claims: ['claim'] },
      containers: [
        {
          ...{ ...plain, name: 'i', init: true, state: 'terminated' },
          ended: { exitCode: 0, reason: '', message: '' },
        },
        {
          ...{ ...plain, name: 'c', gpus: { 'nvidia.com/gpu': 2 }, restarts: 3 },
          ...{ state: 'running', startedAt: 's', endedBefore: terminated },
        },
        { ...plain, name: 'd', state: 'waiting', reason: 'W', message: 'w' },
        { ...plain, name: 'e', state: 'waiting' },
      ],
    });
  });

  test('which init container is a sidecar, and which container is ready, where that is said', () => {
    const { containers } = readClusterPod({
      spec: {
        initContainers: [{ name: 'i' }, { name: 's', restartPolicy: 'Always' }],
        // A container's own policy makes it no sidecar.
        containers: [{ name: 'c', restartPolicy: 'Always' }, { name: 'd' }],
      },
      status: {
        containerStatuses: [
          { name: 'c', ready: false },
          { name: 'd', ready: 'yes' },
        ],
      },
    });
    const said = containers.map(({ name, sidecar, ready }) => [name, sidecar, ready]);
    const none = undefined;
    expect(said).toEqual([
      ['i', none, none],
      ['s', true, none],
      ['c', none, false],
      ['d', none, none],
    ]);
  });

  test.each(['Pending', 'Succeeded', 'Failed'])('that is %s', phase => {
    expect(readClusterPod({ status: { phase } }).phase).toBe(phase);
  });

  test('of another form is empty', () => {
    expect(readClusterPod(null)).toEqual({
      ...{ namespace: '', name: '', uid: '', node: '', phase: 'Unknown', reason: '', message: '' },
      ...{ createdAt: '', deleting: false, gpus: {}, claims: [], containers: [] },
    });
  });

  test.each([
    ['containers add up', [gpus(2), gpus(3)], [], 5],
    ['a sidecar counts with them', [gpus(2)], [gpus(1, { restartPolicy: 'Always' })], 3],
    ['an init container is a minimum', [gpus(2)], [gpus(4), gpus(3)], 4],
    ['and no more than that', [gpus(4)], [gpus(2)], 4],
    ['an init container alone', [{}], [gpus(2)], 2],
  ])('GPUs as the scheduler counts: %s', (_name, containers, initContainers, count) => {
    expect(readClusterPod({ spec: { containers, initContainers } }).gpus).toEqual({
      'nvidia.com/gpu': count,
    });
  });

  test('of any size is bounded', () => {
    const read = readClusterPod({
      spec: {
        containers: many(99).map(name => ({ name })),
        resourceClaims: many(99).map(name => ({ name })),
      },
      status: { message: 'x'.repeat(999) },
    });
    expect([read.containers.length, read.claims.length]).toEqual([48, 48]);
    expect(read.message.length).toBeLessThanOrEqual(300);
  });
});

describe('an event', () => {
  const event = { reason: 'R', message: 'M' };

  test('of an older writer', () => {
    const times = { firstTimestamp: 'first', lastTimestamp: 'last' };
    const source = { component: 'kubelet' };
    const written = { ...event, ...times, type: 'Warning', count: 5, source };
    expect(readClusterEvent({ ...written, reportingComponent: 'x' })).toEqual({
      ...{ ...event, type: 'Warning', count: 5, firstAt: 'first', lastAt: 'last', from: 'kubelet' },
    });
  });

  test('of a newer one', () => {
    const series = { count: 7, lastObservedTime: 'seen' };
    const written = { ...event, eventTime: 'first', series, reportingComponent: 'operator' };
    expect(readClusterEvent({ ...written, type: 'Normal' })).toEqual({
      ...{ ...event, type: 'Normal', count: 7, firstAt: 'first', lastAt: 'seen', from: 'operator' },
    });
    expect(readClusterEvent({ ...event, eventTime: 'first' })).toEqual({
      ...{ ...event, type: 'Normal', count: 1, firstAt: 'first', lastAt: 'first', from: '' },
    });
  });

  test('without a time', () => {
    expect(readClusterEvent(event)).toEqual({ ...event, type: 'Normal', count: 1, from: '' });
  });
});
