import { afterEach, beforeEach, expect, test } from 'vitest';
import { endContainers } from '../../src/session/sweep-containers.ts';
import { FakeApiServer, type Json } from '../cluster/fake-api-server.ts';
import { jobPod, meets } from './fake-job-pod.ts';

const { signal } = new AbortController();
const NOW = Date.parse('2026-08-20T12:00:00Z');
let api: FakeApiServer;

beforeEach(async () => {
  api = await FakeApiServer.start();
  api.nowMs = NOW;
});
afterEach(() => api[Symbol.asyncDispose]());

function put(user: string, state: Json, name = 'gpu-mcp-s0'): void {
  const env = [
    { name: 'GPU_MCP_SESSION', value: 's0' },
    { name: 'GPU_MCP_USER', value: user },
  ];
  const own = { name, env };
  const kubectls = { name: 'debugger-x', env: [] };
  const pretender = { name: 'gpu-mcp-pretender' };
  api.put('pods', jobPod({ spec: { ephemeralContainers: [own, kubectls, pretender] } }));
  meets(api, state);
}

const running = (startedAt = '2026-08-20T11:59:00Z') => ({ running: { startedAt } });

const outcomes = async (
  more: { names?: string[]; dryRun?: boolean; olderThanMs?: number } = {},
) => {
  const cluster = await api.connect();
  const options = { cluster, namespace: 'ml', names: [], dryRun: false, ...more };
  const found = await endContainers(options, signal);
  return found.map(({ container, outcome }) => [container.name, outcome]);
};

const ALICE = 'alice@example.com';

test('what has ended, and what is not ours, is not told of', async () => {
  put(ALICE, { terminated: { exitCode: 0 } });
  expect(await outcomes()).toEqual([]);
});

test('one that runs is kept, another’s by its user, and one that waits for its image is told', async () => {
  put(ALICE, running());
  expect(await outcomes()).toEqual([['gpu-mcp-s0', 'kept']]);
  put('bob@example.com', running('2026-08-20T01:00:00Z'));
  expect(await outcomes()).toEqual([['gpu-mcp-s0', 'kept_of_another']]);
  put(ALICE, { waiting: { reason: 'ImagePullBackOff' } });
  expect(await outcomes()).toEqual([['gpu-mcp-s0', 'waits']]);
  expect(api.seen('GET', /attach$/)).toEqual([]);
});

test('one past its time, or named, is ended by its stdin, and deleted never', async () => {
  const ended: string[] = [];
  api.onAttach = socket => {
    socket.send(Buffer.of(1));
    socket.on('message', (data: Buffer) => {
      if (data[0] !== 255) return;
      ended.push('stdin');
      meets(api, { terminated: { exitCode: 0 } });
    });
  };
  put(ALICE, running('2026-08-20T11:00:00Z'));
  expect(await outcomes({ dryRun: true })).toEqual([['gpu-mcp-s0', 'would_end']]);
  expect(await outcomes()).toEqual([['gpu-mcp-s0', 'ended']]);
  put('bob@example.com', running());
  expect(await outcomes({ names: ['gpu-mcp-s0'] })).toEqual([['gpu-mcp-s0', 'ended']]);
  put(ALICE, running());
  expect(await outcomes({ olderThanMs: 60_000 })).toEqual([['gpu-mcp-s0', 'ended']]);
  expect(await outcomes({ names: ['other'] })).toEqual([]);
  expect(ended).toHaveLength(3);
  expect(api.seen('DELETE', /./)).toEqual([]);
});

test('one that may not be attached to still runs', async () => {
  put(ALICE, running('2026-08-20T11:00:00Z'));
  api.answer = ({ path }) => (path.endsWith('/attach') ? { code: 403, body: 'no' } : undefined);
  const cluster = await api.connect();
  const options = { cluster, namespace: 'ml', names: [], dryRun: false };
  const [found] = await endContainers(options, signal);
  expect(found).toMatchObject({ outcome: 'still_runs', why: expect.stringMatching(/^kubectl/) });
});
