import { describe, expect, test } from 'vitest';
import { storedView } from '../../src/cli/replay-sessions.ts';
import { missing, present } from '../../src/contract/reading.ts';
import { aPod, aView } from '../fakes/cluster-view.ts';

describe('the cluster of a bundle', () => {
  const pods = [aPod(), aPod({ namespace: 'team-b' }), aPod({ name: 'train-1' })];
  const view = aView({ pods: present({ namespace: null, total: 12, gpuPods: pods }) });
  const found = (name: string, namespace?: string) =>
    storedView(view, { pod: { name, ...(namespace === undefined ? {} : { namespace }) } });

  test('has a pod by its name and namespace, or by its name alone', () => {
    expect(found('train-0', 'team-b').pod).toEqual(present(pods[1]));
    expect(found('train-1').pod).toEqual(present(pods[2]));
    expect(found('train-1').podEvents).toEqual(
      missing('not_read', 'a bundle holds the events of the node, not those of pods'),
    );
  });

  test('lacks a pod without being certain that it is gone', () => {
    const other = missing(
      'not_read',
      'the bundle holds the GPU pods of its node, and not this one',
    );
    expect(found('train-1', 'team-b').pod).toEqual(other);
    expect(found('train-2').pod).toEqual(other);
    const denied = missing('no_permission');
    expect(storedView(aView({ pods: denied }), { pod: { name: 'train-0' } }).pod).toEqual(denied);
  });

  test('shows a pod only to who asks for one, and what DRA knows likewise', () => {
    const none = present([]);
    const dra = { devices: none, taintRules: none, claims: none, computeDomains: none };
    expect(storedView({ ...view, ...dra }, {})).toEqual(view);
    expect(storedView({ ...view, ...dra }, { devices: true })).toEqual({ ...view, ...dra });
    expect(storedView(view, { devices: true })).toEqual(view);
  });
});
