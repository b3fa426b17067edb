import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import {
  AGENT_FIRST_BYTE_MS_MAX,
  CONTAINER_END_MS_MAX,
  LATE_CREATE_MS,
  POD_END_MS_MAX,
  POD_START_MS_MAX,
  SHUTDOWN_MS_MAX,
} from '../../src/contract/limits.ts';
import { openEphemeralLink } from '../../src/session/ephemeral-link.ts';
import type { Held } from '../../src/session/holding.ts';
import { createSession } from '../../src/session/session.ts';
import { asJson, FakeApiServer, type Json, status } from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { until } from '../fakes/until.ts';
import { agent, answer, runAgent } from './fake-agent.ts';
import { ID, jobPod, meets, refusesContainers, takesContainers } from './fake-job-pod.ts';

const { signal } = new AbortController();
const WHERE = 'container gpu-mcp-s0 in pod ml/train-0';
const STAYS = 'its entry stays in the pod until the pod is deleted';
const ENDED = { terminated: { reason: 'Completed', exitCode: 0 } };
let api: FakeApiServer;

beforeEach(async () => {
  api = await FakeApiServer.start();
  api.put('pods', jobPod());
  takesContainers(api);
});
afterEach(() => api[Symbol.asyncDispose]());

const patches = () => api.seen('PATCH', /\/pods\/train-0\/ephemeralcontainers$/);

/** A link to the agent in the pod, the agent's end of it, and what was said and held. */
async function open() {
  const said: string[] = [];
  const held: Held[] = [];
  const attached = new Promise<WebSocket>(resolve => {
    api.onAttach = socket => {
      socket.send(Buffer.of(1));
      resolve(socket);
    };
  });
  const opening = openEphemeralLink(
    {
      ...{ cluster: await api.connect(), pod: { namespace: 'ml', name: 'train-0' } },
      ...{ container: undefined, choices: { image: 'example/gpu-mcp:1' } },
      randomSuffix: () => 's0',
      onHeld: each => held.push(each),
    },
    signal,
    message => said.push(message),
  );
  return { opening, attached, said, held };
}

const fails = async () => {
  const { opening, held } = await open();
  const error = await opening.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, held };
};

test('one container is added, by a patch of nothing else, and attached to', async () => {
  const { opening, said } = await open();
  const link = await opening;
  const [patch, ...others] = patches();
  expect(others).toEqual([]);
  expect(patch?.headers['content-type']).toBe('application/strategic-merge-patch+json');
  expect(patch?.body).toMatchObject({
    spec: { ephemeralContainers: [{ name: 'gpu-mcp-s0', targetContainerName: 'train' }] },
  });
  expect(patch?.body['metadata']).toEqual({ uid: 'uid-train' });
  expect(Object.keys(Object(patch?.body['spec']))).toEqual(['ephemeralContainers']);
  expect(said[0]).toBe(
    `container gpu-mcp-s0 is being added beside train in pod ml/train-0; ${STAYS}`,
  );
  expect(api.requests.map(({ path }) => path).filter(path => path.includes('/nodes'))).toEqual([]);
  meets(api, ENDED);
  await link.close();
});

test('to another pod of that name, which came meanwhile, nothing is added', async () => {
  const { answer } = api;
  api.answer = request => {
    if (request.method === 'PATCH') api.put('pods', jobPod({ metadata: { uid: 'uid-other' } }));
    return answer(request);
  };
  const { error, held } = await fails();
  expect(error).toMatchObject({
    message: 'pod ml/train-0 was deleted before our container was added',
  });
  expect(held).toMatchObject([{ name: null, left: [] }]);
  expect(asJson(api.list('pods')[0]?.['spec'])).not.toHaveProperty('ephemeralContainers');
});

test('it is attached to when it runs: an API server may open a stream that its kubelet refuses', async () => {
  takesContainers(api, () => ({ waiting: { reason: 'ContainerCreating' } }));
  const { opening } = await open();
  const { onAttach } = api;
  let streams = 0;
  api.onAttach = (socket, request) => {
    streams += 1;
    return onAttach(socket, request);
  };
  await until(() => api.seen('GET', /train-0$/).length > 3);
  expect(streams).toBe(0);
  meets(api, { running: {} });
  const link = await opening;
  expect(streams).toBe(1);
  meets(api, ENDED);
  await link.close();
});

describe('its end', () => {
  test('is verified by its kubelet’s word, and what stays is said', async () => {
    const link = await (await open()).opening;
    const closing = link.close();
    meets(api, ENDED);
    expect(await closing).toEqual({ removed: WHERE, verified: true, stays: STAYS });
    expect(api.seen('DELETE', /./)).toEqual([]);
  });

  test.each<[string, () => void]>([
    ['gone', () => api.remove('pods', 'ml', 'train-0')],
    ['another one', () => api.put('pods', jobPod({ metadata: { uid: 'other' } }))],
    ['over', () => api.put('pods', { ...api.list('pods')[0], status: { phase: 'Failed' } })],
  ])('is certain where its pod is %s', async (_what, change) => {
    const link = await (await open()).opening;
    change();
    expect(await link.close()).toMatchObject({ verified: true });
  });

  test('is not claimed where nobody saw it', async () => {
    const link = await (await open()).opening;
    const looked = api.seen('GET', /train-0$/).length;
    const closing = link.close();
    await until(() => api.seen('GET', /train-0$/).length > looked);
    await pass(CONTAINER_END_MS_MAX);
    expect(await closing).toEqual({ removed: WHERE, verified: false, stays: STAYS });
  });

  test.each<[string, () => void, string]>([
    [
      'its pod is deleted',
      () => api.remove('pods', 'ml', 'train-0'),
      'pod ml/train-0 was deleted, and our container with it',
    ],
    [
      'the container beside it is started anew',
      () => {
        const [pod] = api.list('pods');
        const id = `containerd://${ID.replaceAll('a', 'b')}`;
        const containerStatuses = [{ name: 'train', containerID: id, state: { running: {} } }];
        api.put('pods', { ...pod, status: { phase: 'Running', containerStatuses } });
      },
      'in pod ml/train-0 container train was started anew, and ours with it: they share its PIDs',
    ],
    [
      'the container beside it has ended',
      () => {
        const [pod] = api.list('pods');
        const state = { terminated: { reason: 'OOMKilled', exitCode: 137 } };
        const containerStatuses = [{ name: 'train', state }];
        api.put('pods', { ...pod, status: { phase: 'Running', containerStatuses } });
      },
      'in pod ml/train-0 container train ended (OOMKilled, exit code 137), and ours with it: they share its PIDs',
    ],
    [
      'it ends alone',
      () => meets(api, { terminated: { reason: 'Error', exitCode: 137 } }),
      'the agent in pod ml/train-0 ended: Error, exit code 137',
    ],
  ])('in mid-session is explained: %s', async (_what, change, detail) => {
    const { opening, attached } = await open();
    const link = await opening;
    change();
    (await attached).close(1000);
    expect(await link.ended).toMatchObject({ kind: 'agent_ended', detail });
  });

  test('that nobody explains is the stream’s', async () => {
    const { opening, attached } = await open();
    const link = await opening;
    const looked = api.seen('GET', /train-0$/).length;
    (await attached).terminate();
    await until(() => api.seen('GET', /train-0$/).length > looked);
    await pass(POD_END_MS_MAX);
    expect((await link.ended).kind).toBe('lost');
    meets(api, ENDED);
    await link.close();
  });
});

describe('what refuses it is a sentence with what to try, and nothing is left', () => {
  const MISSING =
    'pods "train-0" is forbidden: User "ann" cannot patch resource "pods/ephemeralcontainers" in API group "" in the namespace "ml"';
  const PSA =
    'pods "train-0" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (container "train" must set securityContext.runAsNonRoot=true)';
  const POLICY =
    "pods \"train-0\" is forbidden: ValidatingAdmissionPolicy 'no-debug' with binding 'no-debug' denied request: no debugging here";
  test.each<[string, number, string, string, RegExp, RegExp]>([
    [
      'no right',
      403,
      'Forbidden',
      MISSING,
      /^user "ann" may not patch pods\/ephemeralcontainers in namespace "ml"$/,
      /manifest rbac --profile ephemeral -n ml/,
    ],
    [
      'Pod Security',
      403,
      'Forbidden',
      PSA,
      /^the namespace's Pod Security standard restricted:latest refuses our container in the pod: runAsNonRoot/,
      /start the pod anew/,
    ],
    [
      'a policy',
      403,
      'Forbidden',
      POLICY,
      /^admission policy "no-debug" refuses our container in the pod: no debugging here$/,
      /manifest pod pod\/NAME --profile ephemeral/,
    ],
    [
      'an old API server',
      404,
      'NotFound',
      'the server could not find the requested resource',
      /^this API server does not know ephemeral containers$/,
      /since 1\.25/,
    ],
    [
      'one without the feature',
      404,
      'NotFound',
      'ephemeral containers are disabled for this cluster',
      /^this API server does not know/,
      /1\.25/,
    ],
  ])('%s', async (_what, code, reason, message, sentence, hint) => {
    refusesContainers(api, code, reason, message);
    const { error, held } = await fails();
    expect(error).toMatchObject({
      message: expect.stringMatching(sentence),
      hint: expect.stringMatching(hint),
    });
    expect(held.map(({ name }) => name)).toEqual([null]);
  });

  test('no pod of that name', async () => {
    api.remove('pods', 'ml', 'train-0');
    expect((await fails()).error).toMatchObject({ message: 'pod ml/train-0 is not there' });
    expect(patches()).toEqual([]);
  });

  test.each<[string, Json, RegExp]>([
    [
      'an image that nobody has',
      { waiting: { reason: 'ErrImagePull', message: 'manifest unknown' } },
      /^the image example\/gpu-mcp:1 cannot be pulled: manifest unknown$/,
    ],
    [
      'a container that cannot be made',
      { waiting: { reason: 'CreateContainerError', message: 'unknown device' } },
      /^the container of pod ml\/train-0 cannot be created: unknown device$/,
    ],
    [
      'one that ends at once',
      { terminated: { reason: 'Error', exitCode: 2 } },
      /^container gpu-mcp-s0 in pod ml\/train-0 ended at once \(Error, exit code 2\)$/,
    ],
  ])('%s', async (_what, state, sentence) => {
    takesContainers(api, () => state);
    api.onAttach = socket => socket.terminate();
    const { error, held } = await fails();
    expect(error).toMatchObject({ message: expect.stringMatching(sentence) });
    expect(held).toMatchObject([{ name: WHERE, stays: STAYS, left: [] }]);
  });
});

test('one that did not start in time is said to end by itself', async () => {
  takesContainers(api, () => ({ waiting: { reason: 'ContainerCreating' } }));
  const answer = api.answer;
  api.answer = request =>
    request.path.endsWith('/attach') ? { code: 400, body: 'not yet' } : answer(request);
  const failing = fails();
  await until(() => api.seen('GET', /train-0$/).length > 2);
  await pass(POD_START_MS_MAX);
  const { error } = await failing;
  expect(error).toMatchObject({
    message: `${WHERE} did not start in time`,
    hint: expect.stringContaining(
      `it ends by itself within ${AGENT_FIRST_BYTE_MS_MAX / 1_000} s of its start`,
    ),
  });
});

describe('a session', () => {
  const session = async (randomSuffix = () => 's0') => {
    const cluster = await api.connect();
    return createSession({
      target: 'gpu-3',
      openLink: (stop, onProgress, onHeld) =>
        openEphemeralLink(
          {
            ...{ cluster, pod: { namespace: 'ml', name: 'train-0' }, container: undefined },
            ...{ choices: { image: 'example/gpu-mcp:1' }, randomSuffix, onHeld },
          },
          stop,
          onProgress,
        ),
    });
  };

  test('that is closed before it was seen to end tells what it leaves', async () => {
    takesContainers(api, () => ({ waiting: { reason: 'ContainerCreating' } }));
    const it = await session();
    const starting = it.start(signal, () => {}).catch(() => undefined);
    await until(() => api.seen('GET', /train-0$/).length > 2);
    const closing = it.close();
    await pass(SHUTDOWN_MS_MAX);
    expect(await closing).toEqual({
      ...{ removed: WHERE, verified: false, stays: STAYS, left: [] },
      ends: 'its kubelet may still start it: it ends by itself within 8 s of its start, for nobody speaks to it',
    });
    meets(api, ENDED);
    await starting;
  });

  /** Of one that is closed while its container is about to run. */
  const closedEarly = async () => {
    takesContainers(api, () => ({ waiting: { reason: 'ContainerCreating' } }));
    const it = await session();
    const starting = it.start(signal, () => {}).catch(() => undefined);
    await until(() => api.seen('GET', /train-0$/).length > 2);
    const closing = it.close();
    await starting;
    meets(api, { running: {} });
    return closing;
  };

  test('that is closed before it was attached to attaches to end it, and sees that', async () => {
    let streams = 0;
    api.onAttach = socket => {
      streams += 1;
      socket.on('message', (data: Buffer) => {
        // The end of stdin: channel 255, then 0.
        if (data[0] === 255 && data[1] === 0) meets(api, ENDED);
      });
      socket.send(Buffer.of(1));
    };
    expect(await closedEarly()).toEqual({ removed: WHERE, verified: true, stays: STAYS, left: [] });
    expect(streams).toBe(1);
  });

  test('that may not attach says how long what runs stays at most', async () => {
    takesContainers(api, () => ({ waiting: { reason: 'ContainerCreating' } }));
    const { answer } = api;
    const it = await session();
    const starting = it.start(signal, () => {}).catch(() => undefined);
    await until(() => api.seen('GET', /train-0$/).length > 2);
    api.answer = request =>
      request.path.endsWith('/attach') ? status(403, 'Forbidden', 'no') : answer(request);
    const closing = it.close();
    await starting;
    meets(api, { running: {} });
    const looked = api.seen('GET', /train-0$/).length;
    await until(() => api.seen('GET', /train-0$/).length > looked + 1);
    await pass(SHUTDOWN_MS_MAX);
    expect(await closing).toMatchObject({
      verified: false,
      ends: 'it ends by itself within 8 s of its start, for nobody speaks to it',
    });
  });

  /** The API server's answers to the patch, in turn; `added`: it did what was asked all the same. */
  const answers = (codes: readonly number[], isAdded = false) => {
    const { answer } = api;
    const left = [...codes];
    api.answer = request => {
      if (request.method !== 'PATCH') return answer(request);
      if (isAdded && left.length === codes.length) answer(request);
      const refused = status(left.shift() ?? 500, 'InternalError', 'failed calling webhook "x"');
      return { ...refused, headers: { 'retry-after': '0' } };
    };
  };

  test('that is added behind the answer 504 is not told as nothing', async () => {
    takesContainers(api, () => ({ running: {} }));
    const { answer } = api;
    const patch: Parameters<typeof answer>[0][] = [];
    api.answer = request => {
      if (request.method !== 'PATCH') return answer(request);
      patch.push(request);
      return { ...status(504, 'Timeout', 'request timed out'), headers: { 'retry-after': '0' } };
    };
    const it = await session();
    await expect(it.start(signal, () => {})).rejects.toThrow('timed out');
    const closing = it.close();
    const looked = api.seen('GET', /train-0$/).length;
    await until(() => api.seen('GET', /train-0$/).length > looked + 1);
    const [late] = patch;
    if (late) answer(late);
    meets(api, ENDED);
    expect(await closing).toEqual({ removed: WHERE, verified: true, stays: STAYS, left: [] });
  });

  test.each([500, 503, 504])(
    'to which the answer was %d, and nothing came of it, leaves nothing',
    async code => {
      answers([code, code, code, code, code, code, code, code]);
      const it = await session();
      await expect(it.start(signal, () => {})).rejects.toThrow('failed calling webhook');
      const closing = it.close();
      if (code === 504) await pass(LATE_CREATE_MS);
      expect(await closing).toEqual({ removed: null, verified: true, left: [] });
    },
  );

  // What is asked again is refused, and may have been done before.
  test.each([[500], [503, 422]])(
    'to which the answer was %d after the deed tells what it leaves',
    async (...codes) => {
      takesContainers(api, () => ({ running: {} }));
      answers(codes, true);
      const it = await session();
      await expect(it.start(signal, () => {})).rejects.toThrow('failed calling webhook');
      const closing = it.close();
      meets(api, ENDED);
      expect(await closing).toEqual({ removed: WHERE, verified: true, stays: STAYS, left: [] });
    },
  );

  test('whose pull failed adds no second container, and tells of the first at its end', async () => {
    takesContainers(api, () => ({
      waiting: { reason: 'ErrImagePull', message: 'manifest unknown' },
    }));
    const it = await session();
    await expect(it.start(signal, () => {})).rejects.toThrow('cannot be pulled');
    await expect(it.start(signal, () => {})).rejects.toThrow('was not seen to have ended yet');
    expect(patches()).toHaveLength(1);
    expect(await it.close()).toMatchObject({ removed: WHERE, verified: false, stays: STAYS });
  });

  test('tells at its end of each container that it added, also of one that another start followed', async () => {
    runAgent(
      api,
      agent(() => answer('read')),
    );
    const sockets: WebSocket[] = [];
    const { onAttach } = api;
    api.onAttach = (socket, request) => {
      sockets.push(socket);
      onAttach(socket, request);
    };
    let made = 0;
    const it = await session(() => `s${made++}`);
    const ask = () => it.call({ tool: 'any', input: {}, signal, onProgress: () => {} });
    await ask();
    const all = (states: readonly Json[]) => {
      const [pod] = api.list('pods');
      const ephemeralContainerStatuses = states.map((state, at) => ({
        ...{ name: `gpu-mcp-s${at}`, image: 'x', state },
      }));
      api.put('pods', {
        ...pod,
        status: { ...asJson(pod?.['status']), ephemeralContainerStatuses },
      });
    };
    all([ENDED]);
    sockets[0]?.close(1000);
    takesContainers(
      api,
      () => ({ running: {} }),
      () => all([ENDED, { running: {} }]),
    );
    // The first of them may still hear of the end.
    while (made < 2) await ask().catch(() => undefined);
    const closing = it.close();
    all([ENDED, ENDED]);
    const [first, second] = [0, 1].map(at => `container gpu-mcp-s${at} in pod ml/train-0`);
    expect(await closing).toEqual({
      ...{ removed: `${first}, ${second}`, verified: true, stays: STAYS, left: [] },
    });
  });
});
