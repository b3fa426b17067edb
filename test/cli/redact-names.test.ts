import { expect, test } from 'vitest';
import { createRedaction } from '../../src/bridge/redacted-session.ts';
import { podChoices } from '../../src/cli/node-sessions.ts';

test('a pod gets the key by its arguments, and none without the flag', () => {
  const asked = {
    args: { driverRoot: '/run/nvidia/driver' },
    io: { environment: {} },
  };
  const key = '00112233445566778899aabbccddeeff';
  expect(podChoices(asked, createRedaction(key)).agentArguments).toEqual([
    ...['--driver-root', '/run/nvidia/driver'],
    ...['--redact-names', key],
  ]);
  expect(podChoices(asked).agentArguments).toEqual(['--driver-root', '/run/nvidia/driver']);
});
