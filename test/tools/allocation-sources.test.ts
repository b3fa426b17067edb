import { expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import type { PodAllocation } from '../../src/host/port.ts';
import { compareSources } from '../../src/tools/support/allocations.ts';

const UID = 'f6a1e4a0-3b1c-4a52-9f6e-0d8f2d3c7b11';

const row = (source: PodAllocation['source'], over: Partial<PodAllocation> = {}): PodAllocation => {
  const deviceIds = over.deviceIds ?? ['GPU-a', 'GPU-b'];
  return {
    ...{ namespace: 'team-a', pod: 'train-0', podUid: UID, container: 'main' },
    ...{ resource: 'nvidia.com/gpu', source },
    ...over,
    deviceIds,
    devices: deviceIds.map(id => ({ id })),
  };
};
const live = row('pod_resources');
const { podUid: _, ...nameless } = live;
const both = (allocations: readonly PodAllocation[], checkpoint: readonly PodAllocation[]) =>
  compareSources({ allocations: present(allocations), checkpoint: present(checkpoint) });
const AGREE = { checkpoint: 'agrees', contradictions: [] };

test.each<readonly [string, readonly PodAllocation[], readonly PodAllocation[]]>([
  [
    'the same devices in another order',
    [live],
    [row('checkpoint', { deviceIds: ['GPU-b', 'GPU-a'] })],
  ],
  [
    'an old entry of a pod that is gone',
    [live],
    [row('checkpoint'), row('checkpoint', { podUid: 'b'.repeat(36), pod: 'train-9' })],
  ],
  [
    'a claim (DRA), which the checkpoint never holds',
    [row('pod_resources', { claim: { namespace: 'n', name: 'c', pool: 'p' } })],
    [],
  ],
  ['a pod of which no uid is known', [nameless], []],
  ['nothing at all', [], []],
])('agree: %s', (_, allocations, checkpoint) => {
  expect(both(allocations, checkpoint)).toEqual(AGREE);
});

test.each([
  ['other devices', row('checkpoint', { deviceIds: ['GPU-a', 'GPU-c'] })],
  ['fewer devices', row('checkpoint', { deviceIds: ['GPU-a'] })],
  ['more devices', row('checkpoint', { deviceIds: ['GPU-a', 'GPU-b', 'GPU-c'] })],
  ['another container', row('checkpoint', { container: 'sidecar' })],
])('differ: %s', (_, entry) => {
  expect(both([live], [entry])).toEqual({
    checkpoint: 'differs',
    contradictions: [
      'pod-resources and checkpoint differ on nvidia.com/gpu of team-a/train-0, container main',
    ],
  });
});

test('the one that was read is the source, and the other says why not', () => {
  const allocations = missing('not_found');
  expect(compareSources({ allocations, checkpoint: present([row('checkpoint')]) })).toEqual({
    checkpoint: 'is the source',
    contradictions: [],
  });
  const unread = missing('not_read', 'not mounted');
  expect(compareSources({ allocations: present([live]), checkpoint: unread })).toEqual({
    checkpoint: 'not_read',
    contradictions: [],
  });
});
