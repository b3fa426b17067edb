import type { ClusterContainer, ClusterNode, StackPod } from '../../src/contract/cluster-view.ts';
import { present } from '../../src/contract/reading.ts';
import { gpuStack } from '../../src/findings/rules/gpu-stack.ts';
import { aContainer, aNode, aPod } from './cluster-view.ts';

/** A pod of NVIDIA's software that has not started, in GPU Operator's namespace. */
export const part = (
  of: StackPod['part'],
  containers: readonly Partial<ClusterContainer>[],
  changed: Partial<StackPod> = {},
): StackPod => ({
  ...aPod({
    namespace: 'gpu-operator',
    name: `nvidia-${of.replaceAll(' ', '-')}-x7k2p`,
    phase: 'Pending',
    containers: containers.map(one => aContainer({ gpus: {}, state: 'waiting', ...one })),
  }),
  part: of,
  ...changed,
});
export const runs = (of: StackPod['part']) =>
  part(of, [{ state: 'running' }], { phase: 'Running' });
/** As GPU Operator's operands look while a part before them is not there. */
export const waitsFor = (of: StackPod['part'], init: string) =>
  part(of, [
    { name: init, init: true, state: 'running' },
    { name: 'main', reason: 'PodInitializing' },
  ]);

export function stackOf(stack: readonly StackPod[], node: Partial<ClusterNode> = {}) {
  return gpuStack({
    cluster: {
      node: present(aNode(node)),
      pods: present({ namespace: null, total: 20, gpuPods: [], stack, readAt: READ_AT }),
    },
  });
}
export const READ_AT = '2026-03-01T12:00:00Z';
export const ago = (seconds: number) =>
  new Date(Date.parse(READ_AT) - seconds * 1_000).toISOString();
