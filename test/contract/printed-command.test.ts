import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { printedConnection } from '../../src/cluster/connection-flags.ts';
import {
  printedCommand,
  printedStep,
  shellWord,
  withCommands,
  withConnection,
} from '../../src/contract/printed-command.ts';

const BOB = printedConnection({
  context: 'prod eu',
  kubeconfig: '/home/bob/.kube/it’s',
  namespace: 'gpu-mcp',
  as: 'bob',
  asGroup: ['a', "b'c"],
  token: 'secret',
});
const FLAGS = `'--context=prod eu' '--kubeconfig=/home/bob/.kube/it’s' --as=bob --as-group=a '--as-group=b'\\''c'`;

test('a word comes through a shell as it is, whatever is in it', () => {
  const word = fc.string({ unit: 'grapheme' }).filter(text => !text.includes('\0'));
  // One shell takes them all: its start is what costs.
  fc.assert(
    fc.property(fc.array(word, { minLength: 40, maxLength: 40 }), words => {
      const script = `printf '%s\\0' ${words.map(shellWord).join(' ')}`;
      const shown = execFileSync('sh', ['-c', script], { encoding: 'utf8' });
      expect(shown.split('\0').slice(0, -1)).toEqual(words);
    }),
    { numRuns: 2, examples: [[['', "'", '$(id)', 'a b', '`x`', '\\', '-n\n;', '%s', '']]] },
  );
});

test.each([
  ['kubectl cordon n1', `kubectl ${FLAGS} cordon n1`],
  ['kubectl get --raw /version', `kubectl ${FLAGS} get --raw /version`],
  [
    'kubectl describe pod p -n x; is it up? kubectl gpu-mcp nodes',
    `kubectl ${FLAGS} describe pod p -n x; is it up? kubectl gpu-mcp nodes ${FLAGS} --namespace=gpu-mcp`,
  ],
  [
    'check with kubectl gpu-mcp clean --dry-run -A',
    `check with kubectl gpu-mcp clean ${FLAGS} --dry-run -A`,
  ],
  [
    '(kubectl gpu-mcp clean p1 deletes it)',
    `(kubectl gpu-mcp clean ${FLAGS} --namespace=gpu-mcp p1 deletes it)`,
  ],
])('%s carries the reader’s connection', (text, carried) => {
  expect(withConnection(text, BOB)).toBe(carried);
  expect(withConnection(carried, BOB)).toBe(carried);
});

test.each([
  'is kubectl on PATH?',
  'kubectl attach: it ended',
  'log in with kubectl, or use --transport kubectl',
  'kubectl gpu-mcp --help',
  'please report it to kubectl gpu-mcp',
  'kubectl gpu-mcp explain 79',
  'kubectl getter',
])('%s stays as it is', text => {
  expect(withConnection(text, BOB)).toBe(text);
});

test('without a flag nothing is added, and no secret ever is', () => {
  const text = 'kubectl cordon n1; kubectl gpu-mcp clean';
  expect(withConnection(text, printedConnection({}))).toBe(text);
  expect(withConnection(text, printedConnection({ token: 'secret' }))).toBe(text);
});

/** Of what is no node of a cluster. */
const NOWHERE = { connection: [], namespace: [] };

const FACTS = {
  commands: [
    'kubectl gpu-mcp call lost-gpu get_gpu_processes',
    'kubectl gpu-mcp capture lost-gpu -f before.json.gz',
    'kubectl drain lost-gpu',
    'systemctl reboot  # on the node, as root',
  ],
  findings: [{ text: 'kubectl cordon said so', advice: 'try kubectl cordon n', evidence: null }],
};

test('facts carry it in what is ours, and nothing that a node said is touched', () => {
  expect(withCommands(FACTS, BOB)).toEqual({
    commands: [
      `kubectl gpu-mcp call ${FLAGS} --namespace=gpu-mcp lost-gpu get_gpu_processes`,
      `kubectl gpu-mcp capture ${FLAGS} --namespace=gpu-mcp lost-gpu -f before.json.gz`,
      `kubectl ${FLAGS} drain lost-gpu`,
      'systemctl reboot  # on the node, as root',
    ],
    findings: [
      { text: 'kubectl cordon said so', advice: `try kubectl ${FLAGS} cordon n`, evidence: null },
    ],
  });
});

test('where no node of a cluster was read, only what asks the same again is left', () => {
  expect(withCommands(FACTS, { ...NOWHERE, instead: ['--from=a b'] })).toEqual({
    ...FACTS,
    commands: [
      `kubectl gpu-mcp call '--from=a b' get_gpu_processes`,
      'systemctl reboot  # on the node, as root',
    ],
  });
});

test('a simulated machine can be captured, and no node of that name is drained', () => {
  const { commands } = withCommands(FACTS, { ...BOB, instead: ['--simulate=lost-gpu'] });
  expect(commands).toEqual([
    'kubectl gpu-mcp call --simulate=lost-gpu get_gpu_processes',
    'kubectl gpu-mcp capture --simulate=lost-gpu -f before.json.gz',
    'systemctl reboot  # on the node, as root',
  ]);
});

test('a step says what its command says; of what is no node, the others stand as they are on one', () => {
  const steps = [
    { on: 'cluster', command: 'kubectl gpu-mcp capture dgx-07 -f before.json.gz' },
    { on: 'cluster', command: 'kubectl drain dgx-07', note: 'evicts' },
    { on: 'node', command: 'systemctl reboot' },
  ];
  const printed = (...instead: string[]) =>
    withCommands({ steps }, { ...NOWHERE, instead }).steps.map(({ command }) => command);
  expect(printed('--simulate=lost-gpu')).toEqual([
    'kubectl gpu-mcp capture --simulate=lost-gpu -f before.json.gz',
    'kubectl drain dgx-07',
    'systemctl reboot',
  ]);
  expect(printed('--from=a')).toEqual(['kubectl drain dgx-07', 'systemctl reboot']);
  expect(withCommands({ steps }, BOB).steps[1]).toEqual({
    ...{ on: 'cluster', note: 'evicts' },
    command: `kubectl ${FLAGS} drain dgx-07`,
  });
});

const WITHIN = {
  ...printedConnection({ namespace: 'ml', profile: 'ephemeral', container: 'train' }),
  within: { pod: 'pod/train-0', node: 'gpu-3' },
};
const POD_FLAGS = '--namespace=ml --profile=ephemeral --container=train pod/train-0';

test.each([
  [
    'kubectl gpu-mcp call gpu-3 get_gpu_processes',
    `kubectl gpu-mcp call ${POD_FLAGS} get_gpu_processes`,
  ],
  // Where the agent calls its node something else.
  ['kubectl gpu-mcp capture dgx-7 -f x.gz', `kubectl gpu-mcp capture ${POD_FLAGS} -f x.gz`],
  ['kubectl delete pod -n ml train-0', 'kubectl delete pod -n ml train-0'],
  ['kubectl drain gpu-3  # evicts all', 'kubectl drain gpu-3  # by who owns the node, evicts all'],
  ['systemctl reboot', 'systemctl reboot  # by who owns the node'],
  ["echo 'a  # b'", "echo 'a  # b'  # by who owns the node"],
])('within a pod %s asks the pod again, or is for who owns the node', (command, printed) => {
  expect(printedCommand(command, WITHIN)).toBe(printed);
  expect(printedCommand(printed, WITHIN)).toBe(printed);
});

describe('of a bundle', () => {
  const replay = (words: object) => ({ ...NOWHERE, ...words, instead: ['--from=a.gz'] });
  const within = replay({
    ...{ pod: WITHIN.pod, namespace: WITHIN.namespace, within: WITHIN.within },
  });
  const restricted = replay({ pod: ['--profile=restricted', '--no-syslog'] });

  test.each([
    ['kubectl gpu-mcp call gpu-3 get_gpu_processes', 'call --from=a.gz get_gpu_processes'],
    ['kubectl gpu-mcp capture gpu-3 -f x.gz', undefined],
    ['kubectl gpu-mcp doctor gpu-3', `doctor ${POD_FLAGS}`],
    [
      'kubectl drain gpu-3  # evicts all',
      'kubectl drain gpu-3  # by who owns the node, evicts all',
    ],
    ['nvidia-smi -r', 'nvidia-smi -r  # by who owns the node'],
  ])('of a pod from within %s is for that pod, or for who owns the node', (command, printed) => {
    const step = printedStep(command, within);
    expect(step?.replace('kubectl gpu-mcp ', '')).toBe(printed);
  });

  test('of a pod from within the advice is handed on, and asks that pod', () => {
    const facts = {
      advice: 'kubectl gpu-mcp capture gpu-3 -f x.gz, then drain it.',
      steps: [{ on: 'node', command: 'nvidia-smi -r' }],
    };
    const printed = withCommands(facts, within);
    expect(printed).toEqual({
      advice: `Hand this on to who owns the node, who reads the node itself first. kubectl gpu-mcp capture ${POD_FLAGS} -f x.gz, then drain it.`,
      steps: [{ on: 'node', command: 'nvidia-smi -r', note: 'by who owns the node' }],
    });
    expect(withCommands(printed, within)).toEqual(printed);
  });

  test('of a restricted pod what asks the cluster asks so again', () => {
    expect(printedStep('kubectl gpu-mcp doctor gpu-3', restricted)).toBe(
      'kubectl gpu-mcp doctor --profile=restricted --no-syslog gpu-3',
    );
    expect(withCommands({ hint: 'kubectl gpu-mcp triage gpu-3' }, restricted)).toEqual({
      hint: 'kubectl gpu-mcp triage --profile=restricted --no-syslog gpu-3',
    });
    expect(printedStep('kubectl drain gpu-3', restricted)).toBe('kubectl drain gpu-3');
  });
});

test('a hint that has chosen its profile is given no other', () => {
  const hint = 'name one pod: kubectl gpu-mcp triage pod/NAME --profile ephemeral';
  expect(withConnection(hint, { ...WITHIN, namespace: [] })).toBe(hint);
});

test('what is to be done by who owns the node is said once, in the advice and at each step', () => {
  const facts = {
    ...{ action: 'reboot_node', advice: 'Drain it.', commands: ['kubectl drain gpu-3'] },
    steps: [{ on: 'cluster', command: 'kubectl drain gpu-3', note: 'evicts all' }],
  };
  const handed = withCommands(facts, WITHIN);
  expect(handed).toEqual({
    ...facts,
    advice: 'Hand this on to who owns the node, who reads the node itself first. Drain it.',
    commands: ['kubectl drain gpu-3  # by who owns the node'],
    steps: [
      { on: 'cluster', command: 'kubectl drain gpu-3', note: 'by who owns the node, evicts all' },
    ],
  });
  expect(withCommands(handed, WITHIN)).toEqual(handed);
});
