import { expect, test } from 'vitest';
import { createRedaction } from '../../src/bridge/redacted-session.ts';
import { podChoices } from '../../src/cli/pod-choices.ts';

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
