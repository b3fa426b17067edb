import { expect, test } from 'vitest';
import { withIdleEvents } from '../../src/cluster/idle-events.ts';
import type { ClusterPod, ClusterPods } from '../../src/contract/cluster-view.ts';
import { present } from '../../src/contract/reading.ts';
import { aContainer, aPod } from '../fakes/cluster-view.ts';
import { ago, part, READ_AT } from '../fakes/stack.ts';

const CREATING = { name: 'main', state: 'waiting', reason: 'ContainerCreating' } as const;
const { startedAt: _, ...creating } = aContainer(CREATING);
/** A pod of a job that is being created for so long. */
const idle = (name: string, owner: string, seconds = 300): ClusterPod =>
  aPod({
    ...{ name, uid: name, owner, phase: 'Pending', startedAt: ago(seconds) },
    containers: [creating],
  });
const stuck = (of: Parameters<typeof part>[0], seconds = 300) => ({
  ...part(of, [CREATING], { startedAt: ago(seconds) }),
  uid: of,
});

/** Whose events are asked for, and the pods with them. */
async function asked(pods: Partial<ClusterPods>) {
  const names: string[] = [];
  const told = await withIdleEvents(
    { namespace: null, total: 9, gpuPods: [], readAt: READ_AT, ...pods },
    async ({ namespace, name }) => {
      names.push(`${namespace}/${name}`);
      return present([]);
    },
  );
  return { names, told };
}

test('nothing is asked for where everything has begun, or not long ago', async () => {
  const pods = { gpuPods: [aPod(), idle('new', 'Job/a', 60)], stack: [stuck('driver', 60)] };
  const { names, told } = await asked(pods);
  expect(names).toEqual([]);
  expect(told).toMatchObject(pods);
});

test('one pod of each job is asked for, two at most, and gets its events', async () => {
  const { names, told } = await asked({
    gpuPods: ['a-0 a', 'a-1 a', 'b-0 b', 'c-0 c'].map(pair => {
      const [name = '', job = ''] = pair.split(' ');
      return idle(name, `Job/${job}`);
    }),
  });
  expect(names).toEqual(['team-a/a-0', 'team-a/b-0']);
  // Of a third job they are not read: nothing may be concluded from their absence.
  expect(told.gpuPods.map(({ events }) => events?.ok)).toEqual([true, undefined, true, false]);
});

test('of the stack those that the others wait for, and nobody who only claims to be of it', async () => {
  const { names, told } = await asked({
    stack: [
      stuck('DCGM'),
      stuck('device plugin'),
      { ...stuck('driver'), isClaim: true },
      stuck('container toolkit'),
    ],
  });
  expect(names).toEqual([
    'gpu-operator/nvidia-container-toolkit-x7k2p',
    'gpu-operator/nvidia-device-plugin-x7k2p',
  ]);
  expect(told.stack?.filter(({ events }) => events).map(({ part: of }) => of)).toEqual([
    'device plugin',
    'container toolkit',
  ]);
});
