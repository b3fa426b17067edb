import { expect, test } from 'vitest';
import { UsageError } from '../../src/contract/errors.ts';
import { knownNames } from '../../src/redaction/known-names.ts';
import type { Names } from '../../src/redaction/names.ts';

const names: Pick<Names, 'token'> = { token: kind => `${kind}-12345678` };
const knowing = (...words: readonly string[]) => {
  const known = knownNames(names as Names);
  known.learn('word', ...words);
  return known;
};

test('an error says the same without the names, of whatever class it is', () => {
  const { error } = knowing('alpha');
  const usage = error(new UsageError('no alpha', 'not alpha'));
  expect(usage).toBeInstanceOf(UsageError);
  expect(usage).toMatchObject({ message: 'no word-12345678', hint: 'not word-12345678' });
  const caused = error(new Error('of alpha', { cause: new Error('by alpha') }));
  expect(caused).toMatchObject({ cause: { message: 'by word-12345678' } });
  const several = error(new AggregateError([new Error('alpha')], 'two'));
  expect(several).toMatchObject({ errors: [{ message: 'word-12345678' }] });
  for (const thrown of [
    new DOMException('alpha is late', 'TimeoutError'),
    AbortSignal.abort().reason,
    new Error('x', { cause: AbortSignal.abort().reason }),
  ]) {
    const told = error(thrown);
    expect(told).toBeInstanceOf(Object(thrown).constructor);
    expect(Object(told).name).toBe(Object(thrown).name);
  }
  expect(Object(error(new DOMException('alpha', 'TimeoutError'))).message).toBe('word-12345678');
});

test('a name that is a word of ours as well leaves a command what it is', () => {
  const words = ['gpu', 'ephemeral', 'kubectl', 'pod', 'container', 'triage', 'get', 'pods', 'c'];
  const { text } = knowing(...words);
  expect(text('kubectl gpu-mcp triage pod/train-0 -n gpu --profile=ephemeral -c container')).toBe(
    'kubectl gpu-mcp triage pod/train-0 -n word-12345678 --profile=ephemeral -c word-12345678',
  );
  expect(text('kubectl get pods gpu')).toBe('kubectl get pods word-12345678');
  expect(text('kubectl delete pod pod -n gpu')).toBe(
    'kubectl delete pod word-12345678 -n word-12345678',
  );
  expect(text('pod/pod of gpu/c')).toBe('pod/word-12345678 of word-12345678/word-12345678');
});

test('a flag of the reader’s own keeps its value, whatever somebody has called his namespace', () => {
  const { text } = knowing('restricted', 'nvidia', 'prod', 'team');
  for (const own of [
    '--profile=restricted --runtime-class=nvidia',
    '--image=nvcr.io/nvidia/gpu-mcp:1 --context=prod-east',
    "'--context=my prod' --profile restricted",
  ]) {
    expect(text(`kubectl gpu-mcp triage node-1 ${own}`)).toContain(own);
  }
  expect(text('--namespace=prod --container=team --label=nvidia')).toBe(
    '--namespace=word-12345678 --container=word-12345678 --label=word-12345678',
  );
});
