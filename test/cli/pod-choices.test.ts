import { expect, test } from 'vitest';
import { podChoices } from '../../src/cli/pod-choices.ts';
import { run } from './run.ts';

const chosen = (args: Parameters<typeof podChoices>[0]['args']) =>
  podChoices({
    args,
    io: { environment: {}, program: { plugin: '/bin/plugin', agent: '/bin/agent.mjs' } },
  });

test('what a restricted pod has is taken over', () => {
  const args = { profile: 'restricted', runtimeClass: 'mine', syslog: false } as const;
  expect(chosen(args)).toMatchObject({
    ...{ profile: 'restricted', runtimeClassName: 'mine', syslog: false },
  });
});

test.each([
  [{ runtimeClass: 'nvidia' }, '--runtime-class is for --profile restricted'],
  [{ syslog: false }, '--no-syslog is for --profile restricted'],
  [{ profile: 'mounted', syslog: false } as const, '--no-syslog is for --profile restricted'],
  [
    { profile: 'restricted', driverRoot: '/run/nvidia/driver' } as const,
    '--driver-root and --profile restricted exclude each other',
  ],
])('%j is refused', (args, words) => {
  expect(() => chosen(args)).toThrow(words);
});

test.each([
  [[], 'runtimeClassName: nvidia', 'add:\n'],
  [['--runtime-class', 'mine'], 'runtimeClassName: mine', 'add:\n'],
  [['--no-syslog'], 'runAsNonRoot: true', 'drop:\n'],
])('manifest pod --offline --profile restricted %j prints it', async (flags, ...parts) => {
  const words = ['manifest', 'pod', 'gpu-1', '--offline', '--profile', 'restricted'];
  const { code, stdout } = await run([...words, ...flags]);
  expect(code).toBe(0);
  for (const part of parts) expect(stdout).toContain(part);
  expect(stdout).not.toContain('privileged');
});
