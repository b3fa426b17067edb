import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { captureAnswers } from '../../src/agent/capture-node.ts';
import { namedNodes } from '../../src/bridge/node-pool.ts';
import { packed, unpacked, writeBundle } from '../../src/bundle/bundle-file.ts';
import { fetchBundle } from '../../src/cli/capture.ts';
import { replayWords } from '../../src/cli/replay-sessions.ts';
import { printedConnection } from '../../src/cluster/connection-flags.ts';
import type { CommandWords } from '../../src/contract/printed-command.ts';
import { present } from '../../src/contract/reading.ts';
import type { Session } from '../../src/session/port.ts';
import { aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-reach-'));
afterAll(() => rmSync(folder, { recursive: true }));
const { signal } = new AbortController();
const ACCESS = { context: 'prod', kubeconfig: '/home/ann/config', as: 'ann' };

/** What the commands of a bundle carry that was captured by a session with these. */
async function replayed(commandWords: CommandWords): Promise<CommandWords> {
  return replayWords('a.gz', await kept({ commandWords }));
}

/** The bundle that is captured of such a session, as it is read again. */
async function kept(session: Pick<Session, 'commandWords' | 'clusterView'>) {
  const answers = captureAnswers(instrumentsOf('lost-gpu'));
  const bundle = await fetchBundle(
    {
      ...{ ...session, target: 'gpu-3', call: ({ input }) => answers(input, signal, () => {}) },
      start: async () => {},
      close: async () => ({ removed: null, verified: true, left: [] }),
    },
    { since: '1h', seconds: 0 },
    { signal, onProgress: () => {} },
  );
  const bytes = packed(bundle);
  await writeBundle(join(folder, 'a.gz'), bytes, { force: true });
  return unpacked(bytes, 'a.gz');
}

const FROM = { connection: [], namespace: [], instead: ['--from=a.gz'] };

test('a bundle of a pod from within asks that pod again, and starts nothing in it', async () => {
  const flags = { ...ACCESS, namespace: 'ml', profile: 'ephemeral', container: 'train' };
  const within = { pod: 'pod/train-0', node: 'gpu-3' };
  const words = await replayed({ ...printedConnection(flags), within });
  expect(words).toEqual({
    ...FROM,
    ...{ namespace: ['--namespace=ml'], pod: ['--profile=ephemeral', '--container=train'] },
    within: { pod: 'pod/train-0', node: 'lost-gpu' },
  });
  const session = { target: 'gpu-3', commandWords: words };
  const [call, start] = [async () => ({ content: [] }), async () => {}];
  const close = async () => ({ removed: null, verified: true, left: [] });
  expect(namedNodes([{ ...session, call, start, close }]).within).toBeUndefined();
});

test('one of a restricted pod is asked for so again', async () => {
  const flags = { ...ACCESS, namespace: 'gpu-mcp', profile: 'restricted', syslog: false };
  expect(await replayed(printedConnection(flags))).toEqual({
    ...FROM,
    pod: ['--profile=restricted', '--no-syslog'],
  });
});

test.each([
  ['a pod with all of its node', printedConnection({ ...ACCESS, namespace: 'gpu-mcp' })],
  ['a sent agent', printedConnection({ ...ACCESS, noImage: 'registry.acme/busybox:1' })],
  ['a simulated machine', { connection: [], namespace: [], instead: ['--simulate=lost-gpu'] }],
])('one of %s has nothing to say of it, and none has who asked', async (_what, words) => {
  expect(await replayed(words)).toEqual(FROM);
});

test('a bundle has what the log of a stuck driver said when it was captured', async () => {
  const log = present({
    ...{ container: 'nvidia-driver-ctr', previous: false, lines: 9, bytes: 99, requests: 1 },
    ...{ cause: 'headers' as const, text: 'Could not resolve Linux kernel version' },
  });
  const viewOf = (logs: boolean) => {
    const driver = { ...aPod({ gpus: {} }), part: 'driver' as const, ...(logs && { log }) };
    return aView({
      pods: present({ namespace: null, total: 1, gpuPods: [], stack: [driver] }),
    });
  };
  const { cluster } = await kept({ clusterView: async ({ logs }) => viewOf(logs === true) });
  expect(cluster?.pods).toMatchObject({ value: { stack: [{ log }] } });
});
