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

test('a name that begins as a word of ours is a name, wherever one stands', () => {
  const { text } = knowing('gpu-mcp-acme', 'kubectl-team', 'train', 'acme-gpu-mcp', 'pod-a');
  expect(
    text('pod gpu-mcp-acme/train was deleted; container gpu-mcp-s0 in pod kubectl-team/pod-a'),
  ).toBe(
    'pod word-12345678/word-12345678 was deleted; container gpu-mcp-s0 in pod word-12345678/word-12345678',
  );
  expect(text('kubectl logs train -n gpu-mcp-acme -c kubectl-team --previous')).toBe(
    'kubectl logs word-12345678 -n word-12345678 -c word-12345678 --previous',
  );
  expect(text('kubectl gpu-mcp clean -n acme-gpu-mcp train; image example/gpu-mcp:1')).toBe(
    'kubectl gpu-mcp clean -n word-12345678 word-12345678; image example/gpu-mcp:1',
  );
});

test('a name that is a word of ours is a name where a name stands', () => {
  const { text } = knowing('gpu-mcp', 'kubectl', 'pod', 'node', 'job', 'logs', 'gpu');
  const { text: told } = knowing('gpu-mcp', 'kubectl', 'job', 'gpu');
  expect(
    told('pod job/kubectl was deleted; job gpu-mcp/gpu is held; container kubectl ended'),
  ).toBe(
    'pod word-12345678/word-12345678 was deleted; word-12345678 word-12345678/word-12345678 is held; container word-12345678 ended',
  );
  expect(text('kubectl logs logs -n kubectl -c gpu-mcp')).toBe(
    'kubectl logs word-12345678 -n word-12345678 -c word-12345678',
  );
  expect(text('kubectl gpu-mcp triage pod/pod --namespace=gpu-mcp --container=kubectl')).toBe(
    'kubectl gpu-mcp triage pod/word-12345678 --namespace=word-12345678 --container=word-12345678',
  );
});

test('what somebody calls his namespace is cut out of no tool, variable, resource or node', () => {
  const { text, keep } = knowing('gpu', 'triage', 'visible', 'node', 'driver', 'mig', 'nvidia');
  keep('gpu-3.driver');
  for (const stays of [
    'triage_gpu_node and get_gpu_health name it; NVIDIA_VISIBLE_DEVICES and nvidia_uvm',
    'gpu-3.driver did not answer; kubectl get lease -n kube-node-lease gpu-3.driver',
    "kubectl get nodes -l nvidia.com/gpu.present=true,nvidia.com/mig.config=all,'nvidia.com/gpu'",
    'nvidia.com/gpu-driver-upgrade-state is failed',
  ]) {
    expect(text(stays)).toBe(stays);
  }
});

test.each([
  ['/var/log/pods/team_train_0f/main/0.log', 'team'],
  ['k8s_main_team_train_0', 'main'],
  ['team_train_0f', 'train'],
  ['a.team_train', 'team'],
  ['nvidia.com/gpu-team', 'gpu-team'],
  ['node gpu-3, namespace gpu-3', 'gpu-3'],
])('of %s the name %s is no word of ours', (told, name) => {
  const { text, keep } = knowing(name);
  keep('gpu');
  keep('gpu-3');
  expect(text(told)).not.toMatch(new RegExp(`(?<![A-Za-z0-9])${name}(?![A-Za-z0-9])`));
});

const OURS = ['gpu-mcp', 'kubectl', 'kubectl-gpu-mcp', 'get', 'pod', 'logs', 'n', 'previous'];
const made = OURS.flatMap(one => [...OURS.map(two => `${one}-${two}`), `${one}-7`, `x-${one}`]);

test.each([...new Set(['gpu-mcp', ...made])])(
  '%s leaves no sentence, and nothing else does',
  name => {
    const { text } = knowing(name);
    const sentences = (it: string) => [
      `pod ${it}/${it} was deleted before our container ran: who deleted it? kubectl get events`,
      `container ${it} of pod ${it}/${it} does not run`,
      `kubectl logs ${it} -n ${it} -c ${it} --previous; without --profile ephemeral`,
      `kubectl describe pod ${it} -n ${it}; kubectl delete job -n ${it} ${it}`,
      `kubectl gpu-mcp triage pod/${it} --namespace=${it} --container=${it} --profile=ephemeral`,
      `no ${it} in namespace "${it}": kubectl get pods -n ${it} -l 'app=${it}'`,
    ];
    expect(sentences(name).map(text)).toEqual(sentences('word-12345678'));
  },
);
