import { expect, test } from 'vitest';
import { createRedaction } from '../../src/bridge/redacted-session.ts';
import { podChoices } from '../../src/cli/node-sessions.ts';
import { run } from './run.ts';

test('--redact-names reaches the agent: no program on a GPU is named, each has a token', async () => {
  const asked = ['call', '--simulate', 'mig-a100', 'get_gpu_processes'];
  const programs = ['tritonserver', 'VLLM::EngineCor'];
  const isNamed = (text: string) => programs.filter(name => text.includes(name));
  const plain = await run(asked);
  expect(isNamed(plain.stdout)).toEqual(programs);
  const redacted = await run([...asked, '--redact-names']);
  expect(redacted.code).toBe(0);
  expect(isNamed(redacted.stdout)).toEqual([]);
  expect(redacted.stdout).toMatch(/ proc-[0-9a-f]{8} /);
});

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
