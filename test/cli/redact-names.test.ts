import { afterEach, describe, expect, test } from 'vitest';
import { createRedaction } from '../../src/bridge/redacted-session.ts';
import { podChoices } from '../../src/cli/pod-choices.ts';
import type { FakeApiServer } from '../cluster/fake-api-server.ts';
import { status } from '../cluster/fake-api-server.ts';
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

  /** A run about a pod of a tenant whose names are marks, on a cluster that may refuse something. */
  async function told(words: readonly string[], refused?: 'POST' | 'DELETE' | 'attach') {
    const api = await fleetOf({ 'node-1': 'lost-gpu' });
    open.push(api);
    api.put('pods', {
      metadata: { name: 'markpod-0', namespace: 'markns' },
      spec: { nodeName: 'node-1', containers: [{ name: 'main' }] },
      status: { phase: 'Running' },
    });
    const { answer } = api;
    api.answer = request => {
      const is =
        refused === 'attach' ? request.path.endsWith('/attach') : request.method === refused;
      return is ? status(403, 'Forbidden', 'pods "markpod-0" in markns: no') : answer(request);
    };
    const access = ['--kubeconfig', await api.kubeconfig(), '--image', 'example/a:1'];
    const { stdout, stderr } = await run([...words, '-n', 'markns', ...access]);
    return { stdout, stderr, commands: commandsIn(`${stdout}\n${stderr}`) };
  }

  test.each([
    [['call', 'pod/markpod-0', 'triage_gpu_node'], undefined],
    [['call', 'pod/markpod-0', 'triage_gpu_node', '-o', 'json'], undefined],
    [['call', 'pod/markpod-0', 'triage_gpu_node'], 'DELETE'],
    [['call', 'pod/markpod-0', 'triage_gpu_node'], 'POST'],
  ] as const)('%j where %s is refused', async (words, refused) => {
    const open = await told(words, refused);
    expect(open.commands.some(line => MARKS.test(line))).toBe(true);
    const kept = await told([...words, '--redact-names'], refused);
    expect(kept.commands.length).toBeGreaterThan(0);
    expect(kept.commands.filter(line => MARKS.test(line))).toEqual([]);
    expect(`${kept.stdout}${kept.stderr}`).not.toMatch(MARKS);
  });

  test('of a node that is named by itself its own namespace stays, as SECURITY.md says', async () => {
    const { commands } = await told(['call', 'node-1', 'triage_gpu_node', '--redact-names']);
    expect(commands.some(line => line.includes('--namespace=markns'))).toBe(true);
    expect(commands.filter(line => line.includes('markpod'))).toEqual([]);
  });
});
