import { expect, test } from 'vitest';
import { agentArguments } from '../../src/agent/agent-arguments.ts';

test('a simulated machine may have a clock that is wrong, a real node may not', () => {
  expect(agentArguments(['--simulate', 'lost-gpu', '--clock-skew-ms=-3000'], {})).toEqual({
    hostRoot: '/',
    simulate: 'lost-gpu',
    clockSkewMs: -3_000,
  });
  expect(() => agentArguments(['--clock-skew-ms=-3000'], {})).toThrow('for --simulate alone');
});

test('a key of names is no argument: it comes over stdin', () => {
  const key = '00112233445566778899aabbccddeeff';
  expect(agentArguments(['--redact-names', 'stdin'], {}).redactNames).toBe('stdin');
  expect(() => agentArguments(['--redact-names', key], {})).toThrow('redactNames');
});
