import { describe, expect, test } from 'vitest';
import type { ClusterView } from '../../src/contract/cluster-view.ts';
import { missing, present } from '../../src/contract/reading.ts';
import { TOOLS } from '../../src/tools/index.ts';
import { answered } from '../fakes/answers.ts';
import { aContainer, aNode, aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

/** A tool's answer of a simulated machine, joined with a view. */
async function joined(name: string, machine: string, view: ClusterView, input: object = {}) {
  const tool = TOOLS.find(other => other.name === name);
  if (!tool?.question(input).ofCluster) throw new Error(`${name} asks no cluster`);
  const alone = await answered(tool, input, instrumentsOf(machine));
  const answer = alone.joined(view);
  expect(tool.output.parse(answer.structured)).toEqual(answer.structured);
  expect(answer.text).not.toMatch(/undefined|null|NaN|\[object/);
  return { alone, ...answer };
}

const UNREAD: ClusterView = {
  node: missing('no_permission'),
  pods: missing('timeout'),
  nodeEvents: missing('no_permission'),
};

const condition = (type: string, status: 'True' | 'False' | 'Unknown') => ({
  type,
  status,
  reason: 'Because',
  message: 'of something',
  since: '2026-03-01T11:00:00Z',
});

describe('triage joined with the cluster', () => {
  test('a well node stays healthy and names its state', async () => {
    const { structured, text } = await joined('triage_gpu_node', 'dgx-h100', aView());
    expect(structured).toMatchObject({
      verdict: 'healthy',
      cluster: { node: { ready: 'True', cordoned: false, conditions: [], conditionsFine: 2 } },
    });
    expect(text).toContain('nvidia.com/gpu: 8 of 8 allocatable, 0 asked for by pods');
  });

  test('a step that the cluster asks for names the pods that it takes the node from', async () => {
    const asks = (pods: ClusterView['pods']) =>
      joined(
        'triage_gpu_node',
        'healthy-t4',
        aView({
          node: present(
            aNode({
              instanceType: 'none',
              labels: { 'nvidia.com/gpu.count': '16' },
              capacity: {},
              allocatable: {},
            }),
          ),
          pods,
        }),
      );
    const gpuPods = [
      aPod(),
      aPod({ name: 'done-0', uid: 'uid-done-0', phase: 'Succeeded' }),
      ...Array.from({ length: 9 }, (_, at) => aPod({ name: `more-${at}`, uid: `uid-${at}` })),
    ];
    const { structured, text } = await asks(present({ namespace: null, total: 12, gpuPods }));
    expect(structured).toMatchObject({
      nextAction: {
        action: 'reboot_node',
        hits: { processes: [], more: 2, notRead: ['processes in no pod'] },
      },
    });
    expect(text).toContain('\nhits: pod team-a/train-0');
    expect(text).not.toContain('done-0');
    const one = await asks(present({ namespace: 'team-a', total: 1, gpuPods: [] }));
    expect(one.text).toContain('pods outside namespace team-a');
    const none = await asks(missing('no_permission'));
    expect(none.text).toContain('pods by the cluster (no_permission)');
  });

  test('what of the cluster could not be read is named and changes no verdict', async () => {
    const { structured, text } = await joined('triage_gpu_node', 'dgx-h100', UNREAD);
    expect(structured).toMatchObject({
      verdict: 'healthy',
      cluster: { unavailable: { no_permission: ['node', 'events'], timeout: ['pods'] } },
    });
    expect(text).toContain('cluster: node, events not read (no_permission)');
  });

  test('the agent alone says that the cluster was not read', async () => {
    const { alone } = await joined('triage_gpu_node', 'dgx-h100', aView());
    expect(alone.structured).toMatchObject({
      cluster: { unavailable: { not_read: ['node', 'pods', 'events'] } },
    });
  });

  test.each([
    ['a node that is not ready', { conditions: [condition('Ready', 'False')] }, 'critical'],
    ['a node of which nobody knows', { conditions: [condition('Ready', 'Unknown')] }, 'critical'],
    ['a condition of the GPUs', { conditions: [condition('GpuXidError', 'True')] }, 'warning'],
    ['fewer GPUs than labelled', { labels: { 'nvidia.com/gpu.count': '9' } }, 'critical'],
    ['fewer allocatable than there are', { allocatable: { 'nvidia.com/gpu': 7 } }, 'warning'],
    ['a cordon alone', { cordoned: true, cordonedBy: { manager: 'kubectl' } }, 'healthy'],
  ])('%s is %s', async (_what, node, verdict) => {
    const view = aView({ node: present(aNode(node)) });
    const { structured, text } = await joined('triage_gpu_node', 'dgx-h100', view);
    expect(structured).toMatchObject({ verdict });
    expect(text.split('\n')[0]).toMatch(new RegExp(`^${verdict.toUpperCase()}`));
  });

  test('what the node says for itself leads where the cluster has nothing worse', async () => {
    const node = present(aNode({ allocatable: { 'nvidia.com/gpu': 7 }, cordoned: true }));
    const { alone, structured } = await joined('triage_gpu_node', 'lost-gpu', aView({ node }));
    expect(structured['summary']).toBe(alone.structured['summary']);
    expect(structured['nextAction']).toEqual(alone.structured['nextAction']);
    expect(structured).toMatchObject({ verdict: 'critical' });
  });
});

describe('describe_gpu_node', () => {
  test('joins the layers of the scheduler to those of the node', async () => {
    const node = present(aNode({ allocatable: { 'nvidia.com/gpu': 7 } }));
    const { structured } = await joined('describe_gpu_node', 'dgx-h100', aView({ node }));
    expect(structured).toMatchObject({
      layers: { pciBus: 8, nvml: 8, nodeCapacity: 8, nodeAllocatable: 7, nodeLabel: 8 },
    });
  });

  test('says who cordoned the node, and which pods ask for GPUs, failed ones first', async () => {
    const view = aView({
      node: present(
        aNode({
          cordoned: true,
          cordonedBy: { manager: 'nvsentinel', time: '2026-03-01T11:40:00Z' },
          taints: [{ key: 'gpu', value: 'bad', effect: 'NoSchedule' }],
        }),
      ),
      pods: present({
        namespace: null,
        total: 3,
        gpuPods: [
          aPod(),
          aPod({ name: 'done', phase: 'Succeeded' }),
          aPod({ name: 'x', phase: 'Failed' }),
        ],
      }),
    });
    const { structured, text } = await joined('describe_gpu_node', 'dgx-h100', view);
    expect(structured).toMatchObject({
      cluster: {
        pods: [{ pod: 'x' }, { pod: 'train-0', owner: 'Job/train' }, { pod: 'done' }],
        requested: { 'nvidia.com/gpu': 8 },
      },
    });
    expect(text).toContain(
      'cordoned by nvsentinel at 2026-03-01T11:40:00Z, taints gpu=bad:NoSchedule',
    );
  });

  test('pods of one namespace only are no list of all pods', async () => {
    const pods = present({ namespace: 'team-a', total: 1, gpuPods: [aPod()] });
    const { text } = await joined('describe_gpu_node', 'dgx-h100', aView({ pods }));
    expect(text).toContain('gap: only pods of namespace team-a could be listed');
  });

  test('detail full adds the labels and conditions that summary leaves out', async () => {
    const brief = await joined('describe_gpu_node', 'dgx-h100', aView());
    const full = await joined('describe_gpu_node', 'dgx-h100', aView(), { detail: 'full' });
    expect(brief.structured).toMatchObject({ cluster: { node: { conditions: [] } } });
    expect(full.structured).toMatchObject({
      cluster: { node: { conditions: [{ type: 'Ready' }, { type: 'MemoryPressure' }] } },
    });
  });
});

test('a healthy node with sixteen GPU pods is described in 2000 tokens', async () => {
  const pods = Array.from({ length: 16 }, (_, at) =>
    aPod({ name: `train-${at}`, containers: [aContainer()] }),
  );
  const view = aView({ pods: present({ namespace: null, total: 40, gpuPods: pods }) });
  for (const name of ['triage_gpu_node', 'describe_gpu_node', 'get_incident_report']) {
    const { structured } = await joined(name, 'dgx-h100', view);
    expect(JSON.stringify(structured).length / 4, name).toBeLessThan(2000);
  }
});

test('every tool that asks the cluster joins a view of which nothing was read', async () => {
  const inputOf = (name: string) => (name === 'explain_failure' ? { pod: 'train-0' } : {});
  const asking = TOOLS.filter(
    tool => !tool.isLocal && tool.question(inputOf(tool.name)).ofCluster,
  ).map(({ name }) => name);
  expect(asking).toEqual([
    'triage_gpu_node',
    'analyze_xid_errors',
    'get_gpu_timeline',
    'describe_gpu_node',
    'explain_failure',
    'get_pod_gpu_allocation',
    'get_gpu_processes',
    'get_incident_report',
  ]);
  for (const name of asking) {
    await joined(name, 'lost-gpu', UNREAD, inputOf(name));
  }
});
