import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { WebSocket } from 'ws';
import { AGENT_HELLO } from '../../src/contract/labels.ts';
import {
  ATTACH_EARLY_TRIES_MAX,
  ATTACH_REFUSED_MS,
  POD_END_MS_MAX,
  POD_GONE_MS_MAX,
} from '../../src/contract/limits.ts';
import type { Lifetime } from '../../src/session/kubernetes-link.ts';
import { openKubernetesLink } from '../../src/session/kubernetes-link.ts';
import type { Reaper } from '../../src/session/reaper.ts';
import { FakeApiServer, type Json, status } from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { until } from '../fakes/until.ts';
import { container, olderNode, runKubelet } from './fake-kubelet.ts';

const signal = new AbortController().signal;
const POD = 'gpu-mcp-node-a-s0-abcde';
let api: FakeApiServer;

beforeEach(async () => {
  api = await FakeApiServer.start();
  runKubelet(api);
});
afterEach(() => api[Symbol.asyncDispose]());

const left = () => [...api.list('jobs'), ...api.list('pods')];

/** A link to a pod that runs, and the agent's end of it. */
async function open(lifetime: Lifetime = 'auto') {
  const reaper = { guard: vi.fn(), dismiss: vi.fn() };
  const attached = new Promise<WebSocket>(resolve => {
    api.onAttach = socket => {
      socket.send(Buffer.of(1));
      resolve(socket);
    };
  });
  const link = await openedLink(lifetime, reaper);
  return { link, agent: await attached, reaper };
}

const openedLink = async (lifetime: Lifetime = 'auto', reaper?: Reaper) =>
  openKubernetesLink(
    {
      ...{ cluster: await api.connect(), node: 'node-a', namespace: 'gpu-mcp', lifetime },
      ...{ pod: { image: 'example/gpu-mcp:1' }, clock: { nowMs: () => 0 } },
      randomSuffix: () => 's0',
      ...(reaper && { startReaper: () => reaper }),
    },
    signal,
    () => {},
  );

/** Looks at the one pod. */
const looks = () => api.seen('GET', /\/pods\/[^/]+$/);

const succeed = (agent: WebSocket) => {
  agent.send(Buffer.concat([Buffer.of(3), Buffer.from('{"status":"Success"}')]));
  agent.close(1000);
};
const becomes = (state: Json, metadata: Json = {}) => {
  const [pod] = api.list('pods');
  const before = pod?.['metadata'];
  api.put('pods', { ...pod, metadata: { ...Object(before), ...metadata }, status: state });
};

describe('how an agent ended, as its pod tells', () => {
  test.each<[string, () => void, string]>([
    ['deleted', () => api.remove('pods', 'gpu-mcp', POD), 'was deleted'],
    [
      'replaced by another pod of the same name',
      () => {
        api.remove('pods', 'gpu-mcp', POD);
        api.put('pods', { metadata: { namespace: 'gpu-mcp', name: POD } });
      },
      'was deleted',
    ],
    [
      'ended by the kubelet',
      () => becomes({ phase: 'Failed', reason: 'Evicted', message: 'memory\nis low' }),
      'was ended: Evicted (memory is low)',
    ],
    [
      'ended by the kubelet without a word',
      () => becomes({ phase: 'Failed', reason: 'DeadlineExceeded' }),
      'was ended: DeadlineExceeded',
    ],
    [
      'being deleted',
      () => becomes({ phase: 'Running' }, { deletionTimestamp: '2026-08-20T03:00:00Z' }),
      'is being deleted',
    ],
  ])('%s', async (_name, change, what) => {
    const { link, agent } = await open();
    change();
    succeed(agent);
    const over = what.includes('DeadlineExceeded') ? { isTimeOver: true } : {};
    expect(await link.ended).toEqual({
      ...over,
      kind: 'agent_ended',
      detail: `pod gpu-mcp/${POD} ${what}`,
    });
  });

  test('the end of its container, which is not the first one', async () => {
    const { link, agent } = await open();
    const ended = container({ terminated: {} });
    const sidecar = { name: 'sidecar', state: { terminated: { reason: 'Error', exitCode: 9 } } };
    becomes({ phase: 'Failed', containerStatuses: [sidecar, ended] });
    succeed(agent);
    expect((await link.ended).detail).toBe(
      `the agent in pod gpu-mcp/${POD} ended: unknown, exit code unknown`,
    );
  });

  test('a pod that goes on running is looked at again, and then the stream’s words must do', async () => {
    const { link, agent } = await open();
    agent.send(Buffer.concat([Buffer.of(2), Buffer.from('FATAL\n')]));
    succeed(agent);
    await until(() => looks().length >= 2);
    await pass(POD_END_MS_MAX);
    expect(await link.ended).toEqual({
      kind: 'agent_ended',
      detail: 'the stream ended; its last words: FATAL',
    });
  });

  test('a stream that breaks while the pod runs is lost', async () => {
    const { link, agent } = await open();
    agent.terminate();
    await pass(POD_END_MS_MAX);
    expect(await link.ended).toMatchObject({ kind: 'lost', detail: expect.stringMatching(/1006/) });
  });
});

describe('a close', () => {
  test('ends the agent’s input, and is done once however often it is asked for', async () => {
    const { link, agent } = await open();
    const half = once(agent, 'message');
    const first = link.close();
    expect([...((await half)[0] ?? [])]).toEqual([255, 0]);
    expect(await first).toEqual({ removed: 'job gpu-mcp/gpu-mcp-node-a-s0', verified: true });
    expect(await link.close()).toEqual(await first);
    expect(await link.ended).toEqual({ kind: 'closed', detail: 'closed' });
    expect(api.seen('DELETE', /jobs/)).toHaveLength(1);
  });

  test('that the API server confirms dismisses the reaper', async () => {
    const { link, reaper } = await open('pod');
    expect(await link.close()).toEqual({
      removed: `pod gpu-mcp/gpu-mcp-node-a-s0`,
      verified: true,
    });
    expect(reaper.dismiss).toHaveBeenCalledOnce();
  });

  test('that the API server refuses leaves the reaper at work and is not verified', async () => {
    const { link, reaper } = await open('pod');
    api.answer = ({ method }) => (method === 'DELETE' ? status(403, 'Forbidden', 'no') : undefined);
    expect(await link.close()).toMatchObject({ verified: false });
    expect(reaper.dismiss).not.toHaveBeenCalled();
    expect(looks()).toEqual([]);
  });

  test('waits until the pod is gone', async () => {
    const { link } = await open('pod');
    api.answer = ({ method }) =>
      method === 'DELETE' ? { code: 200, body: { kind: 'Pod' } } : undefined;
    const closing = link.close();
    await until(() => looks().length >= 2);
    api.remove('pods', 'gpu-mcp', 'gpu-mcp-node-a-s0');
    expect(await closing).toMatchObject({ verified: true });
  });

  test('that does not see the pod gone in time does not claim it', async () => {
    const { link } = await open('pod');
    api.answer = ({ method }) =>
      method === 'DELETE' ? { code: 200, body: { kind: 'Pod' } } : undefined;
    const closing = link.close();
    await until(() => looks().length >= 2);
    await pass(POD_GONE_MS_MAX);
    expect(await closing).toMatchObject({ verified: false });
  });
});

describe('an attach that is refused', () => {
  const refused = ({ path }: { path: string }) =>
    path.endsWith('/attach') ? status(403, 'Forbidden', 'no attach') : undefined;

  test('takes back what was made, and the reaper', async () => {
    api.answer = refused;
    const reaper = { guard: vi.fn(), dismiss: vi.fn() };
    const options = {
      ...{ cluster: await api.connect(), node: 'node-a', namespace: 'gpu-mcp' },
      ...{ lifetime: 'pod' as const, pod: { image: 'example/gpu-mcp:1' } },
      ...{ clock: { nowMs: () => 0 }, randomSuffix: () => 's0', startReaper: () => reaper },
    };
    await expect(openKubernetesLink(options, signal, () => {})).rejects.toThrow('no attach');
    expect(left()).toEqual([]);
    expect(reaper.dismiss).toHaveBeenCalledOnce();
  });

  test.each([
    [
      'for another architecture',
      'exec /usr/bin/node: exec format error',
      "the image example/gpu-mcp:1 is not built for this node's architecture: kubectl get node node-a -L kubernetes.io/arch; --image names one that is",
    ],
    ['that is another program', 'usage: other', 'is it the right image?'],
  ])(
    'because its container has ended meanwhile says how: an image %s',
    async (_what, message, hint) => {
      runKubelet(api);
      api.onAttach = socket => {
        becomes({
          phase: 'Failed',
          containerStatuses: [
            container({ terminated: { reason: 'Error', exitCode: 255, message } }),
          ],
        });
        const failure = { status: 'Failure', message: 'container mcp not found in pod' };
        socket.send(Buffer.concat([Buffer.of(3), Buffer.from(JSON.stringify(failure))]));
        socket.close(1000);
      };
      const options = {
        ...{ cluster: await api.connect(), node: 'node-a', namespace: 'gpu-mcp' },
        ...{ lifetime: 'job' as const, pod: { image: 'example/gpu-mcp:1' } },
        randomSuffix: () => 's0',
      };
      await expect(openKubernetesLink(options, signal, () => {})).rejects.toMatchObject({
        message: `pod gpu-mcp/${POD} ended at once (Error, exit code 255): ${message}`,
        ...{ hint, exit: 4 },
      });
      expect(left()).toEqual([]);
    },
  );

  test('though it runs is told as it was', async () => {
    runKubelet(api);
    api.onAttach = socket => {
      void pass(POD_END_MS_MAX);
      const failure = { status: 'Failure', message: 'no streams' };
      socket.send(Buffer.concat([Buffer.of(3), Buffer.from(JSON.stringify(failure))]));
      socket.close(1000);
    };
    const options = {
      ...{ cluster: await api.connect(), node: 'node-a', namespace: 'gpu-mcp' },
      ...{ lifetime: 'job' as const, pod: { image: 'example/gpu-mcp:1' } },
      randomSuffix: () => 's0',
    };
    await expect(openKubernetesLink(options, signal, () => {})).rejects.toThrow(
      'the container cannot be attached to: no streams',
    );
    expect(left()).toEqual([]);
  });
});

describe('an attach before the container is reported to run', () => {
  const attaches = () => api.requests.filter(({ path }) => path.endsWith('/attach')).length;
  const pending = {
    statuses: [
      {
        phase: 'Pending',
        containerStatuses: [container({ waiting: { reason: 'ContainerCreating' } })],
      },
    ],
  };
  const runs = (more: readonly Json[] = []) =>
    becomes({ phase: 'Running', containerStatuses: [container({ running: {} }), ...more] });

  test('a container that can be attached to is not waited for', async () => {
    runKubelet(api, () => pending);
    const { link, agent } = await open();
    agent.send(Buffer.concat([Buffer.of(1), Buffer.from('it reads\n')]));
    expect(String((await once(link.fromAgent, 'data'))[0])).toBe('it reads\n');
    expect(attaches()).toBe(1);
    await link.close();
    expect(left()).toEqual([]);
  });

  test('one that does not run yet is tried again', async () => {
    runKubelet(api, () => pending);
    const notYet = { code: 500, body: 'container is in CONTAINER_CREATED state' };
    api.answer = ({ path }) => (path.endsWith('/attach') && attaches() <= 1 ? notYet : undefined);
    await open();
    expect(attaches()).toBe(2);
  });

  describe('of a node before 1.36, whose API server says too early that the stream is open', () => {
    const frame = (channel: number, text: string) =>
      Buffer.concat([Buffer.of(channel), Buffer.from(text)]);
    const words = 'unable to upgrade connection: container mcp not found in pod';
    const refusal = frame(3, JSON.stringify({ status: 'Failure', message: words }));
    const hello = frame(2, `${AGENT_HELLO}\n`);
    const refuse = (socket: WebSocket) => {
      socket.send(refusal);
      socket.close(1000);
    };

    /** The stream of each attach, open by the word of the API server. */
    function begun(...fates: ((socket: WebSocket) => void)[]) {
      runKubelet(api, () => pending, [olderNode()]);
      api.onAttach = socket => {
        socket.send(Buffer.of(1));
        fates[attaches() - 1]?.(socket);
      };
      return openedLink();
    }

    test('a refusal that follows is a try, and the first word of the agent proves the stream', async () => {
      const link = await begun(refuse, refuse, socket => socket.send(hello));
      expect(attaches()).toBe(3);
      await link.close();
      expect(left()).toEqual([]);
    });

    test('a container that has said its word before is taken for attached once it runs and nothing is refused', async () => {
      const opening = begun(() => {});
      await until(() => attaches() === 1);
      runs();
      await pass(ATTACH_REFUSED_MS);
      const link = await opening;
      expect(attaches()).toBe(1);
      await link.close();
      expect(left()).toEqual([]);
    });

    test('a refusal after the report leaves it to the attach that is awaited', async () => {
      const link = await begun(
        socket => {
          runs();
          setImmediate(refuse, socket);
        },
        () => {},
      );
      expect(attaches()).toBe(2);
      await link.close();
    });

    test('a pod that does not come to run is told by its own reason, and nothing is left', async () => {
      const opening = begun(() => {
        const ended = container({ terminated: { exitCode: 1, reason: 'Error' } });
        becomes({ phase: 'Failed', containerStatuses: [ended] });
      });
      await expect(opening).rejects.toThrow(/ended/);
      expect(left()).toEqual([]);
    });
  });

  test('not for ever: the report is waited for, and one attach of its own tells what is wrong', async () => {
    runKubelet(api, () => pending);
    let refuse = true;
    const notYet = { code: 500, body: 'container is in CONTAINER_CREATED state' };
    api.answer = ({ path }) => (path.endsWith('/attach') && refuse ? notYet : undefined);
    const opening = open();
    const tried = () => expect(attaches()).toBe(ATTACH_EARLY_TRIES_MAX);
    await vi.waitFor(tried, { timeout: 30_000 });
    refuse = false;
    runs();
    await opening;
    expect(attaches()).toBe(ATTACH_EARLY_TRIES_MAX + 1);
  });

  test('a container that something put in is learnt of afterwards, and the pod guarded', async () => {
    runKubelet(api, () => pending);
    const { link, reaper } = await open();
    expect(reaper.guard).not.toHaveBeenCalled();
    runs([{ name: 'istio-proxy', state: { running: {} } }]);
    await vi.waitFor(() => expect(reaper.guard).toHaveBeenCalled());
    await link.close();
  });
});
