import { describe, expect, test } from 'vitest';
import type { ClusterEvent } from '../../src/contract/cluster-view.ts';
import { present } from '../../src/contract/reading.ts';
import { platformActions } from '../../src/findings/rules/platform-actions.ts';
import { aNode } from '../fakes/cluster-view.ts';

const NOW = '2026-03-01T12:00:00Z';
const pods = present({ namespace: null, total: 9, gpuPods: [], readAt: NOW });
const HOUR = 3_600;

describe('maintenance that GKE has planned', () => {
  const planned = (inSeconds: number, isRead = true) => {
    const at = String(Date.parse(NOW) / 1_000 + inSeconds);
    const node = aNode({ labels: { 'cloud.google.com/scheduled-maintenance-time': at } });
    return platformActions({
      cluster: { node: present(node), nodeEvents: present([]), ...(isRead && { pods }) },
    })[0];
  };

  test.each([
    ['in ten days', 240 * HOUR, 'info'],
    ['in a day', 24 * HOUR, 'warning'],
    ['an hour ago', -HOUR, 'warning'],
    ['two days ago', -48 * HOUR, 'info'],
  ])('%s', (_, inSeconds, severity) => {
    expect(planned(inSeconds)?.severity).toBe(severity);
  });

  test('that is over by its time is said as that', () => {
    expect(planned(-48 * HOUR)).toMatchObject({
      title: 'The platform was to maintain this node from 2026-02-27T12:00:00Z on',
      counterEvidence: ['that time is over, and the label says nothing newer'],
    });
    expect(planned(240 * HOUR)?.counterEvidence).toEqual([]);
  });

  test('is near where nobody knows the time', () => {
    expect(planned(240 * HOUR, false)?.severity).toBe('warning');
  });
});

describe('an event by which a platform announces a reboot', () => {
  const event = (reason: string, lastAt: string, from: string): ClusterEvent => ({
    ...{ type: 'Warning', reason, message: 'm', count: 1, lastAt, from },
  });
  const told = (...events: readonly ClusterEvent[]) =>
    platformActions({ cluster: { node: present(aNode()), nodeEvents: present(events) } })[0];
  const ANNOUNCED = event('RebootScheduled', '2026-03-01T11:00:00Z', 'node-problem-detector');

  test('is over once the node has been booted', () => {
    expect(told(event('Rebooted', '2026-03-01T11:20:00Z', 'kubelet'), ANNOUNCED)).toMatchObject({
      severity: 'info',
      counterEvidence: ['the node has been booted since, at 2026-03-01T11:20:00Z'],
    });
  });

  test('stands where the node was booted before it, or was not', () => {
    for (const events of [[], [event('Rebooted', '2026-03-01T10:00:00Z', 'kubelet')]]) {
      expect(told(ANNOUNCED, ...events)).toMatchObject({
        severity: 'warning',
        counterEvidence: [],
      });
    }
  });

  test('of an instance that is gone ends all that ran there', () => {
    const gone = event('DeletingNode', NOW, 'cloud-node-lifecycle-controller');
    expect(told(gone)).toMatchObject({ severity: 'warning', blame: 'host' });
    expect(told({ ...gone, from: 'somebody' })).toBeUndefined();
  });
});
