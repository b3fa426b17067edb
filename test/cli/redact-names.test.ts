import { afterEach, describe, expect, test } from 'vitest';
import { createRedaction } from '../../src/bridge/redacted-session.ts';
import { podChoices } from '../../src/cli/pod-choices.ts';
import type { FakeApiServer } from '../cluster/fake-api-server.ts';
import { status } from '../cluster/fake-api-server.ts';
import { container, type Fate } from '../session/fake-kubelet.ts';
import { fleetOf } from './fleet.ts';
import { run } from './run.ts';

test('a pod is told by its arguments that a key comes, and not the key', () => {
  const asked = {
    args: { driverRoot: '/run/nvidia/driver' },
    io: { environment: {}, program: { plugin: '/bin/plugin', agent: '/bin/agent.mjs' } },
  };
  const key = '00112233445566778899aabbccddeeff';
  expect(podChoices(asked, createRedaction(key)).agentArguments).toEqual([
    ...['--driver-root', '/run/nvidia/driver'],
    ...['--redact-names', 'stdin'],
  ]);
  expect(podChoices(asked).agentArguments).toEqual(['--driver-root', '/run/nvidia/driver']);
});

test('of a session’s commands the namespace, the container and the pod are tokens, and no other word', () => {
  const { known, session } = createRedaction('key');
  known.learn('ns', 'restricted', 'nvidia', 'prod');
  known.learn('ctr', 'profile');
  const { commandWords } = session({
    target: 'node-1',
    call: () => Promise.reject(new Error('unused')),
    start: () => Promise.reject(new Error('unused')),
    close: async () => ({ removed: null, verified: true, left: [] }),
    commandWords: {
      connection: ['--context=prod'],
      namespace: ['--namespace=restricted'],
      pod: ['--profile=restricted', '--no-image=nvcr.io/nvidia/a:1', '--container=profile'],
      within: { pod: 'pod/prod', node: 'prod' },
    },
  });
  expect(commandWords).toEqual({
    connection: ['--context=prod'],
    namespace: [expect.stringMatching(/^--namespace=ns-[0-9a-f]{8}$/)],
    pod: [
      ...['--profile=restricted', '--no-image=nvcr.io/nvidia/a:1'],
      expect.stringMatching(/^--container=ctr-[0-9a-f]{8}$/),
    ],
    within: { pod: expect.stringMatching(/^pod\/ns-[0-9a-f]{8}$/), node: 'prod' },
  });
});

describe('a printed command names of what was named only what is no name', () => {
  const open: FakeApiServer[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map(api => api[Symbol.asyncDispose]()));
  });
  const MARKS = /markns|markpod/;
  const commandsIn = (text: string) =>
    text
      .replaceAll(/ \\\n\s+/g, ' ')
      .split('\n')
      .filter(line => /kubectl (?:gpu-mcp |-|[a-z]+ )/.test(line));

  type Refused = 'POST' | 'DELETE' | 'attach' | undefined;
  const NO = 'pods "markpod-0" in markns: no';
  /** As RBAC says it. */
  const NO_RIGHT =
    'User "alice" cannot create resource "jobs" in API group "batch" in the namespace "markns"';
  interface Where {
    readonly named: readonly string[];
    /** Of the kubeconfig. */
    readonly namespace: string;
    readonly context?: string;
    readonly why?: string;
    readonly deployments?: readonly Record<string, unknown>[];
    /** Of our pod on node-1. */
    readonly fate?: Fate;
  }
  const BY_FLAG: Where = { named: ['-n', 'markns'], namespace: 'gpu-mcp' };
  const BY_KUBECONFIG: Where = { named: [], namespace: 'markns' };

  /** A run about a pod of a tenant whose names are marks, on a cluster that may refuse something. */
  async function told(
    words: readonly string[],
    refused?: Refused,
    { named, namespace, context = 'fake', why = NO, fate, deployments = [] }: Where = BY_FLAG,
  ) {
    const api = await fleetOf({ 'node-1': 'lost-gpu' }, fate && { 'node-1': fate });
    open.push(api);
    api.put('pods', {
      metadata: { name: 'markpod-0', namespace: 'markns' },
      spec: { nodeName: 'node-1', containers: [{ name: 'main' }] },
      status: { phase: 'Running' },
    });
    for (const deployment of deployments) api.put('deployments', deployment);
    const { answer } = api;
    api.answer = request => {
      const isOwn = request.path.includes('/namespaces/');
      const is =
        refused === 'attach'
          ? request.path.endsWith('/attach')
          : isOwn && request.method === refused;
      return is ? status(403, 'Forbidden', why) : answer(request);
    };
    const contexts = [{ name: context, context: { cluster: 'fake', user: 'alice', namespace } }];
    const kubeconfig = await api.kubeconfig({ contexts, 'current-context': context });
    const access = ['--kubeconfig', kubeconfig, '--image', 'example/a:1'];
    const { stdout, stderr } = await run([...words, ...named, ...access]);
    return { stdout, stderr, commands: commandsIn(`${stdout}\n${stderr}`) };
  }

  const CALL = ['call', 'pod/markpod-0', 'triage_gpu_node'];

  describe.each([
    ['-n', BY_FLAG],
    ['the kubeconfig', BY_KUBECONFIG],
  ] as const)('of a namespace that %s says', (_by, where) => {
    test.each([
      [CALL, undefined],
      [[...CALL, '-o', 'json'], undefined],
      [CALL, 'DELETE'],
      [CALL, 'POST'],
      [CALL, 'attach'],
      [['call', 'pod/markpod-1', 'triage_gpu_node'], undefined],
      [['triage', 'pod/markpod-1'], undefined],
      [['triage', 'pod/markpod-1', '--profile', 'ephemeral'], undefined],
    ] as const)('%j where %s is refused', async (words, refused) => {
      const open = await told(words, refused, where);
      expect(`${open.stdout}${open.stderr}`).toMatch(MARKS);
      const kept = await told([...words, '--redact-names'], refused, where);
      expect(kept.stderr).toMatch(/\b(?:pod|ns)-[0-9a-f]{8}\b/);
      expect(`${kept.stdout}${kept.stderr}`).not.toMatch(MARKS);
    });

    test('a right that is missing is told with what gives it', async () => {
      const { stderr } = await told([...CALL, '--redact-names'], 'POST', {
        ...where,
        why: NO_RIGHT,
      });
      expect(stderr).toMatch(/kubectl .*auth can-i create jobs\.batch -n ns-[0-9a-f]{8}\b/);
      expect(stderr).toMatch(/manifest .*rbac prints the role it takes/);
      expect(stderr).not.toMatch(MARKS);
    });
  });

  const waits = (reason: string, message: string): Fate => ({
    statuses: [
      { phase: 'Pending', containerStatuses: [container({ waiting: { reason, message } })] },
    ],
  });

  test.each<[what: string, fate: Fate, words: readonly string[]]>([
    ['a registry', waits('ErrImagePull', 'lookup markns.rival: no such host'), []],
    ['a container’s creation', waits('CreateContainerError', 'by markns-rival'), []],
    [
      'a kubelet’s refusal',
      { statuses: [{ phase: 'Failed', reason: 'OutOfcpu', message: 'of markns-rival' }] },
      [],
    ],
    [
      'a registry, of a row',
      waits('ErrImagePull', 'lookup markns.rival: no such host'),
      ['--fleet'],
    ],
  ])('%s says no more of it than everybody knows', async (_what, fate, more) => {
    const words = [...(more.length > 0 ? ['triage', 'pod/markpod-0'] : CALL), ...more];
    const open = await told(words, undefined, { ...BY_FLAG, fate });
    expect(open.stdout + open.stderr).toContain('rival');
    const kept = await told([...words, '--redact-names'], undefined, { ...BY_FLAG, fate });
    expect(kept.stdout + kept.stderr).toContain('(text withheld');
    expect(kept.stdout + kept.stderr).not.toMatch(/mark|rival/);
    // Of a node that is named by itself it is the reader's own.
    if (more.length > 0) return;
    const node = ['call', 'node-1', 'triage_gpu_node', '--redact-names'];
    expect((await told(node, undefined, { ...BY_FLAG, fate })).stderr).toContain('rival');
  });

  test('what is left is deleted where the reader asked, by his own context', async () => {
    const words = [...CALL, '--redact-names', '--context', 'markns-ctx'];
    const { stderr } = await told(words, 'DELETE', { ...BY_FLAG, context: 'markns-ctx' });
    expect(stderr).toMatch(
      /^warning: job ns-[0-9a-f]{8}\/.*: kubectl .*--context=markns-ctx .*delete job -n ns-[0-9a-f]{8} /m,
    );
  });

  test.each([
    ['fake', 'fake'],
    ['markns', 'markns'],
  ])(
    'the context %s is told as its reader has called it, beside a namespace of that name',
    async (context, shown) => {
      const where = { ...BY_FLAG, context };
      const { stderr } = await told([...CALL, '--redact-names'], undefined, where);
      expect(stderr).toMatch(
        new RegExp(`^node node-1, --context=${shown}, namespace ns-[0-9a-f]{8}$`, 'm'),
      );
      expect(stderr.replaceAll(`--context=${shown}`, '')).not.toMatch(MARKS);
    },
  );

  test.each<[what: string, selector: Record<string, string>, kept: RegExp | undefined]>([
    [
      'a UID of its own is kept',
      { 'batch.kubernetes.io/controller-uid': '6f0c3f2e-7d1a-4a57-9c53-0b8f0d6f4c11' },
      /kubectl .*get pods -n ns-[0-9a-f]{8} -l '?batch\.kubernetes\.io\/controller-uid=6f0c3f2e-\S+;/m,
    ],
    [
      'the name that was named is a token in it',
      { 'app.kubernetes.io/name': 'markpod' },
      /get pods -n ns-[0-9a-f]{8} -l '?app\.kubernetes\.io\/name=owner-[0-9a-f]{8}'?;/m,
    ],
    ['a value that nobody named drops it', { app: 'rival' }, undefined],
    ['a key of somebody drops it', { 'rival.example/of': 'markpod' }, undefined],
  ])('of a workload without pods: %s', async (_what, matchLabels, kept) => {
    const { stderr } = await told(
      ['capture', 'deploy/markpod', '-f', '-', '--redact-names'],
      undefined,
      {
        ...BY_FLAG,
        deployments: [
          {
            metadata: { name: 'markpod', namespace: 'markns' },
            spec: { selector: { matchLabels } },
          },
        ],
      },
    );
    expect(stderr).toMatch(/has no pod on any node/);
    expect(stderr).not.toMatch(/mark|rival/);
    if (kept) expect(stderr).toMatch(kept);
    else expect(stderr).not.toContain('get pods');
  });

  test('of a node that is named by itself its own namespace stays, as SECURITY.md says', async () => {
    const { commands } = await told(['call', 'node-1', 'triage_gpu_node', '--redact-names']);
    expect(commands.some(line => line.includes('--namespace=markns'))).toBe(true);
    expect(commands.filter(line => line.includes('markpod'))).toEqual([]);
  });
});
