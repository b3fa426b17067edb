import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import {
  cluster,
  environmentOf,
  kubectl,
  leftAfterTenSeconds,
  leftovers,
  mcpClient,
  start,
  withImage,
} from './plugin.ts';

/** docs/reliability.md: nothing is left so long after whatever can be reached can be reached again. */
const LEFT_SECONDS_MAX = 15;
const NAMED_SECONDS_MAX = 15;

afterEach(async () => {
  expect(await leftAfterTenSeconds()).toEqual([]);
});

const seconds = (sinceMs: number) => (Date.now() - sinceMs) / 1_000;
const report = (what: string, took: number) =>
  process.stderr.write(`measured: ${what}: ${took.toFixed(1)} s\n`);

/** Waits until nothing of ours is left; the seconds that it took. */
async function gone(what: string): Promise<number> {
  const begun = Date.now();
  for (;;) {
    const left = await leftovers();
    if (left.length === 0) break;
    if (seconds(begun) > LEFT_SECONDS_MAX + 5) throw new Error(`still there: ${left.join(', ')}`);
    await new Promise(resolve => setTimeout(resolve, 200));
  }
  report(what, seconds(begun));
  return seconds(begun);
}

async function until(what: string, ready: () => boolean | Promise<boolean>): Promise<void> {
  const begun = Date.now();
  while (!(await ready())) {
    if (seconds(begun) > 30) throw new Error(`${what}: not in 30 s`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

const INVENTORY = { name: 'get_gpu_inventory', arguments: {} };

/** A session whose pod runs, over MCP; how its process ended, and what it said. */
async function openSession(...flags: string[]) {
  const child = start(withImage('node-a', ...flags));
  let stderr = '';
  let answers = 0;
  child.stderr?.on('data', chunk => {
    stderr += chunk;
  });
  child.stdin?.on('error', () => undefined);
  let text = '';
  const heard = new Map<number, unknown>();
  child.stdout?.on('data', chunk => {
    const lines = (text + chunk).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const message = JSON.parse(line);
      heard.set(message.id, message);
    }
  });
  const ended = once(child, 'close');
  const send = (message: object) => child.stdin?.write(`${JSON.stringify(message)}\n`);
  send({
    ...{ jsonrpc: '2.0', id: 0, method: 'initialize' },
    params: {
      ...{ protocolVersion: '2025-11-25', capabilities: {} },
      clientInfo: { name: 'e2e', version: '1' },
    },
  });
  send({ jsonrpc: '2.0', method: 'notifications/initialized' });
  /** One call; its answer as text. */
  const call = async (): Promise<string> => {
    answers += 1;
    const id = answers;
    const begun = Date.now();
    send({ jsonrpc: '2.0', id, method: 'tools/call', params: INVENTORY });
    while (!heard.has(id)) {
      if (seconds(begun) > 90) throw new Error('no answer in 90 s');
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    return JSON.stringify(heard.get(id));
  };
  return { child, ended, call, stderr: () => stderr };
}

const ANSWERED = /"isError":true/;

describe.each([
  ['in a Job', [] as string[]],
  ['bare', ['--lifetime', 'pod']],
])('%s', (how, flags) => {
  test.each([0, 200, 500, 1_000])(
    `kill -9 %i ms after the pod was asked for leaves nothing`,
    async waitMs => {
      const child = start(withImage('call', 'node-a', 'get_gpu_inventory', ...flags));
      // A quick machine may have answered by then.
      const closed = once(child, 'close');
      let said = '';
      child.stderr?.on('data', chunk => {
        said += chunk;
      });
      await until('a pod', () => said.includes('is being created'));
      await new Promise(resolve => setTimeout(resolve, waitMs));
      child.kill('SIGKILL');
      await closed;
      const took = await gone(`${how}: kill -9 at ${waitMs} ms of the start`);
      expect(took).toBeLessThan(LEFT_SECONDS_MAX);
    },
  );

  test.each([
    ['refuses every connection', 'refuse'],
    ['says nothing any more', 'silence'],
  ] as const)(
    'a network that %s at the close: what is left is named, and goes when it is back',
    async (_what, trouble) => {
      const link = await troubledLink();
      const session = await openSession(...flags, ...link.flags);
      expect(await session.call()).not.toMatch(ANSWERED);
      link[trouble]();
      const begun = Date.now();
      session.child.stdin?.end();
      await session.ended;
      report(`${how}: ${trouble} at the close: named`, seconds(begun));
      const kind = flags.length > 0 ? 'pod' : 'job';
      expect(session.stderr()).toMatch(
        new RegExp(
          `warning: ${kind} default/gpu-mcp-node-a-\\w+ was not seen gone.* delete ${kind} -n default gpu-mcp-node-a-`,
        ),
      );
      expect(session.stderr()).not.toContain('verified');
      link.restore();
      expect(await gone(`${how}: ${trouble} at the close, after its return`)).toBeLessThan(
        LEFT_SECONDS_MAX,
      );
    },
  );
});

test('a transport that fails leaves nothing behind its error', async () => {
  // Not through kubectl, which tells its plugins where it is itself.
  const [, ...words] = withImage('call', 'node-a', 'get_gpu_inventory', '--transport', 'kubectl');
  const environment = { ...environmentOf(), KUBECTL_PATH: '/bin/false' };
  const child = spawn(`${inject('bin')}/kubectl-gpu_mcp`, words, { env: environment });
  const [code] = await once(child, 'close');
  expect(code).toBe(4);
  expect(await leftovers()).toEqual([]);
});

test('a Job that another deletes ends the session’s pod, and the next call has a new one', async () => {
  const session = await openSession();
  await session.call();
  const deleted = await kubectl(['delete', 'jobs', '--all', '--wait=false']);
  expect(deleted.code, deleted.stderr).toBe(0);
  expect(await gone('a Job deleted by another')).toBeLessThan(LEFT_SECONDS_MAX);
  expect(await session.call()).not.toMatch(ANSWERED);
  session.child.stdin?.end();
  await session.ended;
  expect(session.stderr()).toContain('deleted, verified');
});

const SIDECAR_CONTAINER =
  'name: "sidecar", image: object.spec.containers[0].image, command: ["node", "-e", "setInterval(() => {}, 1000)"]';

describe.each([
  {
    how: 'beside ours',
    value: `path: "/spec/containers/-", value: Object.spec.containers{${SIDECAR_CONTAINER}}`,
    names: 'mcp sidecar',
  },
  {
    how: 'as a native sidecar',
    value: `path: "/spec/initContainers", value: [Object.spec.initContainers{restartPolicy: "Always", ${SIDECAR_CONTAINER}}]`,
    names: 'mcp',
  },
])('a container that an admission rule puts into the pod, $how', ({ how, value, names }) => {
  const SIDECAR = JSON.stringify(sidecarPolicy(value));
  beforeAll(async () => {
    const made = await kubectl(['create', '-f', '-'], { input: SIDECAR });
    expect(made.code, made.stderr).toBe(0);
    // Its webhook-like machinery takes note of it.
    await new Promise(resolve => setTimeout(resolve, 3_000));
    return async () => {
      await kubectl(['delete', '-f', '-'], { input: SIDECAR });
    };
  });

  test('does not keep the pod of a killed session', async () => {
    const session = await openSession();
    await session.call();
    const containers = ['get', 'pods', '-o', 'jsonpath={.items[*].spec.containers[*].name}'];
    expect((await kubectl(containers)).stdout).toBe(names);
    const all = await kubectl(['get', 'pods', '-o', 'jsonpath={.items[*].spec}']);
    expect(all.stdout).toContain('"name":"sidecar"');
    session.child.kill('SIGKILL');
    await session.ended;
    expect(await gone(`a sidecar ${how}, kill -9`)).toBeLessThan(LEFT_SECONDS_MAX);
  });
});

/** Adds a container that never ends, from the same image, to every pod of ours. */
const sidecarPolicy = (value: string) => ({
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingAdmissionPolicy',
      metadata: { name: 'e2e-sidecar' },
      spec: {
        matchConstraints: {
          resourceRules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] },
          ],
          objectSelector: {
            matchLabels: { 'app.kubernetes.io/managed-by': 'kubectl-gpu-mcp' },
          },
        },
        failurePolicy: 'Fail',
        reinvocationPolicy: 'Never',
        mutations: [
          {
            patchType: 'JSONPatch',
            jsonPatch: {
              expression: `[JSONPatch{op: "add", ${value}}]`,
            },
          },
        ],
      },
    },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingAdmissionPolicyBinding',
      metadata: { name: 'e2e-sidecar' },
      spec: { policyName: 'e2e-sidecar' },
    },
  ],
});

describe('who is silent is named in time', () => {
  test('a kubelet that died while its node is still called ready', async () => {
    const node = cluster().nodes[0];
    await node?.kubelet.stop();
    onTestFinished(async () => {
      await node?.kubelet.start();
      await until('the node', async () =>
        (
          await kubectl(['get', 'node', 'node-a', '-o', 'jsonpath={.status.conditions[-1].status}'])
        ).stdout.includes('True'),
      );
    });
    const begun = Date.now();
    const ran = await kubectl(withImage('call', 'node-a', 'get_gpu_inventory'));
    report('a kubelet that just died', seconds(begun));
    expect(ran.stderr).toMatch(
      /the kubelet of node "node-a" has not reported for|node "node-a" is not ready/,
    );
    expect(ran.code).toBe(4);
    expect(seconds(begun)).toBeLessThan(NAMED_SECONDS_MAX);
    await node?.kubelet.start();
    await gone('a kubelet that died during the start, after its return');
  });

  test('connections that died in silence: a new session answers', async () => {
    const link = await troubledLink();
    const { client } = await mcpClient(['node-a', ...link.flags]);
    onTestFinished(() => client.close());
    await client.callTool(INVENTORY);
    link.freeze();
    const said: { after: number; text: string }[] = [];
    const begun = Date.now();
    const answer = await client.callTool(INVENTORY, undefined, {
      onprogress: ({ message = '' }) => said.push({ after: seconds(begun), text: message }),
      timeout: 60_000,
    });
    report('connections died in silence: the answer', seconds(begun));
    expect(answer.isError, JSON.stringify(answer.content)).not.toBe(true);
    const named = said.find(({ text }) => text.includes('the stream to the agent is dead'));
    report('connections died in silence: named', named?.after ?? Infinity);
    expect(named?.after).toBeLessThan(NAMED_SECONDS_MAX);
    link.restore();
  });

  test('a network that is dead altogether', async () => {
    const link = await troubledLink();
    const { client } = await mcpClient(['node-a', ...link.flags]);
    onTestFinished(() => client.close());
    await client.callTool(INVENTORY);
    link.silence();
    const begun = Date.now();
    const answer = await client.callTool(INVENTORY, undefined, { timeout: 60_000 });
    report('a dead network: named', seconds(begun));
    expect(JSON.stringify(answer)).toMatch(/the API server \S+ does not answer any more/);
    expect(seconds(begun)).toBeLessThan(NAMED_SECONDS_MAX);
    link.restore();
  });
});

test('an API server that restarts in mid-session: the next call answers, and nothing stays', async () => {
  const session = await openSession();
  await session.call();
  // Without it there is no running cluster to be found.
  const { apiServer } = cluster();
  await apiServer.stop();
  await new Promise(resolve => setTimeout(resolve, 3_000));
  await apiServer.start();
  const begun = Date.now();
  let text = await session.call();
  // The call that finds the old stream dead may say so; the next one is what counts.
  if (ANSWERED.test(text)) text = await session.call();
  report('the first answer after an API server’s restart in 3 s', seconds(begun));
  expect(text).not.toMatch(ANSWERED);
  expect(seconds(begun)).toBeLessThan(20);
  session.child.stdin?.end();
  await session.ended;
  expect(await gone('API server restarted in mid-session, after the close')).toBeLessThan(
    LEFT_SECONDS_MAX,
  );
});

/** A way to the API server that gets into trouble as a test says. */
async function troubledLink() {
  const { hostname, port } = new URL(cluster().server);
  const sockets = new Set<Socket>();
  const state = { isSilent: false, isRefusing: false };
  const server = createServer(near => {
    near.on('error', () => undefined);
    if (state.isRefusing) return near.destroy();
    sockets.add(near);
    if (state.isSilent) return near.pause();
    const far = connect(Number(port), hostname);
    far.on('error', () => undefined);
    sockets.add(far);
    return near.pipe(far).pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const own = typeof address === 'object' && address ? address.port : 0;
  /** What is open says nothing any more, and nobody is told. */
  const freeze = () => {
    for (const socket of sockets) socket.unpipe().pause();
  };
  const drop = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  onTestFinished(() => {
    drop();
    server.close();
  });
  return {
    flags: [`--server=https://127.0.0.1:${own}`, '--insecure-skip-tls-verify'],
    freeze,
    silence() {
      state.isSilent = true;
      freeze();
    },
    refuse() {
      state.isRefusing = true;
      drop();
    },
    restore() {
      Object.assign(state, { isSilent: false, isRefusing: false });
      drop();
    },
  };
}
