import { describe, expect, test } from 'vitest';
import { listAt, numberOf, objectAt, textOf, textsOf } from '../../src/cluster/json.ts';
import { readEvent, readNode, readOwn, readPod } from '../../src/cluster/list.ts';
import { sentenceOf, told } from '../../src/contract/errors.ts';
import { ANNOTATIONS } from '../../src/contract/labels.ts';

const metadata = {
  ...{ name: 'a', namespace: 'n', uid: 'u', creationTimestamp: 'made' },
  ...{ labels: { l: '1', bad: 2 }, annotations: { n: '3' } },
};

describe('a node', () => {
  test('is read whole', () => {
    const status = {
      nodeInfo: {
        ...{ osImage: 'os', operatingSystem: 'linux', architecture: 'arm64' },
        ...{ kubeletVersion: 'v1', containerRuntimeVersion: 'containerd://2', bootID: 'b' },
      },
      conditions: [
        { type: 'Ready', status: 'True', reason: 'R', message: 'M', lastTransitionTime: 'T' },
      ],
      ...{ capacity: { 'nvidia.com/gpu': '8' }, allocatable: { 'nvidia.com/gpu': '7' } },
    };
    const spec = { unschedulable: true, taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] };
    expect(readNode({ metadata, spec, status })).toEqual({
      ...{ name: 'a', labels: { l: '1' }, annotations: { n: '3' }, unschedulable: true },
      taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }],
      conditions: [{ type: 'Ready', status: 'True', reason: 'R', message: 'M', since: 'T' }],
      ...{ osImage: 'os', operatingSystem: 'linux', architecture: 'arm64', kubeletVersion: 'v1' },
      ...{ containerRuntime: 'containerd://2', bootId: 'b', createdAt: 'made' },
      declaredFeatures: [],
      ...{ capacity: { 'nvidia.com/gpu': '8' }, allocatable: { 'nvidia.com/gpu': '7' } },
    });
  });

  test('of another form is empty', () => {
    const found = readNode({ spec: { unschedulable: 'true', taints: {} }, status: 'x' });
    expect(found).toMatchObject({ name: '', unschedulable: false, taints: [], conditions: [] });
    expect(readNode(undefined)).toEqual(found);
  });
});

describe('a pod', () => {
  test('is read whole', () => {
    const limits = (gpus: unknown) => ({
      resources: { limits: { 'nvidia.com/gpu': gpus, cpu: '4', memory: '1Gi' } },
    });
    const status = {
      ...{ phase: 'Failed', reason: 'R', message: 'M', startTime: 'began' },
      containerStatuses: [
        {
          ...{ name: 'c', image: 'i', restartCount: 2 },
          state: {
            terminated: {
              ...{ exitCode: 137, reason: 'OOMKilled', message: 'm' },
              ...{ startedAt: 's', finishedAt: 'f' },
            },
          },
        },
        { name: 'd', state: { running: { startedAt: 's' } } },
        { name: 'e', state: { waiting: { reason: 'ImagePullBackOff' } } },
        { name: 'f' },
      ],
    };
    const spec = { nodeName: 'node-a', containers: [limits('2'), limits(3), {}] };
    const deleted = { ...metadata, deletionTimestamp: 'now' };
    const plain = { image: '', restarts: 0, reason: '', message: '' };
    expect(readPod({ metadata: deleted, spec, status })).toEqual({
      ...{ namespace: 'n', name: 'a', uid: 'u', node: 'node-a', labels: { l: '1' } },
      ...{ annotations: { n: '3' }, phase: 'Failed', reason: 'R', message: 'M' },
      ...{ createdAt: 'made', startedAt: 'began', deleting: true },
      hasEnded: false,
      limits: { 'nvidia.com/gpu': 5 },
      containers: [
        {
          ...{ name: 'c', image: 'i', restarts: 2, state: 'terminated', exitCode: 137 },
          ...{ reason: 'OOMKilled', message: 'm', startedAt: 's', finishedAt: 'f' },
        },
        { ...plain, name: 'd', state: 'running', startedAt: 's' },
        { ...plain, name: 'e', state: 'waiting', reason: 'ImagePullBackOff' },
        { ...plain, name: 'f', state: 'waiting' },
      ],
    });
  });

  test('of another form is empty', () => {
    expect(readPod([])).toEqual({
      ...{ namespace: '', name: '', uid: '', node: '', labels: {}, annotations: {}, phase: '' },
      ...{ reason: '', message: '', createdAt: '', startedAt: '', deleting: false },
      ...{ containers: [], hasEnded: false, limits: {} },
    });
  });

  const over = { state: { terminated: { exitCode: 0 } } };
  const alive = { state: { running: {} } };
  test.each([
    ['of which nothing is reported', {}, false],
    ['whose container has ended', { containerStatuses: [over] }, true],
    ['with another that runs', { containerStatuses: [over, alive] }, false],
    ['with another that waits', { containerStatuses: [over, { state: { waiting: {} } }] }, false],
    [
      'with a sidecar that runs',
      { containerStatuses: [over], initContainerStatuses: [alive] },
      false,
    ],
    ['with a sidecar that ran', { containerStatuses: [over], initContainerStatuses: [over] }, true],
    [
      'that somebody debugs',
      { containerStatuses: [over], ephemeralContainerStatuses: [alive] },
      false,
    ],
  ])('%s', (_, status, hasEnded) => {
    expect(readPod({ status }).hasEnded).toBe(hasEnded);
  });
});

describe('an event', () => {
  const event = { type: 'Warning', reason: 'R', message: 'M' };

  test('of an older writer', () => {
    const times = { firstTimestamp: 'first', lastTimestamp: 'last' };
    const source = { component: 'kubelet' };
    expect(readEvent({ ...event, ...times, count: 5, source, reportingComponent: 'x' })).toEqual({
      ...{ ...event, count: 5, firstAt: 'first', lastAt: 'last', from: 'kubelet' },
    });
  });

  test('of a newer one', () => {
    const series = { count: 7, lastObservedTime: 'seen' };
    const written = { ...event, eventTime: 'first', series, reportingComponent: 'operator' };
    expect(readEvent(written)).toEqual({
      ...{ ...event, count: 7, firstAt: 'first', lastAt: 'seen', from: 'operator' },
    });
    expect(readEvent({ ...event, eventTime: 'first' })).toEqual({
      ...{ ...event, count: 1, firstAt: 'first', lastAt: 'first', from: '' },
    });
  });

  test('that is a refusal says so', () => {
    const message = 'admission webhook "w" denied\nthe request: no';
    const { sentence = told`` } = readEvent({ ...event, message }).refusal ?? {};
    expect(sentenceOf(sentence)).toBe('admission webhook "w" refuses the pod: no');
    // Words of others are apart.
    expect(sentenceOf(sentence, () => '…')).toBe('admission webhook "…" refuses the pod: …');
  });
});

describe('an object of ours', () => {
  const marked = {
    ...metadata,
    annotations: {
      [ANNOTATIONS.node]: 'node-a',
      [ANNOTATIONS.user]: 'alice',
      [ANNOTATIONS.expires]: 'then',
    },
    ownerReferences: [
      { kind: 'ReplicaSet', name: 'r' },
      { kind: 'Job', name: 'j' },
    ],
  };

  test('is read whole', () => {
    expect(readOwn('pod', { metadata: marked, status: { phase: 'Running' } })).toEqual({
      ...{ kind: 'pod', namespace: 'n', name: 'a', uid: 'u', node: 'node-a', user: 'alice' },
      ...{ createdAt: 'made', expiresAt: 'then', finished: false, owner: 'j' },
    });
  });

  test('without marks of ours', () => {
    expect(readOwn('job', {})).toEqual({
      ...{ kind: 'job', namespace: '', name: '', uid: '', node: '', user: '', createdAt: '' },
      ...{ expiresAt: '', finished: false, owner: '' },
    });
  });

  test.each([
    ['Succeeded', true],
    ['Failed', true],
    ['Running', false],
    ['Pending', false],
  ])('a pod that is %s has finished: %s', (phase, finished) => {
    expect(readOwn('pod', { status: { phase } }).finished).toBe(finished);
  });

  test.each([
    ['Complete', 'True', true],
    ['Failed', 'True', true],
    ['Complete', 'False', false],
    ['Suspended', 'True', false],
  ])('a Job that is %s (%s) has finished: %s', (type, status, finished) => {
    const conditions = [
      { type: 'Other', status: 'True' },
      { type, status },
    ];
    expect(readOwn('job', { status: { conditions } }).finished).toBe(finished);
    // What ends a Job ends no pod.
    expect(readOwn('pod', { status: { conditions } }).finished).toBe(false);
  });
});

test('foreign JSON of a wrong type reads as absent', () => {
  const json = { object: { list: [1], text: 't', number: 2, nothing: null } };
  expect(objectAt(json, 'object', 'list')).toEqual({});
  expect(objectAt(json, 'object', 'nothing', 'x')).toEqual({});
  expect(listAt(json, 'object', 'list')).toEqual([1]);
  expect(listAt(json, 'object', 'text')).toEqual([]);
  expect([listAt([1]), listAt('x')]).toEqual([[1], []]);
  expect([textOf(json.object, 'text'), textOf(json.object, 'number')]).toEqual(['t', '']);
  expect([textOf([], 'length'), textOf(null, 'x')]).toEqual(['', '']);
  expect([numberOf(json.object, 'number'), numberOf(json.object, 'text')]).toEqual([2, undefined]);
  expect(textsOf(json.object)).toEqual({ text: 't' });
});
