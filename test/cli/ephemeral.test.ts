import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CONTAINER_END_MS_MAX, SHUTDOWN_MS_MAX } from '../../src/contract/limits.ts';
import { CLOCK_METHOD } from '../../src/mcp/clock.ts';
import {
  asJson,
  FakeApiServer,
  type Json,
  type SeenRequest,
  status,
} from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { agent, runAgent } from '../session/fake-agent.ts';
import { jobPod, meets, takesContainers } from '../session/fake-job-pod.ts';
import { node } from '../session/fake-kubelet.ts';
import { FLEET_NOW_MS, triageOf } from './fleet.ts';
import { run } from './run.ts';

const ENDED = { terminated: { reason: 'Completed', exitCode: 0 } };
let api: FakeApiServer;
/** What a container comes to whose stdin has ended. */
let onStdinEnd: () => void;

beforeEach(async () => {
  api = await FakeApiServer.start();
  onStdinEnd = () => meets(api, ENDED);
  api.put('nodes', node({ metadata: { name: 'gpu-3' } }));
  api.put('pods', jobPod());
  takesContainers(api);
  const facts = await triageOf('lost-gpu');
  runAgent(api, (message, socket) => {
    if (socket.listenerCount('message') === 1) {
      socket.on('message', (data: Buffer) => data[0] === 255 && onStdinEnd());
    }
    if (message['method'] === CLOCK_METHOD) return { result: { nowMs: FLEET_NOW_MS } };
    return agent(() => ({ result: facts }))(message);
  });
});
afterEach(() => api[Symbol.asyncDispose]());

async function asked(command: string, ...words: readonly string[]) {
  const kubeconfig = await api.kubeconfig();
  const ran = await run([
    ...[command, 'pod/train-0', '-n', 'ml', '--profile', 'ephemeral', ...words],
    ...['--kubeconfig', kubeconfig, '--image', 'example/a:1'],
  ]);
  const shown = (text: string) => text.replaceAll(kubeconfig, 'KUBECONFIG');
  return { code: ran.code, stdout: shown(ran.stdout), stderr: shown(ran.stderr) };
}

/** Lets the time pass that an end is waited for, as often as it is. */
async function passing<Done>(running: Promise<Done>): Promise<Done> {
  let isOver = false;
  const over = running.finally(() => {
    isOver = true;
  });
  while (!isOver) await Promise.race([over, pass(SHUTDOWN_MS_MAX)]);
  return running;
}

/** Commands of a text: those of ours, of kubectl, and those of a root shell. */
const commandsIn = (text: string): readonly string[] =>
  text
    .replaceAll(/ \\\n\s+/g, ' ')
    .split('\n')
    .filter(line => /\bkubectl |nvidia-smi|systemctl |ipmitool /.test(line));

describe('a printed command of a session within a pod', () => {
  const WITHIN = '--namespace=ml --profile=ephemeral --container=train';

  test.each(['text', 'markdown', 'json'])(
    'asks that pod again, or is said to be for who owns the node: %s',
    async form => {
      const { code, stdout, stderr } = await asked(
        'call',
        'triage_gpu_node',
        '-c',
        'train',
        '-o',
        form,
      );
      expect(code, stderr).toBe(0);
      const all = commandsIn(stdout);
      expect(all.length).toBeGreaterThan(2);
      const ours = all.filter(line => line.includes('kubectl gpu-mcp'));
      expect(ours.length).toBeGreaterThan(0);
      for (const line of ours) {
        expect(line).toContain(WITHIN);
        expect(line).toMatch(/pod\/train-0/);
      }
      if (form !== 'json') return;
      const { nextAction } = JSON.parse(stdout);
      expect(nextAction.advice).toMatch(/^Hand this on to who owns the node, who reads the node/);
      for (const command of nextAction.commands) {
        expect(command).toMatch(/pod\/train-0|# by who owns the node/);
      }
      expect(nextAction.steps.length).toBe(nextAction.commands.length);
      for (const { command, note = '' } of nextAction.steps) {
        expect(`${command} # ${note}`).toMatch(/pod\/train-0|# by who owns the node/);
      }
    },
  );

  test('stands on the page of a person so, without a way to a root shell', async () => {
    const { stdout } = await asked('call', 'triage_gpu_node');
    const page = stdout.replaceAll(/\s+/g, ' ');
    expect(page).toContain('Hand this on to who owns the node, who reads the node itself first.');
    expect(page).not.toContain('kubectl debug');
    expect(page).toMatch(/kubectl (?:\S+ )*drain (?:(?!kubectl).)*by who owns the node/);
  });

  test.each([
    ['patch', 'pods/ephemeralcontainers', 'PATCH', 5],
    // The first that is asked at all: where the pod runs.
    ['get', 'pods', 'GET', 3],
  ])(
    'of an error carries the profile too, and no other look is proposed: %s %s',
    async (verb, resource, method, exit) => {
      const denied = `pods "train-0" is forbidden: User "ann" cannot ${verb} resource "${resource}" in API group "" in the namespace "ml"`;
      api.answer = request =>
        request.method === method && request.path.includes('/pods/train-0')
          ? status(403, 'Forbidden', denied)
          : undefined;
      const { code, stderr } = await asked('triage', '-c', 'train');
      expect(code).toBe(exit);
      expect(stderr).toContain(
        'kubectl gpu-mcp manifest --kubeconfig=KUBECONFIG rbac --profile ephemeral -n ml',
      );
      expect(stderr).not.toContain('kubectl gpu-mcp doctor');
    },
  );
});

test('the container that manifest prints takes that role too', async () => {
  const denied =
    'pods "train-0" is forbidden: User "ann" cannot get resource "pods" in API group "" in the namespace "ml"';
  api.answer = ({ path }) =>
    path.endsWith('/pods/train-0') ? status(403, 'Forbidden', denied) : undefined;
  const { stderr } = await run([
    ...['manifest', 'pod', 'pod/train-0', '-n', 'ml', '--profile', 'ephemeral'],
    ...['--kubeconfig', await api.kubeconfig(), '--image', 'example/a:1'],
  ]);
  expect(stderr).toMatch(/manifest \S+ rbac --profile ephemeral -n ml prints the role/);
});

const NO_RIGHT =
  'pods "train-0" is forbidden: User "ann" cannot patch resource "pods/ephemeralcontainers" in API group "" in the namespace "ml"';

describe('its end', () => {
  test.each([
    ['', CONTAINER_END_MS_MAX],
    [', however long it takes', SHUTDOWN_MS_MAX],
  ])('that is not seen in time is a warning, with what ends it%s', async (_what, ms) => {
    const stdinEnded = new Promise<void>(resolve => {
      onStdinEnd = resolve;
    });
    const asking = asked('call', 'triage_gpu_node');
    await stdinEnded;
    await pass(ms);
    const { stderr } = await asking;
    expect(stderr).toMatch(
      /warning: container gpu-mcp-\w+ in pod ml\/train-0 was not seen to end; it ends by itself within/,
    );
    expect(stderr).not.toContain('verified');
  });

  test('that clean asked for and did not see is told, with an exit code', async () => {
    const own = { name: 'gpu-mcp-s0', env: [{ name: 'GPU_MCP_SESSION', value: 's0' }] };
    api.put('pods', jobPod({ spec: { ephemeralContainers: [own] } }));
    meets(api, { running: { startedAt: '2026-01-01T00:00:00Z' } });
    const streams: Promise<unknown>[] = [];
    const stdinEnded = new Promise<void>(resolve => {
      onStdinEnd = resolve;
    });
    api.onAttach = socket => {
      streams.push(new Promise(resolve => socket.once('close', resolve)));
      socket.on('message', (data: Buffer) => data[0] === 255 && onStdinEnd());
      socket.send(Buffer.of(1));
    };
    const words = [
      'clean',
      'gpu-mcp-s0',
      'gpu-mcp-s1',
      '-n',
      'ml',
      '--kubeconfig',
      await api.kubeconfig(),
    ];
    const cleaning = run(words);
    await stdinEnded;
    await pass(CONTAINER_END_MS_MAX);
    const { code, stdout, stderr } = await cleaning;
    expect(code).toBe(5);
    expect(stdout).toMatch(
      /^container gpu-mcp-s0 in pod ml\/train-0 on gpu-3: still runs, and cannot be removed: it did not end within 10 s \(kubectl .*delete pod train-0 -n ml ends it, and its job\)\n$/,
    );
    expect(stderr).toContain(
      'error: gpu-mcp-s0: not ended; Kubernetes removes no container from a pod; gpu-mcp-s1: no session of ours has this name in namespace "ml"\n',
    );
    // What it opened it has closed.
    expect(streams).toHaveLength(1);
    await Promise.all(streams);
  });
});

describe('with --redact-names', () => {
  const MARKS = {
    ...{ ns: 'markns', pod: 'markpod-0', ctr: 'markctr', other: 'markother', init: 'markinit' },
    ...{ owner: 'markowner', volume: 'markvolume', debug: 'markdebug' },
  };
  const ALL = new RegExp(Object.values(MARKS).join('|'), 'i');

  const marked = (more: { spec?: Json; status?: Json; metadata?: Json } = {}): Json => {
    const pod = jobPod();
    const statuses = asJson(pod['status'])['containerStatuses'];
    const [own] = Array.isArray(statuses) ? statuses : [];
    return {
      metadata: {
        ...{ namespace: MARKS.ns, name: MARKS.pod, uid: 'uid-train' },
        ownerReferences: [{ kind: 'Job', name: MARKS.owner, controller: true }],
        ...more.metadata,
      },
      spec: {
        ...asJson(pod['spec']),
        containers: [{ name: MARKS.ctr, image: 'x:1' }],
        initContainers: [{ name: MARKS.init }],
        ephemeralContainers: [{ name: MARKS.debug }],
        volumes: [{ name: MARKS.volume }],
        ...more.spec,
      },
      status: {
        ...asJson(pod['status']),
        containerStatuses: [{ ...asJson(own), name: MARKS.ctr }],
        ...more.status,
      },
    };
  };

  const words = Object.values(MARKS).join(' ');
  const deny = (code: number, reason: string, message: string) => (request: SeenRequest) =>
    request.method === 'PATCH' ? status(code, reason, message) : undefined;
  const fate = (state: Json) => () => takesContainers(api, () => state);
  /** Each way in which a session within a pod can end in words, with all that is named in it. */
  const FATES: Readonly<Record<string, readonly [() => void, (readonly string[])?]>> = {
    'a page': [() => undefined],
    'a page of one container': [() => undefined, ['-c', MARKS.ctr]],
    'no such container': [() => undefined, ['-c', MARKS.other]],
    'several containers': [
      () =>
        api.put(
          'pods',
          marked({ spec: { containers: [{ name: MARKS.ctr }, { name: MARKS.other }] } }),
        ),
    ],
    'no pod': [() => api.remove('pods', MARKS.ns, MARKS.pod)],
    'an ended pod': [() => api.put('pods', marked({ status: { phase: 'Failed' } }))],
    'a pod that is deleted': [
      () => api.put('pods', marked({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } })),
    ],
    'an ended container': [
      () =>
        api.put(
          'pods',
          marked({
            status: {
              containerStatuses: [
                { name: MARKS.ctr, state: { terminated: { exitCode: 1, message: words } } },
              ],
            },
          }),
        ),
    ],
    'no right to add': [
      () => {
        api.answer = deny(
          403,
          'Forbidden',
          NO_RIGHT.replace('train-0', MARKS.pod).replace('"ml"', `"${MARKS.ns}"`),
        );
      },
    ],
    'no right to read': [
      () => {
        api.answer = ({ path }) =>
          path.includes('/pods')
            ? status(
                403,
                'Forbidden',
                `pods "${MARKS.pod}" is forbidden: User "ann" cannot get resource "pods" in API group "" in the namespace "${MARKS.ns}"`,
              )
            : undefined;
      },
    ],
    'Pod Security': [
      () => {
        api.answer = deny(
          403,
          'Forbidden',
          `pods "${MARKS.pod}" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (containers "${MARKS.ctr}", "${MARKS.other}" must set it; volume "${MARKS.volume}")`,
        );
      },
    ],
    'a policy': [
      () => {
        api.answer = deny(
          403,
          'Forbidden',
          `pods "${MARKS.pod}" is forbidden: ValidatingAdmissionPolicy 'no-debug' with binding 'no-debug' denied request: not ${words}`,
        );
      },
    ],
    'a webhook': [
      () => {
        api.answer = deny(
          403,
          'Forbidden',
          `admission webhook "v.example.com" denied the request: ${words}`,
        );
      },
    ],
    // An API server that lies, or repeats what somebody wrote: names where its own words would stand.
    ...Object.fromEntries(
      [
        `${words}: it has failed`,
        `admission webhook "${words}: x" denied the request: no`,
        `ValidatingAdmissionPolicy '${words}' with binding 'x' denied request: no`,
        `violates PodSecurity "${words}": no`,
        `User "${words}" cannot patch resource "pods" in API group "" in the namespace "${words}"`,
        `User "ann" cannot patch resource "${words}" in API group "" in the namespace "ml"`,
        `exceeded quota: ${words}`,
        '',
      ].flatMap(message => [
        [
          `refused with: ${message.replaceAll(words, '...')}`,
          [
            () => {
              api.answer = deny(403, 'Forbidden', message);
            },
          ],
        ],
        [
          `not attached with: ${message.replaceAll(words, '...')}`,
          [
            () => {
              const { answer } = api;
              api.answer = request =>
                request.path.endsWith('/attach')
                  ? status(403, 'Forbidden', message)
                  : answer(request);
            },
          ],
        ],
        [
          `not read with: ${message.replaceAll(words, '...')}`,
          [
            () => {
              api.answer = ({ path }) =>
                path.includes('/pods/') ? status(403, 'Forbidden', message) : undefined;
            },
          ],
        ],
      ]),
    ),
    'an answer that is no pod': [
      () => {
        api.answer = ({ method }) =>
          method === 'PATCH'
            ? { code: 200, body: { kind: 'Status', status: 'Failure', message: words } }
            : undefined;
      },
    ],
    'a pod of another name': [
      () => {
        api.answer = ({ method }) =>
          method === 'PATCH'
            ? { code: 200, body: { kind: 'Pod', metadata: { name: MARKS.other } } }
            : undefined;
      },
    ],
    'a reason that is a name': [fate({ terminated: { reason: words, exitCode: 2, message: '' } })],
    'an image that is a name': [
      () =>
        takesContainers(
          api,
          () => ({ running: {} }),
          () => meets(api, { waiting: { reason: 'ErrImagePull', message: 'denied' } }, words),
        ),
    ],
    'a pod that ended with names': [
      () => api.put('pods', marked({ status: { phase: 'Failed', reason: words } })),
    ],
    'a phase that is a name': [
      () => api.put('pods', marked({ spec: { nodeName: '' }, status: { phase: words } })),
    ],
    'an invalid change': [
      () => {
        api.answer = deny(
          422,
          'Invalid',
          `Pod "${MARKS.pod}" is invalid: spec: Forbidden: ${words}`,
        );
      },
    ],
    'no image': [fate({ waiting: { reason: 'ErrImagePull', message: `denied ${words}` } })],
    'no start': [fate({ waiting: { reason: 'CreateContainerError', message: words } })],
    'an end at once': [fate({ terminated: { reason: 'Error', exitCode: 2, message: words } })],
    'no attach': [
      () => {
        const { answer } = api;
        api.answer = request =>
          request.path.endsWith('/attach') ? status(403, 'Forbidden', words) : answer(request);
      },
    ],
    'a stream that breaks': [
      () => {
        api.onAttach = socket => {
          socket.send(Buffer.concat([Buffer.of(2), Buffer.from(words)]));
          const failure = { status: 'Failure', message: words };
          socket.send(Buffer.concat([Buffer.of(3), Buffer.from(JSON.stringify(failure))]));
          socket.close(1000);
          meets(api, { terminated: { reason: 'Error', exitCode: 1, message: words } });
        };
      },
    ],
  };

  const COMMANDS = [['triage'], ['call', 'triage_gpu_node']];
  test.each(Object.keys(FATES).flatMap(name => COMMANDS.map(words => [name, words] as const)))(
    'no name leaves: %s, %j',
    async (name, [command = '', ...tool]) => {
      const [change, more = []] = FATES[name] ?? [() => undefined];
      const usual = api.answer;
      const asking = async (...flags: readonly string[]) => {
        api.remove('pods', 'ml', 'train-0');
        api.put('pods', marked());
        api.answer = usual;
        change();
        const running = run([
          ...[command, `pod/${MARKS.pod}`, ...tool, '-n', MARKS.ns, '--profile', 'ephemeral'],
          ...['--kubeconfig', await api.kubeconfig(), '--image', 'example/a:1', ...more, ...flags],
        ]);
        // Nobody speaks to it, and it goes on: its end is waited for as long as a command waits.
        return /attach/.test(name) ? passing(running) : running;
      };
      const told = await asking();
      // Without it they are told.
      expect(`${told.stdout}${told.stderr}`).toMatch(ALL);
      const redacted = await asking('--redact-names');
      expect(redacted.stderr).not.toMatch(ALL);
      expect(redacted.stdout).not.toMatch(ALL);
      expect(redacted.code).toBe(told.code);
      expect(redacted.stderr).toMatch(/(?:pod|ns)-[0-9a-f]{8}|\(text withheld/);
    },
  );

  test('no name leaves to a client that asks over MCP, nor in what it is shown', async () => {
    api.remove('pods', 'ml', 'train-0');
    api.put('pods', marked());
    const { answer } = api;
    api.answer = request =>
      request.path.endsWith('/attach') ? status(403, 'Forbidden', words) : answer(request);
    const call = (id: number, method: string, params: Json) =>
      `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`;
    const client = {
      ...{ protocolVersion: '2025-11-25', capabilities: {} },
      clientInfo: { name: 'test', version: '1' },
    };
    const running = run(
      [
        ...[`pod/${MARKS.pod}`, '-n', MARKS.ns, '--profile', 'ephemeral', '--redact-names'],
        ...['--kubeconfig', await api.kubeconfig(), '--image', 'example/a:1'],
      ],
      {
        input: [
          call(1, 'initialize', client),
          call(2, 'tools/call', {
            ...{ name: 'get_gpu_health', arguments: {}, _meta: { progressToken: 'p' } },
          }),
        ].join(''),
      },
    );
    const { stdout, stderr } = await passing(running);
    expect(stdout).toContain('"id":1');
    expect(stdout).toContain('adds an ephemeral container to it');
    expect(stdout + stderr).not.toMatch(ALL);
    expect(stdout + stderr).toMatch(/pod-[0-9a-f]{8}/);
  });
});
