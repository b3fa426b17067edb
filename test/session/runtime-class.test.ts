import { expect, test } from 'vitest';
import { ApiError } from '../../src/cluster/port.ts';
import { told } from '../../src/contract/errors.ts';
import type { PodChoices } from '../../src/session/pod-spec.ts';
import { withRuntimeClass } from '../../src/session/runtime-class.ts';

const { signal } = new AbortController();
const restricted: PodChoices = { image: 'x:1', profile: 'restricted' };

/** What comes of the choices, what is said, and for which names the cluster was asked. */
async function chosen(pod: PodChoices, answer: () => boolean) {
  const said: string[] = [];
  const asked: string[] = [];
  const hasRuntimeClass = async (name: string) => {
    asked.push(name);
    return answer();
  };
  const result = await withRuntimeClass(pod, { hasRuntimeClass }, signal, words =>
    said.push(words),
  );
  return { result, said, asked };
}

const refusing = (error: Error) => () => {
  throw error;
};

test('one that is there is taken', async () => {
  const { result, said } = await chosen(restricted, () => true);
  expect(result).toEqual({ ...restricted, runtimeClassName: 'nvidia' });
  expect(said).toEqual([]);
});

test('where there is none, the pod has none, and that is said', async () => {
  const { result, said } = await chosen(restricted, () => false);
  expect(result).toEqual(restricted);
  expect(said).toEqual([
    'there is no RuntimeClass "nvidia": the pod gets GPUs only where NVIDIA’s is the node’s default runtime; --runtime-class names one',
  ]);
});

test('who may not look starts a pod all the same', async () => {
  const denied = new ApiError(told`no`, { code: 403, reason: 'MissingRight' });
  const { result, said } = await chosen(restricted, refusing(denied));
  expect(result).toEqual(restricted);
  expect(said).toEqual([expect.stringContaining('you may not look for the RuntimeClass')]);
});

test('a cluster that does not answer is no cluster without one', async () => {
  await expect(chosen(restricted, refusing(new Error('silent')))).rejects.toThrow('silent');
});

test.each([
  [{ ...restricted, runtimeClassName: 'mine' }],
  [{ image: 'x:1' }],
  [{ image: 'x:1', profile: 'mounted' as const }],
])('nobody is asked for %j', async pod => {
  const { result, asked } = await chosen(pod, () => true);
  expect([result, asked]).toEqual([pod, []]);
});
