import { expect, test } from 'vitest';
import type { ClusterDevice, ClusterView } from '../../src/contract/cluster-view.ts';
import { missing, present } from '../../src/contract/reading.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { TriageFacts } from '../../src/tools/support/triage-facts.ts';
import { answered } from '../fakes/answers.ts';
import { aNode, aView } from '../fakes/cluster-view.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

/** The triage of a well machine, with what its cluster says. */
async function triaged(changed: Partial<ClusterView>): Promise<TriageFacts> {
  const alone = await answered(triageGpuNode, {}, instrumentsOf('dgx-h100'));
  return TriageFacts.parse(alone.joined(aView(changed)).structured);
}

const ENDED = { key: 'karpenter.sh/disrupted', value: '', effect: 'NoSchedule' };
const DEVICE: ClusterDevice = {
  ...{ driver: 'gpu.nvidia.com', pool: 'node', name: 'gpu-3' },
  taints: [{ key: 'gpu.nvidia.com/xid', value: '79', effect: 'NoSchedule' }],
};
const MIG_FAILED = { 'nvidia.com/mig.config.state': 'failed' };

test('each rule of the cluster joins its finding and its check to the answer', async () => {
  const { verdict, findings, checks } = await triaged({
    node: present(aNode({ taints: [ENDED], labels: MIG_FAILED })),
    devices: present([DEVICE]),
  });
  expect(verdict).toBe('warning');
  expect(findings.map(({ id }) => id)).toEqual(
    expect.arrayContaining([
      'platform-action:karpenter.sh/disrupted',
      'device-taint:gpu-3:gpu.nvidia.com/xid',
      'mig-configuration',
    ]),
  );
  expect(checks).toMatchObject({
    'platform-actions': 'warning',
    'device-taints': 'warning',
    'gpu-stack': 'warning',
    'node-conditions': 'ok',
  });
});

test('what of the cluster was not read is no check that is well', async () => {
  const none = missing('no_permission');
  const { checks, cluster } = await triaged({ node: none, pods: none, devices: none });
  const names = ['platform-actions', 'device-taints', 'gpu-stack', 'node-conditions'];
  expect(names.map(name => checks?.[name])).toEqual(names.map(() => 'not_read'));
  expect(cluster?.unavailable?.no_permission).toContain('devices of DRA');
});

test('a cluster without DRA lacks nothing', async () => {
  const { cluster } = await triaged({ devices: missing('not_found') });
  expect(cluster?.unavailable).toBeUndefined();
});
